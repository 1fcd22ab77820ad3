"""One YAML file, or all of a folder, as one set of named connections and flows with their places."""

from dataclasses import dataclass, field
from pathlib import Path

from ml_connector_dagster.config.problems import (
    KeyPath,
    Place,
    Problem,
    did_you_mean,
    nearest_place,
    shown,
)
from ml_connector_dagster.config.yaml_source import Document, read_document
from ml_connector_dagster.model.errors import ConfigError


#: Sections that stand once in all files together.
_ONCE = ("defaults", "retention", "alerts")

SECTIONS = ("connections", "flows", *_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the files say, not yet checked beyond its outline. ``once``: the sections that stand once."""

    connections: dict[str, object] = field(default_factory=dict)
    flows: dict[str, object] = field(default_factory=dict)
    once: dict[str, dict[str, object]] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    texts: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: KeyPath, message: str) -> None:
        """Note a problem at ``path``."""
        place = nearest_place(self.places, path)
        self.problems.append(Problem(place=place, path=path, message=message))


def read_files(path: Path) -> Written:
    """Everything in ``path``, a YAML file or a folder of them. Raises ConfigError when there is none."""
    files = _files(path)
    written = Written(places={(): Place(file=str(files[0]), line=1)})
    for file in files:
        _add(written, read_document(file))
    return written


def _files(path: Path) -> tuple[Path, ...]:
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise ConfigError(
            f"{path}: there is no such file or folder; set ML_CONNECTOR_FLOWS to your flows "
            "(flows/sandbox.yaml is a working example)"
        )
    found = tuple(
        sorted(
            file
            for file in path.iterdir()
            if file.suffix in (".yaml", ".yml") and not file.name.startswith(".") and file.is_file()
        )
    )
    if not found:
        raise ConfigError(
            f"{path}: no *.yaml file in this folder; copy flows/sandbox.yaml and change it"
        )
    return found


def _add(written: Written, document: Document) -> None:
    written.problems.extend(document.problems)
    top = document.places[()]
    if document.value is None:
        return
    if not isinstance(document.value, dict):
        written.problems.append(
            Problem(place=top, path=(), message="expected connections: and flows: at the top")
        )
        return
    for section, body in document.value.items():
        place = document.places[(section,)]
        if section not in SECTIONS:
            message = f"unknown key {shown(section)}{did_you_mean(section, SECTIONS)}"
            written.problems.append(Problem(place=place, path=(section,), message=message))
        elif body is None:
            continue
        elif not isinstance(body, dict):
            keys = "keys" if section in _ONCE else "names, each with its keys below it"
            message = f"expected a block of {keys}"
            written.problems.append(Problem(place=place, path=(section,), message=message))
        elif section in _ONCE:
            _add_once(written, document, section, body)
        else:
            _add_named(written, document, section, body)


def _add_once(written: Written, document: Document, section: str, body: dict[str, object]) -> None:
    path: KeyPath = (section,)
    if path in written.places:
        message = f"given twice; the other is at {written.places[path]}"
        problem = Problem(place=document.places[path], path=path, message=message)
        written.problems.append(problem)
        return
    written.once[section] = body
    _take_places(written, document, path)


def _add_named(written: Written, document: Document, section: str, body: dict[str, object]) -> None:
    target = written.connections if section == "connections" else written.flows
    for name, value in body.items():
        path = (section, name)
        if name in target:
            message = f"defined twice; the other is at {written.places[path]}"
            problem = Problem(place=document.places[path], path=path, message=message)
            written.problems.append(problem)
            continue
        target[name] = value
        _take_places(written, document, path)


def _take_places(written: Written, document: Document, path: KeyPath) -> None:
    depth = len(path)
    written.places.update({p: place for p, place in document.places.items() if p[:depth] == path})
    written.texts.update({p: text for p, text in document.texts.items() if p[:depth] == path})
