"""The Statement Execution API: submit, wait, poll, cancel, results in chunks.

https://docs.databricks.com/api/workspace/statementexecution and the tutorial beside it:
``wait_timeout`` is 0s or 5 s to 50 s; INLINE answers JSON_ARRAY, up to 25 MiB; EXTERNAL_LINKS answers presigned links,
which are fetched without the token and live for 15 minutes; statement and parameters together have up to 16 MiB here.
"""

import io
import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from ml_connector_dagster.sandbox.databricks.faults import Faults
from ml_connector_dagster.sandbox.databricks.parsing import Parameters, type_text
from ml_connector_dagster.sandbox.databricks.refusals import ApiError, SqlError
from ml_connector_dagster.sandbox.databricks.sql import Warehouse


MAX_REQUEST: Final = 16 * 1024 * 1024
MAX_INLINE: Final = 25 * 1024 * 1024
LINK_SECONDS: Final = 900.0
#: How many ended statements are still known. The real service keeps a result for an hour.
KEPT: Final = 200
_KEYS: Final = frozenset(
    {
        "statement", "warehouse_id", "catalog", "schema", "parameters", "wait_timeout",
        "on_wait_timeout", "disposition", "format",
    }
)  # fmt: skip
_DONE: Final = ("SUCCEEDED", "FAILED", "CANCELED", "CLOSED")


@dataclass(slots=True, kw_only=True)
class Execution:
    """One statement on its way."""

    id: str
    text: str
    parameters: Parameters
    disposition: str
    format: str
    state: str = "PENDING"
    error: str = ""
    result: pa.Table | None = None
    polls_to_start: int = 0
    forgotten: bool = False
    closed: bool = False
    started: bool = False
    finished: threading.Event = field(default_factory=threading.Event)


