"""The doctor tells a sound installation from one that is not, and says what to do; it repairs and keeps nothing."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml_connector_dagster.cli.app import app
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Project
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.config.warehouses import DuckDBConnection
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.credentials.keys import new_key
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.errors import TransientError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sync.doctor import Diagnosis, Verdict, guarded
from ml_connector_dagster.sync.doctor.access import look_at_key, look_at_store
from ml_connector_dagster.sync.doctor.configuration import read_project
from ml_connector_dagster.sync.doctor.machine import (
    file_system,
    look_at_file_system,
    look_at_home,
    look_at_locks,
    look_at_room,
    look_at_timezones,
)
from ml_connector_dagster.sync.doctor.packages import look_at_lock, look_at_python, pinned
from ml_connector_dagster.sync.doctor.stores import (
    look_at_clock,
    look_at_ledger,
    look_at_places,
    look_at_staging,
)


OK, WARNING, PROBLEM = Verdict.OK, Verdict.WARNING, Verdict.PROBLEM


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})
    made.home.mkdir()
    return made


def project(credential: str = "acme") -> Project:
    return Project(
        connections={
            "acme": CloudSuiteConnection(
                name="acme", product_line="m3", credential=credential, timezone="Europe/Stockholm"
            ),
            "warehouse": DuckDBConnection(name="warehouse", path=Path("warehouse.duckdb")),
        }
    )


def verdicts(found: Iterable[Diagnosis]) -> dict[str, Verdict]:
    """Check → verdict. Whatever is not fine must say what to do."""
    listed = list(found)
    assert all(bool(one.next_step) == (one.verdict is not OK) for one in listed)
    return {one.check: one.verdict for one in listed}


# --- Packages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "verdict"), [((3, 10), PROBLEM), ((3, 11), OK), ((3, 13), OK), ((3, 14), PROBLEM)]
)
def test_python_is_one_of_those_that_are_supported(
    version: tuple[int, int], verdict: Verdict
) -> None:
    assert look_at_python(version).verdict is verdict


def test_packages_are_compared_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("httpx==0.1.0\npytest==1.2.3 ; python_full_version < '3.0'\nnot-installed==1\n")
    found = look_at_lock(lock)
    assert found.verdict is WARNING
    assert "httpx" in found.detail
    assert "tested 0.1.0" in found.detail
    assert "pytest" not in found.detail, "that line is for another Python"
    assert look_at_lock(tmp_path / "none").verdict is WARNING


def test_of_two_pins_the_one_for_this_python_counts() -> None:
    text = "a==1 ; python_full_version < '3.0'\na==2 ; python_full_version >= '3.0'\n# b==3\n"
    assert pinned(text) == [("a", "2")]


# --- Machine ----------------------------------------------------------------------------------------------------------


def test_a_home_that_can_be_written_is_left_as_it_was(settings: Settings) -> None:
    found = verdicts(look_at_home(settings))
    assert found == {"home": OK, "disk": OK, "file locks": OK}
    assert list(settings.home.iterdir()) == []


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_is_a_problem(settings: Settings) -> None:
    settings.home.chmod(0o500)
    assert verdicts(look_at_home(settings))["home"] is PROBLEM


@pytest.mark.parametrize(
    ("free", "verdict"), [(100 * 2**30, OK), (2**30, WARNING), (2**20, PROBLEM)]
)
def test_room_on_the_disk(free: int, verdict: Verdict) -> None:
    assert look_at_room(free, Path("/srv")).verdict is verdict


def test_the_file_system_of_a_folder_is_that_of_the_nearest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 0:21 / / rw - ext4 /dev/vda1 rw\n"
        "30 22 0:40 / /srv/shared rw,relatime shared:5 - nfs4 files:/export rw\n"
        "31 22 0:41 / /srv/with\\040space rw - cifs //files/x rw\n"
    )
    assert file_system(Path("/srv/shared/erp/home"), mounts) == "nfs4"
    assert file_system(Path("/srv/other"), mounts) == "ext4"
    assert file_system(Path("/srv/with space/home"), mounts) == "cifs"
    assert file_system(Path("/srv"), tmp_path / "no-such-file") == ""


def test_sqlite_on_a_network_folder_is_a_problem_and_postgresql_is_not(tmp_path: Path) -> None:
    environment = {"ML_CONNECTOR_HOME": str(tmp_path)}
    assert verdicts(look_at_file_system("ext4", read_settings(environment))) == {}
    found = look_at_file_system("nfs4", read_settings(environment))
    assert verdicts(found) == {"network folder": PROBLEM}
    environment["ML_CONNECTOR_LEDGER_URL"] = "postgresql://db/ledger"
    found = look_at_file_system("nfs4", read_settings(environment))
    assert verdicts(found) == {"network folder": WARNING}


def test_file_locks_hold_here(tmp_path: Path) -> None:
    assert look_at_locks(tmp_path).verdict is OK


def test_time_zones(tmp_path: Path) -> None:
    assert look_at_timezones(frozenset({"Europe/Stockholm"})).verdict is OK
    assert look_at_timezones(frozenset({"Europe/Stokholm"})).verdict is PROBLEM


# --- Configuration and credentials ------------------------------------------------------------------------------------


def test_wrong_yaml_is_a_problem_with_its_lines(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "flows.yaml"
    file.write_text("flows:\n  buying: {sauce: acme}\n")
    environment = {"ML_CONNECTOR_HOME": str(settings.home), "ML_CONNECTOR_FLOWS": str(file)}
    read, told = read_project(read_settings(environment))
    assert read is None
    assert verdicts(told) == {"flows": PROBLEM}
    assert "flows.yaml:2" in told[0].detail


def test_a_sound_store(settings: Settings) -> None:
    open_store(settings).add("acme", "ionapi", {"ionapi": Secret("{}")})
    assert verdicts(look_at_key(settings)) == {
        "key": OK,
        "encryption.key": OK,
        "credentials.json": OK,
    }
    assert verdicts(look_at_store(settings, project())) == {"store": OK}


def test_a_credential_that_is_missing_and_one_too_many(settings: Settings) -> None:
    open_store(settings).add("acme_old", "ionapi", {"ionapi": Secret("{}")})
    found = verdicts(look_at_store(settings, project()))
    assert found == {"store": OK, "acme": PROBLEM, "unused": WARNING}


def test_looking_makes_no_key(settings: Settings) -> None:
    assert verdicts(look_at_key(settings)) == {"key": OK}
    assert verdicts(look_at_store(settings, project())) == {"acme": PROBLEM}
    assert list(settings.home.iterdir()) == []


def test_a_key_that_does_not_fit_is_a_problem(settings: Settings) -> None:
    open_store(settings).add("acme", "ionapi", {"ionapi": Secret("{}")})
    environment = {"ML_CONNECTOR_HOME": str(settings.home), "ML_CONNECTOR_KEY": new_key().reveal()}
    other = read_settings(environment)
    assert verdicts(look_at_store(other, project()))["store"] is PROBLEM


def test_a_key_file_that_is_gone_or_that_others_may_read(settings: Settings) -> None:
    open_store(settings).add("acme", "ionapi", {"ionapi": Secret("{}")})
    settings.key_file.chmod(0o644)
    assert verdicts(look_at_key(settings))["encryption.key"] is PROBLEM
    settings.key_file.unlink()
    assert verdicts(look_at_key(settings)) == {"key": PROBLEM}


# --- Ledger and staging -----------------------------------------------------------------------------------------------


def test_a_ledger_that_is_not_there_yet_is_not_made_by_looking(settings: Settings) -> None:
    assert verdicts(look_at_ledger(settings.ledger_url, now)) == {"database": OK}
    assert list(settings.home.iterdir()) == []


def test_a_ledger_of_a_newer_version_is_a_problem(settings: Settings) -> None:
    with Ledger.open(settings.ledger_url) as ledger:
        assert verdicts(look_at_ledger(settings.ledger_url, now))["tables"] is OK
        with ledger._database.write("a test") as connection:
            connection.exec_driver_sql("UPDATE schema_version SET version = version + 100")
    assert verdicts(look_at_ledger(settings.ledger_url, now))["tables"] is PROBLEM


def test_a_database_that_is_away_is_a_line_and_not_the_end() -> None:
    url = "postgresql://user:very-secret@127.0.0.1:1/none"
    found = list(guarded("ledger", "database", lambda: look_at_ledger(url, now), "Start it."))
    assert [one.verdict for one in found] == [PROBLEM]
    assert "very-secret" not in found[0].detail


@pytest.mark.parametrize(
    ("ahead", "verdict"), [(0.4, OK), (-0.4, OK), (2.0, WARNING), (-90.0, PROBLEM)]
)
def test_clocks_of_this_machine_and_of_the_server(ahead: float, verdict: Verdict) -> None:
    assert look_at_clock(timedelta(seconds=ahead)).verdict is verdict


def test_staging_is_tried_with_a_batch_that_does_not_stay(settings: Settings) -> None:
    assert verdicts(look_at_staging(settings, now)) == {"batches": OK}
    assert not [path for path in settings.home.rglob("*") if path.is_file()]


def test_places_of_different_reach_are_told(tmp_path: Path) -> None:
    def told(ledger: str, staging: str, *, dagster: bool) -> set[str]:
        environment = {
            "ML_CONNECTOR_HOME": str(tmp_path),
            "ML_CONNECTOR_LEDGER_URL": ledger,
            "ML_CONNECTOR_STAGING_URL": staging,
        }
        found = look_at_places(read_settings(environment), dagster_on_postgres=dagster)
        return {one.area for one in found}

    assert told("", "", dagster=False) == set()
    assert told("postgresql://db/l", "s3://bucket/erp", dagster=True) == set()
    assert told("", "", dagster=True) == {"ledger"}
    assert told("postgresql://db/l", str(tmp_path), dagster=True) == {"staging"}


def test_only_what_systems_do_is_caught() -> None:
    def away() -> Iterable[Diagnosis]:
        raise TransientError("away")
        yield

    def broken() -> Iterable[Diagnosis]:
        raise KeyError("a fault of ours")
        yield

    assert verdicts(guarded("a", "b", away, "Start it.")) == {"b": PROBLEM}
    with pytest.raises(KeyError):
        list(guarded("a", "b", broken, "Start it."))


# --- The command ------------------------------------------------------------------------------------------------------


def test_the_command_says_all_of_it_and_fails_for_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flows = tmp_path / "flows.yaml"
    flows.write_text(
        "connections:\n"
        "  acme: {type: cloudsuite, product_line: m3, credential: acme, timezone: Europe/Stockholm}\n"
    )
    monkeypatch.setenv("ML_CONNECTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ML_CONNECTOR_FLOWS", str(flows))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    monkeypatch.delenv("DAGSTER_PG_URL", raising=False)

    for _ in range(2):
        assert CliRunner().invoke(app, ["prepare"]).exit_code == 0
    result = CliRunner().invoke(app, ["doctor", "--json"])

    assert result.exit_code == 1
    lines = {(one["area"], one["check"]): one for one in json.loads(result.stdout)}
    assert lines["credentials", "acme"]["verdict"] == "problem"
    assert lines["dagster", "daemon"]["verdict"] == "problem"
    assert lines["dagster", "storage"]["detail"].startswith("SQLite in ")
    assert lines["dagster", "pools"]["detail"] == "cloudsuite_acme: 4 slots"
    assert lines["dagster", "run queue"]["verdict"] == "ok"
    assert lines["dagster", "code location"]["verdict"] == "ok"
    assert "problems." in CliRunner().invoke(app, ["doctor"]).stdout


def test_prepare_keeps_the_instance_that_the_deployment_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes mounts it, and nobody may write there."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (home / "dagster.yaml").chmod(0o444)
    monkeypatch.setenv("ML_CONNECTOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ML_CONNECTOR_FLOWS", "flows/sandbox.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    assert CliRunner().invoke(app, ["prepare"]).exit_code == 0
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
