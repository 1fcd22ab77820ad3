"""Reading tables through SQL Runner: every value comes as text, and gets its type here."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from ml_connector_dagster.destinations.contract import HISTORY_COLUMNS, Scope, TableFacts
from ml_connector_dagster.destinations.looker.dialects import Dialect, cell
from ml_connector_dagster.destinations.looker.sql_state import Row, Tables, lowered, moment
from ml_connector_dagster.model.entities import (
    DECIMAL_PRECISION,
    DECIMAL_SCALE,
    ColumnType,
    Entity,
)


_READERS: Final[Mapping[ColumnType, Callable[[str], Any]]] = {
    ColumnType.INTEGER: int,
    ColumnType.DECIMAL: Decimal,
    ColumnType.DATE: date.fromisoformat,
    ColumnType.TIMESTAMP: moment,
    ColumnType.BOOLEAN: lambda text: text.lower() == "true",
}
_ARROW: Final = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.DECIMAL: pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIMESTAMP: pa.timestamp("us", "UTC"),
    ColumnType.BOOLEAN: pa.bool_(),
}


def columns_of(entity: Entity, *, history: bool = False) -> dict[str, ColumnType]:
    """The columns of a table of ours."""
    kinds = {column.name: column.type for column in entity.all_columns}
    if history:
        replaced_at, replaced_by = HISTORY_COLUMNS
        kinds |= {replaced_at: ColumnType.TIMESTAMP, replaced_by: ColumnType.STRING}
    return kinds


def where(dialect: Dialect, scope: Scope, alias: str = "") -> str:
    """The condition of a scope."""
    own = f"{alias}." if alias else ""
    condition = f"{own}tenant = {dialect.value(cell(scope.tenant))}"
    if scope.company is not None:
        condition += f" AND {own}company = {dialect.value(cell(scope.company))}"
    return condition


def rows_query(
    dialect: Dialect, table: str, kinds: Mapping[str, ColumnType], condition: str, rest: str
) -> str:
    """Rows of ``table`` as texts."""
    columns = ", ".join(f"{dialect.shown(name, kind)} AS {name}" for name, kind in kinds.items())
    return f"SELECT {columns} FROM {table} AS t WHERE {condition} {rest}"


def read_rows(answer: Sequence[Row], kinds: Mapping[str, ColumnType]) -> pa.Table:
    """Rows of texts with their types."""
    schema = pa.schema([(name, _ARROW.get(kind, pa.string())) for name, kind in kinds.items()])
    rows = [
        {name: _read(row[name], kind) for name, kind in kinds.items()}
        for row in (lowered(one) for one in answer)
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def _read(value: object, kind: ColumnType) -> Any:
    return None if value is None else _READERS.get(kind, str)(str(value))


def facts_query(dialect: Dialect, tables: Tables, entity: Entity, scope: Scope) -> str:
    """What ``TableFacts`` tells of one table, but for its orphans."""
    sums = "".join(
        f", CAST(COALESCE(SUM(CASE WHEN _deleted_at IS NULL THEN {name} END), 0) AS {dialect.text})"
        f" AS total_{name}"
        for name in entity.control_totals
    )
    newest = dialect.shown("MAX(_extracted_at)", ColumnType.TIMESTAMP)
    condition = where(dialect, scope)
    doubled = (
        f"SELECT record_id FROM {tables.table} WHERE {condition}"
        " GROUP BY record_id HAVING COUNT(*) > 1"
    )
    return (
        "SELECT COUNT(*) AS all_rows, COUNT(_deleted_at) AS deleted,"
        f" (SELECT COUNT(*) FROM ({doubled}) AS d) AS doubled,"
        f" {newest} AS newest{sums} FROM {tables.table} WHERE {condition}"
    )


def orphans_query(dialect: Dialect, schema: str, entity: Entity, scope: Scope) -> str:
    """Live rows without a live parent. A null in the reference finds none."""
    parent = entity.parent
    if parent is None:
        raise ValueError(f"{entity.name} has no parent")
    pairs = " AND ".join(
        f"p.{target} = t.{name}" for name, target in zip(parent.columns, parent.target, strict=True)
    )
    return (
        f"SELECT COUNT(*) AS orphans FROM {schema}.{entity.name} AS t"
        f" WHERE {where(dialect, scope, 't')} AND t._deleted_at IS NULL AND NOT EXISTS ("
        f"SELECT 1 FROM {schema}.{parent.entity} AS p WHERE p.tenant = t.tenant"
        f" AND p.company = t.company AND p._deleted_at IS NULL AND {pairs})"
    )


def read_facts(answer: Row, entity: Entity, orphans: int | None) -> TableFacts:
    """The answer to ``facts_query``."""
    row = lowered(answer)
    deleted = int(row["deleted"])
    return TableFacts(
        rows=int(row["all_rows"]) - deleted,
        deleted=deleted,
        duplicates=int(row["doubled"]),
        control_totals={name: Decimal(str(row[f"total_{name}"])) for name in entity.control_totals},
        orphans=orphans,
        newest_extracted_at=moment(row["newest"]),
    )
