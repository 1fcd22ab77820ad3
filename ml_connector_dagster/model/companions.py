"""What an application may hold of an entity's rows beside the entity itself: suppliers and customers as contacts.

A companion has the columns of its entity and is part of that entity's record. Its mapping has a name of its own, and is
delivered where a flow names it.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from ml_connector_dagster.model.entities import ENTITIES, Entity, Reference


def _companion(name: str, label: str, source: str) -> Entity:
    entity = ENTITIES[source]
    return replace(
        entity,
        name=name,
        label=label,
        parent=Reference(entity=source, columns=entity.key, target=entity.key),
        references=(),
    )


#: Companion → its entity.
_SOURCES: Final = {"supplier_contacts": "suppliers", "customer_contacts": "customers"}

COMPANIONS: Final[Mapping[str, Entity]] = MappingProxyType(
    {
        name: _companion(name, f"{ENTITIES[source].label[:-1]} contacts", source)
        for name, source in _SOURCES.items()
    }
)


def source_of(name: str) -> str:
    """The entity whose rows ``name`` is made of."""
    return _SOURCES.get(name, name)


def companions_of(entity: str) -> tuple[str, ...]:
    """What may stand beside ``entity``."""
    return tuple(name for name, source in _SOURCES.items() if source == entity)


def mappable_entity(name: str) -> Entity:
    """An entity, or a companion of one."""
    return COMPANIONS[name] if name in COMPANIONS else ENTITIES[name]
