"""The ledger in SQLite: the contract, and what only a file can get wrong."""

import sqlite3
import stat
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect

from ml_connector_dagster.credentials.keys import KeyRing, new_key
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.ledger.databases import open_database
from ml_connector_dagster.ledger.migrations import MIGRATIONS, Migration, migrate
from ml_connector_dagster.ledger.tables import metadata
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster_tests.contracts.ledger import LedgerContract
from ml_connector_dagster_tests.contracts.ledger_history import HistoryContract
from ml_connector_dagster_tests.contracts.ledger_reconciliations import (
    ReconciliationLedgerContract,
)
from ml_connector_dagster_tests.contracts.ledger_samples import NOON
from ml_connector_dagster_tests.contracts.ledger_shared import HOUR, SharedStateContract


NEWEST = MIGRATIONS[-1].version


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "ledger.db"


class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    def url(self, file: Path) -> str:
        return f"sqlite:///{file}"


class TestSqliteHistory(HistoryContract):
    @pytest.fixture
    def url(self, file: Path) -> str:
        return f"sqlite:///{file}"


class TestSqliteSharedState(SharedStateContract):
    @pytest.fixture
    def url(self, file: Path) -> str:
        return f"sqlite:///{file}"


class TestSqliteReconciliations(ReconciliationLedgerContract):
    @pytest.fixture
    def url(self, file: Path) -> str:
        return f"sqlite:///{file}"


def noon() -> datetime:
    return NOON


def test_the_migrated_tables_are_the_ones_that_the_code_uses(file: Path) -> None:
    Ledger.open(f"sqlite:///{file}").close()
    declared = create_engine("sqlite://")
    metadata.create_all(declared)
    migrated = create_engine(f"sqlite:///{file}")
    expected, found = inspect(declared), inspect(migrated)
    assert set(found.get_table_names()) == set(expected.get_table_names())
    for table in expected.get_table_names():
        for part in ("get_columns", "get_pk_constraint", "get_indexes"):
            assert described(getattr(found, part)(table)) == described(
                getattr(expected, part)(table)
            ), (table, part)
    declared.dispose()
    migrated.dispose()


def described(parts: object) -> str:
    """Columns, keys and indexes as text, in an order of their own."""
    if isinstance(parts, list):
        return "\n".join(sorted(described(part) for part in parts))
    if isinstance(parts, dict):
        return ", ".join(
            f"{k}={described(v)}" for k, v in sorted(parts.items()) if k != "dialect_options"
        )
    return str(parts).replace("DOUBLE", "REAL")  # SQLite has one such type


def test_a_step_that_fails_leaves_the_ledger_as_it_was(file: Path) -> None:
    database = open_database(f"sqlite:///{file}")
    migrate(database, noon)
    broken = Migration(
        version=NEWEST + 1,
        name="broken",
        statements=("CREATE TABLE more (a TEXT)", "CREATE TABEL x"),
    )
    with pytest.raises(Exception, match="TABEL"):
        migrate(database, noon, (*MIGRATIONS, broken))
    whole = Migration(version=NEWEST + 1, name="whole", statements=("CREATE TABLE more (a TEXT)",))
    migrate(database, noon, (*MIGRATIONS, whole))
    migrate(database, noon, (*MIGRATIONS, whole))
    database.close()
    with sqlite3.connect(file) as connection:
        rows = connection.execute("SELECT version, name FROM schema_version").fetchall()
    connection.close()
    steps = [(one.version, one.name) for one in MIGRATIONS]
    assert rows == [*steps, (NEWEST + 1, "whole")]


def test_a_ledger_of_a_newer_version_is_refused(file: Path) -> None:
    database = open_database(f"sqlite:///{file}")
    migrate(database, noon, (*MIGRATIONS, Migration(version=99, name="future", statements=())))
    database.close()
    with pytest.raises(ConfigError, match=rf"version 99.*knows {NEWEST}; upgrade"):
        Ledger.open(f"sqlite:///{file}")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ledger.db", "is not the URL of a ledger"),
        ("sqlite://", "cannot be kept in memory"),
        ("sqlite:///:memory:", "cannot be kept in memory"),
        ("mysql://u:s3cret@host/db", "cannot be kept in 'mysql'"),
    ],
)
def test_a_url_that_cannot_be_a_ledger_says_why(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        Ledger.open(url)
    assert "s3cret" not in str(raised.value)


def test_the_file_is_for_its_owner_only_and_holds_no_token(file: Path) -> None:
    keys = KeyRing([new_key()], source="the test")
    with Ledger.open(f"sqlite:///{file}") as ledger:
        ledger.token_store("acme", keys).save(Secret("bearer-123"), NOON, NOON + HOUR, "me")
        for part in file.parent.iterdir():  # the database, its log, its shared memory
            assert stat.S_IMODE(part.stat().st_mode) == 0o600, part.name
            assert b"bearer-123" not in part.read_bytes()


def test_history_is_committed_to_disk_and_shared_state_is_not_synced(file: Path) -> None:
    database = open_database(f"sqlite:///{file}")
    levels = {}
    for durable in (True, False, True):
        with database.write("a test", durable=durable) as connection:
            levels[durable] = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    database.close()
    assert levels == {True: 2, False: 1}  # FULL, NORMAL
