"""Queries over entity tables, from the one dialect they are written in (DuckDB's) to a destination's own."""

from collections.abc import Callable


def translated(query: str, dialect: str, path_of: Callable[[str], tuple[str, ...]]) -> str:
    """``query`` in ``dialect``. ``path_of`` gives a table's whole name, part by part, spelled as it is stored.

    Names of columns stay unquoted, so that each system folds them as it folds those of its tables.
    """
    import sqlglot  # takes half a second, and definitions load without it
    from sqlglot import exp

    tree = sqlglot.parse_one(query, read="duckdb")
    inner = {one.alias for one in tree.find_all(exp.CTE)}
    for table in list(tree.find_all(exp.Table)):
        if table.db or table.name in inner:
            continue
        parts = [exp.to_identifier(part, quoted=True) for part in path_of(table.name)]
        whole = dict(zip(("this", "db", "catalog"), reversed(parts), strict=False))
        alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name))
        table.replace(exp.Table(**whole, alias=alias))
    return tree.sql(dialect=dialect)
