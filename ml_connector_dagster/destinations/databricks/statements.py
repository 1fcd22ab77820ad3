"""SQL on a warehouse through the Statement Execution API: submit, poll, cancel, results in chunks.

Facts and sources: reference/warehouses.md §B1 and §B3. Four that shape this file:

- The SDK sends a call again after a lost connection, a statement too. So every statement that is run here must leave
  the same state when it is run twice; that is the caller's side of the bargain.
- A statement is submitted with ``wait_timeout`` 0s: its id is known at once, so an interrupt can cancel it.
- Large results come as links to cloud storage, which are signed: the token must not be sent along.
- Query tags are younger than the SDK that dagster-databricks allows; so a comment says what a statement is for. It stays
  in the query history, and in ``system.query.history``.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import httpx
import pyarrow as pa
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    Format,
    ResultData,
    StatementParameterListItem,
    StatementResponse,
    StatementState,
)

from ml_connector_dagster.destinations.databricks.calls import (
    CALL_ERRORS,
    Calls,
    NotThereError,
    UnreachableError,
)
from ml_connector_dagster.destinations.databricks.refusals import failed_statement, is_conflict
from ml_connector_dagster.model.errors import TransientError
from ml_connector_dagster.telemetry import boundary, verb_of


FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 5.0
#: How often a statement is run again when another writer was first, or its handle or result was lost.
ATTEMPTS: Final = 6
#: Before that, the pause is as long as before this poll: other writers need seconds.
CALM: Final = 7

_UNDER_WAY: Final = (StatementState.PENDING, StatementState.RUNNING)


def comment(labels: Mapping[str, str]) -> str:
    """What goes before a statement: a comment with ``labels`` as JSON, or nothing without labels."""
    if not labels:
        return ""
    named = json.dumps({"app": "ml_connector_dagster", **labels}, ensure_ascii=True)
    return f"/* {named.replace('*/', '*_/').replace('/*', '/_*')} */ "


class Statements:
    """Runs statements on one SQL warehouse.

    Args:
        timeout: seconds after which a statement is cancelled.
        pause: waits so many seconds.
        labels: what every statement is for, beside its text in the query history.
    """

    def __init__(
        self,
        calls: Calls,
        http: httpx.Client,
        warehouse_id: str,
        *,
        timeout: float,
        pause: Callable[[float], None],
        labels: Mapping[str, str],
    ) -> None:
        self._calls = calls
        self._http = http
        self._warehouse_id = warehouse_id
        self._timeout = timeout
        self._pause = pause
        self._comment = comment(labels)

    def run(self, sql: str, parameters: Mapping[str, str | None]) -> list[list[str | None]]:
        """Run one statement; its rows as text (a few; 25 MiB at most)."""
        answer = self._finished(sql, parameters, Disposition.INLINE)
        rows: list[list[str | None]] = []
        result = answer.result
        while result is not None:
            rows.extend([*one] for one in result.data_array or [])
            if result.next_chunk_index is None:
                break
            result = self._chunk_of(answer.statement_id or "", result.next_chunk_index)
        return rows

    def _chunk_of(self, statement_id: str, index: int) -> ResultData:
        return self._calls.call(
            lambda client: client.statement_execution.get_statement_result_chunk_n(
                statement_id, index
            )
        )

    def stream(self, sql: str, parameters: Mapping[str, str | None]) -> Iterator[pa.Table]:
        """Run one query; its rows as Arrow, one chunk at a time. A result without rows may have no chunk."""
        answer = self._finished(sql, parameters, Disposition.EXTERNAL_LINKS)
        for index in range((answer.manifest.total_chunk_count if answer.manifest else 0) or 0):
            yield self._chunk(answer, index)

    def _chunk(self, answer: StatementResponse, index: int) -> pa.Table:
        """One chunk, by its link. A link runs out after some minutes: then a new one is asked for."""
        statement_id = answer.statement_id or ""
        links = answer.result.external_links if index == 0 and answer.result is not None else None
        for attempt in range(ATTEMPTS):
            if links is None:
                links = self._chunk_of(statement_id, index).external_links
            try:
                self._calls.usage.requests += 1
                response = self._http.get(str(links[0].external_link if links else ""))
                response.raise_for_status()
                return pa.ipc.open_stream(response.content).read_all()
            except httpx.HTTPError as error:
                if attempt + 1 == ATTEMPTS:
                    raise TransientError(
                        f"chunk {index} of statement {statement_id} cannot be downloaded from the cloud storage "
                        f"behind {self._calls.host}: {type(error).__name__}. Is that storage reachable from here?"
                    ) from error
            links = None
            self._wait(attempt)
        raise AssertionError("the loop returns or raises")

    def _finished(
        self, sql: str, parameters: Mapping[str, str | None], disposition: Disposition
    ) -> StatementResponse:
        """Run ``sql`` until it succeeded; again when another writer was first, or when its outcome was lost."""
        with boundary("statement", {"system": "databricks", "verb": verb_of(sql)}):
            return self._succeeded(sql, parameters, disposition)

    def _succeeded(
        self, sql: str, parameters: Mapping[str, str | None], disposition: Disposition
    ) -> StatementResponse:
        for attempt in range(ATTEMPTS):
            answer = self._run_once(sql, parameters, disposition)
            state = None if answer is None or answer.status is None else answer.status.state
            if answer is not None and state is StatementState.SUCCEEDED:
                return answer
            if answer is not None and state is StatementState.FAILED:
                error = answer.status.error if answer.status else None
                message = (error.message if error else None) or "no reason was given"
                if not is_conflict(message) or attempt + 1 == ATTEMPTS:
                    code = error.error_code.value if error and error.error_code else ""
                    raise failed_statement(
                        code,
                        message,
                        principal=self._calls.principal,
                        statement_id=answer.statement_id or "without an id",
                    )
            elif state is StatementState.CANCELED:
                raise TransientError(
                    f"statement {answer.statement_id if answer else ''} was cancelled at Databricks; the next "
                    "delivery runs it again"
                )
            self._wait(attempt + CALM)
        raise TransientError(
            f"Databricks lost a statement {ATTEMPTS} times in a row; the next delivery tries again"
        )

    def _run_once(
        self, sql: str, parameters: Mapping[str, str | None], disposition: Disposition
    ) -> StatementResponse | None:
        """Submit and poll. None when the workspace does not know the statement any more."""
        inline = disposition is Disposition.INLINE
        listed = [StatementParameterListItem(name=k, value=v) for k, v in parameters.items()]
        answer = self._calls.call(
            lambda client: client.statement_execution.execute_statement(
                statement=f"{self._comment}{sql}",
                warehouse_id=self._warehouse_id,
                parameters=listed or None,
                wait_timeout="0s",
                on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CONTINUE,
                disposition=disposition,
                format=Format.JSON_ARRAY if inline else Format.ARROW_STREAM,
            )
        )
        self._calls.usage.statements += 1
        statement_id = answer.statement_id or ""
        deadline = time.monotonic() + self._timeout
        with self._cancelled_on_interrupt(statement_id):
            polls = 0
            while answer.status is not None and answer.status.state in _UNDER_WAY:
                if time.monotonic() > deadline:
                    raise TransientError(
                        f"statement {statement_id} was not done after {self._timeout:g} s and is cancelled; "
                        "take a larger warehouse, or raise statement_timeout_seconds of the connection"
                    )
                self._wait(polls)
                polls += 1
                try:
                    answer = self._calls.call(
                        lambda client: client.statement_execution.get_statement(statement_id)
                    )
                except NotThereError:
                    return None
        return answer

    @contextmanager
    def _cancelled_on_interrupt(self, statement_id: str) -> Iterator[None]:
        try:
            yield
        except UnreachableError:
            raise  # nobody is there who could cancel it
        except BaseException as reason:
            try:
                self._calls.call_if_open(
                    lambda client: client.statement_execution.cancel_execution(statement_id)
                )
            except CALL_ERRORS as error:
                reason.add_note(f"statement {statement_id} could not be cancelled: {error}")
            raise

    def _wait(self, attempt: int) -> None:
        longest = min(FIRST_PAUSE * 1.6**attempt, LONGEST_PAUSE)
        self._pause(longest * random.uniform(0.7, 1.0))
