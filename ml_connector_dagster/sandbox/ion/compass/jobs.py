"""Queries that were submitted, and their results: running, finished or failed; kept for some hours."""

import csv
import io
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.ion.messages import ApiAnswer


#: The most rows and bytes of one page (reference §6.4).
PAGE_ROWS: Final = 100_000
PAGE_BYTES: Final = 10 * 1024 * 1024

_FAILURE_COLUMNS: Final = ("MessageType", "SuggestedLocalizedText")


@dataclass(slots=True, kw_only=True)
class Job:
    """One query. ``polls``: so many looks at its status still find it running; ``failure``: why it failed."""

    id: str
    table: str
    made_at: datetime
    columns: tuple[str, ...]
    rows: Sequence[Row]
    polls: int
    failure: str = ""


def failed(message: str, table: str, *, name: str, made_at: datetime, polls: int) -> Job:
    """A query that fails: its result is the reason, as rows."""
    rows: list[Row] = [("Error", message)]
    return Job(
        id=name,
        table=table,
        made_at=made_at,
        columns=_FAILURE_COLUMNS,
        rows=rows,
        polls=polls,
        failure=message,
    )


def failure_page(message: str) -> ApiAnswer:
    """What a failed result looks like as CSV."""
    return _csv(_FAILURE_COLUMNS, [("Error", message)])


class Jobs:
    """Queries by id. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}

    def add(self, job: Job) -> None:
        """Keep a job."""
        with self._lock:
            self._jobs[job.id] = job

    def find(self, name: str, *, younger_than: datetime) -> Job | None:
        """The job, unless it has expired; expired ones are forgotten."""
        with self._lock:
            self._jobs = {
                known: job for known, job in self._jobs.items() if job.made_at > younger_than
            }
            return self._jobs.get(name)

    def table_of(self, name: str) -> str:
        """The table of a job; "" when it is not known."""
        with self._lock:
            return self._jobs[name].table if name in self._jobs else ""

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._jobs.clear()

    def poll(self, job: Job) -> bool:
        """Whether the job is done; each look brings it nearer."""
        with self._lock:
            job.polls -= 1
            return job.polls < 0


def page_of(job: Job, offset: int, limit: int, *, as_csv: bool) -> ApiAnswer:
    """Rows from ``offset`` on: at most ``limit``, and at most ten megabytes of them."""
    write = _csv if as_csv else _json
    rows = job.rows[offset : offset + limit]
    answer = write(job.columns, rows)
    while len(answer.body) > PAGE_BYTES and len(rows) > 1:
        rows = rows[: max(1, len(rows) * PAGE_BYTES // len(answer.body) - 1)]
        answer = write(job.columns, rows)
    return answer


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> ApiAnswer:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(rows)
    body = text.getvalue().encode("utf-8", "replace")
    return ApiAnswer(body=body, content_type="text/csv;charset=UTF-8", rows=len(rows))


def _json(columns: Sequence[str], rows: Sequence[Row]) -> ApiAnswer:
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    text = json.dumps(records, ensure_ascii=False, separators=(",", ":"))
    return ApiAnswer(body=text.encode("utf-8", "replace"), rows=len(rows))
