"""What each noun holds, as data: ``nouns.yaml``, with a tenant's own file laid over it."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError


_FILE = Path(__file__).with_name("nouns.yaml")

#: Stands for the division of the document's accounting entity.
DIVISION = "$division"


class NounEntity(BaseModel):
    """The records of one entity in a noun. ``each``: XPath of the elements that are one each; "" when the noun is one itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    each: str = ""
    fields: dict[str, str] = Field(min_length=1)


class Noun(BaseModel):
    """One noun.

    Attributes:
        id: its identity, with the variation.
        within: further parts of the identity, where ``id`` alone is not unique in a company.
        modified: its change time, "" when the envelope's counts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    within: tuple[str, ...] = ()
    modified: str = ""
    entities: dict[str, NounEntity] = Field(min_length=1)


_NOUNS = TypeAdapter(dict[str, Noun])


def load_nouns(override: Path | None = None) -> Mapping[str, Noun]:
    """The built-in nouns, each replaced by the tenant's own of the same name. Raises ConfigError."""
    path = override or _FILE
    try:
        own = {} if override is None else _read(override)
        nouns = _NOUNS.validate_python({**_read(_FILE), **own})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: {where}: {first['msg']}") from None
    for name, noun in nouns.items():
        for entity, mapped in noun.entities.items():
            if entity not in ENTITIES:
                raise ConfigError(
                    f"{path}: {name}.entities.{entity}: no such entity; there are {', '.join(ENTITIES)}"
                )
            _check_columns(f"{path}: {name}.entities.{entity}", entity, mapped)
    return nouns


def _check_columns(where: str, entity: str, mapped: NounEntity) -> None:
    definition = ENTITIES[entity]
    known = {column.name for column in definition.columns}
    for column in mapped.fields:
        if column not in known:
            raise ConfigError(f"{where}.fields.{column}: {entity} has no such column")
    for key in definition.key:
        if key not in mapped.fields and key not in definition.blank_key:
            raise ConfigError(f"{where}.fields: the key column {key} needs a path")


@cache
def _built_in() -> Mapping[str, Any]:
    return _parsed(_FILE)


def _read(path: Path) -> Mapping[str, Any]:
    return _built_in() if path == _FILE else _parsed(path)


def _parsed(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: nouns are a mapping, noun → id and entities")
    return content
