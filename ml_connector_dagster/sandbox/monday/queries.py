"""What the root fields of a query answer."""

from datetime import UTC, datetime
from typing import Any, Final

from graphql import GraphQLResolveInfo

from ml_connector_dagster.sandbox.monday.account import MOST_IDS
from ml_connector_dagster.sandbox.monday.boards import Board, Item
from ml_connector_dagster.sandbox.monday.exchanges import Exchange, Resolver, exchange_of
from ml_connector_dagster.sandbox.monday.jobs import Job
from ml_connector_dagster.sandbox.monday.refusals import invalid


def _boards(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> list[Board]:
    account = exchange_of(info).account
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
    account, ids = exchange_of(info).account, arguments.get("ids") or []
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


def _search(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> dict[str, Any]:
    exchange = exchange_of(info)
    if arguments.get("cursor"):
        return exchange.cursors.turn(arguments["cursor"], arguments["limit"])
    columns = arguments.get("columns")
    if not columns:
        raise invalid("columns or a cursor is needed")
    board = exchange.account.board(arguments["board_id"])
    wanted = [(column["column_id"], column["column_values"]) for column in columns]
    return exchange.cursors.open(exchange.account.search(board, wanted), arguments["limit"])


def _next(_: Any, info: GraphQLResolveInfo, **arguments: Any) -> dict[str, Any]:
    return exchange_of(info).cursors.turn(arguments["cursor"], arguments["limit"])


def _import_status(_: Any, info: GraphQLResolveInfo, job_id: str) -> dict[str, Any]:
    exchange = exchange_of(info)
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
    job, done = exchange_of(info).jobs.poll_archiving(job_id)
    result = {"total": job.total, "succeeded": job.succeeded, "failed": job.total - job.succeeded}
    return {
        "id": job.id,
        "status": "COMPLETED" if done else "RUNNING",
        "error": None,
        "result": result if done else None,
    }


def _daily_use(_: Any, info: GraphQLResolveInfo) -> dict[str, Any]:
    exchange = exchange_of(info)
    today = datetime.fromtimestamp(exchange.cursors.now(), UTC).date().isoformat()
    daily = exchange.account.options.allowance.daily
    return {
        "daily_limit": {"base": daily, "total": daily},
        "daily_analytics": {"by_day": [{"day": today, "usage": exchange.limits.used_today}]},
    }


def _account(_: Any, info: GraphQLResolveInfo) -> dict[str, Any]:
    options = exchange_of(info).account.options
    return {
        "id": str(options.account_id),
        "name": options.slug.capitalize(),
        "slug": options.slug,
        "tier": options.tier,
        "plan": {"max_users": 40, "tier": options.tier, "version": 1},
    }


def _me(_: Any, info: GraphQLResolveInfo) -> dict[str, str]:
    exchange_of(info)
    return {"id": "55501", "name": "Loader", "email": "loader@example.com"}


def _version(_: Any, info: GraphQLResolveInfo) -> dict[str, str]:
    value = exchange_of(info).version
    return {"display_name": value, "kind": "current", "value": value}


def _complexity(_: Any, info: GraphQLResolveInfo) -> dict[str, int]:
    return exchange_of(info).complexity


QUERIES: Final[dict[str, Resolver]] = {
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
}
