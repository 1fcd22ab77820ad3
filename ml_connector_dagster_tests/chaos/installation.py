"""A whole installation that can be harmed: Dagster's processes, the outside systems behind front ends, a database, a small disk.

What the outside systems hold lives in this process and survives: it is their front ends that are killed, as it is a load
balancer or a gateway that goes down, while a statement that was sent goes on.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import psutil
import yaml

from ml_connector_dagster.cli.dagster_process import free_port
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.defs.instance_setup import prepare_instance
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster.sandbox.databricks import DatabricksSandbox, WorkspaceOptions
from ml_connector_dagster.sandbox.monday import MondayOptions
from ml_connector_dagster.sandbox.snowflake import SnowflakeSandbox
from ml_connector_dagster.sandbox.snowflake.loader_account import loader_account
from ml_connector_dagster.sync.applications import set_up
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.chaos.processes import Service, Supervisor
from ml_connector_dagster_tests.monday_stand import MondayStand
from ml_connector_dagster_tests.postgres import Postgres, programs, running_postgres
from ml_connector_dagster_tests.salesforce_stand import SalesforceStand


ROOT: Final = Path(__file__).parents[2]

WAREHOUSES: Final = ("duckdb", "snowflake", "databricks")
APPLICATIONS: Final = ("salesforce", "monday")
SYSTEMS: Final = (*WAREHOUSES, *APPLICATIONS)

#: What warehouses get; applications get the part of it that has a mapping and changes most.
ENTITIES: Final = (
    "suppliers", "items", "purchase_orders", "purchase_order_lines", "supplier_invoices", "payments",
    "gl_accounts",
)  # fmt: skip
APPLICATION_ENTITIES: Final = ("suppliers", "purchase_orders", "purchase_order_lines")
COMPANIES: Final = ("100", "200")

#: Of the disk that is filled up: enough for a long run, little enough to be filled at once.
DISK_MEGABYTES: Final = 256


@dataclass(slots=True, kw_only=True)
class Front:
    """The way to one service: its front end, and what hit requests there."""

    service: str
    port: int
    process: Service
    hits: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def arm(self, kind: str, times: int) -> None:
        self.process.tell(json.dumps({"kind": kind, "times": times}))

    def heal(self) -> None:
        self.process.tell(json.dumps({"kind": "none"}))


@dataclass(slots=True, kw_only=True)
class Installation:
    """Everything that a chaos run harms, changes and compares."""

    folder: Path
    systems: tuple[str, ...]
    sandbox: Sandbox
    supervisor: Supervisor
    settings: Settings
    clock: Path
    fronts: dict[str, Front]
    stands: Mapping[str, Any]
    database: Postgres | None
    small_disk: bool
    code_server: Service
    daemon: Service

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

    def open(self) -> Workspace:
        return Workspace.open(self.settings)

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
    say: Callable[[str], None],
) -> Iterator[Installation]:
    """Everything up and running; ended and removed when the block ends."""
    chosen = tuple(name for name in SYSTEMS if name in systems)
    with ExitStack() as stack:
        supervisor = Supervisor()
        stack.callback(supervisor.stop)
        sandbox = stack.enter_context(
            Sandbox.start(SandboxOptions(seed=seed, size=ErpSize.tiny(), requests_per_minute=6000))
        )
        stands = {name: _stand(stack, name) for name in chosen if name != "duckdb"}
        ports = {"erp": _port(sandbox.url)} | {
            name: _port(_url(one)) for name, one in stands.items()
        }
        fronts = {
            name: _front(folder, supervisor, name, upstream) for name, upstream in ports.items()
        }
        if "databricks" in stands:
            stands["databricks"].url = fronts["databricks"].url
        small_disk = _small_disk(stack, folder / "home")
        database = stack.enter_context(running_postgres()) if on_postgres else None
        environment = _environment(folder, database)
        settings = read_settings(environment)
        _write_flows(folder, chosen, fronts, sandbox)
        _store_logins(settings, sandbox, fronts, stands)
        _write_instance(folder, environment)
        with Workspace.open(settings) as workspace:
            for name in APPLICATIONS:
                if name in chosen:
                    set_up(workspace, name, dry_run=False)
        say("starting Dagster's code server and daemon")
        code_server, daemon = _dagster(folder, supervisor, environment)
        supervisor.start()
        yield Installation(
            folder=folder,
            systems=chosen,
            sandbox=sandbox,
            supervisor=supervisor,
            settings=settings,
            clock=folder / "clock",
            fronts=fronts,
            stands=stands,
            database=database,
            small_disk=small_disk,
            code_server=code_server,
            daemon=daemon,
        )


def can_use_postgres() -> bool:
    return programs() is not None


def _stand(stack: ExitStack, name: str) -> Any:
    if name == "snowflake":
        account, login = loader_account()
        account.listen()
        stack.callback(account.stop)
        return _Snowflake(account, login)
    if name == "databricks":
        workspace = DatabricksSandbox.start(WorkspaceOptions(threads=1))
        stack.callback(workspace.stop)
        return workspace
    stand: Any
    if name == "salesforce":
        stand = SalesforceStand()
    else:
        # What it allows in a minute is not the subject here, and would hold the settling up.
        stand = MondayStand(MondayOptions(tier="enterprise", complexity_per_minute=10**9))
    stack.callback(stand.close)
    return stand


@dataclass(slots=True)
class _Snowflake:
    account: SnowflakeSandbox
    login: dict[str, str]


def _url(stand: Any) -> str:
    if isinstance(stand, _Snowflake):
        return f"http://{stand.account.host}:{stand.account.port}"
    if isinstance(stand, SalesforceStand):
        return stand.org.url
    return str(stand.sandbox.url if isinstance(stand, MondayStand) else stand.url)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def _front(folder: Path, supervisor: Supervisor, name: str, upstream: int) -> Front:
    port = free_port()
    hits: Counter[str] = Counter()
    process = Service(
        name=f"front end of {name}",
        command=(
            sys.executable, "-m", "ml_connector_dagster_tests.chaos.front", str(port), str(upstream),
        ),
        environment=os.environ | {"PYTHONPATH": str(ROOT)},
        log=folder / "fronts.log",
        hear=lambda kind: hits.update([kind]),
    )  # fmt: skip
    supervisor.add(process)
    return Front(service=name, port=port, process=process, hits=hits)


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


def _environment(folder: Path, database: Postgres | None) -> dict[str, str]:
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "DAGSTER_HOME": str(folder / "home" / "dagster"),
        "ML_CONNECTOR_HOME": str(folder / "home"),
        "ML_CONNECTOR_FLOWS": str(folder / "flows.yaml"),
        "CHAOS_CLOCK": str(folder / "clock"),
    }
    if database is not None:
        environment["ML_CONNECTOR_LEDGER_URL"] = database.database()
        environment["DAGSTER_PG_URL"] = database.database()
    return environment


def _write_flows(
    folder: Path, systems: Collection[str], fronts: Mapping[str, Front], sandbox: Sandbox
) -> None:
    url = {name: front.url for name, front in fronts.items()}
    patience = {"request_timeout_seconds": 20, "retry_seconds": 15}
    connections: dict[str, Any] = {
        "acme": {
            "type": "cloudsuite", "product_line": "m3", "credential": "acme",
            "timezone": "Europe/Stockholm", "requests_per_minute": 3000, "request_timeout_seconds": 20,
        },
        "duckdb": {"type": "duckdb", "path": "warehouse.duckdb"},
        "snowflake": {
            "type": "snowflake", "account": "ACME", "user": "ETL", "role": "LOADER",
            "warehouse": "LOADING", "database": "ANALYTICS", "credential": "snowflake",
            "host": "127.0.0.1", "port": _port(url.get("snowflake", ":0")), "protocol": "http",
            "login_timeout_seconds": 15, "network_timeout_seconds": 20, "inline_rows": 60,
        },
        "databricks": {
            "type": "databricks", "host": url.get("databricks"), "warehouse_id": "0123456789abcdef",
            "catalog": "main", "credential": "databricks", "inline_rows": 60, **patience,
        },
        "salesforce": {
            "type": "salesforce", "domain": "acme.my", "credential": "salesforce",
            "base_url": url.get("salesforce"), "bulk_threshold": 60, **patience,
        },
        "monday": {
            "type": "monday", "credential": "monday", "plan": "enterprise", "ingest_threshold": 30,
            "base_url": f"{url.get('monday')}/v2", **patience,
        },
    }  # fmt: skip
    usual = {
        "source": "acme",
        "companies": list(COMPANIES),
        "start_date": sandbox.clock.today() - timedelta(days=5),
        "schedule": {"cron": "* * * * *", "enabled": True},
    }
    warehouses = [name for name in WAREHOUSES if name in systems]
    flows: dict[str, Any] = {
        "tables": usual
        | {
            "entities": list(ENTITIES),
            "destinations": [{"connection": name, "schema": "erp"} for name in warehouses],
        }
    }
    for name in APPLICATIONS:
        if name in systems:
            flows[name] = usual | {
                "entities": list(APPLICATION_ENTITIES),
                "destinations": [{"connection": name}],
            }
    document = {
        "connections": {
            name: one for name, one in connections.items() if name == "acme" or name in systems
        },
        "flows": flows,
    }
    (folder / "flows.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    (folder / "clock").write_text("0")


def _store_logins(
    settings: Settings, sandbox: Sandbox, fronts: Mapping[str, Front], stands: Mapping[str, Any]
) -> None:
    store = open_store(settings)
    ionapi = sandbox.tokens.ionapi_text("ACME_TST", fronts["erp"].url, "service_account")
    store.add("acme", "ionapi", {"ionapi": Secret(ionapi)})
    for name, stand in stands.items():
        if name == "snowflake":
            values = stand.login
        elif name == "databricks":
            values = {"token": stand.options.token}
        else:
            values = stand.secrets()
        store.add(name, name, {key: Secret(value) for key, value in values.items()})


def _write_instance(folder: Path, environment: Mapping[str, str]) -> None:
    """The product's dagster.yaml; only what watches over runs looks more often than in production."""
    home = Path(environment["DAGSTER_HOME"])
    home.mkdir(parents=True)
    instance = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    instance["run_monitoring"]["poll_interval_seconds"] = 10
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance))
    os.environ.update(
        {
            name: environment[name]
            for name in ("DAGSTER_HOME", "DAGSTER_PG_URL")
            if name in environment
        }
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
    return supervisor.add(code_server), supervisor.add(daemon)


def new_folder(where: Path | None) -> Path:
    """A folder that is not there yet, or was left by an earlier run."""
    folder = where or Path("/tmp") / f"chaos-{os.getpid()}"  # noqa: S108 -- sockets' paths must be short
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder
