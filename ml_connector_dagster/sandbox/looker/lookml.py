"""A project's LookML, as Looker understands it: models with explores, views with fields, dashboards with tiles.

A reading of its own, from Looker's documentation: nothing is shared with the product's generator.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import lkml
import yaml


REFERENCE: Final = re.compile(r"\$\{([a-z0-9_.]+)\}")

_HOURS: Final = {"minute": 1 / 60, "hour": 1.0, "day": 24.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A dimension, one timeframe of a dimension group, or a measure."""

    view: str
    name: str
    is_measure: bool
    type: str
    sql: str
    label: str
    timeframe: str = ""
    datatype: str = "datetime"
    group: str = ""
    description: str = ""
    hidden: bool = False
    is_key: bool = False
    format: str = ""
    required: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{self.view}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    name: str
    table: str
    fields: Mapping[str, Field]
    file: str

    @property
    def key(self) -> Field | None:
        """The primary key."""
        return next((one for one in self.fields.values() if one.is_key), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    view: str
    sql_on: str
    type: str
    relationship: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explore:
    """An explore. ``views`` are those of its base and its joins, by name."""

    name: str
    label: str
    group: str
    description: str
    hidden: bool
    base: str
    joins: Mapping[str, Join]
    views: Mapping[str, View]
    always_where: str
    datagroup: str

    def field(self, name: str) -> Field | None:
        """The field ``view.name``."""
        view, _, own = name.partition(".")
        found = self.views.get(view)
        return found.fields.get(own) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """``datagroups``: name → hours that an answer may be kept."""

    name: str
    label: str
    connection: str
    explores: Mapping[str, Explore]
    datagroups: Mapping[str, float]
    dashboards: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """``errors``: (file, message) of what cannot be understood."""

    models: Mapping[str, Model] = field(default_factory=dict)
    errors: tuple[tuple[str, str], ...] = ()


class ProjectFolder:
    """The project in a folder; read again when a file has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: tuple[tuple[str, int, int], ...] = ()
        self._project = Project()

    def project(self) -> Project:
        """What the files say now."""
        paths = [one for one in sorted(self.folder.rglob("*")) if one.is_file()]
        seen = tuple((str(one), one.stat().st_mtime_ns, one.stat().st_size) for one in paths)
        if seen != self._seen:
            files = {
                one.relative_to(self.folder).as_posix(): one.read_text(encoding="utf-8")
                for one in paths
                if one.suffix in (".lkml", ".lookml")
            }
            self._project, self._seen = understand(files), seen
        return self._project


def understand(files: Mapping[str, str]) -> Project:
    """The project of ``files``: path → text."""
    errors: list[tuple[str, str]] = []
    parsed: dict[str, dict[str, Any]] = {}
    dashboards: dict[str, list[dict[str, Any]]] = {}
    for path, content in files.items():
        try:
            if path.endswith(".dashboard.lookml"):
                dashboards[path] = yaml.safe_load(content)
            else:
                parsed[path] = lkml.load(content)
        except (SyntaxError, IndexError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
            errors.append((path, f"Invalid LookML: {str(error) or type(error).__name__}"))
    models = {}
    for path, content_of in parsed.items():
        if path.endswith(".model.lkml"):
            name = Path(path).name.removesuffix(".model.lkml")
            models[name] = _model(name, path, content_of, parsed, dashboards, errors)
    return Project(models=models, errors=tuple(errors))


def _model(
    name: str,
    path: str,
    content: Mapping[str, Any],
    parsed: Mapping[str, Mapping[str, Any]],
    dashboards: Mapping[str, list[dict[str, Any]]],
    errors: list[tuple[str, str]],
) -> Model:
    included = {path}
    for pattern in content.get("includes", ()):
        hits = {one for one in (*parsed, *dashboards) if fnmatch(f"/{one}", pattern)}
        if not hits:
            errors.append((path, f"Could not find included file: {pattern}"))
        included |= hits
    views = {
        str(block["name"]): _view(block, one)
        for one in parsed
        if one in included
        for block in parsed[one].get("views", ())
    }
    explores = {}
    for block in content.get("explores", ()):
        explore = _explore(block, views, str(content.get("persist_with", "")), path, errors)
        explores[explore.name] = explore
    model = Model(
        name=name,
        label=str(content.get("label", name)),
        connection=str(content.get("connection", "")),
        explores=explores,
        datagroups={
            str(one["name"]): _hours(str(one.get("max_cache_age", "1 hour")))
            for one in content.get("datagroups", ())
        },
        dashboards={
            str(one["dashboard"]): one
            for file in dashboards
            if file in included
            for one in dashboards[file]
        },
    )
    errors.extend(_unknown_names(model, path))
    return model


def _hours(age: str) -> float:
    number, _, unit = age.partition(" ")
    return float(number) * _HOURS.get(unit.rstrip("s"), 1.0)


def _view(block: Mapping[str, Any], file: str) -> View:
    name = str(block["name"])
    fields: dict[str, Field] = {}
    for one in block.get("dimensions", ()):
        fields[one["name"]] = _field(name, one, is_measure=False)
    for one in block.get("dimension_groups", ()):
        for timeframe in one.get("timeframes", ("raw", "time", "date", "week", "month", "year")):
            made = _field(name, one, is_measure=False, timeframe=timeframe)
            fields[made.name] = made
    for one in block.get("measures", ()):
        fields[one["name"]] = _field(name, one, is_measure=True)
    return View(name=name, table=str(block.get("sql_table_name", name)), fields=fields, file=file)


def _field(view: str, block: Mapping[str, Any], *, is_measure: bool, timeframe: str = "") -> Field:
    name = str(block["name"])
    label = str(block.get("label", name.replace("_", " ").title()))
    default = "string" if not is_measure else "count"
    return Field(
        view=view,
        name=f"{name}_{timeframe}" if timeframe else name,
        is_measure=is_measure,
        type=str(block.get("type", default)),
        sql=str(block.get("sql", "")),
        label=f"{label} {timeframe.capitalize()}" if timeframe else label,
        timeframe=timeframe,
        datatype=str(block.get("datatype", "datetime")),
        group=str(block.get("group_label", "")),
        description=str(block.get("description", "")),
        hidden=block.get("hidden") == "yes",
        is_key=block.get("primary_key") == "yes",
        format=str(block.get("value_format_name", "")),
        required=tuple(
            one if "." in one else f"{view}.{one}" for one in block.get("required_fields", ())
        ),
    )


def _explore(
    block: Mapping[str, Any],
    views: Mapping[str, View],
    datagroup: str,
    path: str,
    errors: list[tuple[str, str]],
) -> Explore:
    name = str(block["name"])
    base = str(block.get("view_name", name))
    joins = {
        str(one["name"]): Join(
            view=str(one["name"]),
            sql_on=str(one.get("sql_on", "")),
            type=str(one.get("type", "left_outer")),
            relationship=str(one.get("relationship", "many_to_one")),
        )
        for one in block.get("joins", ())
    }
    errors += [
        (path, f"explore {name}: unknown view {one}") for one in (base, *joins) if one not in views
    ]
    return Explore(
        name=name,
        label=str(block.get("label", name.replace("_", " ").title())),
        group=str(block.get("group_label", "")),
        description=str(block.get("description", "")),
        hidden=block.get("hidden") == "yes",
        base=base,
        joins=joins,
        views={one: views[one] for one in (base, *joins) if one in views},
        always_where=str(block.get("sql_always_where", "")),
        datagroup=str(block.get("persist_with", datagroup)),
    )


def _unknown_names(model: Model, path: str) -> Iterator[tuple[str, str]]:
    """What Looker's validator finds in SQL and in tiles."""
    if not model.connection:
        yield path, "The model has no connection"
    for explore in model.explores.values():
        for view in explore.views.values():
            for one in view.fields.values():
                names = [*REFERENCE.findall(one.sql), *one.required]
                for name in names:
                    whole = name if "." in name else f"{view.name}.{name}"
                    if explore.field(whole) is None and name != "TABLE":
                        yield (
                            view.file,
                            f'Unknown or inaccessible field "{whole}" in {one.full_name}',
                        )
        for sql in (explore.always_where, *(join.sql_on for join in explore.joins.values())):
            for name in REFERENCE.findall(sql):
                if explore.field(name) is None:
                    yield path, f'Unknown or inaccessible field "{name}" in explore {explore.name}'
    for dashboard in model.dashboards.values():
        for tile in dashboard.get("elements", ()):
            known = model.explores.get(str(tile.get("explore", "")))
            for name in (*tile.get("fields", ()), *tile.get("filters", {})):
                if known is None or known.field(name) is None:
                    title = dashboard["dashboard"]
                    yield path, f'Unknown or inaccessible field "{name}" in dashboard {title}'
