"""pydantic's findings in our words: what the value is, what it should be, never more of it than that."""

import difflib
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ml_connector_dagster.config.merging import Written
from ml_connector_dagster.config.problems import KeyPath, did_you_mean, shown
from ml_connector_dagster.config.values import Origin


Model = TypeVar("Model", bound=BaseModel)

_SECRET_KEY = re.compile(
    r"passw|passphrase|pwd|secret|token|api_?key|private_?key|access_?key|^(saak|sask|cs|key|pass)$",
    re.IGNORECASE,
)

#: The first word of pydantic's error type → what it expected.
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list",
    "model": "a block of keys",
    "path": "a path",
}

_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
}


def validated(
    model: type[Model],
    body: Mapping[str, object],
    *,
    name: str | None,
    written: Written,
    origin: Origin,
    locate: Callable[[KeyPath], KeyPath],
    partial: bool = False,
) -> Model | None:
    """``body`` as a ``model`` called ``name`` (None: it has none); None, with its problems noted in ``written``, when it
    is not one.

    ``locate`` turns a path inside the model into one inside the files. With ``partial`` a missing key is fine.
    """
    named = dict(body) if name is None else {**body, "name": name}
    if name is not None and "name" in body:
        written.problem(locate(("name",)), "unknown key 'name'; the name is the key above it")
    try:
        return model.model_validate(named, by_alias=True, by_name=False, context=origin)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            if error["loc"] == ("name",):
                written.problem(locate(()), _message(error, "", model))
            elif error["type"] == "missing":
                if not partial:
                    written.problem(locate(error["loc"][:-1]), _missing(error, model))
            elif error["type"] != "too_short" or not error["input"]:
                # pydantic also calls a list too short when its only item is wrong: that is told already.
                path = locate(error["loc"])
                written.problem(path, _message(error, written.texts.get(path, ""), model))
        return None


def is_secret_key(key: str) -> bool:
    """Whether a key looks as if a secret were its value."""
    return bool(_SECRET_KEY.search(key))


NEVER_IN_YAML = (
    "a secret never stands in YAML; store it with: ml-connector credentials add NAME, "
    "and write credential: NAME"
)


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys that YAML takes for ``model``; the name is not one, it is the key above."""
    return [
        str(field.validation_alias or name)
        for name, field in model.model_fields.items()
        if name != "name"
    ]


def _missing(error: ErrorDetails, model: type[BaseModel]) -> str:
    key = str(error["loc"][-1])
    field = model.model_fields.get(key) if len(error["loc"]) == 1 else None
    meaning = f": {field.description.rstrip('.')}" if field and field.description else ""
    return f"the key {key!r} is missing{meaning}"


def _message(error: ErrorDetails, text: str, model: type[BaseModel]) -> str:
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    key = next((str(part) for part in reversed(error["loc"]) if isinstance(part, str)), "value")
    if kind == "extra_forbidden":
        return _unknown_key(str(error["loc"][-1]), error["loc"], model)
    if kind == "value_error":
        return str(context["error"])
    if kind == "unquoted":
        return f'{context["what"]} {text or value} must be quoted, or YAML takes it for a number: "{text or value}"'
    if kind in ("literal_error", "enum"):
        options = re.findall(r"'([^']*)'", str(context["expected"]))
        return f"unknown {key.replace('_', ' ')} {_got(value, text)}{did_you_mean(str(value), options)}"
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"must be {words} {context[bound]:g}, got {text or value}"
    if kind == "too_short":
        return "the list is empty; it needs at least one"
    expected = _KINDS.get(kind.split("_")[0])
    if expected is None:
        return str(error["msg"])
    if value is None:
        return f"has no value; expected {expected}"
    return f"expected {expected}, got {_got(value, text)}"


def _got(value: object, text: str) -> str:
    if isinstance(value, Mapping):
        return "a block of keys"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return text or shown(value)


def _unknown_key(key: str, path: KeyPath, model: type[BaseModel]) -> str:
    known = keys_of(_innermost(model, path))
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.85)
    if is_secret_key(key) and not near:
        return NEVER_IN_YAML
    return f"unknown key {shown(key)}{did_you_mean(key, known)}"


def _innermost(model: type[BaseModel], path: KeyPath) -> type[BaseModel]:
    """The model whose key the last part of ``path`` was to be."""
    for part in path[:-1]:
        if isinstance(part, str):
            for name, field in model.model_fields.items():
                if part == (field.validation_alias or name):
                    model = _model_in(field.annotation) or model
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if found := _model_in(inner):
            return found
    return None
