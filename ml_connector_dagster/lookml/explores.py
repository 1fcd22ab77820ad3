"""Explores: a table with what its keys lead to. Only joins in which a row finds at most one other row."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ml_connector_dagster.lookml.fields import places
from ml_connector_dagster.lookml.names import text
from ml_connector_dagster.lookml.tables import DELETED, MARKER_VIEW, Table
from ml_connector_dagster.marts import Mart
from ml_connector_dagster.marts.lineage import kept_lineage
from ml_connector_dagster.model.entities import ENTITIES, Entity, Reference


Block = dict[str, Any]

#: A row with the division "" stands for every division, so its key does not lead to one row. The mart has their names.
_COMMON: Final = frozenset({"gl_accounts", "gl_dimensions"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """``view`` is found from ``source``: pairs of (column of the source, column of the view)."""

    source: str
    view: str
    pairs: tuple[tuple[str, str], ...]


def explore(table: Table, tables: Mapping[str, Table]) -> Block:
    """The explore that begins at ``table``. ``tables`` are all of them, by view."""
    block: Block = {
        "name": table.view,
        "label": text(table.label),
        "group_label": table.group,
        "description": text(table.description),
    }
    if table.view == MARKER_VIEW:
        block["hidden"] = "yes"
    if table.hides_deleted:
        block["sql_always_where"] = _still_there(table)
    found = [_join(join, tables) for join in joins(table, tables)]
    if found:
        block["joins"] = found
    return block


def joins(table: Table, tables: Mapping[str, Table]) -> tuple[Join, ...]:
    """What can be joined, nearest first; each view once."""
    found: dict[str, Join] = {}
    waiting = deque(_first(table, tables))
    while waiting:
        join = waiting.popleft()
        if join.view in found or join.view == table.view:
            continue
        found[join.view] = join
        waiting.extend(_of_entity(tables[join.view], tables))
    return tuple(found.values())


def _first(table: Table, tables: Mapping[str, Table]) -> Sequence[Join]:
    if table.mart is not None:
        return _of_mart(table.mart, tables)
    if table.entity is None:
        return ()
    if table.is_history:
        pair = ("record_id", "record_id")
        return [Join(source=table.view, view=table.entity.name, pairs=(pair,))]
    return _of_entity(table, tables)


def _of_entity(table: Table, tables: Mapping[str, Table]) -> list[Join]:
    return [
        Join(
            source=table.view,
            view=one.entity,
            pairs=_whole(zip(one.columns, one.target, strict=True)),
        )
        for one in _references(table.entity)
        if one.entity in tables and one.entity not in _COMMON
    ]


def _of_mart(mart: Mart, tables: Mapping[str, Table]) -> list[Join]:
    """Entities whose whole key is among the mart's columns, as the lineage of these tells."""
    lineage = kept_lineage().get(mart.name, {})
    found = []
    for entity in mart.entities:
        if entity not in tables or entity in _COMMON:
            continue
        key = ENTITIES[entity].key
        by_part = {
            part: column.name
            for part in key
            for column in reversed(mart.columns)
            if _leads_to(lineage.get(column.name, ()), entity, part)
        }
        if len(by_part) == len(key):
            pairs = _whole((by_part[part], part) for part in key)
            found.append(Join(source=mart.name, view=entity, pairs=pairs))
    return found


def _leads_to(sources: Sequence[tuple[str, str]], entity: str, part: str) -> bool:
    """Whether a column made of ``sources`` holds values of the key column ``part``."""
    return bool(sources) and all(
        (source, column) == (entity, part)
        or any(
            one.entity == entity and (column, part) in zip(one.columns, one.target, strict=True)
            for one in _references(ENTITIES.get(source))
        )
        for source, column in sources
    )


def _references(entity: Entity | None) -> tuple[Reference, ...]:
    if entity is None:
        return ()
    return (*((entity.parent,) if entity.parent else ()), *entity.references)


def _whole(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return (("tenant", "tenant"), ("company", "company"), *pairs)


def _join(join: Join, tables: Mapping[str, Table]) -> Block:
    source, target = places(tables[join.source]), places(tables[join.view])
    conditions = [
        f"${{{join.source}.{source[mine].exact}}} = ${{{join.view}.{target[other].exact}}}"
        for mine, other in join.pairs
    ]
    return {
        "name": join.view,
        "type": "left_outer",
        "relationship": "many_to_one",
        "sql_on": " AND ".join([*conditions, _still_there(tables[join.view])]),
    }


def _still_there(table: Table) -> str:
    return f"${{{table.view}.{places(table)[DELETED].exact}}} IS NULL"
