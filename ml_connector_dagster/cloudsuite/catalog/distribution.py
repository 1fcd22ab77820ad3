"""The shape of ``distribution.yaml``: tables that FetchWhere reads (reference cloudsuite-api §4.3)."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from ml_connector_dagster.cloudsuite.catalog.entities import EntityCatalog, LineCatalog
from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel, FieldName, MappedField
from ml_connector_dagster.cloudsuite.catalog.lake import LAKE_PARTS, CompassRoute
from ml_connector_dagster.cloudsuite.catalog.loading import load_catalog
from ml_connector_dagster.cloudsuite.catalog.messages import Pattern


TableName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,31}$")]

#: strftime of a day (all four digits of the year), with separators that Progress knows, or its DATE function.
DateLiteral = Annotated[
    str, StringConstraints(pattern=r"^(%[mdY][/.-]){2}%[mdY]$|^DATE\(%m, ?%d, ?%Y\)$")
]


def _as_literal(value: object) -> object:
    """A YAML number or flag as Progress writes it; a text in quotes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value)
    return f'"{value}"' if isinstance(value, str) else value


Literal4GL = Annotated[
    str,
    BeforeValidator(_as_literal),
    StringConstraints(pattern=r'^(-?[0-9]+|yes|no|"[^"~\\{}]*")$'),
]


class TableRoute(CatalogModel):
    """One table.

    Attributes:
        company: the field that holds the company, which is a number; null for a table that has none.
        where: fixed conditions, field → value: which rows of a table that holds several things.
        changes: whether to ask for changes only, by the entity's ``modified`` date; where that fails it is read whole.
    """

    kind: Literal["table"]
    table: TableName
    company: FieldName | None = "cono"
    where: dict[FieldName, Literal4GL] = Field(default_factory=dict)
    changes: bool = True
    page_rows: int | None = Field(default=None, ge=1)

    @property
    def label(self) -> str:
        return f"table {self.table}"


Route = Annotated[TableRoute | CompassRoute, Field(discriminator="kind")]


class DistributionEntity(EntityCatalog[MappedField, Route]):
    """One entity as SX.e has it."""


class CompanyTable(CatalogModel):
    """Where the companies stand: a company that is not there is a mistake, and not an ERP without records."""

    table: TableName
    field: FieldName


class SxMessages(CatalogModel):
    """What cErrorMessage says. ``restart``: the row to go on after is gone; ``company``: there is no such company."""

    authority: tuple[Pattern, ...]
    company: tuple[Pattern, ...]
    restart: tuple[Pattern, ...]
    not_there: tuple[Pattern, ...]


class DistributionCatalog(LineCatalog[DistributionEntity]):
    """Everything the Distribution product line knows about names.

    Attributes:
        operator: the SX.e operator in whose name is read.
        time_field: the time of the last change (HHMM) beside an entity's ``modified`` date; null when there is none.
        date_literals: how a date may be written in a WhereClause; the first that the server understands is used.
        row_caps: a page of exactly so many rows, when more were asked for, is not taken to be the last.
        companies: null when the operator may not read them.
    """

    product_line: Literal["distribution"]
    operator: str = "sys"
    time_field: FieldName | None = "transtm"
    date_literals: tuple[DateLiteral, ...] = ("%m/%d/%Y",)
    row_caps: tuple[int, ...] = ()
    companies: CompanyTable | None = None
    messages: SxMessages
    entities: dict[str, DistributionEntity]


_PARTS: tuple[type[CatalogModel], ...] = (
    DistributionCatalog,
    DistributionEntity,
    MappedField,
    TableRoute,
    CompanyTable,
    SxMessages,
    *LAKE_PARTS,
)


def load_distribution_catalog(override: Path | None = None) -> DistributionCatalog:
    """The built-in catalog with ``override`` laid over it. Raises ConfigError for every problem at once."""
    return load_catalog(
        DistributionCatalog, "distribution.yaml", override, label="Distribution", parts=_PARTS
    )
