"""What a person sees under ``/_monday``: boards with their groups, columns and items. Not an imitation of monday."""

from html import escape
from typing import Final

from ml_connector_dagster.sandbox.monday.account import Account
from ml_connector_dagster.sandbox.monday.boards import Board, Column, Item


ITEMS_SHOWN: Final = 300
_STYLE: Final = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 2rem; color: #323338; }
a { color: #0073ea; text-decoration: none } a:hover { text-decoration: underline }
h1 { font-size: 1.5rem } h2 { font-size: 1.05rem; margin: 1.6rem 0 .4rem; color: #037f4c }
table { border-collapse: collapse } th, td { border: 1px solid #d0d4e4; padding: .3rem .6rem; text-align: left }
th { background: #f6f7fb; font-weight: 600 } td.number { text-align: right; font-variant-numeric: tabular-nums }
td.date { white-space: nowrap }
span.status { background: #579bfc; color: #fff; border-radius: 3px; padding: .1rem .5rem }
tr:target { background: #fff3c4 } p.note { color: #676879 }
"""


def boards(account: Account) -> str:
    """The list of boards."""
    rows = "".join(
        f'<tr><td><a href="/_monday/boards/{board.id}">{escape(board.name)}</a></td>'
        f'<td class="number">{len(board.active)}</td>'
        f'<td class="number">{sum(item.state == "archived" for item in board.items.values())}</td>'
        f'<td class="number">{len(board.columns)}</td></tr>'
        for board in account.boards.values()
    )
    head = "<tr><th>board</th><th>items</th><th>archived</th><th>columns</th></tr>"
    return _page(
        "Boards of the sandbox", f"<table>{head}{rows}</table>" if rows else "<p>No board yet.</p>"
    )


def board(account: Account, shown: Board) -> str:
    """One board: a table for each group."""
    columns = [
        column for column in shown.columns.values() if column.type not in ("name", "subtasks")
    ]
    parts = [
        f'<p><a href="/_monday">all boards</a> · {len(shown.active)} items · '
        f"{sum(item.state == 'archived' for item in shown.items.values())} archived</p>"
    ]
    for group in shown.groups.values():
        items = [item for item in shown.active if item.group is group]
        parts.append(f"<h2>{escape(group.title)}</h2>")
        if not items:
            parts.append('<p class="note">nothing in this group</p>')
            continue
        parts.append(_table(account, columns, items[:ITEMS_SHOWN]))
        if len(items) > ITEMS_SHOWN:
            parts.append(f'<p class="note">and {len(items) - ITEMS_SHOWN} more</p>')
    return _page(shown.name, "".join(parts))


def _table(account: Account, columns: list[Column], items: list[Item]) -> str:
    heads = "".join(
        f'<th title="{escape(column.id)}, {escape(column.type)}">{escape(column.title)}</th>'
        for column in columns
    )
    rows = "".join(_row(account, columns, item) for item in items)
    return f"<table><tr><th>item</th>{heads}</tr>{rows}</table>"


def _row(account: Account, columns: list[Column], item: Item) -> str:
    of = f" ({escape(item.parent.name)})" if item.parent is not None else ""
    cells = "".join(_cell(account, item, column) for column in columns)
    return f'<tr id="{item.id}"><td>{escape(item.name)}{of}</td>{cells}</tr>'


def _cell(account: Account, item: Item, column: Column) -> str:
    cell = item.cells.get(column.id)
    if cell is None:
        return "<td></td>"
    if column.type == "numbers":
        return f'<td class="number">{escape(cell.text)}</td>'
    if column.type == "status":
        return f'<td><span class="status">{escape(cell.text)}</span></td>'
    if column.type == "board_relation" and isinstance(cell.value, dict):
        links = cell.value["linkedPulseIds"]
        numbers = [link["linkedPulseId"] for link in links] if isinstance(links, list) else []
        return f"<td>{', '.join(_link(account, number) for number in numbers)}</td>"
    kind = ' class="date"' if column.type == "date" else ""
    return f"<td{kind}>{escape(cell.text)}</td>"


def _link(account: Account, number: int) -> str:
    item = account.items[number]
    return f'<a href="/_monday/boards/{item.board.id}#{number}">{escape(item.name)}</a>'


def _page(title: str, content: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{content}</body></html>"
    )
