"""A whole installation that can be harmed: Dagster's processes, the outside systems, a database, a small disk."""

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psutil
import yaml

from ml_connector_dagster.cli.dagster_process import free_port, port_is_free
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.defs.instance_setup import prepare_instance
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.applications import set_up
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.chaos.flows import write_flows
from ml_connector_dagster_tests.chaos.outside import (
    APPLICATIONS,
    BUCKET,
    ROOT,
    Front,
    Outside,
    outside,
    staging_url,
)
from ml_connector_dagster_tests.chaos.processes import Service, Supervisor
from ml_connector_dagster_tests.postgres import Postgres, programs, running_postgres


#: The variables of the databases.
LEDGER_URL: Final = "ML_CONNECTOR_LEDGER_URL"
DAGSTER_URL: Final = "DAGSTER_PG_URL"

#: Seconds until the code server listens; it loads the definitions first.
CODE_SERVER_WITHIN: Final = 120.0

#: Of the disk that is filled up: enough for a long run, little enough to be filled at once.
DISK_MEGABYTES: Final = 256


@dataclass(slots=True, kw_only=True)
class Installation:
    """Everything that a chaos run harms, changes and compares."""

    folder: Path
    outside: Outside
    environment: Mapping[str, str]
    supervisor: Supervisor
    settings: Settings
    clock: Path
    database: Postgres | None
    small_disk: bool
    code_server: Service
    daemon: Service

    @property
    def sandbox(self) -> Sandbox:
        return self.outside.sandbox

    @property
    def fronts(self) -> dict[str, Front]:
        return self.outside.fronts

    @property
    def home(self) -> Path:
        return self.settings.home

    def workers(self) -> list[psutil.Process]:
        """Processes of runs, those that outlived their code server too."""
        return [
            process
            for process in self.code_server.members()
            if "spawn_main" in " ".join(_command_line(process))
        ]

    @property
    def secrets(self) -> dict[str, str]:
        """What must not be found anywhere: name → value."""
        urls = {"ledger": LEDGER_URL, "Dagster": DAGSTER_URL}
        passwords = {
            f"password of the {name}": urlsplit(self.environment[variable]).password or ""
            for name, variable in urls.items()
            if variable in self.environment
        }
        return {**self.outside.secrets, **passwords}

    def now(self) -> datetime:
        """The time on the host of the runs."""
        return datetime.now(UTC) + timedelta(seconds=float(self.clock.read_text()))

    def open(self) -> Workspace:
        return Workspace.open(self.settings, now=self.now)

    def move_clock(self, seconds: float) -> None:
        """Make the host of the runs so much fast (or slow)."""
        aside = self.clock.with_suffix(".new")
        aside.write_text(str(seconds))
        aside.replace(self.clock)

    def heal(self) -> None:
        """Everything is as it should be, from here on."""
        self.move_clock(0)
        self.sandbox.clock.reset()
        for front in self.fronts.values():
            front.process.wanted = True
            front.heal()

    def let_an_hour_pass(self) -> None:
        """What was read while the host's clock was fast is of the past then: no sweep judges it before."""
        self.move_clock(3600)


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:  # it has ended meanwhile
        return []


@contextmanager
def installation(
    folder: Path,
    systems: Collection[str],
    *,
    seed: int,
    on_postgres: bool,
    on_bucket: bool,
    say: Callable[[str], None],
) -> Iterator[Installation]:
    """Everything up and running; ended and removed when the block ends. ``on_bucket``: staging is object storage."""
    with ExitStack() as stack:
        supervisor = Supervisor()
        stack.callback(supervisor.stop)
        wanted = [*systems, BUCKET] if on_bucket else systems
        there = stack.enter_context(outside(folder, wanted, supervisor, seed=seed))
        small_disk = _small_disk(stack, folder / "home")
        database = stack.enter_context(running_postgres()) if on_postgres else None
        environment = _environment(folder, database, there)
        settings = read_settings(environment)
        write_flows(folder / "flows.yaml", there)
        (folder / "clock").write_text("0")
        there.store_logins(settings)
        _write_instance(environment)
        with Workspace.open(settings) as workspace:
            for name in APPLICATIONS:
                if name in there.systems:
                    set_up(workspace, name, dry_run=False)
        say("starting Dagster's code server and daemon")
        code_server, daemon = _dagster(folder, supervisor, environment)
        supervisor.start()
        yield Installation(
            folder=folder,
            outside=there,
            environment=environment,
            supervisor=supervisor,
            settings=settings,
            clock=folder / "clock",
            database=database,
            small_disk=small_disk,
            code_server=code_server,
            daemon=daemon,
        )


