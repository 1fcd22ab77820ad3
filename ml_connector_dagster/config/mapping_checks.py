"""What is wrong with a flow's mapping, as far as our own names tell: columns, styles, parents, operands."""

from collections.abc import Iterator, Mapping

from ml_connector_dagster.config.mappings import (
    EntityMapping,
    FieldRule,
    read_operand,
    reference_to,
    resolved_mapping,
    shipped_mappings,
)
from ml_connector_dagster.config.problems import KeyPath, did_you_mean, shown
from ml_connector_dagster.model.companions import mappable_entity
from ml_connector_dagster.model.derived import DERIVED, mappable_columns
from ml_connector_dagster.model.entities import ENTITIES, ColumnType


def mapping_problems(
    system: str, entity: str, flow: EntityMapping | None, delivered: frozenset[str]
) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with a flow's mapping of ``entity``, with the path inside it.

    ``delivered`` are the entities that the destination gets.
    """
    flow = flow or EntityMapping()
    shipped = shipped_mappings(system)
    styles = shipped[entity].styles if entity in shipped else {}
    if flow.style and flow.style not in styles:
        hint = did_you_mean(flow.style, styles) or "; it has one way only"
        yield ("style",), f"{system} knows no style {shown(flow.style)} for {entity}{hint}"
        return
    whole = resolved_mapping(system, entity, flow)
    for key in ("object", "key"):
        if not getattr(whole, key):
            yield (
                (),
                f"no mapping of {entity} is shipped for {system}, so the key {key!r} is needed",
            )
    columns = {name: one.type for name, one in mappable_columns(mappable_entity(entity)).items()}
    for position, condition in enumerate(flow.filter or ()):
        yield from _source_problems(
            entity, condition.column, ("filter", position, "column"), delivered
        )
        if condition.column not in columns:
            hint = did_you_mean(condition.column, columns)
            path: KeyPath = ("filter", position, "column")
            yield path, f"{entity} has no column {shown(condition.column)}{hint}"
            continue
        for operand in condition.operands:
            try:
                read_operand(condition, operand, columns[condition.column])
            except ValueError as error:
                yield ("filter", position, condition.comparison), str(error)
    for name, rule in whole.fields.items():
        yield from _rule_problems(entity, name, rule, columns, delivered)


def _rule_problems(
    entity: str,
    name: str,
    rule: FieldRule,
    columns: Mapping[str, ColumnType],
    delivered: frozenset[str],
) -> Iterator[tuple[KeyPath, str]]:
    path: KeyPath = ("fields", name)
    for column in (rule.column, *rule.columns):
        if column and column not in columns:
            yield path, f"{entity} has no column {shown(column)}{did_you_mean(column, columns)}"
        yield from _source_problems(entity, column, path, delivered)
    if rule.parent is None:
        return
    if reference_to(mappable_entity(entity), rule.parent, rule.columns) is None:
        key = ", ".join(ENTITIES[rule.parent].key)
        yield (
            path,
            (
                f"{entity} does not point at {rule.parent} by itself; name in columns: the columns that hold its {key}"
            ),
        )
    elif rule.parent not in delivered:
        yield (
            path,
            (
                f"the field links to {rule.parent}, which no flow delivers to this destination; add {rule.parent} to "
                f"the flow's entities, or leave the field out: {name}: (no value)"
            ),
        )


def _source_problems(
    entity: str, column: str, path: KeyPath, delivered: frozenset[str]
) -> Iterator[tuple[KeyPath, str]]:
    """A derived column follows from another entity, which has to be read."""
    derived = DERIVED.get(entity, {}).get(column)
    if derived is not None and derived.source not in delivered:
        yield (
            path,
            f"{column} follows from {derived.source}; add {derived.source} to the flow's entities",
        )
