"""Bulk API 2.0, ingest: the calls of a job's life, one by one, so that a job is never lost with the process.

Through simple-salesforce where it is right (creating, closing, looking, downloading into a file) and by its session where it is not: its
blocking helpers keep the job's id to themselves (reference/saas-destinations.md §1.1 cases 4, 7 to 10).
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ml_connector_dagster.destinations.salesforce import tables
from ml_connector_dagster.destinations.salesforce.refusals import Problem, Refused, row_problem
from ml_connector_dagster.destinations.salesforce.transport import Transport
from ml_connector_dagster.model.errors import ContractError


#: Bytes of one upload: 150 MB after base64.
MOST_BYTES: Final = 100 * 1024 * 1024
_CSV: Final = {"Content-Type": "text/csv; charset=UTF-8"}

JobState = Literal["Open", "UploadComplete", "InProgress", "JobComplete", "Failed", "Aborted"]
ResultKind = Literal["successful", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An ingest job. ``error`` is the whole job's; records have their own."""

    id: str
    state: JobState
    sobject: str
    processed: int
    failed: int
    error: str

    @property
    def has_ended(self) -> bool:
        return self.state in ("JobComplete", "Failed", "Aborted")


class Ingest:
    """The ingest jobs of one org. Raises what the transport raises."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, sobject: str, key_field: str) -> str:
        """A new job that upserts by external id; answers its id. A second one for nothing does no harm."""
        told = self._transport.restful(
            "jobs/ingest",
            method="POST",
            json={
                "object": sobject,
                "operation": "upsert",
                "externalIdFieldName": key_field,
                "contentType": "CSV",
                "lineEnding": "LF",
            },
        )
        return _job(told).id

    def upload(self, job_id: str, data: bytes) -> None:
        """The job's data, once and whole; then no more can come."""
        client = self._transport.client()
        try:
            # Not by restful(): the answer has no body, and it parses one.
            client.session.put(
                f"{client.bulk2_url}ingest/{job_id}/batches", data=data, headers=_CSV
            )
        except Refused as refused:
            # What a repetition gets when the first answer was lost: the data is there.
            if refused.problem.code != "INVALIDJOBSTATE":
                raise
        self._complete(job_id)

    def _complete(self, job_id: str) -> None:
        try:
            self._transport.restful(
                f"jobs/ingest/{job_id}", method="PATCH", json={"state": "UploadComplete"}
            )
        except Refused:
            if self.job(job_id).state in ("Open", "Aborted"):
                raise

    def job(self, job_id: str) -> Job:
        """How a job stands. Raises ``Refused`` with status 404 when the org knows no such job."""
        return _job(self._transport.restful(f"jobs/ingest/{job_id}"))

    def abort(self, job_id: str) -> None:
        """End a job; nothing more of it is worked off."""
        self._transport.restful(f"jobs/ingest/{job_id}", method="PATCH", json={"state": "Aborted"})

    def results(
        self, job: Job, kind: ResultKind
    ) -> Iterator[tuple[Mapping[str, str], Problem | None]]:
        """The rows of a job that has ended, with the problem of those that failed."""
        bulk = getattr(self._transport.client().bulk2, job.sobject)
        download: Callable[..., str] = {
            "successful": bulk.get_successful_records,
            "failed": bulk.get_failed_records,
        }[kind]
        with tempfile.TemporaryDirectory(prefix="ml-connector-") as folder:
            file = Path(folder) / "results.csv"
            # Into a file: as text the library guesses the charset and loses newlines.
            download(job.id, file=str(file))
            for row in tables.read(file):
                yield row, row_problem(row.get("sf__Error", "")) if kind == "failed" else None


def _job(told: object) -> Job:
    if not isinstance(told, Mapping) or "id" not in told or "state" not in told:
        raise ContractError("Salesforce tells of a bulk job without id and state")
    return Job(
        id=str(told["id"]),
        state=told["state"],
        sobject=str(told.get("object", "")),
        processed=int(told.get("numberRecordsProcessed") or 0),
        failed=int(told.get("numberRecordsFailed") or 0),
        error=str(told.get("errorMessage") or ""),
    )
