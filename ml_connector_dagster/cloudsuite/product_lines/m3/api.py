"""MI calls: the URL of a list, the body of a bulk POST, and an answer that was cut short asked for again.

Reference cloudsuite-api §2.1, §2.2 (options; ``maxrecs`` as matrix parameter), §2.4 (bulk). Only reads are ever built here.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.gateway import Reply
from ml_connector_dagster.cloudsuite.product_lines.asking import Asking, Calls
from ml_connector_dagster.cloudsuite.product_lines.m3.answers import (
    M3Answer,
    parse_answer,
)
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.model.errors import ContractError


_EXECUTE = "/m3api-rest/v2/execute"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCall:
    """One list or get. ``division`` None: not sent, the user's own applies. ``maxrecs`` 0: no limit."""

    program: str
    transaction: str
    company: str
    division: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    maxrecs: int = 0
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        division = f", division {self.division!r}" if self.division is not None else ""
        return f"{self.program}/{self.transaction}, company {self.company}{division}"

    @property
    def path(self) -> str:
        """Path and query below the suite; every value percent-encoded."""
        options = [
            f"maxrecs={self.maxrecs}",
            "dateformat=YMD8",
            "righttrim=true",
            "excludeempty=false",
        ]
        options.append(f"cono={quote(self.company, safe='')}")
        if self.division is not None:
            options.append(f"divi={quote(self.division, safe='')}")
        if self.columns:
            options.append(f"returncols={','.join(self.columns)}")
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in self.inputs.items())
        path = f"{_EXECUTE}/{self.program}/{self.transaction};{';'.join(options)}"
        return f"{path}?{query}" if query else path


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkCall:
    """The same transaction for many inputs, in one request."""

    program: str
    transaction: str
    company: str
    division: str | None
    records: Sequence[Mapping[str, str]]
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.program}/{self.transaction} (bulk of {len(self.records)}), company {self.company}"

    def body(self, indices: Sequence[int]) -> dict[str, object]:
        """The request for the records at ``indices``."""
        asked: list[dict[str, object]] = []
        for index in indices:
            one: dict[str, object] = {
                "transaction": self.transaction,
                "record": dict(self.records[index]),
            }
            if self.columns:
                one["selectedColumns"] = list(self.columns)
            asked.append(one)
        company: int | str = int(self.company) if self.company.isdigit() else self.company
        return {
            "program": self.program,
            "cono": company,
            **({} if self.division is None else {"divi": self.division}),
            "excludeEmptyValues": False,
            "rightTrim": True,
            "maxReturnedRecords": 0,
            "dateFormat": "YMD8",
            "extendedResult": False,
            "transactions": asked,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRows:
    """The rows of a bulk call, ``index`` telling for each whose they are, and how many each record got."""

    rows: pa.Table
    index: pa.Array
    counts: tuple[int, ...]


class M3Api:
    """Asks one tenant's M3. Thread-safe."""

    def __init__(self, calls: Calls, row_caps: Sequence[int]) -> None:
        self._calls = calls
        self._caps = frozenset(row_caps)
        self._lock = threading.Lock()
        self._asking = Asking()
        self._largest = {"get": 0, "bulk": 0}

    @property
    def caps(self) -> frozenset[int]:
        """An answer of exactly so many rows is taken to be cut."""
        return self._caps

    def rows(self, call: ListCall, meter: Meter) -> pa.Table:
        """All rows of the answer; none for "record does not exist". Raises the error that fits M3's refusal."""
        answer = self._ask(lambda: self._calls.get(call.path), call, call.path, meter)
        refusal = answer.refusals.get(0)
        if refusal is not None:
            if refusal.is_no_record and not call.transaction.startswith("Get"):
                return pa.table({})
            raise refusal.error(str(call), call.program, call.company)
        if answer.not_processed:
            raise ContractError(f"{call}: M3 ended before it got to it (notProcessed); read again")
        self._remember("get", answer.records.num_rows)
        return answer.records

    def bulk(self, call: BulkCall, meter: Meter) -> BulkRows:
        """The rows of every record of ``call``; none for those that do not exist. Raises for any other refusal."""
        wanted = list(range(len(call.records)))
        tables: list[pa.Table] = []
        indices: list[pa.Array] = []
        while wanted:
            answer = self._ask(
                lambda asked=tuple(wanted): self._calls.post(_EXECUTE, json=call.body(asked)),  # type: ignore[misc]
                call,
                (str(call), json.dumps(call.body(wanted))),
                meter,
            )
            self._check_bulk(call, answer, wanted)
            tables.append(answer.records)
            indices.append(pc.take(pa.array(wanted, pa.int64()), answer.result))
            left = [wanted[index] for index in sorted(answer.not_processed)]
            if len(left) == len(wanted):
                raise ContractError(
                    f"{call}: M3 processed none of the transactions; lower bulk_chunk or chunk in the catalog"
                )
            wanted = left
        rows = pa.concat_tables(tables, promote_options="default") if tables else pa.table({})
        index = pa.concat_arrays(indices) if indices else pa.array([], pa.int64())
        counts = [0] * len(call.records)
        for entry in pc.value_counts(index).to_pylist():
            counts[entry["values"]] = entry["counts"]
        self._remember("bulk", max(counts, default=0))
        return BulkRows(rows=rows, index=index, counts=tuple(counts))

    def is_cut(self, rows: int, asked: int) -> bool:
        """Whether a list of ``rows`` may go on: as many as were asked for, or exactly at a known cap."""
        return rows > 0 and (0 < asked <= rows or rows in self._caps)

    def may_be_capped(self, rows: int, *, bulk: bool) -> bool:
        """Whether an answer without a limit may have been cut: at a known cap that no longer answer has disproved."""
        with self._lock:
            return rows in self._caps and self._largest["bulk" if bulk else "get"] <= rows

    def _remember(self, kind: str, rows: int) -> None:
        with self._lock:
            self._largest[kind] = max(self._largest[kind], rows)

    def _ask(
        self, send: Callable[[], Reply], call: ListCall | BulkCall, question: object, meter: Meter
    ) -> M3Answer:
        return self._asking.ask(
            send,
            parse_answer,
            what=str(call),
            kind=f"{call.program}/{call.transaction}",
            question=question,
            meter=meter,
        )

    @staticmethod
    def _check_bulk(call: BulkCall, answer: M3Answer, wanted: Sequence[int]) -> None:
        top = answer.refusals.get(0)
        if answer.results != len(wanted):
            if top is not None and answer.results == 1:
                raise top.error(str(call), call.program, call.company)
            raise ContractError(
                f"{call}: {len(wanted)} transactions were asked and {answer.results} answered: which is whose is not known"
            )
        for index, refusal in answer.refusals.items():
            if index not in answer.not_processed and not refusal.is_no_record:
                raise refusal.error(
                    f"{call}, record {dict(call.records[wanted[index]])}",
                    call.program,
                    call.company,
                )
