"""Write docs/reference from the code: entities, marts, configuration, commands. Run by ``make docs``.

``pages()`` is a pure function of the installed package, so that a test can compare it with what is committed.
"""

# ruff: noqa: INP001 -- a script, no package

import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

import click
import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typer.models import ArgumentInfo

from ml_connector_dagster.cli.app import app
from ml_connector_dagster.cloudsuite.catalog.fields import FieldSpec
from ml_connector_dagster.cloudsuite.catalog.lake import CompassRoute
from ml_connector_dagster.cloudsuite.catalog.m3 import (
    M3Catalog,
    M3Entity,
    load_m3_catalog,
)
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.config.alerts import AlertChannel, Alerts
from ml_connector_dagster.config.intakes import DocumentIntake
from ml_connector_dagster.config.json_schema import project_json_schema
from ml_connector_dagster.config.looker import LookerPublication
from ml_connector_dagster.config.mappings import Condition, EntityMapping, FieldRule
from ml_connector_dagster.config.project import CONNECTION_TYPES, Flow, FlowDestination
from ml_connector_dagster.config.reconciling import Reconcile
from ml_connector_dagster.config.replays import Replay
from ml_connector_dagster.config.retention import Retention
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.config.sweeps import Sweep
from ml_connector_dagster.marts import MARTS, Mart
from ml_connector_dagster.marts.lineage import KEPT, as_kept, kept_lineage
from ml_connector_dagster.model.entities import (
    DECIMAL_PRECISION,
    DECIMAL_SCALE,
    ENTITIES,
    LEADING_COLUMNS,
    TRAILING_COLUMNS,
    ColumnType,
    Entity,
)


FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTICE = "<!-- Generated from the code by scripts/generate_reference.py: change the code, then run make docs. -->"

_COLUMN_TYPES = {
    ColumnType.STRING: "text",
    ColumnType.INTEGER: "integer (64 bit)",
    ColumnType.DECIMAL: f"decimal({DECIMAL_PRECISION}, {DECIMAL_SCALE})",
    ColumnType.TIMESTAMP: "timestamp (UTC)",
    ColumnType.JSON: "JSON text",
}

_MART_TYPES = {
    ColumnType.STRING: "text",
    ColumnType.INTEGER: "integer",
    ColumnType.BOOLEAN: "boolean",
}

_PLAIN_TYPES = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    date: "date",
    Path: "path",
}

_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def pages() -> dict[str, str]:
    """File name → content."""
    return {
        "commands.md": _commands_page(),
        "configuration.md": _configuration_page(),
        "entities.md": _entities_page(),
        "flows.schema.json": json.dumps(project_json_schema(), indent=1, sort_keys=True) + "\n",
        "marts.md": _marts_page(),
    }


