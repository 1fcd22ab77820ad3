"""What the root fields of a mutation do."""

from typing import Any, Final

from graphql import GraphQLResolveInfo

from ml_connector_dagster.sandbox.monday.boards import Board, Column, Group, Item
from ml_connector_dagster.sandbox.monday.exchanges import Resolver, exchange_of
from ml_connector_dagster.sandbox.monday.refusals import invalid


def _create_board(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Board:
    return exchange_of(info).account.create_board(
        arguments["board_name"],
        kind=arguments["board_kind"],
        description=arguments.get("description"),
        workspace_id=arguments.get("workspace_id"),
        empty=bool(arguments.get("empty")),
    )


def _create_group(_: Any, info: GraphQLResolveInfo, board_id: str, group_name: str) -> Group:
    account = exchange_of(info).account
    return account.create_group(account.board(board_id), group_name)


def _create_column(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Column:
    account = exchange_of(info).account
    return account.create_column(
        account.board(arguments["board_id"]),
        arguments["title"],
        arguments.get("column_type", "status"),
        column_id=arguments.get("id"),
        description=arguments.get("description"),
        defaults=arguments.get("defaults"),
    )


def _update_status(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Column:
    account = exchange_of(info).account
    board = account.board(arguments["board_id"])
    settings = arguments.get("settings")
    return account.update_status_column(
        board,
        account.column(board, arguments["id"]),
        arguments["revision"],
        None if settings is None else settings["labels"],
    )


def _create_item(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Item:
    account = exchange_of(info).account
    return account.create_item(
        account.board(arguments["board_id"]),
        arguments["item_name"],
        arguments.get("column_values"),
        group_id=arguments.get("group_id"),
        add_labels=bool(arguments.get("create_labels_if_missing")),
    )


def _create_subitem(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Item:
    account = exchange_of(info).account
    return account.create_subitem(
        account.item(arguments["parent_item_id"]),
        arguments["item_name"],
        arguments.get("column_values"),
        add_labels=bool(arguments.get("create_labels_if_missing")),
    )


def _change(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> Item:
    account = exchange_of(info).account
    board, item = account.board(arguments["board_id"]), account.item(arguments.get("item_id"))
    if item.board is not board:
        raise invalid(f"item {item.id} is on board {item.board.id}, not on {board.id}")
    return account.change(
        item,
        arguments["column_values"],
        add_labels=bool(arguments.get("create_labels_if_missing")),
    )


def _archive(_: Any, info: GraphQLResolveInfo, item_id: str | None = None) -> Item:
    account = exchange_of(info).account
    return account.archive(account.item(item_id))


def _delete(_: Any, info: GraphQLResolveInfo, item_id: str | None = None) -> Item:
    account = exchange_of(info).account
    return account.delete(account.item(item_id))


def _archive_many(
    _: Any, info: GraphQLResolveInfo, board_id: str, item_ids: list[str]
) -> dict[str, str]:
    exchange = exchange_of(info)
    return {"job_id": exchange.jobs.archive(exchange.account.board(board_id), item_ids).id}


def _ingest(
    _: Any,
    info: GraphQLResolveInfo,
    board_id: str,
    group_id: str,
    on_match: dict[str, str] | None = None,
) -> dict[str, str]:
    exchange = exchange_of(info)
    match = on_match or {}
    job = exchange.jobs.start(
        exchange.account.board(board_id),
        group_id,
        match.get("match_column_id"),
        skip_matches=match.get("behaviour") == "SKIP",
    )
    url = f"{exchange.base_url}/_monday/uploads/{job.id}?signature={job.upload_key}"
    return {"job_id": job.id, "upload_url": url}


MUTATIONS: Final[dict[str, Resolver]] = {
    "complexity": lambda _, info: exchange_of(info).complexity,
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
}
