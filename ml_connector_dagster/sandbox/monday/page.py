"""What a person sees under ``/_monday``: boards with their groups, columns and items. Not an imitation of monday."""

from collections.abc import Sequence
from html import escape
from typing import Final

from ml_connector_dagster.sandbox.monday.account import Account
from ml_connector_dagster.sandbox.monday.boards import Board, Cell, Column, Group, Item
from ml_connector_dagster.sandbox.monday.graphql_api import Call
from ml_connector_dagster.sandbox.pages import document


ITEMS_SHOWN: Final = 300
_CALLS_SHOWN: Final = 20
#: Columns that are no column of the table: the name stands first, and subitems have a board of their own.
_NOT_SHOWN: Final = ("name", "subtasks")
_STYLE: Final = """
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 16px; margin-top: 16px; }
.cards section { margin: 0; border-top: 3px solid var(--accent); } .cards h2 { margin-bottom: 0; font-size: 17px; }
.big { font-size: 26px; font-weight: 600; color: var(--ink); margin: 4px 0 6px; }
.big small { font-size: 14px; font-weight: 400; color: var(--soft); }
.cards ul { margin: 8px 0 0; padding: 0; list-style: none; }
.cards li { display: flex; justify-content: space-between; border-top: 1px solid var(--line); padding: 3px 0; }
section.group { border-left: 4px solid var(--good); }
td.item { font-weight: 600; max-width: 340px; overflow: hidden; text-overflow: ellipsis; }
td { max-width: 300px; overflow: hidden; text-overflow: ellipsis; }
.status { border-radius: 4px; padding: 1px 10px; color: #fff; display: inline-block; min-width: 84px; text-align: center; }
tr:target td { background: var(--mark); }
"""


def boards(account: Account, calls: Sequence[Call], used_today: int) -> str:
    """The list of boards, and what the API was asked lately."""
    options = account.options
    items = sum(len(one.active) for one in account.boards.values())
    cards = "".join(_card(one) for one in account.boards.values())
    return document(
        "Monday.com sandbox",
        "<h1>Monday.com sandbox</h1>"
        f"<p>A stand-in of the account <b>{escape(options.slug)}.monday.com</b>. Everything here is invented. "
        f"{len(account.boards)} boards with {items:,} items; {used_today:,} of the {options.allowance.daily:,} API calls "
        f"that its {options.tier} plan has a day are used.</p>"
        + (f'<div class="cards">{cards}</div>' if cards else '<p class="none">No board yet.</p>')
        + _latest(calls),
        style=_STYLE,
    )


def board(account: Account, shown: Board) -> str:
    """One board: a table for each group."""
    columns = [
        one for one in shown.columns.values() if one.type not in _NOT_SHOWN and not one.archived
    ]
    groups = [(group, _items(shown, group)) for group in shown.groups.values()]
    links = "".join(
        f'<a href="#{escape(group.id)}">{escape(group.title)} ({len(items):,})</a>'
        for group, items in groups
    )
    about = f"{escape(shown.description)} " if shown.description else ""
    return document(
        shown.name,
        f'<nav><a href="/_monday">← all boards</a></nav><h1>{escape(shown.name)}</h1>'
        f"<p>{about}{_count(shown)}</p><nav>{links if len(groups) > 1 else ''}</nav>"
        + "".join(_group(account, columns, group, items) for group, items in groups),
        style=_STYLE,
    )


def _card(shown: Board) -> str:
    groups = [(group, len(_items(shown, group))) for group in shown.groups.values()]
    listed = "".join(
        f"<li><span>{escape(group.title)}</span><span>{items:,}</span></li>"
        for group, items in groups
        if items
    )
    columns = sum(one.type not in _NOT_SHOWN for one in shown.columns.values())
    archived = _archived(shown)
    return (
        f'<section><h2><a href="/_monday/boards/{shown.id}">{escape(shown.name)}</a></h2>'
        f'<p class="big">{len(shown.active):,} <small>items{f", {archived:,} archived" if archived else ""}</small></p>'
        f"<p>{columns} columns, number {shown.id}</p><ul>{listed}</ul></section>"
    )


