"""What an answer of Compass means: the state of a query, a page of its result, or a failure, which may come as rows.

Reference cloudsuite-api §6.4. Nothing is asked here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.catalog.lake import LakeMessages
from ml_connector_dagster.cloudsuite.catalog.messages import says
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    AuthorityError,
    NotThereError,
    RefusedError,
)
from ml_connector_dagster.cloudsuite.product_lines.tables import column
from ml_connector_dagster.columns.csv_pages import header_of, read_csv
from ml_connector_dagster.columns.json_pages import read_records
from ml_connector_dagster.model.errors import ContractError


#: The last column of every result, always the same: where it is missing, the page was cut on the way.
END_COLUMN: Final = "ml_end"
END_VALUE: Final = "."

_KIND: Final = "MessageType"
_TEXT: Final = "SuggestedLocalizedText"
_GONE: Final = frozenset({404, 410})
_NOTHING: Final = pa.table({})


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeRefusal:
    """Compass's own no. ``status``: of HTTP; 200 for a failure that came as rows."""

    status: int
    message: str

    @property
    def is_gone(self) -> bool:
        """Whether the query is not known (any more)."""
        return self.status in _GONE

    def error(self, messages: LakeMessages, what: str) -> Exception:
        """The error to raise for it; ``what`` names the statement."""
        told = self.message if self.status == 200 else f"{self.message} (HTTP {self.status})"
        if self.status == 403 or says(messages.authority, self.message):
            return AuthorityError(
                f"{what}: {told}. Give the service account the right to query this table in Data Fabric, and its app the "
                "DATAFABRIC suite"
            )
        if self.status in _GONE or says(messages.not_there, self.message):
            return NotThereError(
                f"{what}: {told}. Is Data Fabric published in this tenant's API Gateway? If so, correct the names in the "
                "tenant's catalog file"
            )
        return RefusedError(f"{what}: Compass refused: {told}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAnswer:
    """The state of a query. ``rows``: of its result, once it is finished and says so. ``records`` is empty."""

    query: str = ""
    state: str = ""
    rows: int | None = None
    refusal: LakeRefusal | None = None
    records: pa.Table = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAnswer:
    """Rows of a result, without the column that marks their end. ``columns``: as the answer calls them."""

    records: pa.Table
    columns: tuple[str, ...] = ()
    refusal: LakeRefusal | None = None


def parse_job(status: int, body: bytes) -> JobAnswer:
    """Read the answer to a submission or a status. Raises ContractError when it is cut short, or something else."""
    if status >= 400:
        return JobAnswer(refusal=_refusal(status, body))
    if failure := _failure(body):
        return JobAnswer(refusal=failure)
    try:
        content = json.loads(body)
    except ValueError:
        raise ContractError("the answer is cut short, or not JSON") from None
    query = content.get("queryId") if isinstance(content, dict) else None
    if not isinstance(query, str) or not query:
        raise ContractError("the answer names no queryId")
    rows = str(content.get("rowCount", ""))
    return JobAnswer(
        query=query,
        state=str(content.get("status", "")).upper(),
        rows=int(rows) if rows.isdigit() else None,
    )


def parse_csv(status: int, body: bytes, columns: Sequence[str] | None) -> PageAnswer:
    """Read a page of CSV that must have ``columns`` (None: whatever there are) and the end column.

    Raises ContractError when it is cut short, or has others.
    """
    if status >= 400:
        return PageAnswer(records=_NOTHING, refusal=_refusal(status, body))
    if failure := _failure(body):
        return PageAnswer(records=_NOTHING, refusal=failure)
    header = header_of(body)
    _check_columns(header, columns)
    names = [*(header[:-1] if columns is None else columns), END_COLUMN]
    records = read_csv(body, names)
    return PageAnswer(records=_whole(records), columns=header[:-1])


def parse_json(status: int, body: bytes, columns: Sequence[str] | None) -> PageAnswer:
    """As ``parse_csv``, of a page of JSON; a page without rows has no columns."""
    if status >= 400:
        return PageAnswer(records=_NOTHING, refusal=_refusal(status, body))
    if failure := _failure(body):
        return PageAnswer(records=_NOTHING, refusal=failure)
    records = read_records(b'{"rows":' + body + b"}", ("rows",))
    if records.num_rows == 0:
        return PageAnswer(records=records)
    _check_columns(tuple(records.column_names), columns)
    if columns is not None:
        records = records.rename_columns([*columns, END_COLUMN])
    return PageAnswer(records=_whole(records), columns=tuple(records.column_names[:-1]))


def _check_columns(header: Sequence[str], columns: Sequence[str] | None) -> None:
    """Engines differ in capitals: names count without them."""
    given = [name.lower() for name in header]
    asked = given[:-1] if columns is None else [name.lower() for name in columns]
    if given != [*asked, END_COLUMN]:
        raise ContractError(
            f"the page has {len(given)} columns that are not the {len(asked) + 1} that were asked for; it may have been cut"
        )


def _whole(records: pa.Table) -> pa.Table:
    ends = records.column(END_COLUMN)
    if not pc.all(pc.fill_null(pc.equal(ends, END_VALUE), False), min_count=0).as_py():
        raise ContractError("a row of the page is cut short")
    return records.drop_columns([END_COLUMN])


def _failure(body: bytes) -> LakeRefusal | None:
    """A failure that came as rows, in either format."""
    start = body[:4096]
    if _KIND.encode() not in start or END_COLUMN.encode() in start:
        return None
    try:
        if start.lstrip().startswith((b"[", b"{")):
            rows = json.loads(body)
            texts = [
                str(row.get(_TEXT, "")) for row in (rows if isinstance(rows, list) else [rows])
            ]
        else:
            header = header_of(body)
            texts = column(read_csv(body, header), _TEXT).to_pylist()
    except (ValueError, AttributeError):
        return None
    told = "; ".join(dict.fromkeys(" ".join(str(text).split()) for text in texts if text))
    return LakeRefusal(status=200, message=told or "no reason given")


def _refusal(status: int, body: bytes) -> LakeRefusal:
    try:
        content: Any = json.loads(body)
    except ValueError:
        content = None
    parts = content if isinstance(content, dict) else {}
    told = next((parts[name] for name in ("message", "error", "detail") if parts.get(name)), "")
    return LakeRefusal(status=status, message=" ".join(str(told).split()) or "no reason given")
