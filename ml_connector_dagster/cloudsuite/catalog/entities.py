"""What every catalog has: entities with their fields by canonical column, and the routes to them.

A product line derives its own catalog from these two, and says what its fields and routes look like.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from pydantic import Field, model_validator

from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel, FieldName, MappedField
from ml_connector_dagster.cloudsuite.catalog.lake import LakeCatalog
from ml_connector_dagster.model.entities import ENTITIES


FieldT = TypeVar("FieldT", bound=MappedField)
RouteT = TypeVar("RouteT", bound=CatalogModel)


class EntityCatalog(CatalogModel, Generic[FieldT, RouteT]):
    """One entity: its fields by canonical column, and its routes by name, in order of preference.

    ``further_fields``: columns of a tenant's own, by the name they get. ``modified``: the field with the change stamp.
    """

    modified: FieldName | None = None
    fields: dict[str, FieldT]
    further_fields: dict[str, FieldT] = Field(default_factory=dict)
    ignored: tuple[FieldName, ...] = ()
    routes: dict[str, RouteT] = Field(min_length=1)
    order: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _order_names_routes(self) -> "EntityCatalog[FieldT, RouteT]":
        for name in self.order:
            if name not in self.routes:
                raise ValueError(f"order: no route is called {name!r}{meant(name, self.routes)}")
        return self

    @property
    def all_fields(self) -> dict[str, FieldT]:
        """Canonical columns first, then the tenant's own."""
        return {**self.fields, **self.further_fields}

    @property
    def ordered_routes(self) -> tuple[tuple[str, RouteT], ...]:
        """``order`` first, then the others as they stand in the file."""
        names = [*self.order, *(name for name in self.routes if name not in self.order)]
        return tuple((name, self.routes[name]) for name in names)


EntityT = TypeVar("EntityT", bound=EntityCatalog[Any, Any])


class LineCatalog(CatalogModel, Generic[EntityT]):
    """Everything one product line knows about names. ``ignored``: ERP fields that never land in ``_extra``."""

    ignored: tuple[FieldName, ...] = ()
    lake: LakeCatalog = LakeCatalog()
    entities: dict[str, EntityT]

    @model_validator(mode="after")
    def _names_exist(self) -> "LineCatalog[EntityT]":
        problems = list(_unknown_names(self.entities))
        if problems:
            raise ValueError("; ".join(problems))
        return self


def meant(word: str, known: Iterable[str]) -> str:
    """ " (did you mean …?)", or nothing when no known word is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _unknown_names(entities: Mapping[str, EntityCatalog[Any, Any]]) -> Iterable[str]:
    for name, catalog in entities.items():
        entity = ENTITIES.get(name)
        if entity is None:
            yield f"entities.{name}: no such entity{meant(name, ENTITIES)}"
            continue
        columns = [column.name for column in entity.columns]
        for column in catalog.fields:
            if column not in columns:
                yield f"entities.{name}.fields.{column}: {name} has no such column{meant(column, columns)}; a column of your own goes below further_fields"
        for column in catalog.further_fields:
            if column in columns or column.startswith("_"):
                yield f"entities.{name}.further_fields.{column}: the name is taken; map it below fields, or choose another"
        for key in entity.key:
            if key not in catalog.fields:
                yield f"entities.{name}.fields.{key}: a key column needs a field"