def _items(shown: Board, group: Group) -> list[Item]:
    return [item for item in shown.active if item.group is group]


def _archived(shown: Board) -> int:
    return sum(item.state == "archived" for item in shown.items.values())


def _count(shown: Board) -> str:
    return f"{len(shown.active):,} items, {_archived(shown):,} archived; board number {shown.id}."


def _group(account: Account, columns: Sequence[Column], group: Group, items: list[Item]) -> str:
    more = f", the first {ITEMS_SHOWN} shown" if len(items) > ITEMS_SHOWN else ""
    content = (
        _table(account, columns, items[:ITEMS_SHOWN])
        if items
        else '<p class="none">Nothing in this group.</p>'
    )
    return (
        f'<section class="group" id="{escape(group.id)}" style="border-left-color: {escape(group.color)}">'
        f"<h2>{escape(group.title)} <small>{len(items):,} items{more}</small></h2>{content}</section>"
    )


def _table(account: Account, columns: Sequence[Column], items: list[Item]) -> str:
    heads = "".join(
        f'<th{_kind(column)} title="{escape(column.id)}, {escape(column.type)}">{escape(column.title)}</th>'
        for column in columns
    )
    rows = "".join(_row(account, columns, item) for item in items)
    return f"<table><thead><tr><th>Item</th>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _row(account: Account, columns: Sequence[Column], item: Item) -> str:
    of = f" ({escape(item.parent.name)})" if item.parent is not None else ""
    cells = "".join(_cell(account, item, column) for column in columns)
    name = escape(item.name)
    return f'<tr id="{item.id}"><td class="item" title="{name}">{name}{of}</td>{cells}</tr>'


def _kind(column: Column) -> str:
    return ' class="number"' if column.type == "numbers" else ""


def _cell(account: Account, item: Item, column: Column) -> str:
    cell = item.cells.get(column.id)
    if cell is None:
        return "<td></td>"
    return f"<td{_kind(column)}>{_content(account, column, cell)}</td>"


def _content(account: Account, column: Column, cell: Cell) -> str:
    if column.type == "status":
        return f'<span class="status" style="background: {_colour(column, cell.text)}">{escape(cell.text)}</span>'
    if column.type == "board_relation" and isinstance(cell.value, dict):
        links = cell.value["linkedPulseIds"]
        numbers = [link["linkedPulseId"] for link in links] if isinstance(links, list) else []
        return ", ".join(_link(account, number) for number in numbers)
    return f'<span title="{escape(cell.text)}">{escape(cell.text)}</span>'


def _colour(column: Column, text: str) -> str:
    """Green for a label that means done; the others apart from each other, by their place among the labels."""
    label = column.label(text)
    if label is None or label.is_done:
        return "#00854d"
    return f"hsl({(210 + 67 * column.labels.index(label)) % 360} 55% 42%)"


def _link(account: Account, number: int) -> str:
    item = account.items[number]
    return f'<a href="/_monday/boards/{item.board.id}#{number}">{escape(item.name)}</a>'


def _latest(calls: Sequence[Call]) -> str:
    rows = "".join(
        f"<tr><td>{'mutation' if one.is_mutation else 'query'}</td><td>{escape(_fields(one))}</td>"
        f"<td{'' if one.status == 200 and not one.codes else ' class=bad'}>{one.status}</td>"
        f"<td>{escape(', '.join(one.codes))}{'answered again from its key' if one.replayed else ''}</td></tr>"
        for one in reversed(calls[-_CALLS_SHOWN:])
    )
    if not rows:
        return ""
    head = "<tr><th>Kind</th><th>Fields</th><th>Status</th><th>Note</th></tr>"
    return (
        "<section><h2>Latest calls <small>newest first</small></h2>"
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table></section>"
    )


def _fields(call: Call) -> str:
    """The root fields; the same one many times over is named once, with its number."""
    counted = {name: call.fields.count(name) for name in dict.fromkeys(call.fields)}
    return ", ".join(f"{n:,} {name}" if n > 1 else name for name, n in counted.items())
