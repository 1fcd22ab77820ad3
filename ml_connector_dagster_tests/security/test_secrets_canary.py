"""No secret is written anywhere: planted ones are looked for in all that real runs leave behind, when things go wrong too.

Runs of Dagster over every system, once well, then against servers that answer errors with the whole request in them
(credentials included), then with credentials that are refused. Searched are the logs of all packages, Dagster's instance (events,
snapshots, compute logs), ledger, staging, warehouse, reports, and what was printed.
"""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path
from traceback import format_exception
from typing import Final

import dagster as dg
import pytest
from dagster_postgres.utils import DagsterPostgresException
from typer.testing import CliRunner

from ml_connector_dagster.cli.app import app
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.looker.warehouse import DuckDbFile
from ml_connector_dagster.sync.applications import set_up
from ml_connector_dagster.sync.lookml import write_lookml
from ml_connector_dagster.sync.ping import ping_connection
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.chaos.flows import write_flows
from ml_connector_dagster_tests.chaos.outside import (
    APPLICATIONS,
    ENTITIES,
    LOOKER,
    ROOT,
    SYSTEMS,
    Outside,
)
from ml_connector_dagster_tests.postgres import running_postgres
from ml_connector_dagster_tests.security.leaks import (
    Leak,
    everything_in,
    everything_in_postgres,
    leaks_in,
)


pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings(
        r"ignore:.*(is currently in beta|is currently in preview|unclosed)",
    ),
]


#: What goes wrong at every system at once, and with how many requests.
FAULTS: Final = (("echo 500", 2), ("echo 400", 50), ("quote 400", 50), ("401", 50))

#: Assets of a publication.
IN_LOOKER: Final = tuple(("acme", LOOKER, "tables", what) for what in ("model", "dataset"))


class Canaries:
    """An installation over every system, and Dagster runs in it; everything is written below ``folder``.

    ``databases``: URLs of the ledger and of Dagster's storage; both are files without them.
    """

    def __init__(
        self,
        folder: Path,
        there: Outside,
        monkeypatch: pytest.MonkeyPatch,
        databases: tuple[str, str] = ("", ""),
    ) -> None:
        self.folder = folder
        self.there = there
        self.secrets: dict[str, str] = dict(there.secrets)
        home = folder / "home"
        (home / "dagster").mkdir(parents=True)
        shutil.copy(ROOT / "dagster.yaml", home / "dagster")
        monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
        self.databases = [url for url in databases if url]
        environment = {
            "ML_CONNECTOR_HOME": str(home),
            "ML_CONNECTOR_FLOWS": str(folder / "flows.yaml"),
            "ML_CONNECTOR_LEDGER_URL": databases[0],
            "DAGSTER_PG_URL": databases[1],
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        self.settings: Settings = read_settings(environment)
        write_flows(folder / "flows.yaml", there)
        with (folder / "flows.yaml").open("a", encoding="utf-8") as flows:
            flows.write("alerts: {channels: [{credential: ops}]}\n")
        there.store_logins(self.settings)
        self.secrets["alert channel"] = "T0CANARYhook9"
        address = Secret(f"json://127.0.0.1:9/{self.secrets['alert channel']}")  # nobody is there
        open_store(self.settings).add("ops", "alerts", {"url": address})

    def publish_in_looker(self) -> None:
        """Looker reads the DuckDB file, by the LookML of the flow."""
        project = load_project(self.settings.flows, self.settings)
        looker = self.there.stands[LOOKER]
        file = DuckDbFile(self.settings.home / "warehouse.duckdb", writable=False, patience=20.0)
        looker.instance.databases["warehouse"] = file
        write_lookml(project, project.flows["tables"], looker.options.lookml)

    def run(self, *paths: tuple[str, ...], partitioned: bool = True) -> bool:
        """One run of Dagster over ``paths``; whether it went well."""
        project = load_project(self.settings.flows, self.settings)
        definitions = build_definitions(project, self.settings)
        day = date.today().isoformat()  # noqa: DTZ011 -- the day of the newest partition
        partitions = {
            "dagster/asset_partition_range_start": f"100|{day}",
            "dagster/asset_partition_range_end": f"100|{day}",
        }
        with dg.DagsterInstance.get() as instance:
            done = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance,
                asset_selection=[dg.AssetKey(path) for path in paths],
                tags={"ml_connector/mode": "incremental", **(partitions if partitioned else {})},
                raise_on_error=False,
            )
        return done.success

    def spoil_logins(self) -> None:
        """Every credential is replaced by one that its system refuses; these are secrets, too."""
        store = open_store(self.settings)
        for name, (kind, values) in self.there.logins.items():
            spoiled = {key: _spoiled(key, value) for key, value in values.items()}
            self.secrets |= {
                f"spoiled {name} {key}": value
                for key, value in spoiled.items()
                if key not in ("ionapi", "private_key", "client_id")
            }
            store.remove(name)
            store.add(name, kind, {key: Secret(value) for key, value in spoiled.items()})

    def found(self) -> list[Leak]:
        """Secrets outside of where they belong; the key of the credential store is in its own file only."""
        key = self.settings.key_file
        wanted = {**self.secrets, "encryption key": key.read_text().strip()}
        own = str(key.relative_to(self.folder))
        places = [everything_in(self.folder), *map(everything_in_postgres, self.databases)]
        leaks = leaks_in(chain.from_iterable(places), wanted)
        return [one for one in leaks if (one.secret, one.where) != ("encryption key", own)]


