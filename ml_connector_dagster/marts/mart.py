"""What a mart is: one query over the entity tables of a schema, what its columns mean, and a proof that it adds up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from ml_connector_dagster.model.entities import ColumnType
from ml_connector_dagster.model.views import View


#: The table that ``query`` and ``proof`` may read besides entities: tenant, company, as_of_date.
AS_OF = "as_of"


@dataclass(frozen=True, slots=True, kw_only=True)
class MartColumn:
    """A column of a mart. Where its values come from, the query tells (``lineage``)."""

    name: str
    type: ColumnType
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AsOf:
    """Until which day what a company's mart reads is completely delivered."""

    tenant: str
    company: str
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Mart:
    """A view that answers a question of the business.

    Attributes:
        name: of the view.
        grain: the columns that tell its rows apart.
        entities: whose tables it reads; a flow that lacks one has no such mart.
        query: in DuckDB's SQL, over entities (by name) and ``as_of``. Plain names only: destinations put in the
            schema and their own dialect.
        proof: a query, over the mart as well, whose rows are what does not add up.
        proves: what an empty proof says, in words.
    """

    name: str
    label: str
    description: str
    grain: tuple[str, ...]
    entities: tuple[str, ...]
    columns: tuple[MartColumn, ...]
    query: str
    proof: str
    proves: str

    def view(self, dates: tuple[AsOf, ...]) -> View:
        """The view as of ``dates``; companies that are not among them have no rows in a mart that has an as-of date."""
        return View(
            name=self.name,
            description=self.description,
            query=_with_queries(self.query, {AS_OF: _rows(dates)}),
        )

    def doubts(self, dates: tuple[AsOf, ...]) -> str:
        """A query whose rows are what does not add up as of ``dates``.

        The mart stands in it as a query, not as the view: so both sides see the same moment, whatever else runs.
        """
        rows = _rows(dates)
        own = _with_queries(self.query, {AS_OF: rows})
        return _with_queries(self.proof, {AS_OF: rows, self.name: own})


def _with_queries(query: str, queries: Mapping[str, str]) -> str:
    """``query`` with others in place of tables."""
    import sqlglot  # takes half a second, and definitions load without it
    from sqlglot import exp

    tree = sqlglot.parse_one(query, read="duckdb")
    for table in list(tree.find_all(exp.Table)):
        if table.name in queries and not table.db:
            alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name))
            inner = sqlglot.parse_one(queries[table.name], read="duckdb")
            table.replace(exp.Subquery(this=inner, alias=alias))
    return tree.sql(dialect="duckdb", pretty=True)


def _rows(dates: tuple[AsOf, ...]) -> str:
    if not dates:
        return (
            "SELECT CAST(NULL AS VARCHAR) AS tenant, CAST(NULL AS VARCHAR) AS company,"
            " CAST(NULL AS DATE) AS as_of_date WHERE 1 = 0"
        )
    return " UNION ALL ".join(
        f"SELECT {_text(one.tenant)} AS tenant, {_text(one.company)} AS company,"
        f" CAST({_text(one.day.isoformat())} AS DATE) AS as_of_date"
        for one in dates
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
