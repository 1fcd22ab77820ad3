"""JSON with exact numbers: a Decimal goes out digit by digit, never through a float."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal


#: What a request is made of.
Json = str | int | bool | Decimal | date | datetime | None | Mapping[str, "Json"] | Sequence["Json"]


def encoded(value: Json) -> bytes:
    """``value`` as a request's body. Days and moments as the REST API reads them."""
    return _text(value).encode()


def moment_text(moment: datetime) -> str:
    """A moment as Salesforce reads and writes it."""
    return (
        moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"
    )


def _text(value: Json) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return f'"{moment_text(value)}"'
    if isinstance(value, date):
        return f'"{value.isoformat()}"'
    if isinstance(value, Mapping):
        return (
            "{" + ",".join(f"{json.dumps(name)}:{_text(one)}" for name, one in value.items()) + "}"
        )
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value, allow_nan=False)
