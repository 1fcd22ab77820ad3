"""The page at /: what this sandbox is, holds and was asked lately."""

from html import escape
from typing import TYPE_CHECKING, Final

from ml_connector_dagster.sandbox.erp.tables import TABLES
from ml_connector_dagster.sandbox.pages import document


if TYPE_CHECKING:
    from ml_connector_dagster.sandbox.server import Sandbox


_STYLE: Final = """
section h2 { font-size: 13px; text-transform: uppercase; letter-spacing: .06em; color: var(--soft); margin: 0 0 12px; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr));
  gap: 16px; margin-top: 20px; align-items: start; }
.stack { display: grid; gap: 16px; } .grid section { margin: 0; } section.wide { grid-column: 1 / -1; }
"""
#: Seconds after which the page asks again by itself.
_RELOAD: Final = 10
#: Stand-ins that have a page for people, and what they are called.
_PAGES: Final = {"salesforce": "Salesforce", "monday": "Monday.com", "looker": "Looker"}


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]], numbers: frozenset[int]) -> str:
    def cells(tag: str, row: tuple[str, ...]) -> str:
        return "".join(
            f"<{tag}{' class=number' if place in numbers else ''}>{cell}</{tag}>"
            for place, cell in enumerate(row)
        )

    if not rows:
        return "<p class=none>none</p>"
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
    content = f"""
<h1>ML Connector sandbox</h1>
<p>A stand-in of the ION API Gateway with an ERP behind it, at <code>{escape(sandbox.url)}</code>.
Everything here is invented. Admin routes are under <code>/_admin</code>.</p>{_pages(sandbox)}
<div class="grid">
<div class="stack">
<section><h2>Tenants</h2>{_tenants(sandbox)}</section>
<section><h2>Settings</h2>{facts}</section>
<section><h2>Faults</h2>{_faults(sandbox)}</section>
</div>
<section><h2>Tables</h2>{_tables(sizes)}</section>
<section class="wide"><h2>Latest requests</h2>{_latest(sandbox)}</section>
</div>"""
    return document("ML Connector sandbox", content, style=_STYLE, reload_seconds=_RELOAD)


def _pages(sandbox: "Sandbox") -> str:
    """Links to what the stand-ins of applications hold."""
    links = "".join(
        f'<a href="/_{name}">{title}</a>'
        for name, title in _PAGES.items()
        if name in sandbox.services
    )
    return f"<nav>What it holds of the applications: {links}</nav>" if links else ""
