"""Bulk API 2.0, ingest: jobs, their CSV, their states and results.

developer.salesforce.com, api-asynch: bulk_api_2_0; reference §1.1 (failing cases) and §1.2. The data is worked off as
soon as it is complete, and the job says so after some polls. Results come in another order than the rows came in.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from ml_connector_dagster.sandbox.salesforce.changes import csv_columns, read_csv
from ml_connector_dagster.sandbox.salesforce.faults import Fault, Faults
from ml_connector_dagster.sandbox.salesforce.fields import Field, SObject
from ml_connector_dagster.sandbox.salesforce.options import OrgOptions
from ml_connector_dagster.sandbox.salesforce.records import Records
from ml_connector_dagster.sandbox.salesforce.refusals import ApiError, not_found
from ml_connector_dagster.sandbox.salesforce.schema import Schema
from ml_connector_dagster.sandbox.salesforce.writes import Operation, Saved, Write, Writes


State = Literal["Open", "UploadComplete", "InProgress", "JobComplete", "Failed", "Aborted"]
#: Rows that are saved together.
_CHUNK: Final = 200
_ENDED: Final = ("JobComplete", "Failed", "Aborted")
_RESULTS: Final = ("successfulresults", "failedresults", "unprocessedrecords")


@dataclass(slots=True, kw_only=True)
class Job:
    """One ingest job."""

    id: str
    sobject: SObject
    operation: Operation
    key: Field | None
    line_ending: Literal["LF", "CRLF"]
    version: str
    created: str
    state: State = "Open"
    data: bytes | None = None
    error: str = ""
    polls: int = 0
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    saved: list[Saved] = field(default_factory=list)
    stuck: Fault | None = None

    def body(self) -> dict[str, object]:
        """As the job's resource tells it."""
        told: dict[str, object] = {
            "id": self.id,
            "operation": self.operation,
            "object": self.sobject.name,
            "createdDate": self.created,
            "systemModstamp": self.created,
            "state": self.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self.version),
            "lineEnding": self.line_ending,
            "columnDelimiter": "COMMA",
        }
        if self.key is not None:
            told["externalIdFieldName"] = self.key.name
        if self.state == "Open":
            told["contentUrl"] = f"services/data/v{self.version}/jobs/ingest/{self.id}/batches"
            return told
        told |= {"jobType": "V2Ingest", "retries": 0, "totalProcessingTime": 100}
        if self.state != "UploadComplete":
            failed = sum(one.error is not None for one in self.saved)
            told |= {"numberRecordsProcessed": len(self.saved), "numberRecordsFailed": failed}
        if self.error:
            told["errorMessage"] = self.error
        return told


