"""A row of the ERP as a record of an application: values by the mapping's rules, before anything is compared or sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

from ml_connector_dagster.columns.content import id_part
from ml_connector_dagster.config.mappings import FieldRule
from ml_connector_dagster.destinations.applications.contract import FieldKind, FieldValue
from ml_connector_dagster.destinations.applications.placements import Condition, Mapped, Parent
from ml_connector_dagster.model.entities import ENTITIES


Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a row says that the application should have.

    Attributes:
        fields: every field of the placement that holds a value.
        parents: LINK field → record id of the parent; None when the row names none.
        wanted: the filter lets it through.
        deleted: it is gone from the ERP.
        content: hash of all that is written; the same content is not written twice.
    """

    record_id: str
    external_id: str
    fields: Mapping[str, FieldValue]
    parents: Mapping[str, str | None]
    wanted: bool
    deleted: bool
    content: str
    version: str
    modified_at: datetime | None
    extracted_at: datetime

    @property
    def stamps(self) -> Mapping[str, datetime | None]:
        """The version as ``model.versions`` compares it."""
        return {"_modified_at": self.modified_at, "_extracted_at": self.extracted_at}


def draft(mapped: Mapped, row: Row) -> Draft:
    """``row`` as ``mapped`` says."""
    fields = {
        name: field_value(rule, mapped.placement.fields[name], row)
        for name, rule in mapped.rules.items()
    }
    parents = {name: parent_id(parent, row) for name, parent in mapped.parents.items()}
    return Draft(
        record_id=row["record_id"],
        external_id=mapped.external_id(row["record_id"]),
        fields=fields,
        parents=parents,
        wanted=all(meets(condition, row[condition.column]) for condition in mapped.conditions),
        deleted=row["_deleted_at"] is not None,
        content=_content(mapped, fields, parents),
        version=row["_row_hash"],
        modified_at=row["_modified_at"],
        extracted_at=row["_extracted_at"],
    )


def field_value(rule: FieldRule, kind: FieldKind, row: Row) -> FieldValue:
    """The value that ``rule`` gives, as ``kind``. An empty text is no value: applications know no difference."""
    if rule.constant is not None:
        constant = rule.constant
        value: Any = Decimal(str(constant)) if isinstance(constant, float) else constant
    elif rule.columns:
        parts = [plain_text(row[name]) for name in rule.columns if row[name] is not None]
        value = rule.between.join(part for part in parts if part)
    else:
        value = row[rule.column]
    if rule.values or rule.otherwise is not None:
        text = "" if value is None else plain_text(value)
        value = rule.values.get(text, value if rule.otherwise is None else rule.otherwise)
    if value is None or value == "":
        return None
    if kind in _TEXTS:
        return plain_text(value)
    result: FieldValue = value
    return result


_TEXTS: Final = frozenset(
    {FieldKind.TEXT, FieldKind.LONG_TEXT, FieldKind.CHOICE, FieldKind.EMAIL, FieldKind.PHONE}
)


def plain_text(value: Any) -> str:
    """A value as people and value maps write it: no trailing zeros, ISO dates, true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value.normalize():f}" if value else "0"
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value)


def parent_id(parent: Parent, row: Row) -> str | None:
    """The record id of the parent, in the row's own tenant and company; None when a part of it is null."""
    reference = parent.reference
    values = {
        target: row[column]
        for column, target in zip(reference.columns, reference.target, strict=True)
    }
    entity = ENTITIES[reference.entity]
    parts = [values[name] for name in entity.key]
    blank = {values[name] for name in entity.key if name not in entity.blank_key}
    if None in parts or "" in blank:
        return None
    return "/".join(id_part(str(part)) for part in (row["tenant"], row["company"], *parts))


_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "equals": lambda value, operand: value == operand,
    "below": lambda value, operand: value < operand,
    "at_most": lambda value, operand: value <= operand,
    "above": lambda value, operand: value > operand,
    "at_least": lambda value, operand: value >= operand,
}


def meets(condition: Condition, value: Any) -> bool:
    """Whether a value meets a condition."""
    match condition.comparison:
        case "present":
            return (value is not None) == condition.operands[0]
        case "differs" | "none_of":
            return value is None or value not in condition.operands
        case "one_of":
            return value is not None and value in condition.operands
        case comparison:
            return value is not None and _COMPARISONS[comparison](value, condition.operands[0])


def _content(
    mapped: Mapped, fields: Mapping[str, FieldValue], parents: Mapping[str, str | None]
) -> str:
    """A record that is to stand somewhere else, or under another parent, is another content."""
    placement = mapped.placement
    shown = {name: None if value is None else plain_text(value) for name, value in fields.items()}
    content = (placement.object, placement.style, sorted(shown.items()), sorted(parents.items()))
    return sha256(repr(content).encode()).hexdigest()