def main() -> None:
    """Write what is not up to date."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in pages().items():
        file = FOLDER / name
        if not file.exists() or file.read_text(encoding="utf-8") != content:
            file.write_text(content, encoding="utf-8")
            sys.stdout.write(f"wrote docs/reference/{name}\n")
    lineage = as_kept()
    if KEPT.read_text(encoding="utf-8") != lineage:
        KEPT.write_text(lineage, encoding="utf-8")
        sys.stdout.write(f"wrote {KEPT.name} of the marts\n")


# --- Markdown ---------------------------------------------------------------------------------------------------------


def _page(title: str, introduction: str, parts: Sequence[str]) -> str:
    return "\n\n".join([f"# {title}", NOTICE, introduction, *parts]) + "\n"


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _sentence(text: str) -> str:
    text = " ".join(text.split()).replace("``", "`")
    text = re.sub(
        r" \(§[^)]*\)", "", text
    )  # where a constant comes from is for those who read the code
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _link(heading: str) -> str:
    return f"[{heading}](#{heading.lower().replace(' ', '-')})"


# --- Entities ---------------------------------------------------------------------------------------------------------


def _entities_page() -> str:
    catalog = load_m3_catalog()
    parts = [
        _table(
            ["entity", "key (besides the company)", "what it is"],
            [
                [f"[{name}](#{name})", ", ".join(map(_code, entity.key)), entity.description]
                for name, entity in ENTITIES.items()
            ],
        ),
        "## Columns of every table",
        _columns(LEADING_COLUMNS + TRAILING_COLUMNS),
        *(
            part
            for name, entity in ENTITIES.items()
            for part in _entity(entity, catalog.entities[name])
        ),
    ]
    return _page(
        "Entities",
        "What comes out of every product line and goes into every destination: one table per entity, named as here. "
        "Where a product line lacks a column it is null there; where a tenant has more, the surplus stands in `_extra`, "
        "or in a column of its own ([how](../how-to/override-catalog.md)).\n\n"
        "The columns on the right say where a value comes from in M3, for each route that can be taken; "
        "`ml-connector ping` tells which one your tenant takes. For a list, the field is that of the list transaction, "
        "or of the transaction named with it. For an export (EXPORTMI Select) it is the column of the table. "
        '"-" before a field: the sign is turned. An empty cell: the value is null by that route.',
        parts,
    )


def _columns(columns: Sequence[Any]) -> str:
    rows = [
        [_code(column.name), _COLUMN_TYPES.get(column.type, column.type.value), column.description]
        for column in columns
    ]
    return _table(["column", "type", "meaning"], rows)


def _entity(entity: Entity, catalog: M3Entity) -> Iterator[str]:
    yield f"## {entity.name}"
    yield entity.description
    facts = [f"Key: company, {', '.join(map(_code, entity.key))}"]
    if entity.blank_key:
        facts.append(f"May be empty in the key: {', '.join(map(_code, entity.blank_key))}")
    if entity.control_totals:
        facts.append(f"Control totals: {', '.join(map(_code, entity.control_totals))}")
    if entity.parent:
        facts.append(
            f"Each row has its header in {_entity_link(entity.parent.entity)} "
            f"({', '.join(map(_code, entity.parent.columns))})"
        )
    facts += [
        f"{', '.join(map(_code, one.columns))} → {_entity_link(one.entity)}"
        for one in entity.references
    ]
    facts.append(
        f"M3's change date: {_code(catalog.modified)}"
        if catalog.modified
        else "M3 has no change date for it: it is read whole each time, and what did not change falls out by content"
    )
    yield "\n".join(f"- {fact}" for fact in facts)
    chosen = catalog.ordered_routes
    rows = []
    for column in entity.columns:
        spec = catalog.fields.get(column.name)
        rows.append(
            [
                _code(column.name),
                _COLUMN_TYPES.get(column.type, column.type.value),
                column.description,
                *("" if spec is None else _field(spec, route) for _, route in chosen),
            ]
        )
    yield _table(["column", "type", "meaning", *(route.label for _, route in chosen)], rows)


def _marts_page() -> str:
    parts = [
        _table(
            ["mart", "what it is", "from"],
            [
                [f"[{name}](#{name})", mart.description, ", ".join(mart.entities)]
                for name, mart in MARTS.items()
            ],
        ),
        *(part for mart in MARTS.values() for part in _mart(mart)),
    ]
    return _page(
        "Marts",
        "Views that a flow keeps beside its tables ([how to use them](../how-to/marts.md)). Their columns are the same "
        "in every warehouse.",
        parts,
    )


def _mart(mart: Mart) -> Iterator[str]:
    yield f"## {mart.name}"
    yield mart.description
    yield f"- One row per {', '.join(map(_code, mart.grain))}\n- Its check, `adds_up`: {mart.proves}"
    lineage = kept_lineage()[mart.name]
    yield _table(
        ["column", "type", "meaning", "from"],
        [
            [
                _code(column.name),
                _MART_TYPES.get(column.type, column.type.value),
                column.description,
                ", ".join(_code(".".join(source)) for source in lineage[column.name]),
            ]
            for column in mart.columns
        ],
    )


def _entity_link(name: str) -> str:
    return f"[{name}](#{name})"


def _field(spec: FieldSpec, route: ListRoute | ExportRoute | CompassRoute) -> str:
    if isinstance(route, ExportRoute):
        found = _export_field(spec, route)
    elif isinstance(route, CompassRoute):
        found = _code(route.names.get(spec.source, spec.source))
    else:
        found = _list_field(spec, route)
    return f"-{found}" if found and spec.negate else found


def _export_field(spec: FieldSpec, route: ExportRoute) -> str:
    if spec.source not in route.absent:
        return _code(route.prefix + route.names.get(spec.source, spec.source))
    for lookup in route.lookups:
        if spec.source in lookup.fields:
            return f"{_code(lookup.prefix + spec.source)} ({lookup.table})"
    return ""


def _list_field(spec: FieldSpec, route: ListRoute) -> str:
    for complete in route.complete:
        if spec.source in complete.fields:
            return f"{_code(spec.source)} ({complete.transaction})"
    names: Mapping[str, str] = route.children[-1].names if route.children else route.names
    return _code(names.get(spec.source, spec.source))


# --- Configuration ----------------------------------------------------------------------------------------------------


#: What a flow or connection has below a key of its own.
_FLOW_HEADINGS: dict[type[BaseModel], str] = {
    Schedule: "schedule",
    Sweep: "sweep",
    Reconcile: "reconcile",
    Replay: "replay",
    LookerPublication: "looker",
    DocumentIntake: "bods",
}

_ALERT_HEADINGS: dict[type[BaseModel], str] = {Alerts: "alerts", AlertChannel: "alerts channels"}

_MAPPING_HEADINGS: dict[type[BaseModel], str] = {
    EntityMapping: "mapping",
    FieldRule: "mapping field",
    Condition: "mapping filter",
}


def _configuration_page() -> str:
    parts = [
        "An editor that knows YAML completes and checks a flows file when its first line names the schema, "
        "[flows.schema.json](flows.schema.json), as flows/sandbox.yaml does.",
        "## Environment variables",
        _variables(),
        "## Connections",
    ]
    parts.append(
        "Below `connections:`, each under a name of your choice (lower-case letters, digits and `_`)."
    )
    for kind, model in CONNECTION_TYPES.items():
        parts += [
            f"### type {kind}",
            _sentence(inspect.getdoc(model) or ""),
            _keys(model, first={"type": kind}),
        ]
    parts += [
        "## Flows",
        "Below `flows:`, each under a name of your choice. Keys that all flows share may stand once below `defaults:`; "
        "a flow's own value wins.",
        _keys(Flow),
        "### destinations",
        "Each item of a flow's `destinations:`.",
        _keys(FlowDestination),
        *(
            part
            for model, heading in _FLOW_HEADINGS.items()
            for part in (f"### {heading}", _sentence(_summary(model)), _keys(model))
        ),
        "## Retention",
        f"Once, below `retention:`. {_sentence(_summary(Retention))} What it means: [retention.md](../how-to/retention.md).",
        _keys(Retention),
        "## Mappings",
        "Below `mapping:` of a destination that is an application, each under an entity's name. What is shipped stands in "
        "`ml_connector_dagster/config/mapping/`, one file per type of connection, in the same words.",
    ]
    for mapping_model, heading in _MAPPING_HEADINGS.items():
        parts += [
            f"### {heading}",
            _sentence(_summary(mapping_model)),
            _keys(mapping_model),
        ]
    parts += [
        "## Alerts",
        "Below `alerts:`, in one of the files. How to: [alerts.md](../how-to/alerts.md).",
    ]
    for alert_model, heading in _ALERT_HEADINGS.items():
        parts += [f"### {heading}", _sentence(_summary(alert_model)), _keys(alert_model)]
    parts += [
        "## Catalog file",
        "What `catalog:` of a connection names: a tenant's own programs, tables and fields, laid over the built-in "
        "catalog. Mappings merge by key, everything else is replaced, `null` takes a key out. "
        "How to write one: [override-catalog.md](../how-to/override-catalog.md).",
    ]
    for catalog_model, heading in _CATALOG_HEADINGS.items():
        parts += [
            f"### {heading}",
            _sentence(_summary(catalog_model)),
            _keys(catalog_model, _attributes(catalog_model)),
        ]
    return _page(
        "Configuration",
        "Connections and flows stand in YAML: one file, or all files of a folder. An unknown key is an error with a "
        "suggestion; all problems of all files are reported at once, each with its line. Secrets never stand here "
        "([credentials](../how-to/credentials.md)). A complete example: [flows/sandbox.yaml](../../flows/sandbox.yaml).",
        parts,
    )


def _variables() -> str:
    rows = []
    for text in _attributes(Settings).values():
        found = re.search(r"``(ML_CONNECTOR_[A-Z_]+)``", text)
        if found:
            text = re.sub(r"``ML_CONNECTOR_[A-Z_]+``[,;] ?", "", text)
            text = text.replace("``home``", "`ML_CONNECTOR_HOME`")
            text = text.replace("``key_file``", "the file `encryption.key` in `ML_CONNECTOR_HOME`")
            text = text.replace("newest first (", "encryption keys, newest first (")
            rows.append([_code(found[1]), _capital(_sentence(text))])
    rows += [
        ["`DAGSTER_HOME`", "Dagster's own: folder of its history. The commands `demo` and `dev` use `dagster/` inside `ML_CONNECTOR_HOME`."],
        ["`DAGSTER_PG_URL`", "PostgreSQL URL of Dagster's history, in place of SQLite (extra `postgres`)."],
    ]  # fmt: skip
    return _table(["variable", "meaning"], rows)


def _attributes(model: type) -> dict[str, str]:
    """The ``Attributes:`` of a docstring (a line may name several), and ``name``: sentences that stand free."""
    text = inspect.getdoc(model) or ""
    found: dict[str, str] = {}
    _, _, listed = text.partition("Attributes:\n")
    for block in re.split(r"\n(?= {4}\S)", "\n" + listed):
        names, colon, meaning = block.strip().partition(":")
        if colon:
            for name in names.split(","):
                found[name.strip()] = meaning.strip()
    for names, meaning in re.findall(r"``(\w+)``: ([^`]*?\.)(?=\s|$)", text):
        found.setdefault(names, meaning)
    return found


def _summary(model: type) -> str:
    return (inspect.getdoc(model) or "").split("\n\n")[0]


def _keys(
    model: type[BaseModel],
    meanings: Mapping[str, str] | None = None,
    first: Mapping[str, str] | None = None,
) -> str:
    rows = []
    for name, field in model.model_fields.items():
        if name == "name":  # the key above the block
            continue
        if first and name in first:
            rows.append([_code(name), _code(first[name]), "required", _meaning(name, field, {})])
            continue
        rows.append(
            [
                _code(str(field.validation_alias or name)),
                _type(field.annotation, field),
                _default(field),
                _meaning(name, field, meanings or {}),
            ]
        )
    has_meanings = any(row[3] for row in rows)
    if not has_meanings:
        return _table(["key", "type", "default"], [row[:3] for row in rows])
    return _table(["key", "type", "default", "meaning"], rows)


def _meaning(name: str, field: FieldInfo, meanings: Mapping[str, str]) -> str:
    if field.description:
        return _sentence(field.description).replace("<", "&lt;")
    return _capital(_sentence(meanings[name])) if name in meanings else ""


def _type(annotation: Any, field: FieldInfo | None = None) -> str:
    bounds = ""
    if field is not None:
        found = [
            f"{words} {getattr(one, bound):,}"
            for one in field.metadata
            for bound, words in _BOUNDS.items()
            if getattr(one, bound, None) is not None
        ]
        bounds = f", {' and '.join(found)}" if found else ""
    return _type_words(annotation) + bounds


def _type_words(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type_words(arguments[0])
    if origin is typing.Literal:
        return " or ".join(_code(str(one)) for one in arguments)
    if origin in (typing.Union, types.UnionType):
        kinds = [_type_words(one) for one in arguments if one is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if origin is tuple:
        return f"list of {_type_words(arguments[0])}"
    if origin is dict:
        return f"block of {_type_words(arguments[1])} by name"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(_code(str(one.value)) for one in annotation)
    if annotation is FlowDestination:
        return _link("destinations")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _link(
            (_FLOW_HEADINGS | _ALERT_HEADINGS | _MAPPING_HEADINGS | _CATALOG_HEADINGS)[annotation]
        )
    return _PLAIN_TYPES.get(annotation, "text")


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)


def _headings(model: type[BaseModel], heading: str, found: dict[type[BaseModel], str]) -> None:
    """Every model below ``model``: a heading of its own, named after the key that holds it."""
    if model in found:
        return
    found[model] = heading
    for name, field in model.model_fields.items():
        for inner in _models_in(field.annotation):
            _headings(inner, _NAMED_HEADINGS.get(inner, name), found)


_NAMED_HEADINGS: dict[type[BaseModel], str] = {
    M3Entity: "An entity",
    FieldSpec: "A field",
    ListRoute: "A route with kind list",
    ExportRoute: "A route with kind export",
    CompassRoute: "A route with kind compass",
}
_CATALOG_HEADINGS: dict[type[BaseModel], str] = {}
_headings(M3Catalog, "The file", _CATALOG_HEADINGS)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value in (None, "", (), {}):
        return ""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return _code(str(value).lower())
    if isinstance(value, tuple):
        return _code(f"[{', '.join(str(one) for one in value)}]")
    return _code(f"{value:g}" if isinstance(value, float) else str(value))


# --- Commands ---------------------------------------------------------------------------------------------------------


def _commands_page() -> str:
    group = typer.main.get_command(app)
    assert isinstance(group, click.Group)  # noqa: S101  a typer with commands is one
    commands = list(_walk(group, ("ml-connector",)))
    parts = [
        _table(
            ["command", "what it does"],
            [
                [f"[{' '.join(path[1:])}](#{'-'.join(path)})", _sentence(command.help or "")]
                for path, command in commands
            ],
        )
    ]
    for path, command in commands:
        parts += [f"## {' '.join(path)}", _sentence(command.help or "")]
        parts.append(f"```\n{' '.join([*path, *_usage(command)])}\n```")
        arguments = [one for one in command.params if isinstance(one, click.Argument)]
        options = [one for one in command.params if isinstance(one, click.Option)]
        if arguments:
            helps = _argument_helps(command.callback)
            rows = [
                [_code(_shown(one)), _sentence(helps.get(str(one.name), ""))] for one in arguments
            ]
            parts.append(_table(["argument", "meaning"], rows))
        if options:
            parts.append(
                _table(["option", "value", "default", "meaning"], [_option(one) for one in options])
            )
    return _page(
        "Commands",
        "In a checkout the command is `.venv/bin/ml-connector`. Which installation a command works on is decided by "
        "[environment variables](configuration.md#environment-variables).\n\n"
        "Exit codes: 0 all well, 1 something failed (said on stderr), 2 the command was typed wrongly, 130 stopped "
        "with Ctrl-C. With `--json` a command prints one JSON document on stdout; decimals are text, so that no digit "
        "is lost.",
        parts,
    )


def _walk(
    group: click.Group, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _walk(command, (*path, name))
        else:
            yield (*path, name), command


def _usage(command: click.Command) -> list[str]:
    words = ["[OPTIONS]"] if any(isinstance(one, click.Option) for one in command.params) else []
    return words + [_shown(one) for one in command.params if isinstance(one, click.Argument)]


def _shown(argument: click.Argument) -> str:
    name = str(argument.name).upper()
    several = f"{name}..." if argument.nargs == -1 else name
    return several if argument.required else f"[{several}]"


def _argument_helps(callback: Callable[..., Any] | None) -> dict[str, str]:
    """From the signature: some versions of click drop what typer says of arguments."""
    helps: dict[str, str] = {}
    for name, hint in typing.get_type_hints(callback, include_extras=True).items():
        for one in getattr(hint, "__metadata__", ()):
            if isinstance(one, ArgumentInfo):
                helps[name] = one.help or ""
    return helps


def _option(option: click.Option) -> list[str]:
    if option.is_flag:
        value, default = "", _code(option.opts[0]) if option.default is True else ""
    else:
        value = {"integer": "number", "datetime": "date, like 2025-11-01"}.get(
            option.type.name, option.type.name
        )
        default = "" if option.default in (None, [], ()) else _code(str(option.default) or "''")
    # Where a flag is on by itself, what people type is its opposite.
    names = [*option.opts, *(option.secondary_opts if option.default is True else ())]
    return [", ".join(map(_code, names)), value, default, _sentence(option.help or "")]


if __name__ == "__main__":
    main()
