"""Which columns of entities a mart's columns are made of.

Read off the queries by sqlglot, which takes seconds; so the answer is kept in ``lineage.json`` (``make docs`` writes it,
a test says when it is out of date) and definitions load without sqlglot.
"""

import json
from functools import cache
from pathlib import Path
from typing import Final

from ml_connector_dagster.marts.catalog import MARTS
from ml_connector_dagster.marts.mart import AS_OF, Mart
from ml_connector_dagster.model.entities import ENTITIES


KEPT: Final = Path(__file__).parent / "lineage.json"

#: Column of a mart → (entity, column).
Lineage = dict[str, tuple[tuple[str, str], ...]]


@cache
def kept_lineage() -> dict[str, Lineage]:
    """Mart → lineage, as it was when the file was written."""
    document = json.loads(KEPT.read_text(encoding="utf-8"))
    return {
        mart: {
            column: tuple((entity, name) for entity, name in sources)
            for column, sources in columns.items()
        }
        for mart, columns in document.items()
    }


def as_kept() -> str:
    """What ``lineage.json`` should hold."""
    return json.dumps({name: traced(mart) for name, mart in MARTS.items()}, indent=1) + "\n"


def traced(mart: Mart) -> Lineage:
    """The lineage of a mart, read off its query. A count comes from no column."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    schema: dict[str, object] = {
        name: {column.name: "text" for column in ENTITIES[name].all_columns}
        for name in mart.entities
    }
    schema[AS_OF] = dict.fromkeys(("tenant", "company", "as_of_date"), "text")
    tree = qualify(sqlglot.parse_one(mart.query, read="duckdb"), schema=schema, dialect="duckdb")
    scope = build_scope(tree)
    found: Lineage = {}
    for column in mart.columns:
        top = lineage(column.name, tree, schema, dialect="duckdb", scope=scope, copy=False)
        ends = (node for node in top.walk() if isinstance(node.source, exp.Table))
        pairs = {(node.source.name, node.name.rpartition(".")[2].strip('"')) for node in ends}
        found[column.name] = tuple(sorted(pair for pair in pairs if pair[0] != AS_OF))
    return found
