"""Read a product line's catalog, lay a tenant's own file over it, and say everything that is wrong with either at once."""

from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from ml_connector_dagster.cloudsuite.catalog.entities import meant
from ml_connector_dagster.cloudsuite.catalog.fields import CatalogModel
from ml_connector_dagster.model.errors import ConfigError


_FOLDER = Path(__file__).parent

CatalogT = TypeVar("CatalogT", bound=CatalogModel)


def load_catalog(
    model: type[CatalogT],
    file: str,
    override: Path | None,
    *,
    label: str,
    parts: Sequence[type[CatalogModel]],
) -> CatalogT:
    """The built-in ``file`` with ``override`` laid over it: mappings merge by key, all else is replaced, null takes a key out.

    ``label`` names the line in messages; the fields of ``parts`` are the keys that a hint may name. Raises ConfigError
    with every problem, each with its file and its place.
    """
    base_path = _FOLDER / file
    base = _built_in(base_path)
    mine: Mapping[str, Any] = {} if override is None else _read(override)
    merged = _merged(base, mine)
    try:
        return model.model_validate(merged)
    except ValidationError as error:
        known = sorted({name for part in parts for name in part.model_fields})
        kinds = _kinds(merged)
        problems = [
            _problem(dict(detail), mine, override or base_path, base_path, known=known, kinds=kinds)
            for detail in error.errors(include_url=False, include_context=False)
        ]
        raise ConfigError(
            f"{len(problems)} problem(s) in the {label} catalog:\n" + "\n".join(problems)
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


def _problem(
    detail: Mapping[str, Any],
    mine: Mapping[str, Any],
    override: Path,
    base: Path,
    *,
    known: Sequence[str],
    kinds: Container[str],
) -> str:
    where = _keys(detail["loc"], kinds)
    path = ".".join(where)
    file = override if mine and _touches(mine, where) else base
    if detail["type"] == "extra_forbidden":
        return f"  {file}: {path}: unknown key{meant(where[-1], known)}"
    message = str(detail["msg"]).removeprefix("Value error, ")
    given = detail.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"  {file}: {path}: {message}{shown}" if path else f"  {file}: {message}"


def _keys(location: Iterable[int | str], kinds: Container[str]) -> list[str]:
    """The keys of the file: the kind that pydantic puts after a route's name, where a line has several, is no key."""
    parts = [str(part) for part in location]
    if "routes" in parts:
        place = parts.index("routes") + 2
        if len(parts) > place and parts[place] in kinds:
            del parts[place]
    return parts


def _kinds(content: Mapping[str, Any]) -> frozenset[str]:
    """Every kind of route that the catalog names."""
    entities = content.get("entities")
    routes = [
        route
        for entity in (entities.values() if isinstance(entities, dict) else ())
        if isinstance(entity, dict) and isinstance(entity.get("routes"), dict)
        for route in entity["routes"].values()
    ]
    return frozenset(str(route.get("kind")) for route in routes if isinstance(route, dict))


def _touches(content: object, where: Iterable[str]) -> bool:
    """Whether the tenant's file says anything at, or just above, this place."""
    for part in where:
        if not isinstance(content, Mapping) or part not in content:
            return not isinstance(content, Mapping)
        content = content[part]
    return True
