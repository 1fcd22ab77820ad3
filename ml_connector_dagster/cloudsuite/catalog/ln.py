"""The shape of ``ln.yaml``: OData services and their entity sets (reference cloudsuite-api §4.1)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog, LineCatalog
from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel, FieldName, MappedField
from ml_connector_dagster.cloudsuite.catalog.lake import LAKE_PARTS, CompassRoute
from ml_connector_dagster.cloudsuite.catalog.loading import load_catalog
from ml_connector_dagster.cloudsuite.catalog.messages import Pattern


Service = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*$")
]
SetName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9]*$")]


class SetRoute(CatalogModel):
    """One entity set of an OData service.

    Attributes:
        key: properties that identify a row; pages are in their order.
        filter: which rows belong to the entity, as $filter.
        modified: the property with the time of the last change; null: the first one that fits ``modified_like``.
        names: the entity's field → what this set calls it.
        constants: fields that the rows lack, with their value.
        fields: "*" asks for every property, so that a tenant's own land in ``_extra``; or further properties.
    """

    kind: Literal["odata"]
    service: Service
    set: SetName
    key: tuple[FieldName, ...] = Field(min_length=1)
    filter: str = ""
    modified: FieldName | None = None
    names: dict[FieldName, FieldName] = Field(default_factory=dict)
    constants: dict[FieldName, str] = Field(default_factory=dict)
    fields: Literal["*"] | tuple[FieldName, ...] = ()
    page_rows: int | None = Field(default=None, ge=2)

    @property
    def label(self) -> str:
        return f"odata {self.service}/{self.set}"


Route = Annotated[SetRoute | CompassRoute, Field(discriminator="kind")]


class LnEntity(EntityCatalog[MappedField, Route]):
    """One entity as LN has it. ``modified``: what the time of the last change is called in every route's rows."""


class Messages(CatalogModel):
    """How refusals are told apart where their HTTP status does not: regular expressions on the message."""

    authority: tuple[Pattern, ...]
    not_there: tuple[Pattern, ...]
    company: tuple[Pattern, ...]


class LnCatalog(LineCatalog[LnEntity]):
    """Everything the LN product line knows about names.

    Attributes:
        modified_like: what a property with the time of the last change is called (§9, uncertainty 9), in order of preference.
        counts: whether each page asks how many rows there are, which tells a short page from the last one.
    """

    product_line: Literal["ln"]
    modified_like: tuple[Pattern, ...] = ()
    counts: bool = True
    messages: Messages
    entities: dict[str, LnEntity]


_PARTS: tuple[type[CatalogModel], ...] = (
    LnCatalog,
    LnEntity,
    MappedField,
    SetRoute,
    Messages,
    *LAKE_PARTS,
)


def load_ln_catalog(override: Path | None = None) -> LnCatalog:
    """The built-in catalog with ``override`` laid over it. Raises ConfigError for every problem at once."""
    return load_catalog(LnCatalog, "ln.yaml", override, label="LN", parts=_PARTS)