class Executions:
    """The statements of the workspace's warehouse. ``texts`` are the statements that were carried out, in order."""

    def __init__(
        self,
        warehouse: Warehouse,
        faults: Faults,
        *,
        warehouse_id: str,
        chunk_rows: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._warehouse = warehouse
        self._faults = faults
        self._warehouse_id = warehouse_id
        self._chunk_rows = chunk_rows
        self._clock = clock
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(max_workers=4, thread_name_prefix="statement")
        self._executions: dict[str, Execution] = {}
        self._links: dict[str, tuple[Execution, int, float]] = {}
        self.can_use = True
        self.texts: list[str] = []

    def close(self) -> None:
        self._workers.shutdown(cancel_futures=True)

    def submit(self, body: bytes, base: str) -> dict[str, Any]:
        """POST /api/2.0/sql/statements/"""
        request = _request(body)
        self._check_warehouse(request.get("warehouse_id"))
        wait = _wait_seconds(request.get("wait_timeout", "10s"))
        execution = Execution(
            id=str(uuid.uuid4()),
            text=request["statement"],
            parameters=_parameters(request.get("parameters") or []),
            disposition=request.get("disposition", "INLINE"),
            format=request.get("format", "JSON_ARRAY"),
        )
        fault = self._faults.of_statement(execution.text)
        if fault is not None and fault.kind == "pending":
            execution.polls_to_start = fault.polls
        failure = fault.message if fault is not None and fault.kind == "statement_fails" else ""
        execution.forgotten = fault is not None and fault.kind == "statement_lost"
        execution.closed = fault is not None and fault.kind == "statement_closed"
        self._remember(execution)
        if not execution.polls_to_start:
            self._start(execution, failure)
        if wait:
            execution.finished.wait(wait)
            if not execution.finished.is_set() and request.get("on_wait_timeout") == "CANCEL":
                self.cancel(execution.id)
        return self._view(execution, base)

    def get(self, statement_id: str, base: str) -> dict[str, Any]:
        """GET /api/2.0/sql/statements/{id}"""
        execution = self._find(statement_id)
        if execution.polls_to_start:
            execution.polls_to_start -= 1
            if not execution.polls_to_start:
                self._start(execution, "")
        return self._view(execution, base)

    def cancel(self, statement_id: str) -> None:
        """POST /api/2.0/sql/statements/{id}/cancel: what runs may run to its end all the same."""
        execution = self._find(statement_id)
        with self._lock:
            if execution.state not in _DONE:
                execution.state = "CANCELED"
                execution.polls_to_start = 0
                execution.finished.set()

    def chunk(self, statement_id: str, index: int, base: str) -> dict[str, Any]:
        """GET /api/2.0/sql/statements/{id}/result/chunks/{index}"""
        execution = self._find(statement_id)
        if execution.state != "SUCCEEDED" or not 0 <= index < self._chunks(execution):
            raise ApiError(404, "NOT_FOUND", f"The statement has no result chunk {index}.")
        return self._chunk(execution, index, base)

    def download(self, token: str) -> bytes:
        """What a presigned link gives."""
        with self._lock:
            execution, index, expires = self._links.get(token, (None, 0, 0.0))
        if execution is None or expires <= self._clock():
            raise ApiError(403, "AccessDenied", "Request has expired")
        table = self._slice(execution, index)
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue()

    def wait_until_idle(self) -> None:
        """Until every statement that was started has ended."""
        with self._lock:
            under_way = [one for one in self._executions.values() if one.started]
        for execution in under_way:
            execution.finished.wait()

    def _remember(self, execution: Execution) -> None:
        with self._lock:
            ended = [one.id for one in self._executions.values() if one.finished.is_set()]
            for oldest in ended[: max(0, len(ended) - KEPT)]:
                del self._executions[oldest]
            self._executions[execution.id] = execution

    def _check_warehouse(self, warehouse_id: object) -> None:
        if warehouse_id != self._warehouse_id:
            raise ApiError(404, "NOT_FOUND", f"SQL warehouse {warehouse_id} does not exist.")
        if not self.can_use:
            raise ApiError(
                403,
                "PERMISSION_DENIED",
                f"You do not have permission to use the SQL warehouse {warehouse_id}.",
            )

    def warehouse(self, warehouse_id: str) -> dict[str, Any]:
        """GET /api/2.0/sql/warehouses/{id}"""
        self._check_warehouse(warehouse_id)
        pending = any(one.polls_to_start for one in tuple(self._executions.values()))
        state = "STARTING" if pending else "RUNNING"
        return {"id": warehouse_id, "name": "loading", "state": state, "warehouse_type": "PRO"}

    def _start(self, execution: Execution, failure: str) -> None:
        execution.started = True
        self._workers.submit(self._run, execution, failure)

    def _run(self, execution: Execution, failure: str) -> None:
        with self._lock:
            if execution.state != "PENDING":
                return
            execution.state = "RUNNING"
        try:
            if failure:
                raise SqlError(failure)
            result = self._warehouse.run(execution.text, execution.parameters)
            self.texts.append(execution.text)
            if execution.disposition == "INLINE" and _size(result) > MAX_INLINE:
                raise SqlError(
                    "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size "
                    f"of at most {MAX_INLINE} bytes. Please execute the statement with disposition=EXTERNAL_LINKS if "
                    "you want to download the full result."
                )
            self._end(execution, "CLOSED" if execution.closed else "SUCCEEDED", result=result)
        except SqlError as error:
            self._end(execution, "FAILED", error=str(error))
        except Exception as error:
            self._end(execution, "FAILED", error=f"[INTERNAL_ERROR] {error!r}")
            raise

    def _end(
        self, execution: Execution, state: str, *, result: pa.Table | None = None, error: str = ""
    ) -> None:
        with self._lock:
            if execution.state == "RUNNING":
                execution.state, execution.result, execution.error = state, result, error
            execution.finished.set()

    def _find(self, statement_id: str) -> Execution:
        with self._lock:
            execution = self._executions.get(statement_id)
        if execution is None or execution.forgotten:
            raise ApiError(404, "NOT_FOUND", f"The statement {statement_id} was not found.")
        return execution

    def _view(self, execution: Execution, base: str) -> dict[str, Any]:
        with self._lock:
            state, result = execution.state, execution.result
        if execution.forgotten:
            state = "RUNNING"
        status: dict[str, Any] = {"state": state}
        if state == "FAILED":
            status["error"] = {"error_code": "BAD_REQUEST", "message": execution.error}
        view: dict[str, Any] = {"statement_id": execution.id, "status": status}
        if state == "SUCCEEDED" and result is not None:
            view["manifest"] = self._manifest(execution, result)
            view["result"] = self._chunk(execution, 0, base) if self._chunks(execution) else {}
        return view

    def _manifest(self, execution: Execution, result: pa.Table) -> dict[str, Any]:
        return {
            "format": execution.format,
            "schema": {
                "column_count": result.num_columns,
                "columns": [
                    {
                        "name": one.name,
                        "position": position,
                        "type_text": type_text(one.type).upper(),
                        "type_name": re.split(r"\(", type_text(one.type).upper())[0],
                    }
                    for position, one in enumerate(result.schema)
                ],
            },
            "total_row_count": result.num_rows,
            "total_chunk_count": self._chunks(execution),
            "truncated": False,
            "chunks": [
                {
                    "chunk_index": index,
                    "row_offset": index * self._chunk_rows,
                    "row_count": self._slice(execution, index).num_rows,
                }
                for index in range(self._chunks(execution))
            ],
        }

    def _chunks(self, execution: Execution) -> int:
        rows = 0 if execution.result is None else execution.result.num_rows
        return -(-rows // self._chunk_rows)

    def _slice(self, execution: Execution, index: int) -> pa.Table:
        result = pa.table({}) if execution.result is None else execution.result
        return result.slice(index * self._chunk_rows, self._chunk_rows)

    def _chunk(self, execution: Execution, index: int, base: str) -> dict[str, Any]:
        table = self._slice(execution, index)
        chunk: dict[str, Any] = {
            "chunk_index": index,
            "row_offset": index * self._chunk_rows,
            "row_count": table.num_rows,
        }
        if index + 1 < self._chunks(execution):
            path = f"/api/2.0/sql/statements/{execution.id}/result/chunks/{index + 1}"
            chunk |= {"next_chunk_index": index + 1, "next_chunk_internal_link": path}
        if execution.disposition == "INLINE":
            columns = [column.to_pylist() for column in table.columns]
            return {
                **chunk,
                "data_array": [
                    [_text(value) for value in row] for row in zip(*columns, strict=True)
                ],
            }
        token = uuid.uuid4().hex
        with self._lock:
            self._links[token] = (execution, index, self._clock() + LINK_SECONDS)
        expires = datetime.now(UTC) + timedelta(seconds=LINK_SECONDS)
        link = {
            **chunk,
            "external_link": f"{base}/_external/{token}",
            "expiration": expires.isoformat(),
        }
        return {"external_links": [link]}


def _request(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_REQUEST:
        raise ApiError(
            400, "INVALID_PARAMETER_VALUE", f"The request is larger than {MAX_REQUEST} bytes."
        )
    try:
        request = json.loads(body)
    except ValueError as error:
        raise ApiError(400, "MALFORMED_REQUEST", "The body is not JSON.") from error
    unknown = set(request) - _KEYS
    if unknown or not request.get("statement"):
        what = f"not simulated: {sorted(unknown)}" if unknown else "statement must be set"
        raise ApiError(400, "INVALID_PARAMETER_VALUE", what)
    disposition, form = request.get("disposition", "INLINE"), request.get("format", "JSON_ARRAY")
    if (disposition, form) not in (("INLINE", "JSON_ARRAY"), ("EXTERNAL_LINKS", "ARROW_STREAM")):
        message = f"The format {form} is not supported with disposition {disposition}."
        raise ApiError(400, "INVALID_PARAMETER_VALUE", message)
    if request.get("on_wait_timeout", "CONTINUE") not in ("CONTINUE", "CANCEL"):
        raise ApiError(400, "INVALID_PARAMETER_VALUE", "on_wait_timeout is CONTINUE or CANCEL")
    return dict(request)


def _wait_seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)s", text)
    seconds = int(found[1]) if found else -1
    if seconds != 0 and not 5 <= seconds <= 50:
        raise ApiError(
            400, "INVALID_PARAMETER_VALUE", "wait_timeout must be 0s, or between 5s and 50s."
        )
    return float(seconds)


def _parameters(listed: list[dict[str, str]]) -> Parameters:
    parameters: dict[str, tuple[str | None, str]] = {}
    for one in listed:
        if not one.get("name") or set(one) - {"name", "value", "type"}:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", "a parameter has name, value and type")
        value = one.get("value")
        if value is not None and not isinstance(value, str):
            raise ApiError(
                400, "INVALID_PARAMETER_VALUE", f"the value of {one['name']} is no string"
            )
        if one["name"] in parameters:
            raise ApiError(
                400, "INVALID_PARAMETER_VALUE", f"parameter {one['name']} is there twice"
            )
        parameters[one["name"]] = (value, one.get("type", "STRING"))
    return parameters


def _size(table: pa.Table) -> int:
    return 0 if table.num_columns == 0 else int(table.nbytes)


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return (
            value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            + f"{value.microsecond // 1000:03d}Z"
        )
    if isinstance(value, date):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else str(value)
