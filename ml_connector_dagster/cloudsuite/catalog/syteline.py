"""The shape of ``syteline.yaml``: IDOs and how they are loaded (reference cloudsuite-api §3)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog, LineCatalog
from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel, FieldName, MappedField
from ml_connector_dagster.cloudsuite.catalog.lake import LAKE_PARTS, CompassRoute
from ml_connector_dagster.cloudsuite.catalog.loading import load_catalog
from ml_connector_dagster.cloudsuite.catalog.messages import Pattern


Ido = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.]*$")]


class IdoPart(CatalogModel):
    """One IDO of a route. ``constants``: fields that its rows lack, with their value. ``filter``: besides the route's."""

    ido: Ido
    names: dict[FieldName, FieldName] = Field(default_factory=dict)
    constants: dict[FieldName, str] = Field(default_factory=dict)
    filter: str = ""


class LoadRoute(CatalogModel):
    """``load`` of one IDO, or of several one beside another.

    Attributes:
        order_by: properties that put rows in one order only: a page ends at their values.
        filter: which rows belong to the entity, in the IDO's own filter language.
        names: the entity's field → what these IDOs call it.
        fields: "*" asks for every property of the IDO (slow for wide ones), so that a tenant's own land in ``_extra``;
            or further properties.
    """

    kind: Literal["load"]
    idos: tuple[IdoPart, ...] = Field(min_length=1)
    order_by: tuple[FieldName, ...] = Field(default=("RecordDate", "RowPointer"), min_length=1)
    filter: str = ""
    fields: Literal["*"] | tuple[FieldName, ...] = ()
    page_rows: int | None = Field(default=None, ge=1)

    @property
    def label(self) -> str:
        return f"load {', '.join(part.ido for part in self.idos)}"


Route = Annotated[LoadRoute | CompassRoute, Field(discriminator="kind")]


class SyteLineEntity(EntityCatalog[MappedField, Route]):
    """One entity as SyteLine has it."""


class Messages(CatalogModel):
    """How refusals are told apart, by regular expressions: they come as text alone (§3.4, seen in few tenants)."""

    authority: tuple[Pattern, ...]
    not_there: tuple[Pattern, ...]
    configuration: tuple[Pattern, ...]


class SyteLineCatalog(LineCatalog[SyteLineEntity]):
    """Everything the SyteLine product line knows about names.

    Attributes:
        configuration: the MongooseConfig of a company (a site); {tenant} and {company} are put in.
        configurations: company → configuration, for sites that do not follow that rule.
        clock: whether change stamps are written, and compared, in the site's own time or in UTC (§9, uncertainty 8).
    """

    product_line: Literal["syteline"]
    configuration: str = "{tenant}_{company}"
    configurations: dict[str, str] = Field(default_factory=dict)
    clock: Literal["site", "utc"] = "site"
    messages: Messages
    entities: dict[str, SyteLineEntity]


_PARTS: tuple[type[CatalogModel], ...] = (
    SyteLineCatalog,
    SyteLineEntity,
    MappedField,
    LoadRoute,
    IdoPart,
    Messages,
    *LAKE_PARTS,
)


def load_syteline_catalog(override: Path | None = None) -> SyteLineCatalog:
    """The built-in catalog with ``override`` laid over it. Raises ConfigError for every problem at once."""
    return load_catalog(SyteLineCatalog, "syteline.yaml", override, label="SyteLine", parts=_PARTS)
