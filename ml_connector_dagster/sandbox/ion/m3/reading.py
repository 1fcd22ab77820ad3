"""From MI output fields to SQL over the ERP's tables: in index order, positioned, cut at the limit."""

from collections.abc import Callable, Sequence

from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.erp.dictionary import DICTIONARY
from ml_connector_dagster.sandbox.erp.tables import TABLES
from ml_connector_dagster.sandbox.ion.m3.contracts import Call, Refused


#: A SQL condition with its values.
Condition = tuple[str, tuple[int | str, ...]]


def column_of(tables: Sequence[str], field: str) -> str:
    """The first table's column that holds ``field``; a blank constant when none does."""
    for name in tables:
        table = TABLES[name]
        if field in table.fields:
            return f"{name}.{table.prefix}{field}"
    definition = DICTIONARY[field]
    return "''" if definition.type == "A" else "0"


def read(
    call: Call,
    tables: Sequence[str],
    outputs: Sequence[str],
    conditions: Sequence[Condition],
    order: Sequence[str] = (),
) -> list[Row]:
    """Rows of the first table (joined to the others by its key) for the call's company."""
    main = TABLES[tables[0]]
    joins = "".join(
        f" JOIN {other} ON "
        + " AND ".join(
            f"{other}.{TABLES[other].prefix}{field} = {main.name}.{main.prefix}{field}"
            for field in main.key
        )
        for other in tables[1:]
    )
    where = [f"{main.name}.{main.prefix}CONO = ?"]
    values: list[int | str] = [call.session.company]
    for condition, bound in conditions:
        where.append(condition)
        values.extend(bound)
    keys = order or [f"{main.name}.{column}" for column in main.key_columns]
    limit = "" if call.limit is None else f" LIMIT {call.limit}"
    return call.session.database.select(
        f"SELECT {', '.join(column_of(tables, field) for field in outputs)} FROM {main.name}{joins}"
        f" WHERE {' AND '.join(where)} ORDER BY {', '.join(keys)}{limit}",
        values,
    )


def filters(call: Call, tables: Sequence[str], fields: str) -> list[Condition]:
    """Equality on those of ``fields`` that the call gives."""
    given: list[Condition] = []
    for field in fields.split():
        if field in call.inputs:
            value = call.inputs[field]
            definition = DICTIONARY[field]
            given.append(
                (
                    f"{column_of(tables, field)} = ?",
                    (value if definition.type == "A" else int(value),),
                )
            )
    return given


def in_division(call: Call, tables: Sequence[str]) -> Condition:
    """Only the call's division, which must exist."""
    check_division(call, call.division)
    return (f"{column_of(tables, 'DIVI')} = ?", (call.division,))


def check_division(call: Call, division: str) -> None:
    """Refuse a division that the company lacks."""
    known = call.session.database.number(
        "SELECT count(*) FROM CMNDIV WHERE CCCONO = ? AND CCDIVI = ?",
        (call.session.company, division),
    )
    if not known:
        raise Refused(f"Division {division} does not exist", "WDI0103", "DIVI")


def changed_since(call: Call, tables: Sequence[str]) -> list[Condition]:
    """LMTS as an input: changed at that epoch millisecond or later, in any of the tables."""
    if "LMTS" not in call.inputs:
        return []
    stamps = [f"{name}.{TABLES[name].prefix}LMTS" for name in tables]
    newest = stamps[0] if len(stamps) == 1 else f"max({', '.join(stamps)})"
    return [(f"{newest} >= ?", (call.number("LMTS"),))]


def by_key(tables: str, outputs: str, fields: str) -> Callable[[Call], list[Row]]:
    """A Get: the row whose ``fields`` equal the inputs."""
    names, columns = tuple(tables.split()), tuple(outputs.split())

    def get(call: Call) -> list[Row]:
        conditions = filters(call, names, fields)
        if TABLES[names[0]].has_division:
            conditions.append(in_division(call, names))
        return read(call, names, columns, conditions)

    return get
