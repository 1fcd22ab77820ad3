"""Mapping and records against the application's own metadata, before anything is sent: every problem at once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

from ml_connector_dagster.config.problems import did_you_mean, shown
from ml_connector_dagster.destinations.applications.contract import (
    FieldFacts,
    FieldKind,
    FieldValue,
    ObjectFacts,
)
from ml_connector_dagster.destinations.applications.drafts import Draft
from ml_connector_dagster.destinations.applications.placements import Mapped


#: Kind that we send → kinds of field that take it. A text field takes anything that can be written down.
_TAKEN_BY: Final[Mapping[FieldKind, frozenset[FieldKind]]] = {
    FieldKind.TEXT: frozenset(
        {FieldKind.TEXT, FieldKind.LONG_TEXT, FieldKind.CHOICE, FieldKind.PHONE, FieldKind.EMAIL}
    ),
    FieldKind.LONG_TEXT: frozenset({FieldKind.LONG_TEXT, FieldKind.TEXT}),
    FieldKind.CHOICE: frozenset({FieldKind.CHOICE, FieldKind.TEXT}),
    FieldKind.PHONE: frozenset({FieldKind.PHONE, FieldKind.TEXT}),
    FieldKind.EMAIL: frozenset({FieldKind.EMAIL, FieldKind.TEXT}),
    FieldKind.MOMENT: frozenset({FieldKind.MOMENT, FieldKind.TEXT}),
}


def mapping_problems(mapped: Mapped, facts: ObjectFacts | None) -> Iterator[str]:
    """What stands between the mapping and the object as it is; ``facts`` is None when there is no such object."""
    entity, name = mapped.entity.name, mapped.placement.object
    if facts is None:
        yield f"{entity}: there is no {name}, or our login may not see it"
        return
    for wanted in mapped.placement.shape.fields.values():
        found = facts.fields.get(wanted.name)
        where = f"{entity}: {name} · {wanted.name}"
        if found is None:
            yield f"{where}: there is no such field, or our login may not see it{did_you_mean(wanted.name, facts.fields)}"
        elif not found.writable:
            yield f"{where}: our login may read it, and not write it"
        elif wanted.key and not found.key:
            yield f"{where}: it holds our key, so it must be an external id: unique and case-sensitive"
        elif not wanted.key:
            yield from (f"{where}: {problem}" for problem in _field_problems(wanted, found))
    for group in mapped.placement.shape.groups:
        if facts.groups and group not in facts.groups:
            yield f"{entity}: {name} has no group {shown(group)}{did_you_mean(group, facts.groups)}"
    for field in facts.fields.values():
        if field.required and field.writable and field.name not in mapped.placement.shape.fields:
            yield f"{entity}: {name} · {field.name}: a new record needs a value in it; map a column or a constant to it"


def _field_problems(wanted: FieldFacts, found: FieldFacts) -> Iterator[str]:
    if found.kind not in _TAKEN_BY.get(wanted.kind, frozenset({wanted.kind})):
        yield f"it is a {found.kind.value} field, and gets a {wanted.kind.value}; give the field another column or kind:"
    elif found.kind is FieldKind.CHOICE and not found.open_choices:
        missing = [label for label in wanted.choices if label not in found.choices]
        if missing:
            yield f"it has no {', '.join(shown(label) for label in missing)}{did_you_mean(missing[0], found.choices)}"
    elif found.kind is FieldKind.LINK and not set(wanted.links_to) <= set(found.links_to):
        leads = ", ".join(found.links_to) or "nothing"
        yield f"it links to {leads}, not to {', '.join(wanted.links_to)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """A draft's values as the application can hold them. ``refusal`` says why it cannot; "" when it can."""

    fields: Mapping[str, FieldValue]
    refusal: str = ""


def fitted(mapped: Mapped, facts: ObjectFacts, one: Draft) -> Fitting:
    """Cut what may be cut; say what the application would refuse, by its metadata alone."""
    fields: dict[str, FieldValue] = dict(one.fields)
    refusals: list[str] = []
    for name, value in one.fields.items():
        field = facts.fields[name]
        if mapped.rules[name].cut:
            fields[name] = _cut(field, value)
        refusals.extend(f"{name}: {problem}" for problem in _value_problems(field, fields[name]))
    key = facts.fields[mapped.placement.key_field]
    if key.length is not None and len(one.external_id) > key.length:
        refusals.append(f"{key.name}: the key {shown(one.external_id)} is longer than {key.length}")
    return Fitting(fields=fields, refusal="; ".join(refusals))


def _cut(field: FieldFacts, value: FieldValue) -> FieldValue:
    if isinstance(value, str) and field.length is not None:
        return value[: field.length].rstrip()
    if isinstance(value, Decimal) and field.digits is not None:
        return _rounded(value, field.digits[1])
    return value


def _rounded(value: Decimal, after: int) -> Decimal:
    """Half away from zero, as amounts are rounded in books."""
    return value.quantize(Decimal(1).scaleb(-after), ROUND_HALF_UP, Context(prec=60))


def _value_problems(field: FieldFacts, value: FieldValue) -> Iterable[str]:
    if value is None:
        if field.required:
            yield "it needs a value"
    elif isinstance(value, str) and field.length is not None and len(value) > field.length:
        yield f"{len(value)} characters, {field.length} fit (cut: true in the mapping cuts it)"
    elif field.kind is FieldKind.CHOICE and not field.open_choices and value not in field.choices:
        yield f"there is no label {shown(value)}{did_you_mean(str(value), field.choices)}"
    elif isinstance(value, int | Decimal) and not isinstance(value, bool) and field.digits:
        digits, after = field.digits
        if abs(value) >= 10 ** (digits - after):
            yield f"{value} has more than {digits - after} digits before the point"
        # The application would take it, and hold another number than the ERP.
        if isinstance(value, Decimal) and value != _rounded(value, after):
            yield (
                f"{value} has more than {after} digits after the point (cut: true in the mapping rounds it; "
                "a field with more digits holds it)"
            )
