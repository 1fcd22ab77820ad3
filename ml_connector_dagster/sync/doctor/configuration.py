"""The YAML files: readable, complete, and not the sandbox's by accident."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.project import Project
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.sync.doctor.diagnoses import Diagnosis, fine, problem, warning


AREA: Final = "configuration"


def read_project(settings: Settings) -> tuple[Project | None, tuple[Diagnosis, ...]]:
    """The project, None when it cannot be read, and what there is to say of it."""
    try:
        project = load_project(settings.flows, settings)
    except ConfigError as error:
        return None, (
            problem(
                AREA,
                "flows",
                str(error),
                "Correct each line that is named; ML_CONNECTOR_FLOWS says where the files are.",
            ),
        )
    return project, tuple(_described(project, settings))


def _described(project: Project, settings: Settings) -> Iterator[Diagnosis]:
    detail = (
        f"{len(project.connections)} connections and {len(project.flows)} flows in {settings.flows}"
    )
    if not project.flows:
        yield warning(AREA, "flows", detail, "Write a flow: without one there is nothing to run.")
    elif settings.flows == Path("flows") / "sandbox.yaml":
        yield warning(
            AREA,
            "flows",
            f"{detail}: the sandbox's example",
            "Set ML_CONNECTOR_FLOWS to your own file or folder.",
        )
    else:
        yield fine(AREA, "flows", detail)


def zones(project: Project) -> frozenset[str]:
    """Every time zone that a tenant or a schedule names."""
    sources = {
        one.timezone
        for one in project.connections.values()
        if isinstance(one, CloudSuiteConnection)
    }
    clocks = [flow.schedule for flow in project.flows.values()]
    clocks += [flow.sweep.schedule for flow in project.flows.values()]
    return frozenset(sources | {one.timezone for one in clocks if one is not None and one.timezone})
