"""Values on their way to a column and back: as JSON of a mutation, as a cell of a file, as what a column shows.

developer.monday.com, column types reference; cells of an import: reference saas-destinations §2.2.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from ml_connector_dagster.destinations.applications.contract import FieldKind, FieldValue
from ml_connector_dagster.destinations.monday.boards import Column
from ml_connector_dagster.model.errors import ContractError


#: A cell of an import that says this clears the value, so no text may say it.
NULL: Final = "<NULL>"

#: Type of column → what it holds in our words.
KINDS: Final[Mapping[str, FieldKind]] = {
    "name": FieldKind.TEXT,
    "text": FieldKind.TEXT,
    "long_text": FieldKind.LONG_TEXT,
    "numbers": FieldKind.NUMBER,
    "status": FieldKind.CHOICE,
    "checkbox": FieldKind.FLAG,
    "date": FieldKind.DATE,
    "email": FieldKind.EMAIL,
    "phone": FieldKind.PHONE,
    "board_relation": FieldKind.LINK,
}

#: The other way round: what ``setup`` makes.
COLUMN_TYPES: Final[Mapping[FieldKind, str]] = {
    FieldKind.TEXT: "text",
    FieldKind.LONG_TEXT: "long_text",
    FieldKind.NUMBER: "numbers",
    FieldKind.CHOICE: "status",
    FieldKind.FLAG: "checkbox",
    FieldKind.DATE: "date",
    FieldKind.MOMENT: "text",  # a date column shows a time of the reader's zone, and none of the seconds
    FieldKind.EMAIL: "email",
    FieldKind.PHONE: "phone",
    FieldKind.LINK: "board_relation",
}

#: Types of column that a file may fill.
IMPORTED: Final = frozenset(
    {
        "name", "text", "long_text", "numbers", "status", "date", "email", "phone", "board_relation",
    }
)  # fmt: skip


def plain(value: FieldValue) -> str:
    """A value as text: exact numbers, ISO days, UTC moments; "" for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def as_json(column: Column, value: FieldValue) -> Any:
    """The entry of ``column_values``; null clears."""
    if value is None:
        return None
    text = plain(value)
    match column.type:
        case "status":
            return {"label": text}
        case "date":
            return {"date": text[:10]}
        case "checkbox":
            return {"checked": "true"} if value else None
        case "long_text":
            return {"text": text}
        case "email":
            return {"email": text, "text": text}
        case "phone":
            return {"phone": text, "countryShortName": ""}
    return text


def links_as_json(item_ids: Sequence[str]) -> Any:
    """The entry of a relation."""
    return {"item_ids": [int(number) for number in item_ids]}


def as_cell(column: Column, value: FieldValue) -> str:
    """The cell of a file."""
    text = plain(value)
    if not text:
        return NULL
    return text[:10] if column.type == "date" else text


def as_value(kind: FieldKind, shown: Mapping[str, Any]) -> FieldValue:
    """What an entry of ``column_values`` shows, as a value of ``kind``; raises ContractError."""
    text = shown.get("text")
    if kind is FieldKind.FLAG:
        return bool(shown.get("checked"))
    if not isinstance(text, str) or not text:
        return None
    try:
        match kind:
            case FieldKind.NUMBER:
                return Decimal(text)
            case FieldKind.DATE:
                return date.fromisoformat(text[:10])
            case FieldKind.MOMENT:
                return datetime.fromisoformat(text)
    except (InvalidOperation, ValueError):
        raise ContractError(
            f"column {shown.get('id')} shows {text!r}, which is no {kind.value}"
        ) from None
    return text