def can_use_postgres() -> bool:
    return programs() is not None


def _small_disk(stack: ExitStack, home: Path) -> bool:
    """A file system of its own for the home, where mounting is allowed (root): one that can be filled."""
    home.mkdir(parents=True)
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(home)],
            check=False,
            capture_output=True,
        ).returncode
        == 0
    )
    if mounted:
        stack.callback(subprocess.run, ["umount", "--lazy", str(home)], check=False)
    return mounted


def _environment(folder: Path, database: Postgres | None, there: Outside) -> dict[str, str]:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "DAGSTER_HOME": str(folder / "home" / "dagster"),
        "ML_CONNECTOR_HOME": str(folder / "home"),
        "ML_CONNECTOR_FLOWS": str(folder / "flows.yaml"),
        "CHAOS_CLOCK": str(folder / "clock"),
    }
    if database is not None:
        for name in (LEDGER_URL, DAGSTER_URL):
            environment[name] = database.database(secrets.token_urlsafe(24))
    if BUCKET in there.systems:
        # What is on its way to the bucket is on the small disk.
        scratch = folder / "home" / "tmp"
        scratch.mkdir()
        environment["TMPDIR"] = str(scratch)
        environment["ML_CONNECTOR_STAGING_URL"] = staging_url(there)
        environment["ML_CONNECTOR_STAGING_CREDENTIAL"] = BUCKET
    return environment


def _write_instance(environment: Mapping[str, str]) -> None:
    """The product's dagster.yaml; only what watches over runs is less patient than in production."""
    home = Path(environment["DAGSTER_HOME"])
    home.mkdir(parents=True)
    instance = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    instance["run_monitoring"] |= {"poll_interval_seconds": 10, "start_timeout_seconds": 90}
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance))
    os.environ.update(
        {name: environment[name] for name in ("DAGSTER_HOME", DAGSTER_URL) if name in environment}
    )
    settings = read_settings(environment)
    prepare_instance(home, load_project(settings.flows, settings))


def _dagster(
    folder: Path, supervisor: Supervisor, environment: Mapping[str, str]
) -> tuple[Service, Service]:
    programs_folder = Path(sys.executable).parent
    port = free_port()
    workspace = folder / "workspace.yaml"
    location = {"host": "127.0.0.1", "port": port, "location_name": "chaos"}
    workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": location}]}))
    code_server = Service(
        name="code server",
        command=(
            str(programs_folder / "dagster"), "api", "grpc", "-h", "127.0.0.1", "-p", str(port),
            "-m", "ml_connector_dagster_tests.chaos.location",
        ),
        environment=environment,
        log=folder / "dagster.log",
    )  # fmt: skip
    daemon = Service(
        name="daemon",
        command=(str(programs_folder / "dagster-daemon"), "run", "-w", str(workspace)),
        environment=environment,
        log=folder / "dagster.log",
    )
    supervisor.add(code_server)
    # A daemon that finds no code server looks again a minute later only.
    deadline = time.monotonic() + CODE_SERVER_WITHIN
    while port_is_free(port) and time.monotonic() < deadline:
        time.sleep(0.2)
    return code_server, supervisor.add(daemon)


def new_folder(where: Path | None) -> Path:
    """A folder that is not there yet, or was left by an earlier run."""
    folder = where or Path("/tmp") / f"chaos-{os.getpid()}"  # noqa: S108 -- sockets' paths must be short
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder
