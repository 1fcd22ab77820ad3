"""Many items as one file: start a job, put the file where it says, wait, read what became of each row.

``ingest_items`` (API 2026-07 and later; reference saas-destinations §2.2). What the report of a job looks like is not
published: it is read by its headers, and where its sums do not add up, its rows count as unknown and are looked up.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
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
#: A link for an upload lives for ten minutes; a job that nobody feeds stays pending for ever.
_PENDING_POLLS: Final = 8
_LOOKS: Final = 3
_LOOK_PAUSE: Final = 2.0

_START: Final = """
mutation ($board: ID!, $group: ID!, $match: OnMatchInput) {
  job: ingest_items(board_id: $board, group_id: $group, on_match: $match) { job_id upload_url }
}
"""
_STATUS: Final = """
query ($job: ID!) {
  job: fetch_job_status(job_id: $job) { ... on ItemsJobStatus {
    status failure_reason failure_message report_url
    counts { submitted invalid skipped created updated failed }
  } }
}
"""


class JobState(StrEnum):
    """How far a job is. WAITING has no file yet."""

    WAITING = "UPLOAD_PENDING"
    RUNNING = "PROCESSING"
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it is now. ``failure`` and ``message`` say why it was refused as a whole."""

    id: str
    state: JobState
    failure: str = ""
    message: str = ""
    report_url: str = ""
    failed_rows: int = 0

    @property
    def has_ended(self) -> bool:
        return self.state not in (JobState.WAITING, JobState.RUNNING)


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


def look(api: MondayApi, job_id: str) -> Job:
    """The job as it is; raises ContractError when there is none."""
    shown = api.ask(_STATUS, {"job": job_id}).get("job")
    if not isinstance(shown, Mapping):
        raise ContractError(f"Monday.com says nothing about import {job_id}")
    counts = shown.get("counts") or {}
    return Job(
        id=job_id,
        state=JobState(shown["status"]),
        failure=str(shown.get("failure_reason") or ""),
        message=str(shown.get("failure_message") or ""),
        report_url=str(shown.get("report_url") or ""),
        failed_rows=sum(int(counts.get(name) or 0) for name in ("invalid", "skipped", "failed")),
    )


def wait(api: MondayApi, job_id: str, *, pause: Callable[[float], None]) -> Job | None:
    """Wait for the end of a job; None when it never got its file, or nobody knows it any more."""
    try:
        job = look(api, job_id)
    except ContractError as error:
        if "ResourceNotFoundException" in str(error):
            return None
        raise
    for _ in range(_PENDING_POLLS):  # a file that has just come is not seen at once
        if job.state is not JobState.WAITING:
            break
        pause(_LOOK_PAUSE)
        job = look(api, job_id)
    if job.state is JobState.WAITING:
        return None
    if job.has_ended:
        return job

    def ended() -> Job | None:
        now = look(api, job_id)
        return now if now.has_ended else None

    return api.poll(ended, f"import {job_id} of Monday.com")


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
    reasons = _reasons(api, layout, ended)
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
    for look in range(_LOOKS):
        if not left:
            return
        if look:
            pause(_LOOK_PAUSE * look)
        ids = ids_of_keys(api, layout, [change.external_id for change in left])
        yield [accepted(one, ids[one.external_id][0]) for one in left if one.external_id in ids]
        left = [one for one in left if one.external_id not in ids]
    yield [unknown(change, "imported, and not found by its key yet") for change in left]


def _reasons(api: MondayApi, layout: Layout, ended: Job) -> Mapping[str, str] | None:
    """Key → why its row was not taken; None when the report does not say."""
    if not ended.failed_rows:
        return {}
    if not ended.report_url:
        return None
    try:
        content = api.download(ended.report_url)
    except OutcomeUnknownError:
        return None
    reasons = read_report(layout, content)
    return reasons if len(reasons) == ended.failed_rows else None


_FAILED: Final = frozenset({"invalid", "failed", "error", "rejected", "skipped"})


def read_report(layout: Layout, content: bytes) -> dict[str, str]:
    """Key → reason, of the rows that a report says were not taken."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    ours = {"name", layout.key.id}
    ours |= {column.id for column in (*layout.fields.values(), *layout.links.values())}
    reasons: dict[str, str] = {}
    for row in rows:
        said = {
            name: text.strip()
            for name, text in row.items()
            if name not in ours and isinstance(text, str)
        }
        states = [text for name, text in said.items() if "status" in name.lower()]
        words = [
            text
            for name, text in said.items()
            if any(word in name.lower() for word in ("error", "reason", "message")) and text
        ]
        if words or any(state.lower() in _FAILED for state in states):
            reasons[row.get(layout.key.id) or ""] = "; ".join(words) or "; ".join(states)
    return reasons
