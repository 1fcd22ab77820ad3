"""What a Landmark answer means: rows and a link onward, or an exception, whatever its HTTP status.

Reference cloudsuite-api §4.2 (the head of the array holds count and links), §9 (uncertainty 10: error status codes).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.financials import LandmarkMessages
from ml_connector_dagster.cloudsuite.catalog.messages import says
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    AuthorityError,
    NotThereError,
    RefusedError,
)
from ml_connector_dagster.columns.json_pages import read_members
from ml_connector_dagster.model.errors import ConnectorError, ContractError


@dataclass(frozen=True, slots=True, kw_only=True)
class LandmarkAnswer:
    """One answer.

    Attributes:
        records: the rows.
        onward: the link to the next page, relative as it came; "" on the last one.
        count: how many rows the whole list has; None when it does not say.
        exception: Landmark's own no; "" when there is none.
    """

    records: pa.Table
    onward: str
    count: int | None
    exception: str


def is_readable(status: int, body: bytes) -> bool:
    """Whether an answer with an HTTP error is Landmark's own exception, and not a failure on the way to it."""
    if status not in (404, 500):
        return status == 400
    try:
        return bool(_exception(json.loads(body)))
    except ValueError:
        return False


def parse_answer(status: int, body: bytes) -> LandmarkAnswer:
    """Read an answer. Raises ContractError when it is cut short or not Landmark's."""
    answer = read_members(body, "_fields")
    exception = _exception(answer.envelope)
    if exception:
        return LandmarkAnswer(records=pa.table({}), onward="", count=None, exception=exception)
    if not answer.found or status >= 400:
        raise ContractError(
            f"HTTP {status} with JSON that is neither a list of records nor an exception"
        )
    heads: list[Any] = answer.envelope
    if len(heads) > 1:
        raise ContractError(
            f"{len(heads)} elements of the list hold no record; only its head may (count and links)"
        )
    head: Mapping[str, Any] = heads[0] if heads else {}
    count = str(head.get("_count") or "").strip()
    return LandmarkAnswer(
        records=answer.records,
        onward=_onward(head.get("_links")),
        count=int(count) if count.isdigit() else None,
        exception="",
    )


def refusal(
    message: str, messages: LandmarkMessages, *, what: str, business_class: str
) -> ConnectorError:
    """The error for an exception; ``what`` names the call."""
    if says(messages.authority, message):
        return AuthorityError(
            f"{what}: {message}. Give the service account's user a security role that may list {business_class}"
        )
    if says(messages.not_there, message):
        return NotThereError(
            f"{what}: {message}. Name the tenant's own classes and fields in its catalog file (null takes one out)"
        )
    return RefusedError(f"{what}: Landmark refused: {message}")


def _exception(envelope: Any) -> str:
    """The message of an exception, also when it stands in the head of a list."""
    for part in envelope if isinstance(envelope, list) else [envelope]:
        if isinstance(part, dict) and "exception" in part:
            given = part["exception"]
            message = given.get("message") if isinstance(given, dict) else given
            return " ".join(str(message or "").split()) or "no reason given"
    return ""


def _onward(links: Any) -> str:
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "next":
            return str(link.get("href") or "").strip()
    return ""
