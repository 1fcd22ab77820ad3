"""Many items archived by one job (``bulk_archive_items``), which says how many, and not which.

So an item that did not follow makes all of its job unknown: the engine looks them up, and sends again what is there.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from ml_connector_dagster.destinations.applications.contract import Change, Written
from ml_connector_dagster.destinations.monday.api import MondayApi, whole
from ml_connector_dagster.destinations.monday.batches import accepted, unknown
from ml_connector_dagster.destinations.monday.layouts import Layout
from ml_connector_dagster.model.errors import ContractError, OutcomeUnknownError


#: How many one job takes is not published.
MOST_ITEMS: Final = 500

_START: Final = """
mutation ($board: ID!, $items: [ID!]!) {
  job: bulk_archive_items(board_id: $board, item_ids: $items) { job_id }
}
"""
_STATUS: Final = """
query ($job: ID!) { job: job_status(job_id: $job) { status error result { total succeeded failed } } }
"""
_UNDER_WAY: Final = ("PENDING", "RUNNING")


def archive(
    api: MondayApi, layout: Layout, changes: Sequence[Change], ticket_id: str
) -> list[Written]:
    """Archive all of ``changes`` and wait for it."""
    variables = {"board": layout.board.id, "items": [change.remote_id for change in changes]}
    key = str(uuid5(NAMESPACE_URL, json.dumps([ticket_id, variables], sort_keys=True)))
    try:
        job = whole(api.change(_START, variables, key=key)).get("job")
        if not isinstance(job, Mapping) or not job.get("job_id"):
            raise ContractError("Monday.com began to archive items and gave no number of the job")
        ended = api.poll(lambda: _ended(api, str(job["job_id"])), "archiving items of Monday.com")
    except OutcomeUnknownError as error:
        return [unknown(change, str(error)) for change in changes]
    result = ended.get("result") or {}
    if ended["status"] == "COMPLETED" and not result.get("failed"):
        return [accepted(change, change.remote_id) for change in changes]
    words = (
        f"{result.get('failed')} of {len(changes)} items were not archived: {ended.get('error')}"
    )
    return [unknown(change, words) for change in changes]


def _ended(api: MondayApi, job_id: str) -> Mapping[str, Any] | None:
    job = api.ask(_STATUS, {"job": job_id}).get("job")
    if not isinstance(job, Mapping):
        raise ContractError(f"Monday.com says nothing about job {job_id}")
    return None if job["status"] in _UNDER_WAY else job
