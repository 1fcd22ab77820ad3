"""What ``ml-connector doctor`` asks of Dagster: its instance, its daemon, its clocks, and whether the code location loads."""

import os
import warnings
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._daemon.controller import get_daemon_statuses
from dagster._daemon.types import DaemonStatus

from ml_connector_dagster.config.project import Project
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.defs.instance_setup import open_instance, pool_limits
from ml_connector_dagster.sync.doctor.diagnoses import Diagnosis, fine, problem, warning


AREA: Final = "dagster"
_PREPARE: Final = "Run ml-connector prepare once at each deployment."


def look_at_instance(
    home: Path, project: Project, settings: Settings, now: datetime
) -> Iterator[Diagnosis]:
    """The instance whose folder is ``home``, and what it knows of ``project``."""
    if not home.is_absolute():
        yield problem(AREA, "home", f"DAGSTER_HOME {home} is relative", "Write the whole path.")
        return
    if not (home / "dagster.yaml").is_file():
        yield problem(
            AREA,
            "dagster.yaml",
            f"{home} has none, so Dagster would run with its defaults",
            "Run ml-connector prepare beside the repository's dagster.yaml, or point DAGSTER_HOME to its folder.",
        )
        return
    try:
        with open_instance(home) as instance:
            yield from look_at_storage(instance, home)
            yield from look_at_settings(instance)
            yield from look_at_pools(instance, project)
            yield from look_at_daemons(instance, now)
            defs, told = load_code(project, settings)
            yield told
            if defs is not None:
                yield from look_at_clocks(instance, defs)
    # Dagster raises what its database driver raises, among others; whatever it is, that is the diagnosis.
    except Exception as error:
        yield problem(
            AREA,
            "storage",
            redact(" ".join(str(error).split())[:500]),
            "Look at DAGSTER_PG_URL and at dagster.yaml; the database must be up and reachable from here.",
        )


def look_at_storage(instance: dg.DagsterInstance, home: Path) -> Iterator[Diagnosis]:
    """Which database it is in, that it answers, and that its tables are of this version."""
    runs = instance.get_runs_count()
    # The chart of Kubernetes names Dagster's own storage, dagster.yaml of the repository ours: both are of this class.
    on_postgres = "Postgres" in type(instance.run_storage).__name__
    where = "PostgreSQL" if on_postgres else f"SQLite in {home}"
    yield fine(AREA, "storage", f"{where}, {runs:,} runs")
    versions = {
        "runs": instance.run_storage.alembic_version(),
        "events": instance.event_log_storage.alembic_version(),
    }
    behind = [name for name, pair in versions.items() if pair is not None and pair[0] != pair[1]]
    if behind:
        yield problem(
            AREA,
            "tables",
            f"{', '.join(behind)} are of another version of Dagster",
            "Stop the daemon and the webserver, then: dagster instance migrate",
        )


def dagster_on_postgresql() -> bool:
    """Whether ``dagster.yaml`` chooses PostgreSQL here (``defs.instance``)."""
    return bool(os.environ.get("DAGSTER_PG_URL"))


def look_at_settings(instance: dg.DagsterInstance) -> Iterator[Diagnosis]:
    """Run queue, monitoring and retries, as this connector needs them."""
    if isinstance(instance.run_coordinator, QueuedRunCoordinator):
        limit = instance.get_concurrency_config().run_queue_config
        most = None if limit is None else limit.max_concurrent_runs
        if most is None or most < 0:
            yield warning(
                AREA,
                "run queue",
                "any number of runs may go at once",
                "Set concurrency.runs.max_concurrent_runs to what this machine can bear.",
            )
        else:
            yield fine(AREA, "run queue", f"at most {most} runs at once")
    else:
        yield problem(
            AREA,
            "run queue",
            "runs start at once, whatever is going on",
            "Remove run_coordinator from dagster.yaml: the queue is Dagster's default.",
        )
    if instance.run_monitoring_enabled:
        yield fine(AREA, "run monitoring", "runs whose process died are found")
    else:
        yield problem(
            AREA,
            "run monitoring",
            "off: a run whose process died stays 'started' for ever and holds its company's schedule",
            "Set run_monitoring.enabled: true in dagster.yaml.",
        )
    if not instance.run_retries_enabled:
        yield warning(
            AREA,
            "run retries",
            "off: a run whose process died is not started again",
            "Set run_retries in dagster.yaml: enabled: true, max_retries: 2.",
        )


