"""The schema of ``schema.graphql`` with what each field answers."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLResolveInfo, GraphQLSchema
from graphql import build_schema as read_schema

from ml_connector_dagster.sandbox.monday.account import MOST_IDS, Account, text_of
from ml_connector_dagster.sandbox.monday.boards import Board, Cell, Column, Group, Item
from ml_connector_dagster.sandbox.monday.cursors import Cursors
from ml_connector_dagster.sandbox.monday.jobs import Job, Jobs
from ml_connector_dagster.sandbox.monday.limits import Limits
from ml_connector_dagster.sandbox.monday.refusals import Refusal, invalid


#: Root fields that came with a version.
SINCE: Final = {"ingest_items": "2026-07", "fetch_job_status": "2026-07"}
_VALUE_TYPES: Final = {
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
class Exchange:
    """What the resolvers of one call see. ``failing`` answers an error for a root field's alias, or None."""

    account: Account
    jobs: Jobs
    cursors: Cursors
    limits: Limits
    version: str
    base_url: str
    complexity: dict[str, int]
    failing: Callable[[str], Refusal | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCell:
    """A cell as ``column_values`` gives it."""

    column: Column
    cell: Cell | None


Resolver = Callable[..., Any]


@cache
def build() -> GraphQLSchema:
    """The schema, ready to execute. It keeps nothing: all accounts share it."""
    schema = read_schema(Path(__file__).with_name("schema.graphql").read_text())
    for type_name, resolvers in _RESOLVERS.items():
        kind = schema.type_map[type_name]
        if not isinstance(kind, GraphQLObjectType):
            raise TypeError(f"{type_name} is no object type")
        for name, resolver in resolvers.items():
            kind.fields[name].resolve = resolver
    for name in {*_VALUE_TYPES.values(), "TextValue"}:
        kind = schema.type_map[name]
        if isinstance(kind, GraphQLObjectType):
            for field_name, resolver in _CELL.items():
                if field_name in kind.fields:
                    kind.fields[field_name].resolve = resolver
    values = schema.type_map["ColumnValue"]
    if isinstance(values, GraphQLInterfaceType):
        values.resolve_type = lambda shown, *_: _VALUE_TYPES.get(shown.column.type, "TextValue")
    schema.type_map["JobStatus"].resolve_type = lambda *_: "ItemsJobStatus"  # type: ignore[attr-defined]
    return schema


def _context(info: GraphQLResolveInfo) -> Exchange:
    exchange: Exchange = info.context
    if info.path.prev is None and isinstance(info.path.key, str):
        refusal = exchange.failing(info.path.key)
        if refusal is not None:
            raise refusal
    return exchange


# Queries


def _boards(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> list[Board]:
    account = _context(info).account
    ids, state = arguments.get("ids"), arguments["state"]
    workspaces = arguments.get("workspace_ids")
    chosen = [
        board
        for board in account.boards.values()
        if (ids is None or str(board.id) in ids)
        and state in ("all", board.state)
        and (workspaces is None or board.workspace_id in workspaces)
    ]
    start = (arguments["page"] - 1) * arguments["limit"]
    return chosen[start : start + arguments["limit"]]


def _items(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> list[Item]:
    account, ids = _context(info).account, arguments.get("ids") or []
    if len(ids) > MOST_IDS:
        raise invalid(f"{len(ids)} ids are more than the {MOST_IDS} of one query")
    found = [
        account.items[int(number)]
        for number in sorted(set(ids), key=int)
        if int(number) in account.items
    ]
    shown = [
        item
        for item in found
        if item.state != "deleted"
        and (item.state == "active" or not arguments.get("exclude_nonactive"))
    ]
    start = (arguments["page"] - 1) * arguments["limit"]
    return shown[start : start + arguments["limit"]]


def _page(board: Board, info: GraphQLResolveInfo, **arguments: Any) -> dict[str, Any]:
    exchange = _context(info)
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


def _search(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> dict[str, Any]:
    exchange = _context(info)
    if arguments.get("cursor"):
        return exchange.cursors.turn(arguments["cursor"], arguments["limit"])
    columns = arguments.get("columns")
    if not columns:
        raise invalid("columns or a cursor is needed")
    board = exchange.account.board(arguments["board_id"])
    wanted = [(column["column_id"], column["column_values"]) for column in columns]
    return exchange.cursors.open(exchange.account.search(board, wanted), arguments["limit"])


def _next(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> dict[str, Any]:
    return _context(info).cursors.turn(arguments["cursor"], arguments["limit"])


def _import_status(_: Any, info: GraphQLResolveInfo, job_id: str) -> dict[str, Any]:
    exchange = _context(info)
    job = exchange.jobs.poll(job_id)
    done = job.status in ("COMPLETED", "REJECTED", "FAILED")
    shown_failure = job.failure if done else None
    return {
        "status": job.status,
        "counts": job.counts if done else {"submitted": job.counts["submitted"]},
        "progress_percentage": 100 if done else 50,
        "failure_reason": shown_failure[0] if shown_failure else None,
        "failure_message": shown_failure[1] if shown_failure else None,
        "fully_imported": job.status == "COMPLETED",
        "report_created": done and job.report is not None,
        "report_url": _report_url(exchange, job) if done and job.report is not None else None,
    }


def _report_url(exchange: Exchange, job: Job) -> str:
    key = exchange.jobs.report_key(job)
    return f"{exchange.base_url}/_monday/reports/{job.id}?signature={key}"


def _archive_status(_: Any, info: GraphQLResolveInfo, job_id: str) -> dict[str, Any]:
    job, done = _context(info).jobs.poll_archiving(job_id)
    result = {"total": job.total, "succeeded": job.succeeded, "failed": job.total - job.succeeded}
    return {
        "id": job.id,
        "status": "COMPLETED" if done else "RUNNING",
        "error": None,
        "result": result if done else None,
    }


def _daily_use(_: Any, info: GraphQLResolveInfo) -> dict[str, Any]:
    exchange = _context(info)
    today = datetime.fromtimestamp(exchange.cursors.now(), UTC).date().isoformat()
    daily = exchange.account.options.allowance.daily
    return {
        "daily_limit": {"base": daily, "total": daily},
        "daily_analytics": {"by_day": [{"day": today, "usage": exchange.limits.used_today}]},
    }


def _account(_: Any, info: GraphQLResolveInfo) -> dict[str, Any]:
    options = _context(info).account.options
    return {
        "id": str(options.account_id),
        "name": options.slug.capitalize(),
        "slug": options.slug,
        "tier": options.tier,
        "plan": {"max_users": 40, "tier": options.tier, "version": 1},
    }


def _me(_: Any, info: GraphQLResolveInfo) -> dict[str, str]:
    _context(info)
    return {"id": "55501", "name": "Loader", "email": "loader@example.com"}


def _version(_: Any, info: GraphQLResolveInfo) -> dict[str, str]:
    value = _context(info).version
    return {"display_name": value, "kind": "current", "value": value}


def _complexity(_: Any, info: GraphQLResolveInfo) -> dict[str, int]:
    return _context(info).complexity


# Mutations


def _create_board(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Board:
    return _context(info).account.create_board(
        arguments["board_name"],
        kind=arguments["board_kind"],
        description=arguments.get("description"),
        workspace_id=arguments.get("workspace_id"),
        empty=bool(arguments.get("empty")),
    )


def _create_group(_: Any, info: GraphQLResolveInfo, board_id: str, group_name: str) -> Group:
    account = _context(info).account
    return account.create_group(account.board(board_id), group_name)


def _create_column(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Column:
    account = _context(info).account
    return account.create_column(
        account.board(arguments["board_id"]),
        arguments["title"],
        arguments.get("column_type", "status"),
        column_id=arguments.get("id"),
        description=arguments.get("description"),
        defaults=arguments.get("defaults"),
    )


def _update_status(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Column:
    account = _context(info).account
    board = account.board(arguments["board_id"])
    settings = arguments.get("settings")
    return account.update_status_column(
        board,
        account.column(board, arguments["id"]),
        arguments["revision"],
        None if settings is None else settings["labels"],
    )


def _create_item(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Item:
    account = _context(info).account
    return account.create_item(
        account.board(arguments["board_id"]),
        arguments["item_name"],
        arguments.get("column_values"),
        group_id=arguments.get("group_id"),
        add_labels=bool(arguments.get("create_labels_if_missing")),
    )


def _create_subitem(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Item:
    account = _context(info).account
    return account.create_subitem(
        account.item(arguments["parent_item_id"]),
        arguments["item_name"],
        arguments.get("column_values"),
        add_labels=bool(arguments.get("create_labels_if_missing")),
    )


def _change(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Item:
    account = _context(info).account
    board, item = account.board(arguments["board_id"]), account.item(arguments.get("item_id"))
    if item.board is not board:
        raise invalid(f"item {item.id} is on board {item.board.id}, not on {board.id}")
    return account.change(
        item,
        arguments["column_values"],
        add_labels=bool(arguments.get("create_labels_if_missing")),
    )


def _archive(_: Any, info: GraphQLResolveInfo, item_id: str | None = None) -> Item:
    account = _context(info).account
    return account.archive(account.item(item_id))


def _delete(_: Any, info: GraphQLResolveInfo, item_id: str | None = None) -> Item:
    account = _context(info).account
    return account.delete(account.item(item_id))


def _archive_many(
    _: Any, info: GraphQLResolveInfo, board_id: str, item_ids: list[str]
) -> dict[str, str]:
    exchange = _context(info)
    return {"job_id": exchange.jobs.archive(exchange.account.board(board_id), item_ids).id}


def _ingest(
    _: Any,
    info: GraphQLResolveInfo,
    board_id: str,
    group_id: str,
    on_match: dict[str, str] | None = None,
) -> dict[str, str]:
    exchange = _context(info)
    match = on_match or {}
    job = exchange.jobs.start(
        exchange.account.board(board_id),
        group_id,
        match.get("match_column_id"),
        skip_matches=match.get("behaviour") == "SKIP",
    )
    url = f"{exchange.base_url}/_monday/uploads/{job.id}?signature={job.upload_key}"
    return {"job_id": job.id, "upload_url": url}


# Fields of the objects


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


_CELL: Final[dict[str, Resolver]] = {
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

_RESOLVERS: Final[dict[str, dict[str, Resolver]]] = {
    "Query": {
        "me": _me,
        "account": _account,
        "complexity": _complexity,
        "version": _version,
        "platform_api": _daily_use,
        "boards": _boards,
        "items": _items,
        "items_page_by_column_values": _search,
        "next_items_page": _next,
        "fetch_job_status": _import_status,
        "job_status": _archive_status,
    },
    "Mutation": {
        "complexity": _complexity,
        "create_board": _create_board,
        "create_group": _create_group,
        "create_column": _create_column,
        "create_status_column": _create_column,
        "update_status_column": _update_status,
        "create_item": _create_item,
        "create_subitem": _create_subitem,
        "change_multiple_column_values": _change,
        "archive_item": _archive,
        "delete_item": _delete,
        "bulk_archive_items": _archive_many,
        "ingest_items": _ingest,
    },
    "Board": {
        "access_level": lambda board, _: "edit",
        "type": lambda board, _: "sub_items_board" if board.holds_subitems else "board",
        "url": _board_url,
        "items_count": lambda board, _: len(board.active),
        "items_limit": lambda board, info: info.context.account.options.items_per_board,
        "columns": _columns,
        "groups": _groups,
        "items_page": _page,
    },
    "Item": {
        "url": _item_url,
        "parent_item": lambda item, _: item.parent,
        "subitems": lambda item, info: info.context.account.subitems(item),
        "column_values": _column_values,
    },
}
