"""The job of an import: how far it is, and what its report says.

What a report looks like is not published: it is read by its headers, and where its sums do not add up, its rows
count as unknown and are looked up.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ml_connector_dagster.destinations.monday.api import MondayApi
from ml_connector_dagster.destinations.monday.layouts import Layout
from ml_connector_dagster.model.errors import ContractError, OutcomeUnknownError


#: A file that has just come is not seen at once; a job that nobody feeds stays pending for ever.
_PENDING_POLLS: Final = 8
_LOOK_PAUSE: Final = 2.0

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


def reasons_of(api: MondayApi, layout: Layout, ended: Job) -> Mapping[str, str] | None:
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
