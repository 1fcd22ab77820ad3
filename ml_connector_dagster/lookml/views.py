"""A view of LookML for each table: dimensions, dimension groups, measures, a set to drill into."""

from collections.abc import Mapping
from typing import Any, Final

from ml_connector_dagster.lookml.fields import Place, places
from ml_connector_dagster.lookml.measures import SHARES, Share, Sum, sums_of
from ml_connector_dagster.lookml.names import Dialect, identifier, label, text
from ml_connector_dagster.lookml.tables import MARKER_VIEW, Table
from ml_connector_dagster.model.entities import ColumnType


#: A piece of LookML, as lkml takes it.
Block = dict[str, Any]

_TYPES: Final = {
    ColumnType.STRING: "string",
    ColumnType.JSON: "string",
    ColumnType.INTEGER: "number",
    ColumnType.DECIMAL: "number",
    ColumnType.BOOLEAN: "yesno",
}
_HIDDEN: Final = frozenset({"_row_hash", "_batch_id", "_run_id", "_replaced_by_batch"})


def view(table: Table, schema: tuple[str, ...], dialect: Dialect, views: frozenset[str]) -> Block:
    """The view over ``table``. ``views`` are the names of all that there will be."""
    where = places(table)
    key = [where[name] for name in table.key]
    dimensions = [
        _dimension(place, dialect, is_key=key == [place])
        for place in where.values()
        if not place.timeframes
    ]
    if len(key) > 1:
        dimensions.insert(0, _row_key(key, dialect))
    groups = [_group(place, dialect) for place in where.values() if place.timeframes]
    block: Block = {
        "name": identifier(table.view),
        "label": text(table.label),
        "sql_table_name": dialect.table(schema, table.table),
        "dimensions": dimensions,
    }
    if groups:
        block["dimension_groups"] = groups
    block["measures"] = _measures(table, where, views)
    block["sets"] = [{"name": "detail", "fields": _detail(table, where)}]
    return block


def _dimension(place: Place, dialect: Dialect, *, is_key: bool) -> Block:
    column = place.column
    block: Block = {"name": place.name, "type": _TYPES[column.type]}
    if is_key:
        block["primary_key"] = "yes"
    if column.type is ColumnType.JSON or column.name in _HIDDEN:
        block["hidden"] = "yes"
    block |= _words(place)
    if column.type is ColumnType.DECIMAL:
        block["value_format_name"] = "decimal_2"
    elif column.type is ColumnType.INTEGER:
        block["value_format_name"] = "id"  # numbers of things and years: no thousands separator
    block["sql"] = _column(place, dialect)
    return block


def _group(place: Place, dialect: Dialect) -> Block:
    is_date = place.column.type is ColumnType.DATE
    block: Block = {
        "name": place.name,
        "type": "time",
        "timeframes": list(place.timeframes),
        "datatype": "date" if is_date else "timestamp",
    }
    if is_date:
        block["convert_tz"] = "no"  # a day of the ERP is that day everywhere
    return block | _words(place) | {"sql": _column(place, dialect)}


def _words(place: Place) -> Block:
    block: Block = {"label": label(place.name)}
    if place.column.bookkeeping:
        block["group_label"] = "Connector"
    return block | {"description": text(_sentence(place.column.description))}


def _sentence(description: str) -> str:
    return description[:1].upper() + description[1:]


def _column(place: Place, dialect: Dialect) -> str:
    return f"${{TABLE}}.{dialect.path(place.column.name)}"


def _row_key(key: list[Place], dialect: Dialect) -> Block:
    """One text for several columns. Parts are told apart whatever they hold: '/' and '~' inside are escaped."""
    parts = [
        f"COALESCE('=' || REPLACE(REPLACE(CAST(${{{place.exact}}} AS {dialect.text_type}), '~', '~0'),"
        " '/', '~1'), '~')"
        for place in key
    ]
    return {
        "name": "row_key",
        "type": "string",
        "primary_key": "yes",
        "hidden": "yes",
        "description": "What tells the rows apart, as one text.",
        "sql": " || '/' || ".join(parts),
    }


def _measures(table: Table, where: Mapping[str, Place], views: frozenset[str]) -> list[Block]:
    count: Block = {
        "name": "count",
        "type": "count",
        "label": f"Number of {text(table.label[:1].lower() + table.label[1:])}",
        "description": "How many rows there are.",
        "drill_fields": ["detail*"],
    }
    sums = [_sum(one, where) for one in sums_of(table, views)]
    shares = [_share(one) for one in SHARES.get(table.view, ())]
    found = [count, *sums, *shares]
    if table.view == MARKER_VIEW:
        found = []
    taken = {field for place in where.values() for field in place.fields}
    for one in found:
        if one["name"] in taken:
            one["name"] = f"measured_{one['name']}"
    return found


def _sum(one: Sum, where: Mapping[str, Place]) -> Block:
    place = where[one.column]
    block: Block = {
        "name": f"total_{place.name}",
        "type": "sum",
        "label": f"Total {label(place.name)[:1].lower()}{label(place.name)[1:]}",
        "description": text(f"{_sentence(place.column.description)}. {one.note}".strip()),
        "drill_fields": ["detail*"],
    }
    if one.apart:
        block["required_fields"] = [name if "." in name else where[name].name for name in one.apart]
    if place.column.type is ColumnType.DECIMAL:
        block["value_format_name"] = "decimal_2"
    return block | {"sql": f"${{{place.name}}}"}


def _share(one: Share) -> Block:
    return {
        "name": one.name,
        "type": "number",
        "label": one.label,
        "description": one.description,
        "value_format_name": "percent_1",
        "sql": f"1.0 * ${{total_{one.part}}} / NULLIF(${{total_{one.whole}}}, 0)",
    }


def _detail(table: Table, where: Mapping[str, Place]) -> list[str]:
    """What a person sees of a row first: what identifies it, names, amounts with their currency, dates."""
    if table.entity is not None:
        names = ["company", *table.entity.key, *table.entity.control_totals]
        names += [one for one in ("name", "currency") if table.has(one)]
    else:
        names = list(table.key)
    fields = []
    for name in dict.fromkeys(names):
        place = where[name]
        fields.append(f"{place.name}_{place.timeframes[1]}" if place.timeframes else place.name)
    return fields
