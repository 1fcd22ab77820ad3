"""From Snowflake's SQL to DuckDB's, where sqlglot alone does not do it."""

import json
import re
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
from sqlglot import exp

from ml_connector_dagster.sandbox.snowflake.refusals import Refusal


_LONGEST_BIND: Final = 16_777_216
_QUOTED = re.compile(r"""\"(?:[^"]|"")*\"|'(?:[^'\\]|''|\\.)*'""")
_FLATTEN = re.compile(r"(?i)TABLE\(FLATTEN\(INPUT => PARSE_JSON\(\?\)\)\)")


def attached(database: str) -> str:
    """How a database is attached in DuckDB, where a schema of the same name would make names ambiguous."""
    return f"#{database}"


def in_duckdb(tree: Any) -> str:
    """The statement in DuckDB's SQL. Its names are whole. The tree is used up."""
    for table in tree.find_all(exp.Table):
        if table.catalog:
            table.set("catalog", exp.to_identifier(attached(table.catalog), quoted=True))
    return str(tree.sql("duckdb", copy=False))


def rows_of_binds(sql: str, binds: list[Any]) -> tuple[str, dict[str, pa.Table]]:
    """Bound JSON arrays of arrays of texts that FLATTEN unpacks, as tables of (index, value).

    ``value[n]::VARCHAR`` is the n-th text, null for a JSON null.
    """
    lists: dict[str, pa.Table] = {}
    while match := _FLATTEN.search(sql):
        text = binds.pop(_QUOTED.sub("", sql[: match.start()]).count("?"))
        if not isinstance(text, str) or len(text.encode()) > _LONGEST_BIND:
            raise Refusal("100078", "22000", "String is too long and would be truncated")
        rows = json.loads(text)
        name = f"__FLAT{len(lists)}"
        lists[name] = pa.table(
            {
                "INDEX": pa.array(range(len(rows)), pa.int64()),
                "VALUE": pa.array(rows, pa.list_(pa.string())),
            }
        )
        sql = sql[: match.start()] + name + sql[match.end() :]
    return sql, lists


def at_the_time(tree: Any, now: datetime) -> None:
    """Types by DuckDB's names, and the account's clock in the place of the machine's."""
    for type_ in tree.find_all(exp.DataType):
        if type_.this == exp.DataType.Type.VARIANT:
            type_.set("this", exp.DataType.Type.JSON)
        elif isinstance(type_.parent, exp.ColumnDef) and type_.is_type(*exp.DataType.INTEGER_TYPES):
            type_.replace(exp.DataType.build("DECIMAL(38, 0)"))
    for clock in list(tree.find_all(exp.CurrentTimestamp, exp.CurrentDate)):
        kind = "DATE" if isinstance(clock, exp.CurrentDate) else "TIMESTAMPTZ"
        text = now.date().isoformat() if kind == "DATE" else now.isoformat()
        clock.replace(exp.cast(exp.Literal.string(text), kind))


def for_duckdb(tree: Any) -> str:
    """INSERT, UPDATE, DELETE or MERGE."""
    if not isinstance(tree, exp.Merge):
        return in_duckdb(tree)
    for when in tree.find_all(exp.When):
        then = when.args["then"]
        if isinstance(then, exp.Update):
            for one in then.expressions:  # DuckDB refuses SET target.column
                one.set("this", exp.column(one.this.name, quoted=True))
    return f"{in_duckdb(tree)} RETURNING merge_action"
