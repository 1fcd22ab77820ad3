"""dagster.yaml as it is shipped: it loads, and its storage is SQLite unless PostgreSQL is named."""

import os
import shutil
from pathlib import Path

import dagster as dg
import pytest

from ml_connector_dagster.config.project import Project
from ml_connector_dagster.defs.instance_setup import (
    READS_PER_TENANT,
    create_pools,
    open_instance,
    prepare_instance,
)


ROOT = Path(__file__).parents[2]


@pytest.fixture
def instance_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DAGSTER_PG_URL", raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    return tmp_path


def test_the_shipped_instance_keeps_its_history_in_its_home(instance_home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs_count() == 0
        assert type(instance.run_storage).__name__ == "SqliteRunStorage"
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        # A run's own process opens the instance from this reference.
        with dg.DagsterInstance.from_ref(instance.get_ref()) as again:
            assert again.get_runs_count() == 0
    assert (instance_home / "history").is_dir()


def test_postgres_without_its_package_says_what_to_install(
    instance_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_PG_URL", "postgresql://nobody@localhost/none")
    try:
        import dagster_postgres  # noqa: F401
    except ImportError:
        with pytest.raises(ModuleNotFoundError, match=r"ml-connector-dagster\[postgres\]"):
            dg.DagsterInstance.get()


def test_pools_get_their_slots_once(instance_home: Path, project: Project) -> None:
    with dg.DagsterInstance.get() as instance:
        create_pools(instance, project)
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
        assert limits == {"cloudsuite_acme": READS_PER_TENANT}

        instance.event_log_storage.set_concurrency_slots("cloudsuite_acme", 2)
        create_pools(instance, project)
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
        assert limits["cloudsuite_acme"] == 2


def test_a_command_without_dagster_home_prepares_the_folder_that_it_was_told(
    instance_home: Path, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.chdir(elsewhere)

    prepare_instance(instance_home, project)

    assert (instance_home / "history" / "runs.db").is_file()
    assert list(elsewhere.iterdir()) == []
    assert "DAGSTER_HOME" not in os.environ
    with open_instance(instance_home) as instance:
        limits = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}
    assert limits == {"cloudsuite_acme": READS_PER_TENANT}
