"""What an answer of LN's OData means: rows, where to go on, or one of the ways in which LN says no.

Reference cloudsuite-api §4.1, §1.5 (the 401 with U14 is the gateway's to bear). Nothing is asked here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.ln import Messages
from ml_connector_dagster.cloudsuite.catalog.messages import says
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    AuthorityError,
    NotThereError,
    RefusedError,
)
from ml_connector_dagster.columns.json_pages import read_answer
from ml_connector_dagster.model.errors import ConfigError, ContractError


_OWN_STATUSES: Final = frozenset({400, 403, 404, 422})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """LN's own no."""

    status: int
    message: str

    def error(self, messages: Messages, *, what: str, company: str) -> Exception:
        """The error to raise for it; ``what`` names the call, e.g. "odata tdapi.purPurchaseOrder/Orders, company 100"."""
        if says(messages.company, self.message):
            return ConfigError(
                f"{what}: {self}. Check the companies of the flow, and that the service account's LN user may work in "
                f"company {company}"
            )
        if self.status == 403 or says(messages.authority, self.message):
            return AuthorityError(
                f"{what}: {self}. Give the service account's LN user the right to the service in company {company}"
            )
        if self.status == 404 or says(messages.not_there, self.message):
            return NotThereError(
                f"{what}: {self}. Activate the service for company {company} in LN, or correct the names in the "
                "tenant's catalog file"
            )
        return RefusedError(f"{what}: LN refused: {self}")

    def __str__(self) -> str:
        return f"{self.message} (HTTP {self.status})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAnswer:
    """One answer of a set. ``count``: rows in all, when it says so; ``link``: where the server itself says to go on."""

    records: pa.Table
    count: int | None = None
    link: str | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """``$metadata`` of a service: the properties of each set. ``records`` is empty: there are no rows in it."""

    records: pa.Table
    sets: Mapping[str, tuple[str, ...]]
    refusal: Refusal | None = None


def is_readable(status: int, body: bytes) -> bool:
    """Whether an answer that is not 2xx is LN's own: its errors are objects, those of the gateway are texts."""
    if status == 400:
        return True
    return status in _OWN_STATUSES and _refusal(status, body) is not None


def parse_set(status: int, body: bytes) -> SetAnswer:
    """Read an answer of a set. Raises ContractError when it is cut short, or not OData."""
    if status >= 400:
        refusal = _refusal(status, body) or Refusal(status=status, message="no reason given")
        return SetAnswer(records=pa.table({}), refusal=refusal)
    answer = read_answer(body, ("value",))
    envelope = answer.envelope
    if not isinstance(envelope, dict):
        raise ContractError("the answer is JSON, but not OData (no object at its top)")
    if "error" in envelope:
        if answer.records.num_rows:
            raise ContractError("rows and an error in one answer: the rows may be only a part")
        return SetAnswer(records=pa.table({}), refusal=_of_error(status, envelope["error"]))
    if not answer.found:
        raise ContractError("the answer has neither a value nor an error in it")
    count = str(envelope.get("@odata.count") or "").strip()
    annotations = [name for name in answer.records.column_names if name.startswith("@odata.")]
    return SetAnswer(
        records=answer.records.drop_columns(annotations),
        count=int(count) if count.isdigit() else None,
        link=envelope.get("@odata.nextLink") or None,
    )


def parse_metadata(status: int, body: bytes) -> Metadata:
    """Read ``$metadata`` (CSDL as JSON). Sets whose type is not described there are left out."""
    if status >= 400:
        refusal = _refusal(status, body) or Refusal(status=status, message="no reason given")
        return Metadata(records=pa.table({}), sets={}, refusal=refusal)
    try:
        content = json.loads(body)
    except ValueError:
        raise ContractError("the metadata are cut short, or not JSON") from None
    if not isinstance(content, dict):
        raise ContractError("the metadata are JSON, but not CSDL (no object at its top)")
    if "error" in content:
        return Metadata(records=pa.table({}), sets={}, refusal=_of_error(status, content["error"]))
    types = {
        f"{namespace}.{name}": one
        for namespace, schema in content.items()
        if isinstance(schema, dict)
        for name, one in schema.items()
        if isinstance(one, dict)
    }
    sets = {
        name: _properties(types, str(one.get("$Type")))
        for container in types.values()
        if container.get("$Kind") == "EntityContainer"
        for name, one in container.items()
        if isinstance(one, dict) and one.get("$Collection")
    }
    return Metadata(
        records=pa.table({}), sets={name: found for name, found in sets.items() if found}
    )


def _properties(types: Mapping[str, Mapping[str, Any]], name: str) -> tuple[str, ...]:
    """Of a type and of those it builds on; navigation to other sets is none."""
    found: list[str] = []
    visited: set[str] = set()
    while name in types and name not in visited:
        visited.add(name)
        entity = types[name]
        found += [
            member
            for member, one in entity.items()
            if not member.startswith(("$", "@"))
            and isinstance(one, dict)
            and one.get("$Kind") in (None, "Property")
        ]
        name = str(entity.get("$BaseType"))
    return tuple(dict.fromkeys(found))


def _refusal(status: int, body: bytes) -> Refusal | None:
    try:
        content = json.loads(body)
    except ValueError:
        return None
    error = content.get("error") if isinstance(content, dict) else None
    return _of_error(status, error) if isinstance(error, dict) else None


def _of_error(status: int, error: object) -> Refusal:
    parts = error if isinstance(error, dict) else {"message": error}
    details = parts.get("details")
    texts = [parts.get("message")]
    texts += (
        [one.get("message") for one in details if isinstance(one, dict)]
        if isinstance(details, list)
        else []
    )
    message = "; ".join(dict.fromkeys(" ".join(str(text).split()) for text in texts if text))
    return Refusal(status=status, message=message or str(parts.get("code") or "no reason given"))
