"""From a mapping in YAML to what the engine works with: where each field's value comes from, and of what kind it is."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from ml_connector_dagster.config.mappings import (
    Comparable,
    EntityMapping,
    FieldRule,
    read_operand,
    reference_to,
    resolved_mapping,
)
from ml_connector_dagster.destinations.applications.contract import (
    FieldFacts,
    FieldKind,
    ObjectFacts,
    Placement,
)
from ml_connector_dagster.model.companions import mappable_entity
from ml_connector_dagster.model.derived import DERIVED, Derived, mappable_columns
from ml_connector_dagster.model.entities import ColumnType, Entity, Reference
from ml_connector_dagster.model.errors import ConfigError


#: Kind of field for a column, unless the mapping says another.
KINDS: Final[Mapping[ColumnType, FieldKind]] = {
    ColumnType.STRING: FieldKind.TEXT,
    ColumnType.INTEGER: FieldKind.NUMBER,
    ColumnType.DECIMAL: FieldKind.NUMBER,
    ColumnType.DATE: FieldKind.DATE,
    ColumnType.TIMESTAMP: FieldKind.MOMENT,
    ColumnType.BOOLEAN: FieldKind.FLAG,
    ColumnType.JSON: FieldKind.LONG_TEXT,
}

#: What setup makes: the widest plain text and number of Salesforce; boards do not ask.
TEXT_LENGTH: Final = 255
NUMBER_DIGITS: Final = 18
DECIMALS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of a filter, its operands read as the column's type."""

    column: str
    comparison: str
    operands: tuple[Comparable, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """How a LINK field finds its record. ``owner``: the child is part of it, like a line of its order."""

    reference: Reference
    key_prefix: str
    placement_object: str
    key_field: str
    owner: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """One entity in one application.

    Attributes:
        rules: fields that hold values; ``parents`` are the others.
        deleted_field: the field that marks records which are gone from the ERP; "" when none does.
    """

    entity: Entity
    placement: Placement
    key_prefix: str
    rules: Mapping[str, FieldRule]
    parents: Mapping[str, Parent] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    deleted_field: str = ""

    @property
    def columns(self) -> frozenset[str]:
        """The columns that rules, conditions and links read."""
        return frozenset(
            (
                *(one for rule in self.rules.values() for one in (rule.column, *rule.columns)),
                *(condition.column for condition in self.conditions),
                *(one for parent in self.parents.values() for one in parent.reference.columns),
            )
        ) - {""}

    @property
    def derived(self) -> tuple[Derived, ...]:
        """Those among them that no staged row has."""
        known = DERIVED.get(self.entity.name, {})
        return tuple(known[name] for name in sorted(self.columns & known.keys()))

    @property
    def owners(self) -> tuple[str, ...]:
        """The entities whose records this one's are part of."""
        return tuple(one.reference.entity for one in self.parents.values() if one.owner)

    @property
    def fingerprint(self) -> str:
        """Another one when records may come out otherwise: then all of them are looked at again."""
        rules = sorted(
            (name, rule.model_dump_json(exclude_defaults=True, exclude={"label", "length"}))
            for name, rule in self.rules.items()
        )
        place = self.placement
        facts = (
            (place.object, place.key_field, place.style, self.key_prefix, self.deleted_field),
            rules,
            sorted((name, kind.value) for name, kind in place.fields.items()),
            sorted((name, repr(parent)) for name, parent in self.parents.items()),
            [repr(condition) for condition in self.conditions],
        )
        return sha256(repr(facts).encode()).hexdigest()

    def external_id(self, record_id: str) -> str:
        """What the record is called in ``placement.key_field``."""
        return self.key_prefix + record_id

    def record_id(self, external_id: str) -> str:
        """The other way round."""
        return external_id.removeprefix(self.key_prefix)


def mapped_entity(system: str, entity: str, flow: Mapping[str, EntityMapping]) -> Mapped:
    """How ``entity`` stands in a ``system`` (a type of connection), with a flow's mappings over the shipped ones.

    Raises ConfigError when there is no mapping for it.
    """
    mapping = resolved_mapping(system, entity, flow.get(entity))
    if not mapping.object or not mapping.key:
        raise ConfigError(
            f"{system} has no mapping for {entity}; give it one under mapping: in the flow, or take {entity} out of "
            "the flow's entities"
        )
    definition = mappable_entity(entity)
    parents = dict(_parents(system, definition, mapping, flow))
    rules = {name: rule for name, rule in mapping.fields.items() if rule.parent is None}
    kinds = {name: kind_of(definition, rule) for name, rule in rules.items()}
    return Mapped(
        entity=definition,
        placement=Placement(
            entity=entity,
            object=mapping.object,
            key_field=mapping.key,
            fields=kinds,
            links={name: parent.placement_object for name, parent in parents.items()},
            style=mapping.style,
            group=mapping.group,
            shape=_shape(definition, mapping, kinds, parents),
        ),
        key_prefix=mapping.key_prefix,
        rules=rules,
        parents=parents,
        conditions=tuple(_conditions(definition, mapping)),
        deleted_field=mapping.deleted_field,
    )


def kind_of(entity: Entity, rule: FieldRule) -> FieldKind:
    """What kind of value a rule gives."""
    if rule.kind is not None:
        return FieldKind(rule.kind)
    if isinstance(rule.constant, bool):
        return FieldKind.FLAG
    if isinstance(rule.constant, int | float):
        return FieldKind.NUMBER
    if rule.values or rule.columns or rule.constant is not None:
        return FieldKind.TEXT
    return KINDS[column_type(entity, rule.column)]


def column_type(entity: Entity, name: str) -> ColumnType:
    """The type of any column that a mapping may name."""
    return mappable_columns(entity)[name].type


def _parents(
    system: str, entity: Entity, mapping: EntityMapping, flow: Mapping[str, EntityMapping]
) -> Iterator[tuple[str, Parent]]:
    for name, rule in mapping.fields.items():
        if rule.parent is None:
            continue
        reference = reference_to(entity, rule.parent, rule.columns)
        if reference is None:
            raise ConfigError(
                f"{entity.name}: the field {name} links to {rule.parent}, which {entity.name} does not point at; "
                "name the columns that hold its key in columns:"
            )
        target = resolved_mapping(system, rule.parent, flow.get(rule.parent))
        yield (
            name,
            Parent(
                reference=reference,
                key_prefix=target.key_prefix,
                placement_object=target.object,
                key_field=target.key,
                owner=reference == entity.parent,
            ),
        )


def _conditions(entity: Entity, mapping: EntityMapping) -> Iterator[Condition]:
    for one in mapping.filter or ():
        type_ = column_type(entity, one.column)
        yield Condition(
            column=one.column,
            comparison=one.comparison,
            operands=tuple(read_operand(one, operand, type_) for operand in one.operands),
        )


def _shape(
    entity: Entity,
    mapping: EntityMapping,
    kinds: Mapping[str, FieldKind],
    parents: Mapping[str, Parent],
) -> ObjectFacts:
    """What setup makes: every field, whether or not the application has it already."""
    key = FieldFacts(
        name=mapping.key,
        kind=FieldKind.TEXT,
        label="ERP key",
        length=TEXT_LENGTH,
        key=True,
        required=False,
    )
    fields = {mapping.key: key}
    for name, rule in mapping.fields.items():
        if rule.parent is not None:
            fields[name] = FieldFacts(
                name=name,
                kind=FieldKind.LINK,
                label=rule.label or name,
                links_to=(parents[name].placement_object,),
            )
        else:
            fields[name] = _field(entity, name, rule, kinds[name])
    return ObjectFacts(
        name=mapping.object,
        label=mapping.label or mapping.object,
        fields=fields,
        groups=(mapping.group,) if mapping.group else (),
    )


def _field(entity: Entity, name: str, rule: FieldRule, kind: FieldKind) -> FieldFacts:
    length, digits = None, None
    if kind is FieldKind.TEXT:
        length = rule.length or TEXT_LENGTH
    elif kind is FieldKind.NUMBER:
        whole = rule.column and column_type(entity, rule.column) is ColumnType.INTEGER
        digits = (
            NUMBER_DIGITS,
            rule.decimals if rule.decimals is not None else 0 if whole else DECIMALS,
        )
    return FieldFacts(
        name=name,
        kind=kind,
        label=rule.label or name,
        length=length,
        digits=digits,
        choices=tuple(_labels(rule)) if kind is FieldKind.CHOICE else (),
    )


def _labels(rule: FieldRule) -> Iterable[str]:
    """Every label that a rule can give, once, in the order in which they stand."""
    constant = () if rule.constant is None else (str(rule.constant),)
    otherwise = () if rule.otherwise is None else (rule.otherwise,)
    return dict.fromkeys((*constant, *rule.values.values(), *otherwise))
