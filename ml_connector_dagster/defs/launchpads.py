"""What a launchpad offers: lists to choose from, and links that open one already filled in."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from enum import StrEnum
from typing import Any, Final, TypeVar
from urllib.parse import quote

import dagster as dg
import yaml
from pydantic import Field, create_model


_Config = TypeVar("_Config", bound=dg.Config)

#: "No choice": configured names are lower-case, so it is none of them.
ALL: Final = "ALL"

#: As ``workspace.yaml`` calls this code location; used where a run does not know it.
LOCATION: Final = "ml_connector_dagster"


def with_choices(config: type[_Config], choices: Mapping[str, Iterable[str]]) -> type[_Config]:
    """``config`` whose text fields take one of a list; the launchpad completes it, and refuses everything else."""
    fields: dict[str, Any] = {}
    for name, values in choices.items():
        members = {one: one for one in (ALL, *values)}
        # Dagster keeps one enum for each name in a process: another choice needs another name.
        mark = hashlib.sha256("\0".join(members).encode()).hexdigest()[:8]
        kind: Any = StrEnum(f"{config.__name__}_{name}_{mark}", members)  # type: ignore[misc]  # its members are configured
        fields[name] = (
            kind,
            Field(default=kind(ALL), description=config.model_fields[name].description),
        )
    return create_model(config.__name__, __base__=config, __doc__=config.__doc__, **fields)


def with_defaults(config: type[_Config], defaults: Mapping[str, Any]) -> type[_Config]:
    """``config`` with other defaults: what is configured shows in the launchpad, and not a sign that stands for it."""
    fields: dict[str, Any] = {}
    for name, value in defaults.items():
        own = copy(config.model_fields[name])
        own.default = value
        fields[name] = (own.annotation, own)
    return create_model(config.__name__, __base__=config, __doc__=config.__doc__, **fields)


def op_with(body: Callable[..., None], config: type[dg.Config], **settings: Any) -> dg.OpDefinition:
    """An op whose launchpad is that of ``config``, a model that is made when definitions load.

    Dagster reads the model off the annotation of ``body``, which can only name the one that it derives from.
    """
    body.__annotations__["config"] = config
    made: dg.OpDefinition = dg.op(out=dg.Out(dg.Nothing), **settings)(body)
    return made


def launchpad(job: str, op: str, config: Mapping[str, Any], *, location: str = LOCATION) -> str:
    """The path of the UI at which the launchpad of ``job`` opens with ``config`` in it."""
    text = yaml.safe_dump({"ops": {op: {"config": dict(config)}}}, sort_keys=False)
    return f"/locations/{location}/jobs/{job}/playground/setup?config={quote(text, safe='')}"


def link(text: str, path: str) -> str:
    """A link in Markdown."""
    return f"[{text}]({path})"


def location_of(run: dg.DagsterRun) -> str:
    """The code location that ``run`` came from."""
    origin = run.remote_job_origin
    return LOCATION if origin is None else origin.location_name
