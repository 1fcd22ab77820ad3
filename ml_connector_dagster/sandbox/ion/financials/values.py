"""How Landmark writes values: every one a string; dates YYYYMMDD, change times UTC YYYYMMDDHHMMSSFF (reference §4.2)."""

from datetime import UTC, datetime

from ml_connector_dagster.sandbox.ion.listings import ListedKind, Scalar, plain_number


_FLAGS = {"0": "false", "1": "true"}


def value_text(value: Scalar | None, kind: ListedKind) -> str:
    """A stored value as Landmark shows it; what is blank, "". What is no date or number comes as it stands."""
    text = "" if value is None else str(value)
    if kind == "date":
        return "" if text == "0" else text
    if kind == "flag":
        return _FLAGS.get(text, text)
    if kind == "negated":
        return plain_number(text, negated=True) or text
    if kind == "stamp":
        return "" if text in ("", "0") else stamp_text(int(text))
    return text


def stamp_text(milliseconds: int) -> str:
    """Epoch milliseconds as a Landmark timestamp."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{moment:%Y%m%d%H%M%S}{milliseconds % 1000 // 10:02d}"


def stamp_milliseconds(text: str) -> int:
    """A Landmark timestamp as epoch milliseconds. Raises ValueError for what is none."""
    if len(text) != 16 or not text.isdigit():
        raise ValueError(text)
    moment = datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 + int(text[14:]) * 10