class BulkJobs:
    """All ingest jobs of the org."""

    def __init__(
        self, options: OrgOptions, schema: Schema, records: Records, writes: Writes, faults: Faults
    ) -> None:
        self.jobs: dict[str, Job] = {}
        self._options = options
        self._schema = schema
        self._records = records
        self._writes = writes
        self._faults = faults

    def create(self, asked: dict[str, object], version: str) -> dict[str, object]:
        """POST jobs/ingest."""
        known = {"object", "operation", "externalIdFieldName", "contentType", "lineEnding"}
        known |= {"columnDelimiter", "assignmentRuleId"}
        if unknown := sorted(set(asked) - known):
            raise ApiError(400, "JSON_PARSER_ERROR", f'Unrecognized field "{unknown[0]}"')
        sobject = self._schema.find(str(asked.get("object", "")))
        if sobject is None:
            raise _job_error("INVALIDJOB", f"Unable to find object: {asked.get('object')}")
        operation = asked.get("operation")
        if operation not in ("insert", "update", "upsert"):
            raise _job_error("INVALIDJOB", f"Operation {operation} is not simulated")
        key = None
        if operation == "upsert":
            key = self._schema.field(sobject, str(asked.get("externalIdFieldName", "")))
            if key is None or not key.external_id:
                raise _job_error(
                    "INVALIDJOB",
                    "InvalidJob : Field name provided does not match an External ID for "
                    f"{sobject.name}: {asked.get('externalIdFieldName')}",
                )
        if asked.get("contentType", "CSV") != "CSV":
            raise _job_error("INVALIDJOB", "Bulk API 2.0 supports CSV only")
        if asked.get("columnDelimiter", "COMMA") != "COMMA":
            raise _job_error("INVALIDJOB", "Only COMMA is simulated")
        ending = asked.get("lineEnding", "LF")
        job = Job(
            id=self._records.new_id("750"),
            sobject=sobject,
            operation=operation,
            key=key,
            line_ending="CRLF" if ending == "CRLF" else "LF",
            version=version,
            created=self._moment(),
        )
        self.jobs[job.id] = job
        return job.body()

    def upload(self, job_id: str, content_type: str, data: bytes) -> None:
        """PUT …/batches, once."""
        job = self._job(job_id)
        if job.state != "Open" or job.data is not None:
            raise _job_error(
                "INVALIDJOBSTATE",
                f"Found multiple contents for job: {job_id}, please 'Close' / 'Abort' / 'Delete' the current Job "
                "then create a new Job and make sure you only do 'PUT' once on a given Job.",
            )
        if not content_type.lower().startswith("text/csv"):
            raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", f"{content_type} is not text/csv")
        if len(data) > self._options.bulk_bytes:
            raise ApiError(
                413, "CONTENT_LENGTH_LIMIT_EXCEEDED", "The content exceeds the limit of 150 MB"
            )
        job.data = data

    def change(self, job_id: str, state: object) -> dict[str, object]:
        """PATCH of a job: UploadComplete or Aborted."""
        job = self._job(job_id)
        if state == "Aborted" and job.state not in _ENDED:
            job.state = "Aborted"
        elif state == "UploadComplete" and job.state == "Open":
            job.state = "UploadComplete"
            self._work_off(job)
        else:
            raise _job_error(
                "INVALIDJOBSTATE", f"Unable to change job {job_id} from {job.state} to {state}"
            )
        return job.body()

    def get(self, job_id: str) -> dict[str, object]:
        """GET of a job: every look moves it on."""
        job = self._job(job_id)
        if job.stuck is not None and job.stuck.released.is_set():
            job.stuck = None
            self._save(job, len(job.rows))
        if job.state in ("UploadComplete", "InProgress"):
            job.polls += 1
            job.state = "InProgress"
            if job.stuck is None and job.polls > self._options.bulk_polls:
                job.state = "Failed" if job.error else "JobComplete"
        return job.body()

    def listing(self) -> dict[str, object]:
        """GET jobs/ingest."""
        return {
            "done": True,
            "nextRecordsUrl": None,
            "records": [one.body() for one in self.jobs.values()],
        }

    def delete(self, job_id: str) -> None:
        job = self._job(job_id)
        if job.state not in _ENDED:
            raise _job_error("INVALIDJOBSTATE", f"Job {job_id} is {job.state} and not deleted")
        del self.jobs[job_id]

    def results(self, job_id: str, kind: str) -> bytes:
        """One of the three results, as CSV."""
        job = self._job(job_id)
        if kind.lower() not in _RESULTS:
            raise not_found()
        if job.state not in _ENDED:
            raise _job_error("INVALIDJOBSTATE", f"Job {job_id} is {job.state}: no results yet")
        done = list(zip(job.saved, job.rows, strict=False))
        if kind.lower() == "successfulresults":
            lines: Iterable[Sequence[str]] = (
                [one.id, str(one.created).lower(), *row]
                for one, row in reversed(done)
                if one.error is None
            )
            return _csv(["sf__Id", "sf__Created", *job.header], lines)
        if kind.lower() == "failedresults":
            return _csv(
                ["sf__Id", "sf__Error", *job.header],
                (
                    ["", one.error.line(), *row]
                    for one, row in reversed(done)
                    if one.error is not None
                ),
            )
        return _csv(job.header, job.rows[len(job.saved) :])

    def _work_off(self, job: Job) -> None:
        try:
            job.header, job.rows = _parsed(job.data or b"", job.line_ending)
            csv_columns(self._schema, job.sobject, job.header)
        except ValueError as error:
            job.error = str(error)
            return
        fault = self._faults.of_job(job.sobject.name)
        if fault is not None and fault.kind == "job_stuck":
            job.stuck = fault
        elif fault is not None:
            job.error = "InternalServerError : Retried more than 10 times"
            self._save(job, fault.size)
        else:
            self._save(job, len(job.rows))

    def _save(self, job: Job, limit: int) -> None:
        columns = csv_columns(self._schema, job.sobject, job.header)
        write = Write(sobject=job.sobject, operation=job.operation, key=job.key)
        for start in range(0, min(limit, len(job.rows)), _CHUNK):
            rows = job.rows[start : min(start + _CHUNK, limit)]
            job.saved += self._writes.save(write, [read_csv(columns, row) for row in rows])

    def _job(self, job_id: str) -> Job:
        found = self.jobs.get(job_id)
        if found is None:
            raise not_found()
        return found

    def _moment(self) -> str:
        moment = datetime.fromtimestamp(self._options.now(), UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def _parsed(data: bytes, line_ending: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows. Raises ValueError with the words of a failed job."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("ClientInputError : InvalidBatch : Invalid UTF-8 encoding") from error
    if not text.strip():
        raise ValueError("InvalidBatch : Empty upload")
    bare = text.replace("\r\n", "") if line_ending == "CRLF" else text
    if "\r" in bare or (line_ending == "CRLF" and "\n" in bare):
        raise ValueError(
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is "
            + line_ending
        )
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error as error:
        raise ValueError(f"InvalidBatch : {error}") from error
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise ValueError(
                f"InvalidBatch : The number of columns of line {number} does not match the header"
            )
    return header, rows


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _job_error(code: str, message: str) -> ApiError:
    return ApiError(400, code, message)
