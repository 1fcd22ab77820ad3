"""YAML files → a checked Project, or one error with every problem of all files, a line each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from pydantic import BaseModel

from ml_connector_dagster.config.alerts import Alerts
from ml_connector_dagster.config.checks import (
    check_agreement,
    check_applications,
    check_deliveries,
    check_looker,
    check_references,
    check_warehouses,
)
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.mappings import APPLICATION_TYPES
from ml_connector_dagster.config.merging import Written, read_files
from ml_connector_dagster.config.problems import (
    KeyPath,
    as_error,
    did_you_mean,
    nearest_place,
    shown,
)
from ml_connector_dagster.config.project import CONNECTION_TYPES, Connection, Flow, Project
from ml_connector_dagster.config.retention import Retention
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.config.validation import NEVER_IN_YAML, is_secret_key, validated
from ml_connector_dagster.config.values import Origin


SectionT = TypeVar("SectionT", bound=BaseModel)


def load_project(path: Path, settings: Settings) -> Project:
    """The project in ``path``, a YAML file or a folder of them.

    In it, relative paths are resolved, ``entities: all`` is spelt out and each schedule has its timezone.
    Raises ConfigError with every problem of all files, one ``file:line: path: message`` per line.
    """
    written = read_files(path)
    connections = _connections(written, settings)
    merged = _Flows(written, settings)
    flows = {name: _as_destinations(flow, written) for name, flow in merged.validated().items()}
    check_references(written, merged.bodies, merged.locate)
    check_warehouses(written, connections)
    check_agreement(written, flows, merged.locate)
    check_deliveries(written, flows, merged.locate)
    check_applications(written, flows, _types(written), merged.locate)
    check_looker(written, flows, _types(written), merged.locate)
    retention = _section(Retention, "retention", written, settings)
    alerts = _section(Alerts, "alerts", written, settings)
    if retention is None or alerts is None or written.problems:
        raise as_error(written.problems)
    return Project.model_construct(
        connections=connections,
        flows={name: _with_timezone(flow, connections) for name, flow in flows.items()},
        retention=retention,
        alerts=alerts,
    )


def _section(
    model: type[SectionT], name: str, written: Written, settings: Settings
) -> SectionT | None:
    return validated(
        model,
        written.once.get(name, {}),
        name=None,
        written=written,
        origin=_origin(written, (name,), settings),
        locate=lambda inner: (name, *inner),
    )


def _connections(written: Written, settings: Settings) -> dict[str, Connection]:
    found: dict[str, Connection] = {}
    for name, body in written.connections.items():
        path: KeyPath = ("connections", name)
        if not isinstance(body, dict):
            written.problem(path, "expected a block of keys, with type: first")
            continue
        model = _model(written, path, body)
        if model is None:
            continue
        connection = validated(
            model,
            body,
            name=name,
            written=written,
            origin=_origin(written, path, settings),
            locate=lambda inner, path=path: (*path, *inner),  # type: ignore[misc]  # binds the loop's value
        )
        if connection is not None:
            # CONNECTION_TYPES is read off Connection, which mypy cannot follow.
            found[name] = cast("Connection", connection)
    return found


def _model(written: Written, path: KeyPath, body: Mapping[str, object]) -> type[BaseModel] | None:
    kind = body.get("type")
    if isinstance(kind, str) and kind in CONNECTION_TYPES:
        return CONNECTION_TYPES[kind]
    if kind is None:
        written.problem(path, f"the key 'type' is missing{did_you_mean('', CONNECTION_TYPES)}")
    else:
        hint = did_you_mean(str(kind), CONNECTION_TYPES)
        written.problem((*path, "type"), f"unknown connection type {shown(kind)}{hint}")
    for key in filter(is_secret_key, body):
        written.problem((*path, key), NEVER_IN_YAML)
    return None


def _origin(written: Written, path: KeyPath, settings: Settings) -> Origin:
    file = nearest_place(written.places, path).file
    return Origin(home=settings.home, folder=Path(file).parent)


@dataclass(frozen=True, slots=True)
class _Flows:
    """The flows as written, each over the ``defaults:`` of the project."""

    written: Written
    settings: Settings

    @property
    def bodies(self) -> dict[str, dict[str, object]]:
        return {
            name: self.written.once.get("defaults", {}) | body
            for name, body in self.written.flows.items()
            if isinstance(body, dict)
        }

    def validated(self) -> dict[str, Flow]:
        """The flows without a problem; the problems of the others are noted, those of ``defaults:`` once."""
        for name, body in self.written.flows.items():
            if not isinstance(body, dict):
                self.written.problem(
                    ("flows", name), "expected a block of keys, with source: first"
                )
        validated(
            Flow,
            self.written.once.get("defaults", {}),
            name="defaults",
            written=self.written,
            origin=_origin(self.written, ("defaults",), self.settings),
            locate=lambda inner: ("defaults", *inner),
            partial=True,
        )
        found: dict[str, Flow] = {}
        for name, body in self.bodies.items():
            flow = validated(
                Flow,
                body,
                name=name,
                written=self.written,
                origin=_origin(self.written, ("flows", name), self.settings),
                locate=lambda inner, name=name: self.locate(name, inner),  # type: ignore[misc]  # binds the loop's value
            )
            if flow is not None:
                found[name] = flow
        return found

    def locate(self, name: str, inner: KeyPath) -> KeyPath:
        """Where a flow's value is written: in the flow, or in ``defaults:``."""
        body = self.written.flows[name]
        if (
            inner
            and isinstance(body, dict)
            and inner[0] not in body
            and inner[0] in self.written.once.get("defaults", {})
        ):
            return ("defaults", *inner)
        return ("flows", name, *inner)


def _types(written: Written) -> dict[str, str]:
    """Connection → its type as written."""
    return {
        name: str(body.get("type", ""))
        for name, body in written.connections.items()
        if isinstance(body, dict)
    }


def _as_destinations(flow: Flow, written: Written) -> Flow:
    """A flow that names an application says no schema, and gets none."""
    types = _types(written)
    destinations = tuple(
        one.without_schema() if types.get(one.connection) in APPLICATION_TYPES else one
        for one in flow.destinations
    )
    return flow.model_copy(update={"destinations": destinations})


def _with_timezone(flow: Flow, connections: Mapping[str, Connection]) -> Flow:
    source = connections[flow.source]
    if (
        flow.schedule is None
        or flow.schedule.timezone
        or not isinstance(source, CloudSuiteConnection)
    ):
        return flow
    schedule = flow.schedule.model_copy(update={"timezone": source.timezone})
    return flow.model_copy(update={"schedule": schedule})