def look_at_pools(instance: dg.DagsterInstance, project: Project) -> Iterator[Diagnosis]:
    """Whether each tenant's pool has slots of its own: a default limit leaks the first time (``instance_setup``)."""
    known = {
        pool.name: pool.limit
        for pool in instance.event_log_storage.get_pool_limits()
        if not pool.from_default
    }
    missing = [pool for pool in pool_limits(project) if pool not in known]
    if missing:
        yield warning(AREA, "pools", f"no slots for {', '.join(missing)}", _PREPARE)
    closed = [pool for pool in pool_limits(project) if known.get(pool) == 0]
    if closed:
        yield problem(
            AREA,
            "pools",
            f"{', '.join(closed)} has 0 slots: nothing of it can run",
            "Give it some: dagster instance concurrency set POOL 4",
        )
    if not missing and not closed:
        yield fine(
            AREA,
            "pools",
            ", ".join(f"{pool}: {known[pool]} slots" for pool in pool_limits(project))
            or "none needed",
        )


def look_at_daemons(instance: dg.DagsterInstance, now: datetime) -> Iterator[Diagnosis]:
    """Whether each part of the daemon has beaten lately, and what its last errors were."""
    statuses = get_daemon_statuses(
        instance, instance.get_required_daemon_types(), curr_time_seconds=now.timestamp()
    )
    silent = [name for name, one in statuses.items() if not one.healthy and not _errors(one)]
    if silent:
        yield problem(
            AREA,
            "daemon",
            f"no heartbeat of {', '.join(silent).lower()}: no schedule, sensor or queued run will start",
            "Start dagster-daemon run (ml-connector dev does), with the same DAGSTER_HOME and DAGSTER_PG_URL.",
        )
    failing = {name: _errors(one) for name, one in statuses.items() if _errors(one)}
    for name, message in failing.items():
        yield problem(
            AREA,
            "daemon",
            f"{name.lower()}: {message}",
            "Look into the daemon's log for the whole error.",
        )
    if not silent and not failing:
        yield fine(AREA, "daemon", f"{len(statuses)} parts, all with a recent heartbeat")


def _errors(status: DaemonStatus) -> str:
    """The last line of the newest error that a part of the daemon met; "" when it met none."""
    beat = status.last_heartbeat
    if beat is None or not beat.errors:
        return ""
    return redact(beat.errors[0].message.strip().splitlines()[-1])


def load_code(project: Project, settings: Settings) -> tuple[dg.Definitions | None, Diagnosis]:
    """The definitions as Dagster would load them, or why it could not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # as in ``definitions``
            defs = build_definitions(project, settings)
            dg.Definitions.validate_loadable(defs)
    except (dg.DagsterError, ValueError) as error:
        return None, problem(
            AREA,
            "code location",
            redact(" ".join(str(error).split())[:500]),
            "Run dagster definitions validate -w workspace.yaml for the whole message.",
        )
    graph = defs.resolve_asset_graph()
    return defs, fine(AREA, "code location", f"loads, {len(graph.get_all_asset_keys())} assets")


def look_at_clocks(instance: dg.DagsterInstance, defs: dg.Definitions) -> Iterator[Diagnosis]:
    """Which schedules and sensors are on; the state that somebody set in the UI comes before what the file says."""
    set_by_hand = {
        (state.instigator_type, state.instigator_name): state.status is InstigatorStatus.RUNNING
        for state in instance.all_instigator_state()
        if state.status is not InstigatorStatus.DECLARED_IN_CODE
    }
    repository = defs.get_repository_def()
    schedules = {
        one.name: set_by_hand.get(
            (InstigatorType.SCHEDULE, one.name),
            one.default_status is dg.DefaultScheduleStatus.RUNNING,
        )
        for one in repository.schedule_defs
    }
    sensors = {
        one.name: set_by_hand.get(
            (InstigatorType.SENSOR, one.name),
            one.default_status is dg.DefaultSensorStatus.RUNNING,
        )
        for one in repository.sensor_defs
    }
    step = "Turn on what should run: in the UI under Automation, or enabled: true in the file."
    for what, states in (("schedules", schedules), ("sensors", sensors)):
        on = sorted(name for name, state in states.items() if state)
        off = sorted(name for name, state in states.items() if not state)
        detail = f"on: {', '.join(on) or 'none'}; off: {', '.join(off) or 'none'}"
        if states and not on:
            yield warning(AREA, what, detail, step)
        else:
            yield fine(AREA, what, detail)
