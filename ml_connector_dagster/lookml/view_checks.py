"""The check of views: field names, types, keys, and what their SQL refers to."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ml_connector_dagster.lookml.names import IDENTIFIER
from ml_connector_dagster.lookml.parsed import Declared, Problem, references


_TYPES: Final[Mapping[str, frozenset[str]]] = {
    "dimension": frozenset(
        {"string", "number", "yesno", "date", "date_time", "time", "tier", "zipcode", "location"}
    ),
    "dimension_group": frozenset({"time", "duration"}),
    "measure": frozenset(
        {
            *("count", "count_distinct", "sum", "sum_distinct", "average", "average_distinct"),
            *("min", "max", "median", "number", "string", "yesno", "date", "list", "percentile"),
        }
    ),
}
_TIMEFRAMES: Final = frozenset(
    {
        *("raw", "time", "date", "week", "month", "month_num", "month_name", "quarter", "year"),
        *("hour", "minute", "second", "hour_of_day", "day_of_week", "day_of_month", "week_of_year"),
    }
)
_COMMON: Final = frozenset(
    {
        *("name", "type", "sql", "label", "group_label", "description", "hidden", "tags", "html"),
        *("value_format", "value_format_name", "drill_fields", "required_fields", "can_filter"),
        *("view_label", "group_item_label", "order_by_field", "suggestions", "suggest_dimension"),
        *("links", "alias", "case_sensitive", "style", "tiers", "allow_fill", "skip_drill_filter"),
    }
)
_PARAMETERS: Final[Mapping[str, frozenset[str]]] = {
    "dimension": _COMMON | {"primary_key", "convert_tz", "datatype", "case"},
    "dimension_group": _COMMON
    | {"timeframes", "intervals", "convert_tz", "datatype", "sql_start", "sql_end"},
    "measure": _COMMON
    | {"filters", "filters__all", "sql_distinct_key", "percentile", "list_field"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFields:
    """Names of a view's fields; a dimension group counts as its timeframes."""

    dimensions: frozenset[str]
    measures: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        """Both."""
        return self.dimensions | self.measures


def view_fields(views: Sequence[Declared]) -> dict[str, ViewFields]:
    """View → its fields."""
    return {
        view.name: ViewFields(
            dimensions=frozenset(name for kind, name in _names(view.block) if kind != "measure"),
            measures=frozenset(name for kind, name in _names(view.block) if kind == "measure"),
        )
        for view in views
    }


def view_problems(
    views: Sequence[Declared], companions: Mapping[str, frozenset[str]]
) -> Iterator[Problem]:
    """What is wrong in views. ``companions``: view → those that are with it in every explore."""
    fields = view_fields(views)
    for view in views:
        where = f"view {view.name}"
        if not IDENTIFIER.fullmatch(view.name):
            yield Problem(file=view.file, where=where, message="is not a name LookML can have")
        yield from _structure(view, where)
        for kind, block in _blocks(view.block):
            place = f"{where}, {kind} {block.get('name', '')}"
            for message in _field(kind, block):
                yield Problem(file=view.file, where=place, message=message)
            near = {name: fields[name] for name in companions.get(view.name, ()) if name in fields}
            for message in _unresolved(block, fields[view.name], near):
                yield Problem(file=view.file, where=place, message=message)


def _structure(view: Declared, where: str) -> Iterator[Problem]:
    if not {"sql_table_name", "derived_table", "extends"} & set(view.block):
        yield Problem(file=view.file, where=where, message="has no table")
    keys = [
        one["name"] for one in view.block.get("dimensions", ()) if one.get("primary_key") == "yes"
    ]
    if len(keys) != 1:
        message = f"needs one primary key, and has {', '.join(keys) or 'none'}"
        yield Problem(file=view.file, where=where, message=message)
    for name, count in Counter(name for _, name in _names(view.block)).items():
        if count > 1:
            message = f"{count} fields are called {name!r}"
            yield Problem(file=view.file, where=where, message=message)
    known = {name for _, name in _names(view.block)}
    sets = {one["name"] for one in view.block.get("sets", ())}
    for one in view.block.get("sets", ()):
        for name in one.get("fields", ()):
            if name not in known and name.rstrip("*") not in sets:
                message = f"there is no field {name!r}"
                yield Problem(file=view.file, where=f"{where}, set {one['name']}", message=message)


def _field(kind: str, block: Mapping[str, Any]) -> Iterator[str]:
    name, type_name = str(block.get("name", "")), block.get("type", "string")
    if not IDENTIFIER.fullmatch(name):
        yield f"{name!r} is not a name LookML can have"
    if type_name not in _TYPES[kind]:
        yield f"unknown type {type_name!r}"
    for parameter in block:
        if parameter not in _PARAMETERS[kind]:
            yield f"unknown parameter {parameter!r}"
    for timeframe in block.get("timeframes", ()):
        if timeframe not in _TIMEFRAMES:
            yield f"unknown timeframe {timeframe!r}"
    if "sql" not in block and type_name not in ("count", "duration"):
        yield "has no sql"


def _unresolved(
    block: Mapping[str, Any], own: ViewFields, near: Mapping[str, ViewFields]
) -> Iterator[str]:
    for name in references(str(block.get("sql", ""))):
        if not _resolves(name, own, near):
            yield f"${{{name}}} is no field"
    for name in block.get("required_fields", ()):
        if not _resolves(name, own, near):
            yield f"required field {name!r} is not in every explore that has this view"


def _resolves(name: str, own: ViewFields, near: Mapping[str, ViewFields]) -> bool:
    view, dot, field = name.rpartition(".")
    if not dot:
        return field in own.all
    return view in near and field in near[view].all


def _blocks(view: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in ("dimension", "dimension_group", "measure"):
        for block in view.get(f"{kind}s", ()):
            yield kind, block


def _names(view: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind, block in _blocks(view):
        name = str(block.get("name", ""))
        if kind != "dimension_group":
            yield kind, name
        for timeframe in block.get("timeframes", ()) if kind == "dimension_group" else ():
            yield kind, f"{name}_{timeframe}"
