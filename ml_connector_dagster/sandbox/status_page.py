"""The page at /: what this sandbox is, holds and was asked lately."""

from html import escape
from typing import TYPE_CHECKING

from ml_connector_dagster.sandbox.erp.tables import TABLES


if TYPE_CHECKING:
    from ml_connector_dagster.sandbox.server import Sandbox


_STYLE = """
:root { color-scheme: light dark; --ink: #1b2430; --soft: #5d6b7c; --line: #dfe4ea; --paper: #f6f7f9;
  --card: #fff; --accent: #1f6feb; --good: #1a7f4b; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa7b6; --line: #2c3542;
  --paper: #12161c; --card: #1a2029; --accent: #6ea8fe; --good: #58c48b; --bad: #ff8a7a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 24px; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 13px; text-transform: uppercase; letter-spacing: .06em; color: var(--soft);
  margin: 0 0 12px; }
p { margin: 0; color: var(--soft); }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr));
  gap: 16px; margin-top: 24px; align-items: start; }
.stack { display: grid; gap: 16px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px; overflow-x: auto; }
section.wide { grid-column: 1 / -1; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; }
td, th { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
.number { text-align: right; }
code { font: 13px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.none { color: var(--soft); font-style: italic; }
"""


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], numbers: frozenset[int]) -> str:
    def cells(tag: str, row: tuple[str, ...]) -> str:
        return "".join(
            f"<{tag}{' class=number' if place in numbers else ''}>{cell}</{tag}>"
            for place, cell in enumerate(row)
        )

    if not rows:
        return "<p class=none>nothing yet</p>"
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', head)}</tr></thead><tbody>{body}</tbody></table>"


def _tenants(sandbox: "Sandbox") -> str:
    return _table(
        ("Tenant", "Requests", "Logins", "Most in 60 s"),
        [
            (
                f"<code>{escape(tenant.id)}</code>",
                f"{len(sandbox.requests(tenant.id)):,}",
                f"{sandbox.logins(tenant.id):,}",
                f"{sandbox.max_requests_in_any_span(tenant.id):,}",
            )
            for tenant in sandbox.options.tenants
        ],
        frozenset({1, 2, 3}),
    )


def _tables(sizes: dict[str, int]) -> str:
    return _table(
        ("Table", "Content", "Rows"),
        [
            (
                f"<code>{name}</code>",
                escape(TABLES[name].description.split(" (")[0].split(":")[0]),
                f"{rows:,}",
            )
            for name, rows in sizes.items()
        ],
        frozenset({2}),
    )


def _faults(sandbox: "Sandbox") -> str:
    return _table(
        ("Fault", "Where", "Hits"),
        [
            (
                f"<code>{escape(fault.kind)}</code>",
                escape(
                    " ".join(
                        part
                        for part in (fault.tenant, fault.path, fault.program, fault.transaction)
                        if part
                    )
                    or "any call"
                ),
                f"{fault.fired} of {fault.times if fault.times is not None else '∞'}",
            )
            for fault in sandbox.faults
        ],
        frozenset({2}),
    )


def _latest(sandbox: "Sandbox") -> str:
    rows: list[tuple[str, ...]] = []
    for one in reversed(sandbox.journal.requests()[-40:]):
        what = f"{one.program}/{one.transaction}" if one.program else one.path.rsplit("/", 1)[-1]
        good = 200 <= one.status < 300 and not one.error
        note = " · ".join(part for part in (one.error, one.fault and f"fault: {one.fault}") if part)
        rows.append(
            (
                f"{one.at.astimezone(sandbox.clock.timezone):%H:%M:%S}",
                f"<code>{escape(one.tenant)}</code>",
                f"<code>{escape(what)}</code>",
                escape(one.company),
                f"<span class={'good' if good else 'bad'}>{one.status or 'cut'}</span>",
                f"{one.rows:,}",
                f"{one.seconds * 1000:,.0f} ms",
                escape(note[:80]),
            )
        )
    head = ("Time", "Tenant", "Call", "Company", "Status", "Rows", "Took", "Note")
    return _table(head, rows, frozenset({5, 6}))


def render(sandbox: "Sandbox", sizes: dict[str, int]) -> str:
    """The page as HTML."""
    limit = sandbox.limits.requests_per_minute
    facts = _table(
        ("Setting", "Value"),
        [
            (
                "Clock",
                f"{sandbox.clock.now().astimezone(sandbox.clock.timezone):%Y-%m-%d %H:%M:%S %Z}",
            ),
            ("Companies", escape(", ".join(sandbox.erp.companies))),
            ("Divisions", escape(", ".join(sandbox.options.size.divisions))),
            ("Seed", str(sandbox.options.seed)),
            ("Requests a minute", "no limit" if limit is None else f"{limit:,}"),
            ("Token lifetime", f"{sandbox.tokens.lifetime:,} s"),
        ],
        frozenset(),
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ML Connector sandbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="10"><style>{_STYLE}</style></head><body><main>
<h1>ML Connector sandbox</h1>
<p>A stand-in of the ION API Gateway with M3 behind it, at <code>{escape(sandbox.url)}</code>.
Everything here is invented. Admin routes are under <code>/_admin</code>.</p>
<div class="grid">
<div class="stack">
<section><h2>Tenants</h2>{_tenants(sandbox)}</section>
<section><h2>Settings</h2>{facts}</section>
<section><h2>Faults</h2>{_faults(sandbox)}</section>
</div>
<section><h2>Tables</h2>{_tables(sizes)}</section>
<section class="wide"><h2>Latest requests</h2>{_latest(sandbox)}</section>
</div></main></body></html>"""
