"""EXPORTMI: one table as delimited or padded text rows (reference §2.8)."""

from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.erp.tables import TABLES
from ml_connector_dagster.sandbox.ion.m3.contracts import Call, Refused, program, transaction
from ml_connector_dagster.sandbox.ion.m3.query import Query, parse


#: REPL is A984: what does not fit is cut off.
REPLY_LENGTH = 984


def _rows(call: Call, query: Query, expression: str) -> list[Row]:
    prefix = query.table.prefix
    session = call.session
    if any(company != session.company for company in query.companies):
        raise Refused(
            f"Company in query is not the company of the session, {session.company}",
            "CPF9898",
            "QERY",
        )
    where = [f"{prefix}CONO = ?"]
    values: list[int | str | float] = [session.company]
    if session.division and query.table.has_division:
        where.append(f"{prefix}DIVI = ?")
        values.append(session.division)
    if query.where:
        where.append(f"({query.where})")
        values.extend(query.values)
    limit = "" if call.limit is None else f" LIMIT {call.limit}"
    order = query.order or query.table.key_columns
    return session.database.select(
        f"SELECT substr({expression}, 1, {REPLY_LENGTH}) FROM {query.table.name}"
        f" WHERE {' AND '.join(where)} ORDER BY {', '.join(order)}{limit}",
        values,
    )


def _padded(query: Query, column: str) -> tuple[str, str]:
    """SQL and header text of a column at its full length: text left, numbers right."""
    definition = query.table.definition(column)
    length = 0 if definition is None else definition.length + (2 if definition.decimals else 0)
    blanks = " " * max(length, len(column))
    if definition is not None and definition.type == "A":
        return f"substr({column} || '{blanks}', 1, {len(blanks)})", column.ljust(len(blanks))
    return f"substr('{blanks}' || {column}, -{len(blanks)})", column.rjust(len(blanks))


def _select(call: Call, *, pad: bool) -> list[Row]:
    query = parse(call.text("QERY"), order_by_supported=call.session.switches.order_by_supported)
    separator = call.text("SEPC")
    if pad or not separator:
        parts = [_padded(query, column) for column in query.columns]
    else:
        parts = [(f"{column}", column) for column in query.columns]
    joint = f" || '{separator.replace(chr(39), chr(39) * 2)}' || "
    rows = _rows(call, query, joint.join(part[0] for part in parts) + " || ''")
    if not rows:
        return []
    if call.text("HDRS") == "1":
        header = separator.join(part[1] for part in parts)[:REPLY_LENGTH]
        rows.insert(0, (header,))
        if call.limit is not None:
            del rows[call.limit :]
    return rows


def _fields(call: Call) -> list[Row]:
    table = TABLES.get(call.text("FILE").upper())
    if table is None or not table.exported:
        return []
    rows: list[Row] = []
    for column in table.columns:
        definition = table.definition(column)
        if definition is not None:
            rows.append(
                (
                    column,
                    definition.description[:15],
                    definition.type if definition.type == "A" else "N",
                    definition.length,
                    definition.decimals,
                )
            )
    return rows if call.limit is None else rows[: call.limit]


EXPORTMI = program(
    "EXPORTMI",
    "Export data",
    transaction(
        "Select",
        "Select data from a table",
        "*QERY SEPC HDRS",
        "REPL",
        lambda call: _select(call, pad=False),
    ),
    transaction(
        "SelectPad",
        "Select data from a table, padded",
        "*QERY SEPC HDRS",
        "REPL",
        lambda call: _select(call, pad=True),
    ),
    transaction(
        "LstFields", "List fields of a table", "*FILE", "FLDN FLDS FLTY FLLE FLDP", _fields
    ),
)
