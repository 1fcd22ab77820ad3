"""Read a product line's catalog, lay a tenant's own file over it, and say everything that is wrong with either at once."""

import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel, FieldSpec
from ml_connector_dagster.cloudsuite.catalog.routes import (
    ChangedBetween,
    ChangedSince,
    Children,
    Complete,
    ExportRoute,
    ListRoute,
    Lookup,
    Name,
    Route,
)
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError


_FOLDER = Path(__file__).parent

_MODELS: tuple[type[CatalogModel], ...] = (
    FieldSpec, ListRoute, ExportRoute, Lookup, Complete, Children, ChangedSince, ChangedBetween,
)  # fmt: skip


class EntityCatalog(CatalogModel):
    """One entity: its fields by canonical column, and its routes by name, in order of preference.

    ``further_fields``: columns of a tenant's own, by the name they get.
    """

    modified: Name | None = None
    fields: dict[str, FieldSpec]
    further_fields: dict[str, FieldSpec] = Field(default_factory=dict)
    ignored: tuple[Name, ...] = ()
    routes: dict[str, Route] = Field(min_length=1)
    order: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _order_names_routes(self) -> "EntityCatalog":
        for name in self.order:
            if name not in self.routes:
                raise ValueError(f"order: no route is called {name!r}{_meant(name, self.routes)}")
        return self

    @property
    def all_fields(self) -> dict[str, FieldSpec]:
        """Canonical columns first, then the tenant's own."""
        return {**self.fields, **self.further_fields}

    @property
    def ordered_routes(self) -> tuple[tuple[str, ListRoute | ExportRoute], ...]:
        """``order`` first, then the others as they stand in the file."""
        names = [*self.order, *(name for name in self.routes if name not in self.order)]
        return tuple((name, self.routes[name]) for name in names)


class M3Catalog(CatalogModel):
    """Everything the M3 product line knows about names.

    Attributes:
        row_caps: an answer of exactly so many rows, when more were asked for, is taken to be cut short.
        bulk_chunk: Get transactions per bulk POST (§2.4: 80 in use; more meets gateway timeouts).
        separators: tried in order when a value of an exported row holds the one before.
        reply_length: the most characters of an exported row (EXPORTMI's REPL is A984).
        company_condition: whether an export names the company in its query (§9, uncertainty 4).
        ignored: ERP fields that never land in ``_extra``.
    """

    product_line: Literal["m3"]
    row_caps: tuple[int, ...] = (100, 1000, 10_000)
    bulk_chunk: int = Field(default=80, ge=1, le=500)
    separators: tuple[str, ...] = ("|", "~", "^", "`")
    reply_length: int = Field(default=984, ge=100, le=984)
    company_condition: bool = True
    ignored: tuple[Name, ...] = ("CONO",)
    entities: dict[str, EntityCatalog]

    @model_validator(mode="after")
    def _names_exist(self) -> "M3Catalog":
        problems = list(_unknown_names(self.entities))
        if problems:
            raise ValueError("; ".join(problems))
        if any(len(separator) != 1 for separator in self.separators) or not self.separators:
            raise ValueError("separators: each must be one character")
        return self


def _unknown_names(entities: Mapping[str, EntityCatalog]) -> Iterable[str]:
    for name, catalog in entities.items():
        entity = ENTITIES.get(name)
        if entity is None:
            yield f"entities.{name}: no such entity{_meant(name, ENTITIES)}"
            continue
        columns = [column.name for column in entity.columns]
        for column in catalog.fields:
            if column not in columns:
                yield f"entities.{name}.fields.{column}: {name} has no such column{_meant(column, columns)}; a column of your own goes below further_fields"
        for column in catalog.further_fields:
            if column in columns or column.startswith("_"):
                yield f"entities.{name}.further_fields.{column}: the name is taken; map it below fields, or choose another"
        for key in entity.key:
            if key not in catalog.fields:
                yield f"entities.{name}.fields.{key}: a key column needs a field"


def load_m3_catalog(override: Path | None = None) -> M3Catalog:
    """The built-in catalog with ``override`` laid over it: mappings merge by key, all else is replaced, null takes a key out."""
    base_path = _FOLDER / "m3.yaml"
    base = _built_in(base_path)
    mine: Mapping[str, Any] = {} if override is None else _read(override)
    try:
        return M3Catalog.model_validate(_merged(base, mine))
    except ValidationError as error:
        problems = [
            _problem(dict(detail), mine, override or base_path, base_path)
            for detail in error.errors(include_url=False, include_context=False)
        ]
        raise ConfigError(
            f"{len(problems)} problem(s) in the M3 catalog:\n" + "\n".join(problems)
        ) from None


@cache
def _built_in(path: Path) -> Mapping[str, Any]:
    return _read(path)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the catalog file: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path}: a catalog is a mapping with the key 'entities', not a {type(content).__name__}"
        )
    return content


def _merged(base: Mapping[str, Any], mine: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in mine.items():
        under = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(under, str) and isinstance(value, dict):
            # A field's short form below a mapping that changes only its sign or format.
            result[key] = {**_expanded(under), **value}
        elif isinstance(under, dict) and isinstance(value, str):
            # A field's short form above: sign and format stay.
            result[key] = {**under, **_expanded(value)}
        elif isinstance(under, dict) and isinstance(value, dict):
            changed_kind = "kind" in value and value["kind"] != under.get("kind")
            result[key] = dict(value) if changed_kind else _merged(under, value)
        else:
            result[key] = value
    return result


def _expanded(short: str) -> dict[str, Any]:
    source, _, shape = short.partition(" ")
    return {"source": source, **({"type": shape[0], "length": shape[1:]} if shape else {})}


def _problem(detail: Mapping[str, Any], mine: Mapping[str, Any], override: Path, base: Path) -> str:
    where = _keys(detail["loc"])
    path = ".".join(where)
    file = override if mine and _touches(mine, where) else base
    if detail["type"] == "extra_forbidden":
        return f"  {file}: {path}: unknown key{_meant(where[-1], _known_keys())}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    given = detail.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"  {file}: {path}: {message}{shown}" if path else f"  {file}: {message}"


def _keys(location: Iterable[int | str]) -> list[str]:
    """The keys of the file: what stands after a route's name is the kind that pydantic chose, not a key."""
    parts = [str(part) for part in location]
    if "routes" in parts and len(parts) > parts.index("routes") + 2:
        del parts[parts.index("routes") + 2]
    return parts


def _touches(content: object, where: Iterable[str]) -> bool:
    """Whether the tenant's file says anything at, or just above, this place."""
    for part in where:
        if not isinstance(content, Mapping) or part not in content:
            return not isinstance(content, Mapping)
        content = content[part]
    return True


def _known_keys() -> list[str]:
    keys = {name for model in _MODELS for name in model.model_fields}
    return sorted(keys | set(EntityCatalog.model_fields) | set(M3Catalog.model_fields))


def _meant(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
