"""How SX.e writes values: typed JSON, dates ISO, change time as a date and HHMM (reference §4.3)."""

import json
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from ml_connector_dagster.sandbox.ion.listings import ListedKind, Place, Scalar, plain_number


_FLAGS = {"0": "false", "1": "true"}


def value_json(value: Scalar | None, kind: ListedKind) -> str:
    """A stored value as JSON text: numbers with every digit. What is no date or number comes as a string."""
    text = "" if value is None else str(value)
    if kind in ("text", "division"):
        return json.dumps(text, ensure_ascii=False)
    if kind == "date":
        if text in ("", "0"):
            return "null"
        return json.dumps(f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else text)
    if kind == "flag":
        return _FLAGS.get(text, json.dumps(text))
    return plain_number(text, negated=kind == "negated") or json.dumps(text)


def changed(milliseconds: int, zone: ZoneInfo) -> tuple[str, str]:
    """transdt and transtm of a moment, as JSON text; nothing for a row that never changed."""
    if milliseconds <= 0:
        return "null", '""'
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone(zone)
    return f'"{moment:%Y-%m-%d}"', f'"{moment:%H%M}"'


def row_pointer(table: str, place: Place) -> str:
    """A row's guid, which no change moves."""
    return str(uuid5(NAMESPACE_URL, f"{table}/{place}"))
