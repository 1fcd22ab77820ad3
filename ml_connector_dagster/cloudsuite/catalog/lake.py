"""How a catalog writes routes through the data lake: tables that Compass selects from (reference cloudsuite-api §6.4).

Every line's catalog has these routes; what the lake of a tenant calls its tables and columns is data of the catalog.
"""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel, FieldName
from ml_connector_dagster.cloudsuite.catalog.messages import Pattern


#: A table or column as it may stand in a statement without quotes.
LakeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_$]*$")]

#: A column, or "" for none: in a tenant's own file null would bring the built-in name back.
LakeColumn = Annotated[str, StringConstraints(pattern=r"^([A-Za-z_][A-Za-z0-9_$]*)?$")]

#: A whole number stands bare in a statement, a text in quotes: Compass compares like with like only.
LakeValue = int | str


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


LakeValues = Annotated[tuple[LakeValue, ...], BeforeValidator(_as_list), Field(min_length=1)]


class LakeJoin(CatalogModel):
    """A second table with further columns, at most one row for each of the first.

    ``by``: columns that are equal in both. ``changes``: a change of its row alone is a change of the record.
    """

    table: LakeName
    by: tuple[LakeName, ...] = Field(min_length=1)
    columns: tuple[LakeName, ...] = Field(min_length=1)
    changes: bool = False


class LakeTable(CatalogModel):
    """What is particular to one table of a route that reads several.

    ``names``: the entity's field → the column, besides the route's. ``constants``: fields that its rows lack, with their
    value. ``where``: column → value, or several. ``between``: column → (first, last), both included.
    """

    names: dict[FieldName, LakeName] = Field(default_factory=dict)
    constants: dict[FieldName, str] = Field(default_factory=dict)
    where: dict[LakeName, LakeValues] = Field(default_factory=dict)
    between: dict[LakeName, tuple[LakeValue, LakeValue]] = Field(default_factory=dict)


class CompassRoute(CatalogModel):
    """Tables of the lake, one after another.

    Attributes:
        company: the column that holds the company; null for tables without one.
        changed: the column by which changes are asked for; "": the tables are read whole.
        changed_as: what stands in it: a moment (ISO 8601, UTC), or a day as the number yyyymmdd, in the tenant's zone.
        deleted: the column that says a record is gone from the ERP; "" when there is none.
        deleted_at: the column that says since when.
        names: the entity's field → the column, where it is not called the same.
        fields: further columns, for ``_extra``.
        large_from: a first load of so many rows comes this way, whatever stands above; never: only its place in the order counts.
    """

    kind: Literal["compass"]
    tables: dict[LakeName, LakeTable] = Field(min_length=1)
    company: LakeName | None = None
    changed: LakeColumn = "timestamp"
    changed_as: Literal["moment", "day"] = "moment"
    deleted: LakeColumn = "deleted"
    deleted_at: LakeColumn = "timestamp"
    names: dict[FieldName, LakeName] = Field(default_factory=dict)
    fields: tuple[LakeName, ...] = ()
    joins: tuple[LakeJoin, ...] = ()
    page_rows: int | None = Field(default=None, ge=1)
    large_from: Annotated[int, Field(ge=0)] | Literal["never"] = 50_000

    @property
    def label(self) -> str:
        return f"compass {', '.join(self.tables)}"


class LakeCompanies(CatalogModel):
    """Where the companies stand: a company that is not there is a mistake, and not an ERP without records."""

    table: LakeName
    column: LakeName


class LakeMessages(CatalogModel):
    """What failures say (they have no codes that are known); regular expressions, capitals do not count."""

    authority: tuple[Pattern, ...] = (
        r"\baccess (is )?denied",
        r"\bnot (authori[sz]ed|permitted|allowed)",
        r"\bno (access|permission|authori[sz]ation)",
        r"\bforbidden",
    )
    not_there: tuple[Pattern, ...] = (
        r"\b(table|object|column|schema|view)\b.*\b(not (exist|found|defined|be resolved)|unknown|invalid)",
        r"\b(unknown|invalid) (table|object|column|name)",
        r"\bcannot be resolved",
        r"\bdoes not exist",
    )


class LakeCatalog(CatalogModel):
    """The data lake of a tenant.

    Attributes:
        company_is: whether a company is written as a number or as a text in its column.
        companies: null when it is not known: then a company that does not exist looks like one without records.
        format: how result pages come.
        lag_minutes: how far the lake may be behind the ERP: a read through it is complete up to so long before it began.
        wait_seconds: how long one look at a running query may take (long poll, §6.4).
        patience_minutes: a query that runs longer is given up; the next run asks again.
    """

    company_is: Literal["number", "text"] = "number"
    companies: LakeCompanies | None = None
    format: Literal["csv", "json"] = "csv"
    lag_minutes: int = Field(default=60, ge=0, le=10_080)
    wait_seconds: int = Field(default=25, ge=1, le=25)
    patience_minutes: int = Field(default=60, ge=1, le=1440)
    messages: LakeMessages = LakeMessages()


#: For hints at misspelt keys.
LAKE_PARTS: tuple[type[CatalogModel], ...] = (
    CompassRoute, LakeTable, LakeJoin, LakeCatalog, LakeCompanies, LakeMessages,
)  # fmt: skip
