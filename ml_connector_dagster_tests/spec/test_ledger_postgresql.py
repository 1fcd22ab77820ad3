"""The ledger in PostgreSQL: the contract, and what only a server can do to it."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import create_engine, inspect, text

from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.ledger.databases import open_database
from ml_connector_dagster.ledger.migrations import MIGRATIONS, Migration, migrate
from ml_connector_dagster.ledger.tables import metadata
from ml_connector_dagster.model.errors import TransientError
from ml_connector_dagster_tests.contracts.ledger import LedgerContract
from ml_connector_dagster_tests.contracts.ledger_history import HistoryContract
from ml_connector_dagster_tests.contracts.ledger_reconciliations import (
    ReconciliationLedgerContract,
)
from ml_connector_dagster_tests.contracts.ledger_samples import NOON
from ml_connector_dagster_tests.contracts.ledger_shared import SharedStateContract
from ml_connector_dagster_tests.postgres import Postgres, running_postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    def url(self, server: Postgres) -> str:
        return server.database()


class TestPostgresHistory(HistoryContract):
    @pytest.fixture
    def url(self, server: Postgres) -> str:
        return server.database()


class TestPostgresSharedState(SharedStateContract):
    @pytest.fixture
    def url(self, server: Postgres) -> str:
        return server.database()


class TestPostgresReconciliations(ReconciliationLedgerContract):
    @pytest.fixture
    def url(self, server: Postgres) -> str:
        return server.database()


def noon() -> datetime:
    return NOON


def test_the_migrated_tables_are_the_ones_that_the_code_uses(server: Postgres) -> None:
    urls = server.database(), server.database()
    Ledger.open(urls[0]).close()
    migrated, declared = (create_engine(url) for url in urls)
    metadata.create_all(declared)
    found, expected = inspect(migrated), inspect(declared)
    assert set(found.get_table_names()) == set(expected.get_table_names())
    for table in expected.get_table_names():
        types = [
            {column["name"]: (str(column["type"]), column["nullable"]) for column in one}
            for one in (found.get_columns(table), expected.get_columns(table))
        ]
        assert types[0] == types[1], table
        keys = (found.get_pk_constraint(table), expected.get_pk_constraint(table))
        assert keys[0]["constrained_columns"] == keys[1]["constrained_columns"], table
    migrated.dispose()
    declared.dispose()


def test_a_step_that_fails_leaves_the_ledger_as_it_was(server: Postgres) -> None:
    database = open_database(server.database())
    migrate(database, noon)
    version = MIGRATIONS[-1].version + 1
    broken = Migration(
        version=version, name="broken", statements=("CREATE TABLE more (a TEXT)", "CREATE TABEL x")
    )
    with pytest.raises(Exception, match="TABEL"):
        migrate(database, noon, (*MIGRATIONS, broken))
    whole = Migration(version=version, name="whole", statements=("CREATE TABLE more (a TEXT)",))
    migrate(database, noon, (*MIGRATIONS, whole))
    with database.read() as connection:
        names = connection.execute(text("SELECT max(version) FROM schema_version")).scalar_one()
    database.close()
    assert names == version


def test_writers_of_different_subjects_do_not_wait_for_each_other(server: Postgres) -> None:
    database = open_database(server.database())
    with database.write("one subject"), database.write("another subject") as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    database.close()


def test_history_is_committed_to_disk_and_shared_state_is_not_synced(server: Postgres) -> None:
    database = open_database(server.database())
    levels = {}
    for durable in (True, False, True):
        with database.write("a test", durable=durable) as connection:
            levels[durable] = connection.execute(text("SHOW synchronous_commit")).scalar_one()
    database.close()
    assert levels == {True: "on", False: "off"}


def test_a_server_that_goes_away_is_a_passing_failure_and_is_found_again(server: Postgres) -> None:
    with Ledger.open(server.database()) as ledger:
        budget = ledger.budget_store("acme")
        assert budget.try_start("before", 1000.0, 5, 60.0) == 0.0
        server.stop()
        try:
            with pytest.raises(TransientError, match=r"is away .*run again when it is back"):
                budget.try_start("meanwhile", 1001.0, 5, 60.0)
        finally:
            server.start()
        assert budget.try_start("after", 1002.0, 5, 60.0) == 0.0


def test_only_one_block_of_a_subject_runs_at_a_time(server: Postgres) -> None:
    database = open_database(server.database())
    with (
        database.alone("crm.suppliers"),
        database.alone("crm.customers"),
        pytest.raises(TransientError, match=r"crm\.suppliers has been busy for 0\.05 seconds"),
        database.alone("crm.suppliers", wait_seconds=0.05),
    ):
        raise AssertionError("two were alone")
    with database.alone("crm.suppliers", wait_seconds=0.05):
        pass
    database.close()


def test_who_wants_to_be_alone_while_the_server_is_away_may_try_again(server: Postgres) -> None:
    database = open_database(server.database())
    server.stop()
    try:
        with (
            pytest.raises(TransientError, match=r"is away .*crm\.suppliers could not be used"),
            database.alone("crm.suppliers"),
        ):
            raise AssertionError("nobody can be alone there")
    finally:
        server.start()
    with database.alone("crm.suppliers"):
        server.stop()
        server.start()  # the lock went with the server; that is for the next write to find out
    database.close()
