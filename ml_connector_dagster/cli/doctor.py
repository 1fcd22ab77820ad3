"""``ml-connector doctor``: is this installation sound, and what to do where it is not."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ml_connector_dagster.cli.dagster_process import dagster_home
from ml_connector_dagster.cli.output import print_json, print_table, stdout
from ml_connector_dagster.config.project import Project
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.sync.doctor.access import look_at_key, look_at_store
from ml_connector_dagster.sync.doctor.configuration import read_project, zones
from ml_connector_dagster.sync.doctor.diagnoses import (
    Diagnosis,
    Verdict,
    fine,
    guarded,
    problem,
    warning,
)
from ml_connector_dagster.sync.doctor.machine import look_at_home, look_at_timezones
from ml_connector_dagster.sync.doctor.packages import (
    look_at_lock,
    look_at_python,
    look_at_ranges,
)
from ml_connector_dagster.sync.doctor.stores import (
    look_at_ledger,
    look_at_places,
    look_at_staging,
)
from ml_connector_dagster.sync.ping import ping_connection
from ml_connector_dagster.sync.workspace import Workspace, utc_now


def doctor(
    connections: Annotated[
        bool,
        typer.Option("--connections", help="Also ping every connection: it costs a few requests."),
    ] = False,
    lock: Annotated[Path, typer.Option(help="The versions that were tested together.")] = Path(
        "requirements.lock"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this installation: packages, folders, keys, ledger, staging, Dagster. Exit code 1 for a problem.

    Nothing is repaired. A warning is worth knowing and does not fail the command.
    """
    settings = read_settings()
    found = list(_machine(settings, lock))
    project, told = read_project(settings)
    found += told
    if project is not None:
        found += _installation(settings, project, connections=connections)
    if as_json:
        print_json(
            [{name: getattr(one, name) for name in Diagnosis.__dataclass_fields__} for one in found]
        )
    else:
        _print(found)
    if any(one.verdict is Verdict.PROBLEM for one in found):
        raise typer.Exit(1)


def _machine(settings: Settings, lock: Path) -> Iterator[Diagnosis]:
    yield look_at_python(sys.version_info[:2])
    yield look_at_ranges()
    yield look_at_lock(lock)
    yield from guarded(
        "machine", "home", lambda: look_at_home(settings), "Look at ML_CONNECTOR_HOME."
    )


def _installation(
    settings: Settings, project: Project, *, connections: bool
) -> Iterator[Diagnosis]:
    # Imported here: it brings Dagster along, which a wrong YAML file need not wait for.
    from ml_connector_dagster.defs.doctor import dagster_on_postgresql, look_at_instance

    yield look_at_timezones(zones(project))
    key = (
        "Put the right key back (ML_CONNECTOR_KEY or encryption.key), or add the credentials again."
    )
    yield from guarded("credentials", "key", lambda: look_at_key(settings), key)
    yield from guarded("credentials", "store", lambda: look_at_store(settings, project), key)
    yield from guarded(
        "ledger",
        "database",
        lambda: look_at_ledger(settings.ledger_url, utc_now),
        "Look at ML_CONNECTOR_LEDGER_URL; the database must be up and reachable from here.",
    )
    yield from guarded(
        "staging",
        "batches",
        lambda: look_at_staging(settings, utc_now),
        "Look at ML_CONNECTOR_STAGING_URL: this user must be able to read, write and delete there.",
    )
    yield from look_at_places(settings, dagster_on_postgres=dagster_on_postgresql())
    yield from look_at_instance(dagster_home(settings), project, settings, utc_now())
    if connections:
        yield from _pings(settings, project)


def _pings(settings: Settings, project: Project) -> Iterator[Diagnosis]:
    """One line per connection: the first thing that is wrong with it, or how much is right."""
    with Workspace.open(settings, project=project) as workspace:
        for name in project.connections:
            findings = ping_connection(workspace, name)
            needed = [one for one in findings if one.needed and not one.ok]
            wished = [one for one in findings if not one.needed and not one.ok]
            step = f"See all of it: ml-connector ping {name}"
            if needed:
                yield problem("connections", name, f"{needed[0].check}: {needed[0].detail}", step)
            elif wished:
                yield warning("connections", name, f"{wished[0].check}: {wished[0].detail}", step)
            else:
                yield fine("connections", name, f"{len(findings)} checks passed")


def _print(found: Sequence[Diagnosis]) -> None:
    areas = list(dict.fromkeys(one.area for one in found))
    print_table(
        "Installation",
        ["area", "check", "", "detail"],
        [
            [
                one.area,
                one.check,
                one.verdict.value.upper() if one.verdict is Verdict.PROBLEM else one.verdict.value,
                one.detail + (f"\n→ {one.next_step}" if one.next_step else ""),
            ]
            for one in sorted(found, key=lambda one: areas.index(one.area))
        ],
    )
    counts = {verdict: sum(one.verdict is verdict for one in found) for verdict in Verdict}
    problems, warnings = counts[Verdict.PROBLEM], counts[Verdict.WARNING]
    stdout.print(
        f"{counts[Verdict.OK]} fine, {warnings} warning{'s' * (warnings != 1)}, "
        f"{problems} problem{'s' * (problems != 1)}.",
        style="bold red" if problems else "bold",
        highlight=False,
    )