def _spoiled(key: str, value: str) -> str:
    if key == "ionapi":
        return value.replace('"sask": "', '"sask": "Wrong4')
    return value if key in ("client_id", "private_key") else f"Wrong4{value[::-1]}"


@pytest.fixture(autouse=True)
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # What is tried again is the same; the waits between are not what this is about.
    for module in ("assets", "looker"):
        monkeypatch.setattr(
            f"ml_connector_dagster.defs.{module}.RETRIES", dg.RetryPolicy(max_retries=1)
        )
    handler = logging.FileHandler(tmp_path / "python.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("sqlglot").setLevel(logging.WARNING)  # of the stand-ins, line by line
    yield
    root.removeHandler(handler)
    root.setLevel(level)
    handler.close()


def test_no_secret_is_written_anywhere_whatever_goes_wrong(
    tmp_path: Path,
    there: Outside,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    canaries = Canaries(tmp_path, there, monkeypatch)
    canaries.publish_in_looker()
    with Workspace.open(canaries.settings) as workspace:
        for name in APPLICATIONS:
            set_up(workspace, name, dry_run=False)
    tables = [("acme", *where, entity) for entity in ENTITIES for where in ((), ("duckdb",))]
    assert canaries.run(*_suppliers(there), *tables), "a run over every system goes well first"
    assert canaries.run(*IN_LOOKER, partitioned=False), "and is published"

    for number, (kind, times) in enumerate(FAULTS):
        there.sandbox.erp.change("suppliers", 5, seed=number)
        for front in there.fronts.values():
            front.arm(kind, times)
        went_well = [canaries.run(*_suppliers(there)), canaries.run(*IN_LOOKER, partitioned=False)]
        assert times < 50 or not any(went_well)
        for front in there.fronts.values():
            front.heal()
    issued = {
        "ERP": there.sandbox.tokens._tokens,
        "Salesforce": there.stands["salesforce"].org.identity._issued,
        "Looker": there.stands[LOOKER].instance._sessions,
    }
    for system, tokens in issued.items():
        assert tokens, system
        canaries.secrets |= {f"{system} token {number}": one for number, one in enumerate(tokens)}
    canaries.spoil_logins()
    there.sandbox.tokens.forget_tokens()
    assert not canaries.run(*_suppliers(there))
    assert not canaries.run(*IN_LOOKER, partitioned=False)
    with Workspace.open(canaries.settings) as workspace:
        reports = [
            str(one)
            for name in workspace.project.connections
            for one in ping_connection(workspace, name)
        ]

    _keep(canaries, [*reports, *_commands(canaries)], capfd)
    assert canaries.found() == []
    assert len(canaries.secrets) >= 16, "secrets of every system were planted"
    assert sum(front.hits.total() for front in there.fronts.values()) >= 10, "errors were echoed"
    (canaries.folder / "planted.log").write_text(f"INFO login as x:{there.secrets['acme sask']}")
    assert [one.where for one in canaries.found()] == ["planted.log"], "the search is awake"


def test_no_password_of_a_database_is_written_when_it_goes_away(
    tmp_path: Path,
    there: Outside,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    passwords = {"ledger": "l3dgerCANARYpw", "Dagster": "d4gsterCANARYpw"}
    alone = replace(there, systems=("duckdb",))
    with running_postgres() as server:
        urls = [server.database(password) for password in passwords.values()]
        canaries = Canaries(tmp_path, alone, monkeypatch, (urls[0], urls[1]))
        canaries.secrets |= {f"password of the {name}": one for name, one in passwords.items()}
        assert canaries.run(*_suppliers(alone))
        server.stop()
        with pytest.raises(DagsterPostgresException) as away:
            canaries.run(*_suppliers(alone))
        answers = _commands(canaries)
        assert any("is away" in one for one in answers)
        server.start()
        monkeypatch.setenv("ML_CONNECTOR_LEDGER_URL", urls[0].replace("connector:", "nobody:"))
        answers += _commands(canaries)
        _keep(canaries, [*format_exception(away.value), *answers], capfd)
        assert canaries.found() == []


def _keep(canaries: Canaries, reports: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """What was printed is searched, too."""
    printed = capfd.readouterr()
    (canaries.folder / "stdout").write_text(printed.out)
    (canaries.folder / "stderr").write_text(printed.err)
    (canaries.folder / "reports").write_text("\n".join(reports))


def _commands(canaries: Canaries) -> list[str]:
    """What a person sees who looks into it: reports on what failed, alerts that reach nobody."""
    page = str(canaries.folder / "reconciliation.html")
    commands = [
        ["reconcile", "tables", "--entity", "suppliers", "--report", page],
        ["replay", "tables", "--list"],
        ["alerts", "check"],
        ["alerts", "test"],
        ["doctor"],
        ["trail", "--sql", "SELECT * FROM trail"],
    ]
    answers = [CliRunner().invoke(app, command) for command in commands]
    assert "could not be" in answers[3].output or answers[3].exit_code == 1, "nobody is there"
    return [one.output + repr(one.exception) for one in answers]


def _suppliers(there: Outside) -> list[tuple[str, ...]]:
    return [
        ("acme", "suppliers"),
        *(("acme", name, "suppliers") for name in there.systems if name in SYSTEMS),
    ]
