"""Columns in, columns out: keys, joins and the like on pages of text columns, without a Python object per row."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc


#: Joins the parts of a key; no ERP value holds it.
_BETWEEN = "\x1f"


def column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """The column, all null when the table has none of that name."""
    if name in table.column_names:
        return table.column(name)
    return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])


def keys_of(table: pa.Table, names: Sequence[str]) -> pa.Array:
    """The values of ``names`` of each row as one text; right-trimmed, as ERPs compare."""
    parts = [
        pc.utf8_rtrim(pc.fill_null(column(table, name).combine_chunks(), ""), characters=" ")
        for name in names
    ]
    joined = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, _BETWEEN)
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def key_at(table: pa.Table, names: Sequence[str], row: int) -> tuple[str, ...]:
    """The key of one row; ``row`` may be negative."""
    place = row % table.num_rows
    return tuple((column(table, name)[place].as_py() or "").rstrip(" ") for name in names)


def distinct_keys(table: pa.Table, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The different keys, in order of appearance."""
    if table.num_rows == 0:
        return []
    return [tuple(key.split(_BETWEEN)) for key in pc.unique(keys_of(table, names)).to_pylist()]


def renamed(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    """``names``: new name → old name. A column that already has the new name gives way."""
    for new, old in names.items():
        if old in table.column_names and old != new:
            values = table.column(old)
            table = table.drop_columns([name for name in (old, new) if name in table.column_names])
            table = table.append_column(new, values)
    return table


def with_constants(table: pa.Table, values: Mapping[str, str]) -> pa.Table:
    """Each of ``values`` as a column; an existing one is replaced."""
    for name, value in values.items():
        table = with_column(table, name, pa.repeat(pa.scalar(value, pa.string()), table.num_rows))
    return table


def with_column(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """``values`` as the column ``name``, added or put in its place."""
    if name in table.column_names:
        return table.set_column(table.column_names.index(name), name, values)
    return table.append_column(name, values)


def with_fields_from(
    table: pa.Table, other: pa.Table, by: Sequence[str], fields: Sequence[str]
) -> pa.Table:
    """``fields`` of the row of ``other`` with the same key; what ``table`` had stays where ``other`` has no such row."""
    if table.num_rows == 0:
        return table
    if other.num_rows == 0:
        places = pa.nulls(table.num_rows, pa.int32())
    else:
        places = pc.index_in(keys_of(table, by), value_set=keys_of(other, by))
    for name in fields:
        if other.num_rows == 0:
            found = pa.nulls(table.num_rows, pa.string())
        else:
            found = pc.take(column(other, name).combine_chunks(), places)
        if name in table.column_names:
            found = pc.coalesce(found, table.column(name).combine_chunks())
        table = with_column(table, name, found)
    return table


def having_keys(table: pa.Table, by: Sequence[str], keys: pa.Array) -> pa.Table:
    """The rows whose key is among ``keys``."""
    if table.num_rows == 0:
        return table
    return table.filter(pc.is_in(keys_of(table, by), value_set=keys))


def concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    """One below the other; a column that one lacks is null there."""
    filled = [table for table in tables if table.num_columns]
    return pa.concat_tables(filled, promote_options="default") if filled else pa.table({})
