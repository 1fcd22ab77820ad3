"""The shape of ``financials.yaml``: business classes of Landmark and their generic lists (reference cloudsuite-api §4.2)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog, LineCatalog
from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel, FieldName, MappedField
from ml_connector_dagster.cloudsuite.catalog.lake import LAKE_PARTS, CompassRoute
from ml_connector_dagster.cloudsuite.catalog.loading import load_catalog
from ml_connector_dagster.cloudsuite.catalog.messages import Pattern


BusinessClass = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9]*$")]

#: A value inside a filter stands in quotes; how Landmark writes a quote inside one is not known.
FilterValue = Annotated[str, StringConstraints(pattern=r'^[^"\\]*$')]


class ClassPart(CatalogModel):
    """What is particular to one class of a route that reads several.

    ``names``: the entity's field → the class's. ``constants``: fields that its rows lack, with their value.
    ``where``: further conditions, field → the value it must equal.
    """

    names: dict[FieldName, FieldName] = Field(default_factory=dict)
    constants: dict[FieldName, str] = Field(default_factory=dict)
    where: dict[FieldName, FilterValue] = Field(default_factory=dict)


class ClassRoute(CatalogModel):
    """The generic list of one business class, or of several one after another.

    Attributes:
        company: the field that holds the company; null for a class that has none.
        changes: whether to ask for changes only by _fts and _tts; where a class refuses them it is read whole.
        fields: "*" asks for all fields of the class, so that a tenant's own land in ``_extra``; or further fields.
        set_name: the set (index) to read by; null for the class's own.
    """

    kind: Literal["list"]
    classes: dict[BusinessClass, ClassPart] = Field(min_length=1)
    company: FieldName | None
    changes: bool = True
    fields: Literal["*"] | tuple[FieldName, ...] = ()
    set_name: str | None = None
    page_rows: int | None = Field(default=None, ge=1)

    @property
    def label(self) -> str:
        return f"list {', '.join(self.classes)}"


Route = Annotated[ClassRoute | CompassRoute, Field(discriminator="kind")]


class FinancialsEntity(EntityCatalog[MappedField, Route]):
    """One entity as Landmark has it."""


class CompanyClass(CatalogModel):
    """Where the companies stand: a company that is not there is a mistake, and not an ERP without records."""

    business_class: BusinessClass
    field: FieldName


class LandmarkMessages(CatalogModel):
    """What exceptions say (§9, uncertainty 10: they have no codes)."""

    authority: tuple[Pattern, ...]
    not_there: tuple[Pattern, ...]


class FinancialsCatalog(LineCatalog[FinancialsEntity]):
    """Everything the Financials product line knows about names.

    Attributes:
        row_limit: the most rows asked for at a time (500 and 10,000 are both reported as what a tenant takes).
        companies: null when the service user may not read them.
        company_values: field → company of the flow → what stands in that field, where it is not the company itself.
    """

    product_line: Literal["financials"]
    row_limit: int = Field(default=10_000, ge=1)
    companies: CompanyClass | None = None
    company_values: dict[FieldName, dict[str, FilterValue]] = Field(default_factory=dict)
    messages: LandmarkMessages
    entities: dict[str, FinancialsEntity]


_PARTS: tuple[type[CatalogModel], ...] = (
    FinancialsCatalog,
    FinancialsEntity,
    MappedField,
    ClassRoute,
    ClassPart,
    CompanyClass,
    LandmarkMessages,
    *LAKE_PARTS,
)


def load_financials_catalog(override: Path | None = None) -> FinancialsCatalog:
    """The built-in catalog with ``override`` laid over it. Raises ConfigError for every problem at once."""
    return load_catalog(
        FinancialsCatalog, "financials.yaml", override, label="Financials", parts=_PARTS
    )
