"""What a FetchWhere answer means: rows, or cErrorMessage inside an HTTP 200 (reference cloudsuite-api §4.3)."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.distribution import SxMessages
from ml_connector_dagster.cloudsuite.catalog.messages import says
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    AuthorityError,
    NotThereError,
    RefusedError,
)
from ml_connector_dagster.columns.json_pages import read_answer
from ml_connector_dagster.model.errors import ConfigError, ConnectorError, ContractError


class RestartRefusedError(RefusedError):
    """The row that a page should go on after is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableAnswer:
    """One answer. ``message``: SX.e's own no; "" when there is none."""

    records: pa.Table
    message: str


def parse_answer(table: str, status: int, body: bytes) -> TableAnswer:
    """Read an answer. Raises ContractError when it is cut short, or holds rows and an error at once."""
    answer = read_answer(body, (f"ttbl{table}",))
    envelope: Any = answer.envelope
    message = " ".join(str(envelope.get("cErrorMessage") or "").split())
    if message and answer.records.num_rows:
        raise ContractError(
            f"rows and an error in one answer ({message}): the rows may be only a part"
        )
    if not message and (not answer.found or status >= 400):
        raise ContractError(
            f"HTTP {status} with JSON that has neither ttbl{table} nor cErrorMessage; it has "
            f"{', '.join(sorted(envelope)[:5]) or 'nothing'}"
        )
    return TableAnswer(records=answer.records, message=message)


def refusal(
    message: str, messages: SxMessages, *, what: str, table: str, company: str
) -> ConnectorError:
    """The error for a message; ``what`` names the call."""
    text = f"{what}: {message}"
    if says(messages.authority, message):
        return AuthorityError(f"{text}. Give the operator of the catalog the right to read {table}")
    if says(messages.company, message):
        return ConfigError(
            f"{text}. Check the companies of the flow: {company} is asked for as CompanyNumber"
        )
    if says(messages.restart, message):
        return RestartRefusedError(text)
    if says(messages.not_there, message):
        return NotThereError(
            f"{text}. Name the tenant's own tables and fields in its catalog file (null takes one out)"
        )
    return RefusedError(f"{what}: SX.e refused: {message}")
