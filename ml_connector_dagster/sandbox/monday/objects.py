"""What the fields of boards and items show."""

import json
from dataclasses import dataclass
from typing import Any, Final

from graphql import GraphQLResolveInfo

from ml_connector_dagster.sandbox.monday.account import Account, text_of
from ml_connector_dagster.sandbox.monday.boards import Board, Cell, Column, Group, Item
from ml_connector_dagster.sandbox.monday.exchanges import Resolver, exchange_of
from ml_connector_dagster.sandbox.monday.refusals import invalid


#: Type of column → type of its values in the schema; the others are TextValue.
VALUE_TYPES: Final = {
    "board_relation": "BoardRelationValue",
    "checkbox": "CheckboxValue",
    "date": "DateValue",
    "email": "EmailValue",
    "link": "LinkValue",
    "long_text": "LongTextValue",
    "numbers": "NumbersValue",
    "phone": "PhoneValue",
    "status": "StatusValue",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCell:
    """A cell as ``column_values`` gives it."""

    column: Column
    cell: Cell | None


def _page(board: Board, info: GraphQLResolveInfo, **arguments: Any) -> dict[str, Any]:
    exchange = exchange_of(info)
    if arguments.get("cursor"):
        return exchange.cursors.turn(arguments["cursor"], arguments["limit"])
    ids = [item.id for item in board.active]
    for rule in (arguments.get("query_params") or {}).get("rules") or []:
        ids = [number for number in ids if _keeps(exchange.account, board, number, rule)]
    return exchange.cursors.open(ids, arguments["limit"])


def _keeps(account: Account, board: Board, number: int, rule: dict[str, Any]) -> bool:
    column = account.column(board, rule["column_id"])
    if column.type not in ("name", "text"):
        raise invalid(f"rules on columns of type {column.type} are not simulated")
    text = text_of(board.items[number], column.id)
    wanted = rule["compare_value"]
    texts = wanted if isinstance(wanted, list) else [wanted]
    answers = {
        "any_of": text in texts,
        "not_any_of": text not in texts,
        "is_empty": not text,
        "is_not_empty": bool(text),
    }
    return answers[rule["operator"]]


def _columns(board: Board, info: GraphQLResolveInfo, **arguments: Any) -> list[Column]:
    ids, types = arguments.get("ids"), arguments.get("types")
    return [
        column
        for column in board.columns.values()
        if (ids is None or column.id in ids) and (types is None or column.type in types)
    ]


def _groups(board: Board, info: GraphQLResolveInfo, ids: list[str] | None = None) -> list[Group]:
    return [group for group in board.groups.values() if ids is None or group.id in ids]


def _column_values(item: Item, info: GraphQLResolveInfo, **arguments: Any) -> list[ShownCell]:
    columns = _columns(item.board, info, **arguments)
    return [
        ShownCell(column=column, cell=item.cells.get(column.id))
        for column in columns
        if column.type not in ("name", "subtasks")
    ]


def _linked(shown: ShownCell, info: GraphQLResolveInfo) -> list[str]:
    value = shown.cell.value if shown.cell is not None else None
    links = value.get("linkedPulseIds") if isinstance(value, dict) else None
    return [str(link["linkedPulseId"]) for link in links] if isinstance(links, list) else []


def _raw(shown: ShownCell, info: GraphQLResolveInfo) -> str | None:
    # Since 2025-04 a relation reads null for text and value: only linked_item_ids shows it.
    if shown.cell is None or shown.column.type == "board_relation":
        return None
    return json.dumps(shown.cell.value)


def _cell_text(shown: ShownCell, info: GraphQLResolveInfo) -> str | None:
    if shown.column.type == "board_relation":
        return None
    return "" if shown.cell is None else shown.cell.text


def _part(name: str) -> Resolver:
    def resolve(shown: ShownCell, info: GraphQLResolveInfo) -> Any:
        value = shown.cell.value if shown.cell is not None else None
        return value.get(name) if isinstance(value, dict) else None

    return resolve


def _item_url(item: Item, info: GraphQLResolveInfo) -> str:
    return f"{_board_url(item.board, info)}/pulses/{item.id}"


def _board_url(board: Board, info: GraphQLResolveInfo) -> str:
    return f"{info.context.base_url}/_monday/boards/{board.id}"


BOARD: Final[dict[str, Resolver]] = {
    "access_level": lambda board, _: "edit",
    "type": lambda board, _: "sub_items_board" if board.holds_subitems else "board",
    "url": _board_url,
    "items_count": lambda board, _: len(board.active),
    "items_limit": lambda board, info: info.context.account.options.items_per_board,
    "columns": _columns,
    "groups": _groups,
    "items_page": _page,
}

ITEM: Final[dict[str, Resolver]] = {
    "url": _item_url,
    "parent_item": lambda item, _: item.parent,
    "subitems": lambda item, info: info.context.account.subitems(item),
    "column_values": _column_values,
}

CELL: Final[dict[str, Resolver]] = {
    "id": lambda shown, _: shown.column.id,
    "type": lambda shown, _: shown.column.type,
    "text": _cell_text,
    "value": _raw,
    "number": lambda shown, _: None if shown.cell is None else float(shown.cell.text),
    "label": lambda shown, _: None if shown.cell is None else shown.cell.text,
    "index": _part("index"),
    "date": _part("date"),
    "time": _part("time"),
    "email": _part("email"),
    "phone": _part("phone"),
    "country_short_name": _part("countryShortName"),
    "url": _part("url"),
    "url_text": _part("text"),
    "checked": lambda shown, _: shown.cell is not None,
    "linked_item_ids": _linked,
    "display_value": lambda shown, _: "" if shown.cell is None else shown.cell.text,
}
