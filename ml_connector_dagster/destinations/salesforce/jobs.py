"""Writing by Bulk API 2.0: one job per portion, which goes on when we do not. A later process collects its results.

Create, remember, upload, complete, poll, read (reference/saas-destinations.md §1.3).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from ml_connector_dagster.destinations.applications.contract import (
    Change,
    Placement,
    Status,
    Ticket,
    Written,
)
from ml_connector_dagster.destinations.salesforce import tables
from ml_connector_dagster.destinations.salesforce.calls import Calls
from ml_connector_dagster.destinations.salesforce.ingest import Ingest, Job
from ml_connector_dagster.destinations.salesforce.refusals import Problem, Refused, explained
from ml_connector_dagster.destinations.salesforce.shapes import parent_key, sheet
from ml_connector_dagster.model.errors import ContractError, OutcomeUnknownError, TransientError


_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 10.0
#: Answers that are handed over together.
_SLICE: Final = 2000


class Jobs:
    """Bulk jobs of one org. What a job's rows meet in passing (locks) goes once more through ``calls``."""

    def __init__(
        self,
        ingest: Ingest,
        calls: Calls,
        *,
        timeout: float,
        pause: Callable[[float], None] = time.sleep,
        allow_duplicates: bool,
        allowed: Callable[[], None],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ingest = ingest
        self._pause = pause
        self._calls = calls
        self._timeout = timeout
        self._allow_duplicates = allow_duplicates
        self._allowed = allowed
        self._elapsed = elapsed

    def write(
        self, placement: Placement, changes: Sequence[Change], ticket: Ticket
    ) -> Iterator[Sequence[Written]]:
        """Send the changes as one job, and answer for its rows."""
        self._allowed()
        what = f"{placement.entity} were not delivered"
        ordered = sorted(changes, key=lambda one: (parent_key(one), one.external_id))
        columns = sheet(placement, ordered)
        try:
            job_id = self._ingest.create(placement.object, placement.key_field)
            ticket.remember(job_id)
            data = tables.written(columns.columns, columns.rows(ordered))
            self._ingest.upload(job_id, data)
            job = self._ended(job_id)
        except Refused as refused:
            raise explained(refused, what) from refused
        except OutcomeUnknownError as error:
            # A job without data does nothing, and Salesforce clears it away.
            raise TransientError(f"{what}: {error}. It is begun anew") from error
        by_key = {tables.cell_text(one.external_id): one for one in ordered}
        again: list[Change] = []
        for answers in self._answers(job, placement, by_key):
            keep: list[Written] = []
            for key, written, problem in answers:
                if problem is not None and self._goes_again(problem):
                    again.append(by_key[key])
                else:
                    keep.append(written)
            if keep:
                yield keep
        if again:
            yield from self._calls.write(placement, again)
        _check_end(job, what)

    def collect(
        self, placement: Placement, job_id: str, external_ids: Sequence[str]
    ) -> Iterator[Sequence[Written]]:
        """Answer for the rows of a job that another process started; rows to send again get no answer."""
        try:
            job = self._ingest.job(job_id)
            if job.state == "Open":
                self._ingest.abort(job_id)
                return
            job = self._ended(job_id)
        except Refused as refused:
            if refused.status == 404:
                return
            raise explained(refused, f"bulk job {job_id} was not collected") from refused
        known = {tables.cell_text(one): one for one in external_ids}
        for answers in self._answers(job, placement, known):
            yield [
                written
                for _, written, problem in answers
                if problem is None or not self._goes_again(problem)
            ]

    def _goes_again(self, problem: Problem) -> bool:
        # A job cannot be told to overrule an alert of a duplicate rule; a Collections call can.
        return problem.is_passing or (problem.is_duplicate and self._allow_duplicates)

    def _ended(self, job_id: str) -> Job:
        """The job at its end. Raises TransientError when that takes too long; the job goes on."""
        started = self._elapsed()
        wait = _FIRST_PAUSE
        job = self._ingest.job(job_id)
        while not job.has_ended:
            if self._elapsed() - started > self._timeout:
                raise TransientError(
                    f"bulk job {job_id} of {job.sobject} is still {job.state} after {self._timeout:.0f} s; its results "
                    "are collected by the next delivery (Setup, Bulk Data Load Jobs shows it)"
                )
            self._pause(wait)
            wait = min(wait * 1.6, _LONGEST_PAUSE)
            job = self._ingest.job(job_id)
        return job

    def _answers(
        self, job: Job, placement: Placement, known: Mapping[str, object]
    ) -> Iterator[list[tuple[str, Written, Problem | None]]]:
        """(key as sent, answer, problem) of the rows, by slices."""
        rows = self._rows(job, placement, known)
        while part := list(islice(rows, _SLICE)):
            yield part

    def _rows(
        self, job: Job, placement: Placement, known: Mapping[str, object]
    ) -> Iterator[tuple[str, Written, Problem | None]]:
        for row, _ in self._ingest.results(job, "successful"):
            key = row[placement.key_field]
            yield (
                key,
                Written(
                    external_id=_external_id(known, key),
                    status=Status.ACCEPTED,
                    remote_id=row["sf__Id"],
                ),
                None,
            )
        if job.failed == 0 and job.state == "JobComplete":
            return
        for row, problem in self._ingest.results(job, "failed"):
            key = row[placement.key_field]
            written = Written(
                external_id=_external_id(known, key), status=Status.REJECTED, reason=str(problem)
            )
            yield key, written, problem


def _external_id(known: Mapping[str, object], key: str) -> str:
    found = known.get(key)
    if isinstance(found, Change):
        return found.external_id
    if isinstance(found, str):
        return found
    raise ContractError(f"a bulk job answers for {key!r}, which it was not asked to write")


def _check_end(job: Job, what: str) -> None:
    """Raises unless the job was worked off to its end."""
    if job.state == "JobComplete":
        return
    said = f"{what}: bulk job {job.id} of {job.sobject} ended as {job.state}: {job.error or 'no reason given'}"
    if job.error.startswith(("InvalidBatch", "ClientInputError")):
        raise ContractError(
            f"{said}. A field that is not visible to the user that the app runs as is reported like one that is not "
            "there; ml-connector setup shows what is missing"
        )
    raise TransientError(f"{said}. What was not worked off is delivered again")
