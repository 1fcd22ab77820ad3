"""The page for people: what the org holds, and what it was asked lately."""

from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Final

from ml_connector_dagster.sandbox.salesforce.cells import Cell
from ml_connector_dagster.sandbox.salesforce.fields import SObject
from ml_connector_dagster.sandbox.salesforce.records import Row


if TYPE_CHECKING:
    from ml_connector_dagster.sandbox.salesforce.server import SalesforceSandbox


#: Records of an object that are shown, and columns of a table.
_ROWS: Final = 50
_COLUMNS: Final = 10
_HIDDEN: Final = ("Id", "SystemModstamp", "LastModifiedDate", "IsDeleted")
_SETUP: Final = (
    "User",
    "Organization",
    "PermissionSet",
    "FieldPermissions",
    "PermissionSetAssignment",
)
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #16325c; --soft: #5d6b7c; --line: #dfe4ea; --paper: #f3f6f9;
  --card: #fff; --accent: #0b5cab; --bad: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa7b6; --line: #2c3542;
  --paper: #12161c; --card: #1a2029; --accent: #6ea8fe; --bad: #ff8a7a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1280px; margin: 0 auto; padding: 28px 20px 64px; }
h1 { font-size: 22px; margin: 0; } p, nav { color: var(--soft); margin: 4px 0 0; }
nav a { color: var(--accent); margin-right: 14px; text-decoration: none; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 18px; margin-top: 16px; overflow-x: auto; }
h2 { font-size: 15px; margin: 0 0 10px; } h2 small { color: var(--soft); font-weight: 400; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; }
td, th { padding: 4px 14px 4px 0; border-bottom: 1px solid var(--line); white-space: nowrap;
  max-width: 280px; overflow: hidden; text-overflow: ellipsis; }
td.number { text-align: right; }
.bad { color: var(--bad); }
"""


def render(sandbox: "SalesforceSandbox") -> str:
    """The page as HTML."""
    with sandbox.writes.lock:
        shown = [
            one
            for one in sandbox.schema.objects.values()
            if one.name not in _SETUP and (one.custom or sandbox.records.table(one).rows)
        ]
        sections = "".join(_section(sandbox, one) for one in shown)
    links = "".join(f'<a href="#{one.name}">{escape(one.plural)}</a>' for one in shown)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Salesforce sandbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body><main>
<h1>Salesforce sandbox</h1>
<p>A stand-in of the org <b>{escape(sandbox.options.host)}</b>. Everything here is invented.
{sandbox.used:,} of {sandbox.options.daily_requests:,} API requests used, {sandbox.identity.logins} logins,
{len(sandbox.bulk.jobs)} bulk jobs.</p><nav>{links or "No records yet."}</nav>
{sections}{_latest(sandbox)}</main></body></html>"""


def _section(sandbox: "SalesforceSandbox", sobject: SObject) -> str:
    rows = list(sandbox.records.table(sobject).rows.values())
    columns = _columns(sobject, rows)
    head = "".join(f"<th>{escape(sobject.fields[name].label)}</th>" for name in columns)
    body = "".join(
        f"<tr>{''.join(_cell(sandbox, row.get(name)) for name in columns)}</tr>"
        for row in rows[-_ROWS:]
    )
    more = f", the latest {_ROWS} shown" if len(rows) > _ROWS else ""
    return (
        f'<section id="{sobject.name}"><h2>{escape(sobject.plural)} '
        f"<small>{sobject.name}: {len(rows):,} records{more}</small></h2>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></section>"
    )


def _columns(sobject: SObject, rows: list[Row]) -> list[str]:
    """The fields that hold something: the name first, then the order of the definition."""
    filled = {name for row in rows[-_ROWS:] for name, cell in row.items() if cell is not None}
    names = [name for name in sobject.fields if name in filled and name not in _HIDDEN]
    names.sort(
        key=lambda name: (
            name not in ("Name", "Subject", "Title", "LastName"),
            name == "CreatedDate",
        )
    )
    return names[:_COLUMNS]


def _cell(sandbox: "SalesforceSandbox", cell: Cell) -> str:
    """A value; a reference is shown by its record's name."""
    if isinstance(cell, Decimal):  # without the zeros that only the field's scale adds
        return f'<td class="number">{cell.normalize():,f}</td>'
    return f"<td>{_text(sandbox, cell)}</td>"


def _text(sandbox: "SalesforceSandbox", cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "✓" if cell else ""
    text = str(cell)
    parent = (
        sandbox.records.object_of(sandbox.schema.objects.values(), text)
        if len(text) == 18
        else None
    )
    if parent is not None:
        row = sandbox.records.table(parent).rows.get(text, {})
        return escape(str(row.get("Name") or text))
    return escape(text)


def _latest(sandbox: "SalesforceSandbox") -> str:
    rows = "".join(
        f"<tr><td>{one.method}</td><td>{escape(one.path)}</td>"
        f"<td{'' if 200 <= one.status < 300 else ' class=bad'}>{one.status or 'cut'}</td>"
        f"<td>{(one.ended - one.started) * 1000:,.0f} ms</td></tr>"
        for one in reversed(sandbox.requests()[-30:])
    )
    return f"<section><h2>Latest requests</h2><table><tbody>{rows}</tbody></table></section>"
