"""No secret is written anywhere: planted ones are looked for in all that real runs leave behind, when things go wrong too.

Runs of Dagster over every system, once well, then against servers that answer errors with the whole request in them
(credentials included), then with credentials that are refused. Searched are the logs of all packages, Dagster's instance (events,
snapshots, compute logs), ledger, staging, warehouse, reports, and what was printed.
"""

import logging
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from ml_connector_dagster.cli.app import app
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sync.applications import set_up
from ml_connector_dagster.sync.ping import ping_connection
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.chaos.outside import (
    APPLICATIONS,
    ROOT,
    Outside,
    write_flows,
)
from ml_connector_dagster_tests.security.leaks import Leak, everything_in, leaks_in


pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings(
        r"ignore:.*(is currently in beta|is currently in preview|unclosed)",
    ),
]


class Canaries:
    """An installation over every system, and Dagster runs in it; everything is written below ``folder``."""

    def __init__(self, folder: Path, there: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.there = there
        self.secrets: dict[str, str] = dict(there.secrets)
        home = folder / "home"
        (home / "dagster").mkdir(parents=True)
        shutil.copy(ROOT / "dagster.yaml", home / "dagster")
        monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
        monkeypatch.delenv("DAGSTER_PG_URL", raising=False)
        self.settings: Settings = read_settings(
            {"ML_CONNECTOR_HOME": str(home), "ML_CONNECTOR_FLOWS": str(folder / "flows.yaml")}
        )
        write_flows(folder / "flows.yaml", there)
        with (folder / "flows.yaml").open("a", encoding="utf-8") as flows:
            flows.write("alerts: {channels: [{credential: ops}]}\n")
        there.store_logins(self.settings)
        self.secrets["alert channel"] = "T0CANARYhook9"
        address = Secret(f"json://127.0.0.1:9/{self.secrets['alert channel']}")  # nobody is there
        open_store(self.settings).add("ops", "alerts", {"url": address})

    def run(self, *paths: tuple[str, ...]) -> bool:
        """One run of Dagster over ``paths`` (all assets when none); whether it went well."""
        project = load_project(self.settings.flows, self.settings)
        definitions = build_definitions(project, self.settings)
        day = date.today().isoformat()  # noqa: DTZ011 -- the day of the newest partition
        selection = [dg.AssetKey(path) for path in paths] or None
        with dg.DagsterInstance.get() as instance:
            done = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance,
                asset_selection=selection,
                tags={
                    "dagster/asset_partition_range_start": f"100|{day}",
                    "dagster/asset_partition_range_end": f"100|{day}",
                    "ml_connector/mode": "incremental",
                },
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
        leaks = leaks_in(everything_in(self.folder), wanted)
        return [one for one in leaks if (one.secret, one.where) != ("encryption key", own)]


def _spoiled(key: str, value: str) -> str:
    if key == "ionapi":
        return value.replace('"sask": "', '"sask": "Wrong4')
    return value if key in ("client_id", "private_key") else f"Wrong4{value[::-1]}"


@pytest.fixture
def canaries(there: Outside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Canaries]:
    # What is tried again is the same; the waits between are not what this is about.
    monkeypatch.setattr("ml_connector_dagster.defs.assets.RETRIES", dg.RetryPolicy(max_retries=1))
    made = Canaries(tmp_path, there, monkeypatch)
    handler = logging.FileHandler(tmp_path / "python.log")
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.getLogger("sqlglot").setLevel(logging.WARNING)  # of the stand-ins, line by line
    yield made
    root.removeHandler(handler)
    root.setLevel(level)
    handler.close()


def test_no_secret_is_written_anywhere_whatever_goes_wrong(
    canaries: Canaries,
    there: Outside,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with Workspace.open(canaries.settings) as workspace:
        for name in APPLICATIONS:
            set_up(workspace, name, dry_run=False)
    assert canaries.run(*_suppliers(there)), "a run over every system goes well first"

    for kind, times in (("echo 500", 2), ("echo 400", 50), ("401", 50)):
        there.sandbox.erp.change("suppliers", 5, seed=times)
        for front in there.fronts.values():
            front.arm(kind, times)
        went_well = canaries.run(*_suppliers(there))
        assert times < 50 or not went_well
        for front in there.fronts.values():
            front.heal()
    issued = tuple(there.sandbox.tokens._tokens)  # the bearer tokens of the ERP
    canaries.secrets |= {f"token {number}": token for number, token in enumerate(issued)}
    canaries.spoil_logins()
    there.sandbox.tokens.forget_tokens()
    assert not canaries.run(*_suppliers(there))
    with Workspace.open(canaries.settings) as workspace:
        reports = [
            str(one)
            for name in workspace.project.connections
            for one in ping_connection(workspace, name)
        ]

    reports += _commands(canaries, monkeypatch)
    printed = capfd.readouterr()
    (canaries.folder / "stdout").write_text(printed.out)
    (canaries.folder / "stderr").write_text(printed.err)
    (canaries.folder / "reports").write_text("\n".join(reports))
    assert canaries.found() == []
    assert len(canaries.secrets) >= 13, "secrets of every system were planted"
    assert sum(front.hits.total() for front in there.fronts.values()) >= 10, "errors were echoed"
    (canaries.folder / "planted.log").write_text(f"INFO login as x:{there.secrets['acme sask']}")
    assert [one.where for one in canaries.found()] == ["planted.log"], "the search is awake"


def _commands(canaries: Canaries, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a person sees who looks into it: reports on what failed, alerts that reach nobody."""
    monkeypatch.setenv("ML_CONNECTOR_HOME", str(canaries.settings.home))
    monkeypatch.setenv("ML_CONNECTOR_FLOWS", str(canaries.settings.flows))
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
        *(("acme", name, "suppliers") for name in there.systems),
    ]
