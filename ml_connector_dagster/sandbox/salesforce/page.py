"""The page for people: what the org holds, and what it was asked lately."""

from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Final

from ml_connector_dagster.sandbox.pages import document
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
td, th { max-width: 280px; overflow: hidden; text-overflow: ellipsis; }
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
    content = (
        "<h1>Salesforce sandbox</h1>"
        f"<p>A stand-in of the org <b>{escape(sandbox.options.host)}</b>. Everything here is invented. "
        f"{sandbox.used:,} of {sandbox.options.daily_requests:,} API requests of the day used, "
        f"{_counted(sandbox.identity.logins, 'login')}, {_counted(len(sandbox.bulk.jobs), 'bulk job')}.</p>"
        f"<nav>{links or 'No records yet.'}</nav>{sections}{_latest(sandbox)}"
    )
    return document("Salesforce sandbox", content, style=_STYLE)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _section(sandbox: "SalesforceSandbox", sobject: SObject) -> str:
    rows = list(sandbox.records.table(sobject).rows.values())
    columns = _columns(sobject, rows)
    head = "".join(
        f"<th{_kind(rows, name)}>{escape(sobject.fields[name].label)}</th>" for name in columns
    )
    body = "".join(
        f"<tr>{''.join(_cell(sandbox, row.get(name)) for name in columns)}</tr>"
        for row in rows[-_ROWS:]
    )
    more = f", the latest {_ROWS} shown" if len(rows) > _ROWS else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return (
        f'<section id="{sobject.name}"><h2>{escape(sobject.plural)} '
        f"<small>{sobject.name}: {_counted(len(rows), 'record')}{more}</small></h2>"
        f"{table if rows else '<p class=none>No record yet.</p>'}</section>"
    )


def _kind(rows: list[Row], name: str) -> str:
    """Over a column of numbers, the heading stands at the right too."""
    is_number = any(isinstance(row.get(name), Decimal) for row in rows[-_ROWS:])
    return ' class="number"' if is_number else ""


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
        f"<td class=number>{(one.ended - one.started) * 1000:,.0f} ms</td></tr>"
        for one in reversed(sandbox.requests()[-30:])
    )
    head = "<tr><th>Method</th><th>Path</th><th>Status</th><th class=number>Took</th></tr>"
    return (
        "<section><h2>Latest requests <small>newest first</small></h2>"
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table></section>"
    )
