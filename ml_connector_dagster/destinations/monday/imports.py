"""Many items as one file: start a job, put the file where it says, wait, read what became of each row.

``ingest_items`` (API 2026-07 and later; reference saas-destinations §2.2). Rows are matched by our key, so that doing it
again changes nothing more; ids are looked up afterwards, because a report has none.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from ml_connector_dagster.destinations.applications.contract import (
    Change,
    ChangeKind,
    Ticket,
    Written,
)
from ml_connector_dagster.destinations.monday.api import MondayApi, whole
from ml_connector_dagster.destinations.monday.batches import accepted, rejected, unknown
from ml_connector_dagster.destinations.monday.jobs import Job, JobState, look, reasons_of
from ml_connector_dagster.destinations.monday.layouts import Layout
from ml_connector_dagster.destinations.monday.reading import (
    KEYS_PER_SEARCH,
    SEARCHES_FOR_IDS,
    ids_of_keys,
)
from ml_connector_dagster.destinations.monday.values import NULL, as_cell, plain
from ml_connector_dagster.model.errors import (
    ContractError,
    CredentialError,
    OutcomeUnknownError,
    TransientError,
)


MOST_ROWS: Final = 10_000
#: Ids that one call finds.
KEYS_PER_LOOK: Final = KEYS_PER_SEARCH * SEARCHES_FOR_IDS
_LOOKS: Final = 3
_LOOK_PAUSE: Final = 2.0

_START: Final = """
mutation ($board: ID!, $group: ID!, $match: OnMatchInput) {
  job: ingest_items(board_id: $board, group_id: $group, on_match: $match) { job_id upload_url }
}
"""


def fits_a_cell(change: Change) -> bool:
    """Whether no text of it would be taken for the sign that clears."""
    return all(value != NULL for value in (change.external_id, *change.fields.values()))


def table(layout: Layout, changes: Sequence[Change]) -> bytes:
    """The file: ``name`` first, then columns by their ids. Nulls are said, for an empty cell keeps what is there."""
    lines = io.StringIO(newline="")
    writer = csv.writer(lines)
    columns = [*layout.fields.items(), *layout.links.items()]
    writer.writerow(["name", layout.key.id, *(column.id for _, column in columns)])
    for change in changes:
        cells = [plain(layout.name_of(change)), change.external_id]
        cells += [
            as_cell(column, change.fields.get(name)) for name, column in layout.fields.items()
        ]
        for name in layout.links:
            link = change.links.get(name)
            cells.append(NULL if link is None else link.remote_id)
        writer.writerow(cells)
    return lines.getvalue().encode()


def start(api: MondayApi, layout: Layout, changes: Sequence[Change], ticket: Ticket) -> str:
    """Begin a job and give it its file; answers the job's id. Raises TransientError when it did not get it."""
    variables = {
        "board": layout.board.id,
        "group": layout.group_id,
        "match": {"match_column_id": layout.key.id, "behaviour": "UPSERT"},
    }
    content = json.dumps([ticket.id, variables], sort_keys=True)
    answer = api.change(_START, variables, key=str(uuid5(NAMESPACE_URL, content)))
    job = whole(answer).get("job")
    if not isinstance(job, Mapping) or not job.get("job_id") or not job.get("upload_url"):
        raise ContractError("Monday.com began an import and gave neither its number nor its link")
    job_id = str(job["job_id"])
    ticket.remember(job_id)
    try:
        api.upload(str(job["upload_url"]), table(layout, changes))
    except OutcomeUnknownError as error:
        if look(api, job_id).state is JobState.WAITING:
            raise TransientError(f"Monday.com: {error}; nothing was imported") from error
    return job_id


def outcomes(
    api: MondayApi,
    layout: Layout,
    ended: Job,
    changes: Sequence[Change],
    *,
    pause: Callable[[float], None],
) -> Iterator[Sequence[Written]]:
    """What became of each change. Raises for a job that was refused as a whole and can be sent again."""
    if ended.state is not JobState.COMPLETED:
        yield _of_failed_job(layout, ended, changes)
        return
    reasons = reasons_of(api, layout, ended)
    if reasons is None:
        words = "the report of the import could not be read"
        yield [unknown(change, words) for change in changes]
        return
    yield [
        rejected(change, reasons[change.external_id])
        for change in changes
        if change.external_id in reasons
    ]
    done = [change for change in changes if change.external_id not in reasons]
    yield [accepted(one, one.remote_id) for one in done if one.kind is ChangeKind.UPDATE]
    yield from _with_ids(
        api, layout, [one for one in done if one.kind is not ChangeKind.UPDATE], pause=pause
    )


def _of_failed_job(layout: Layout, ended: Job, changes: Sequence[Change]) -> list[Written]:
    said = f"{ended.message or 'no reason given'} ({ended.failure or ended.state})"
    match ended.failure:
        case "ACCOUNT_CAPACITY_EXCEEDED":
            raise TransientError(
                f"Monday.com imports no more items for now (19,000 an hour for the account): {said}",
                retry_after=3600.0,
            )
        case "AUTHORIZATION_FAILED" | "PERMISSION_DENIED" | "USER_UNAUTHORIZED":
            raise CredentialError(f"Monday.com refuses the import: {said}")
        case "BOARD_CAPACITY_EXCEEDED":
            words = (
                f"board {layout.board.name!r} is full: {said}; give the entity a filter: in the "
                "mapping, or archive items"
            )
            return [rejected(change, words) for change in changes]
        case "INVALID_UPLOAD" | "FILE_TOO_LARGE":
            raise ContractError(f"Monday.com does not take our file: {said}")
    return [unknown(change, f"the import broke down: {said}") for change in changes]


def _with_ids(
    api: MondayApi, layout: Layout, changes: Sequence[Change], *, pause: Callable[[float], None]
) -> Iterator[Sequence[Written]]:
    """Find the ids of imported items. A search may lag behind, so it is tried several times."""
    left = list(changes)
    for attempt in range(_LOOKS):
        if not left:
            return
        if attempt:
            pause(_LOOK_PAUSE * attempt)
        ids = ids_of_keys(api, layout, [change.external_id for change in left])
        yield [accepted(one, ids[one.external_id][0]) for one in left if one.external_id in ids]
        left = [one for one in left if one.external_id not in ids]
    yield [unknown(change, "imported, and not found by its key yet") for change in left]
