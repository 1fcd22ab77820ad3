"""What should arrive: rows of an entity as typed canonical values, and their sums."""

from datetime import date
from decimal import Decimal

from ml_connector_dagster.sandbox.erp.calendar import number_of
from ml_connector_dagster.sandbox.erp.database import Database
from ml_connector_dagster.sandbox.erp.sources import Source, Value, typed


def truth_rows(
    database: Database,
    source: Source,
    company: str | None,
    changed_from: date | None,
    changed_until: date | None,
) -> list[dict[str, Value]]:
    """The entity's records in key order, of one company or all, by change date or all."""
    names = ["company", *(column[0] for column in source.columns)]
    kinds = [column[2] for column in source.columns]
    prefix = source.table.prefix
    where = [source.condition]
    values: list[int | str] = []
    for condition, value in (
        (f"{prefix}CONO = ?", None if company is None else int(company)),
        (f"{source.stamp} >= ?", None if changed_from is None else number_of(changed_from)),
        (f"{source.stamp} <= ?", None if changed_until is None else number_of(changed_until)),
    ):
        if value is not None:
            where.append(condition)
            values.append(value)
    expressions = ", ".join(column[1] for column in source.columns)
    rows = database.select(
        f"SELECT {prefix}CONO, {expressions} FROM {source.table.name} {source.joined}"
        f" WHERE {' AND '.join(where)} ORDER BY {', '.join(source.table.key_columns)}",
        values,
    )
    return [
        dict(
            zip(
                names,
                (
                    str(row[0]),
                    *(typed(value, kind) for value, kind in zip(row[1:], kinds, strict=True)),
                ),
                strict=True,
            )
        )
        for row in rows
    ]


def total(database: Database, source: Source, company: str) -> dict[str, int | Decimal]:
    """How many records a company has, and the sums of the entity's amounts."""
    rows = truth_rows(database, source, company, None, None)
    sums: dict[str, int | Decimal] = {"rows": len(rows)}
    for column in source.totals:
        values = [row[column] for row in rows]
        sums[column] = sum((v for v in values if isinstance(v, Decimal)), Decimal())
    return sums
