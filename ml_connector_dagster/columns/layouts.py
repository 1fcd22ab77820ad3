"""How one ERP record becomes one row of an entity: data only, filled from the catalog."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ml_connector_dagster.model.entities import Entity


#: The field in which a reader hands out when a record was found to be gone from the ERP: ISO 8601 in UTC, null while it is there.
DELETED_AT: Final = "_deleted_at"


class ValueFormat(StrEnum):
    """How an ERP writes a value as text. A blank is null in every format.

    What each takes exactly, and what is a problem: ``cells`` (texts), ``numbers``, ``moments``, ``flags``.
    """

    TEXT = "text"  # both ends trimmed
    TEXT_RIGHT_TRIMMED = "text_right_trimmed"  # leading blanks belong to the value (LN items)
    NUMBER = "number"  # decimal point ".", leading "-"
    INTEGER = "integer"
    DATE = "date"  # yyyyMMdd or yyyy-MM-dd, "0" and "00000000" are blank
    TIMESTAMP = (
        "timestamp"  # yyyyMMdd HH:mm:ss.fff or ISO 8601; without an offset: the tenant's zone
    )
    FLAG = "flag"  # 1/0, true/false, yes/no


class StampFormat(StrEnum):
    """How the modified stamp is written."""

    DATE = "date"  # day granularity; a second field may give the time
    TIMESTAMP = "timestamp"
    EPOCH_MILLISECONDS = "epoch_milliseconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One mapped field: ERP ``source`` → canonical ``column``."""

    column: str
    source: str
    format: ValueFormat
    negate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModifiedStamp:
    """Where a record's change time stands. ``time_source`` is an HHmmss field beside a date."""

    source: str
    format: StampFormat
    time_source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Everything that ``shape`` needs to know.

    Attributes:
        ignored: ERP fields that are neither mapped nor kept in ``_extra`` (company, echo fields).
        timezone: IANA name; of stamps without an offset.
    """

    entity: Entity
    fields: tuple[Field, ...]
    modified: ModifiedStamp | None
    ignored: frozenset[str]
    timezone: str
    source_system: str
