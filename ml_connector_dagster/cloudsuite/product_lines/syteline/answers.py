"""What an answer of the IDO request service means: rows and a bookmark, or one of the ways in which Mongoose says no.

Reference cloudsuite-api §3.3, §3.4. Nothing is asked here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.messages import says
from ml_connector_dagster.cloudsuite.catalog.syteline import Messages
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    AuthorityError,
    NotThereError,
    RefusedError,
)
from ml_connector_dagster.columns.json_pages import read_answer
from ml_connector_dagster.model.errors import ConfigError, ContractError


_NOT_FOUND = 404
_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class IdoAnswer:
    """One answer. ``bookmark`` is where the next page begins, when there is ``more``. ``refusal`` None: it is a yes."""

    records: pa.Table
    bookmark: str | None
    more: bool
    refusal: str | None = None
    is_absent: bool = False


def parse_load(status: int, body: bytes) -> IdoAnswer:
    """Read an answer of ``load``. Raises ContractError when it is cut short, or not Mongoose's."""
    if status in (_BAD_REQUEST, _NOT_FOUND):
        return _refused(status, body)
    try:
        answer = read_answer(body, ("Items",))
        records, envelope, found = answer.records, answer.envelope, answer.found
    except ContractError:
        records, envelope = _pairs(body)
        found = True
    refusal = _refusal(envelope)
    if refusal is not None:
        if records.num_rows:
            raise ContractError(
                f"rows and a refusal in one answer ({refusal}): the rows may be only a part"
            )
        return IdoAnswer(records=pa.table({}), bookmark=None, more=False, refusal=refusal)
    if not found:
        raise ContractError("the answer has no Items, and no message that says why")
    return IdoAnswer(
        records=records,
        bookmark=envelope.get("Bookmark") or None,
        more=_is_true(envelope.get("MoreRowsExist")),
    )


def parse_info(status: int, body: bytes) -> IdoAnswer:
    """Read an answer of ``info``: one record per property, its name in ``Name`` or ``PropertyName``."""
    if status in (_BAD_REQUEST, _NOT_FOUND):
        return _refused(status, body)
    answer = read_answer(body, ("Properties",))
    refusal = _refusal(answer.envelope)
    return IdoAnswer(records=answer.records, bookmark=None, more=False, refusal=refusal)


def refusal_error(
    answer: IdoAnswer, messages: Messages, *, what: str, ido: str, configuration: str
) -> Exception:
    """The error to raise for a refusal; ``what`` names the call, e.g. "load SLVendors, company 100"."""
    text = answer.refusal or "no reason given"
    if says(messages.configuration, text):
        return ConfigError(
            f"{what}: {text} The configuration that was asked for is {configuration!r}: check the companies of the "
            "flow, or name the site's own in the catalog (configurations)"
        )
    if answer.is_absent or says(messages.not_there, text):
        return NotThereError(
            f"{what}: {text} Correct the names in the tenant's catalog file; capitals count (SLPos, SLPOs)"
        )
    if says(messages.authority, text):
        return AuthorityError(
            f"{what}: {text} Give the service account's user the Read privilege for {ido} (Object Authorizations for "
            "the User or a group), and a licence of its module"
        )
    return RefusedError(f"{what}: SyteLine refused: {text}")


def _refused(status: int, body: bytes) -> IdoAnswer:
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    text = _message(content) if isinstance(content, dict) else ""
    return IdoAnswer(
        records=pa.table({}),
        bookmark=None,
        more=False,
        refusal=text or f"HTTP {status} without a reason.",
        is_absent=status == _NOT_FOUND,
    )


def _refusal(envelope: Any) -> str | None:
    if not isinstance(envelope, dict):
        raise ContractError("the answer is JSON, but not Mongoose's (no object at its top)")
    code = str(envelope.get("MessageCode") or "0").strip()
    if _is_true(envelope.get("Success", True)) and code == "0" and "fault" not in envelope:
        return None
    return _message(envelope) or "no reason given"


def _message(content: Mapping[str, Any]) -> str:
    fault = content.get("fault")
    for holder in (content, fault if isinstance(fault, dict) else {}):
        for name in ("Message", "message", "detail", "responseMessage", "error"):
            if isinstance(holder.get(name), str) and holder[name].strip():
                return " ".join(holder[name].split())
    return ""


def _is_true(value: object) -> bool:
    return str(value).strip().lower() == "true"


def _pairs(body: bytes) -> tuple[pa.Table, dict[str, Any]]:
    """The form of older services: each item a list of names and values (§3.1)."""
    try:
        content = json.loads(body)
        items = [{pair["Name"]: pair["Value"] for pair in item} for item in content["Items"]]
    except (ValueError, TypeError, KeyError):
        raise ContractError("the answer is cut short, or not Mongoose's") from None
    names = dict.fromkeys(name for item in items for name in item)
    table = pa.table(
        {name: pa.array([item.get(name) for item in items], pa.string()) for name in names}
    )
    return table, content
