"""One tenant's data lake: a statement is submitted, waited for, and its result fetched page by page.

Reference cloudsuite-api §6.4: a page has at most 100,000 rows or ten megabytes, a result lives about 20 hours.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.lake import LakeCatalog
from ml_connector_dagster.cloudsuite.gateway import Readable, Reply, statuses
from ml_connector_dagster.cloudsuite.product_lines.asking import Asking
from ml_connector_dagster.cloudsuite.product_lines.compass.answers import (
    JobAnswer,
    LakeRefusal,
    PageAnswer,
    parse_csv,
    parse_job,
    parse_json,
)
from ml_connector_dagster.cloudsuite.product_lines.compass.statements import Select
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.model.errors import ContractError, TransientError


#: The suite of the gateway, and which of its answers are Compass's own to read.
SUITE: Final = "DATAFABRIC"
READABLE: Final = statuses(400, 403, 404, 410)

PAGE_ROWS: Final = 100_000

_JOBS: Final = "/compass/v2/jobs"
_FAILED: Final = frozenset({"FAILED", "CANCELED", "CANCELLED"})
#: A server that does not wait, though it was asked to, is not asked again at once.
_SHORTEST_ROUND: Final = 2.0


class LakeCalls(Protocol):
    """The part of ``Gateway`` that the lake uses."""

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Reply: ...

    def ask(self, path: str, statement: str) -> Reply: ...

    def wait(self, seconds: float) -> None: ...


class Suites(Protocol):
    """The part of ``Gateway`` that leads to the lake."""

    def beside(self, suite: str, readable: Readable) -> LakeCalls: ...


class QueryGoneError(ContractError):
    """The result of a query is not there any more: it is asked anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished query. ``rows``: None when Compass does not say how many."""

    query: str
    rows: int | None


class Lake:
    """Thread-safe."""

    def __init__(self, calls: LakeCalls, catalog: LakeCatalog) -> None:
        self._calls = calls
        self._catalog = catalog
        self._asking = Asking()

    def begin(self) -> None:
        """A read begins; see ``Asking.begin``."""
        self._asking.begin()

    def run(self, select: Select, meter: Meter) -> Result:
        """Submit ``select`` and wait until it is finished. Raises the error that fits a refusal."""
        submitted = self._job(
            lambda: self._calls.ask(f"{_JOBS}/?queryExecutor=datalake&records=0", select.text),
            parse_job,
            select,
            kind="submit",
            question=select.text,
            meter=meter,
        )
        if submitted.refusal is not None:
            raise submitted.refusal.error(self._catalog.messages, str(select))
        return self._finished(select, submitted.query, meter)

    def page(
        self, select: Select, result: Result, offset: int, limit: int, meter: Meter
    ) -> pa.Table:
        """Rows of the result from ``offset`` on. Raises QueryGoneError when it has expired."""
        answer = self._page(select, result.query, offset, limit, meter)
        rows = answer.records.num_rows
        if result.rows is not None and (rows == 0) != (offset >= result.rows):
            raise ContractError(
                f"{select}: {result.rows:,} rows were announced, and from row {offset:,} on there came {rows:,}"
            )
        return answer.records

    def columns(self, select: Select) -> tuple[str, ...]:
        """The names in the header of a result, which CSV has without rows too."""
        meter = Meter()
        result = self.run(select, meter)
        return self._page(select, result.query, 0, 1, meter, as_csv=True).columns

    def number(self, select: Select) -> int:
        """The number that ``select`` gives in its only row."""
        meter = Meter()
        records = self.page(select, self.run(select, meter), 0, 1, meter)
        text = str(records.column(0)[0].as_py()) if records.num_rows else ""
        if not text.isdigit():
            raise ContractError(f"{select}: {text[:40]!r} is no number of rows")
        return int(text)

    def _finished(self, select: Select, query: str, meter: Meter) -> Result:
        """Long polls until the query is done."""
        wait = self._catalog.wait_seconds
        path = f"{_JOBS}/{query}/status/?timeout={wait}&queryExecutor=datalake"
        left = self._catalog.patience_minutes * 60.0
        while True:
            took = 0.0

            def send() -> Reply:
                nonlocal took
                reply = self._calls.get(path)
                took += reply.elapsed
                return reply

            answer = self._job(
                send, _status_of(query), select, kind="status", question=query, meter=meter
            )
            if answer.refusal is not None:
                raise answer.refusal.error(self._catalog.messages, str(select))
            if answer.state in _FAILED:
                raise self._failure(select, query, answer.state, meter)
            if answer.state not in ("RUNNING", "QUEUED", "SUBMITTED", "PENDING"):
                return Result(query=query, rows=answer.rows)
            rest = max(0.0, _SHORTEST_ROUND - took)
            left -= max(took, _SHORTEST_ROUND)
            if left <= 0:
                raise TransientError(
                    f"{select}: the query is still running after {self._catalog.patience_minutes} minutes; the next run "
                    "asks again. Raise lake.patience_minutes in the tenant's catalog file if it needs longer"
                )
            self._calls.wait(rest)

    def _failure(self, select: Select, query: str, state: str, meter: Meter) -> Exception:
        """Why a query failed stands in its result, where there is one."""
        refusal = LakeRefusal(status=200, message=f"the query is {state}, and nothing says why")
        path = f"{_JOBS}/{query}/result/?offset=0&limit=1"
        reply = self._calls.get(path, headers={"Accept": "text/csv"})
        meter.add(reply)
        try:
            told = parse_csv(reply.status, reply.body, select.columns).refusal
        except ContractError:
            told = None
        return (told or refusal).error(self._catalog.messages, str(select))

    def _page(
        self,
        select: Select,
        query: str,
        offset: int,
        limit: int,
        meter: Meter,
        *,
        as_csv: bool = False,
    ) -> PageAnswer:
        path = f"{_JOBS}/{query}/result/?offset={offset}&limit={limit}"
        in_csv = as_csv or self._catalog.format == "csv"
        parse = parse_csv if in_csv else parse_json
        columns = None if select.columns == ("*",) else select.columns
        answer = self._asking.ask(
            lambda: self._calls.get(
                path, headers={"Accept": "text/csv" if in_csv else "application/json"}
            ),
            lambda status, body: parse(status, body, columns),
            what=str(select),
            kind=f"{select.table}/result",
            question=path,
            meter=meter,
        )
        if answer.refusal is not None and answer.refusal.is_gone:
            raise QueryGoneError(f"{select}: the result of its query is not there any more")
        if answer.refusal is not None:
            raise answer.refusal.error(self._catalog.messages, str(select))
        return answer

    def _job(
        self,
        send: Callable[[], Reply],
        read: Callable[[int, bytes], JobAnswer],
        select: Select,
        *,
        kind: str,
        question: str,
        meter: Meter,
    ) -> JobAnswer:
        return self._asking.ask(
            send,
            read,
            what=str(select),
            kind=f"{select.table}/{kind}",
            question=question,
            meter=meter,
        )


def _status_of(query: str) -> Callable[[int, bytes], JobAnswer]:
    def read(status: int, body: bytes) -> JobAnswer:
        answer = parse_job(status, body)
        if answer.refusal is None and answer.query != query:
            raise ContractError("the status is that of another query")
        return answer

    return read
