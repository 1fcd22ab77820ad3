"""How LN's OData writes values: typed JSON, moments in UTC (reference §4.1)."""

import json
from datetime import UTC, datetime
from typing import Final

from ml_connector_dagster.sandbox.ion.listings import ListedKind, Scalar, plain_number


EDM_TYPES: Final[dict[ListedKind, str]] = {
    "date": "Edm.DateTimeOffset",
    "stamp": "Edm.DateTimeOffset",
    "decimal": "Edm.Decimal",
    "negated": "Edm.Decimal",
    "integer": "Edm.Int32",
    "flag": "Edm.Boolean",
}

_FLAGS: Final = {"0": "false", "1": "true"}


def value_json(value: Scalar | None, kind: ListedKind) -> str:
    """A stored value as JSON text: numbers with every digit. What is no date or number comes as a string."""
    text = "" if value is None else str(value)
    if kind == "stamp":
        return json.dumps(moment_text(int(value or 0))) if value else "null"
    if kind == "date":
        if text in ("", "0"):
            return "null"
        return json.dumps(f"{text[:4]}-{text[4:6]}-{text[6:]}T00:00:00Z")
    if kind == "flag":
        return _FLAGS.get(text, json.dumps(text))
    if kind in ("decimal", "negated", "integer"):
        return plain_number(text, negated=kind == "negated") or json.dumps(text)
    return json.dumps(text, ensure_ascii=False)


def moment_text(seconds: int) -> str:
    """A moment, in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def moment_of(text: str) -> int:
    """The seconds of a moment. Raises ValueError for what is none, or has no offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or moment.microsecond:
        raise ValueError(text)
    return int(moment.timestamp())
