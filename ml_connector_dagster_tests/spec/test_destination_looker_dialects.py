"""SQL Runner keeps the contract of destinations on Snowflake's and Databricks' SQL, too: through Looker, into their stand-ins."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest


pytest.importorskip("looker_sdk", reason="the extra 'looker' is not installed")

from ml_connector_dagster.destinations.looker import SqlRunnerDestination
from ml_connector_dagster.destinations.snowflake.access import Access as SnowflakeAccess
from ml_connector_dagster.destinations.snowflake.sql_api import SqlApi
from ml_connector_dagster.sandbox.looker import LookerSandbox
from ml_connector_dagster_tests.spec.databricks_workspace import of_sandbox, sandbox_workspace
from ml_connector_dagster_tests.spec.looker_databases import DatabricksBehind, SnowflakeBehind
from ml_connector_dagster_tests.spec.looker_instance import looker_sandbox
from ml_connector_dagster_tests.spec.snowflake_account import no_pause, sandbox_account
from ml_connector_dagster_tests.spec.test_destination_looker import SqlRunnerContract, opened


@pytest.fixture(scope="module")
def on_snowflake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LookerSandbox]:
    with sandbox_account() as account:
        access = SnowflakeAccess(account.connection, account.proof)
        api = SqlApi(account.connection, access, pause=no_pause)
        folder = tmp_path_factory.mktemp("looker-snowflake")
        with looker_sandbox(folder, SnowflakeBehind(api=api)) as running:
            yield running
        api.close()


@pytest.fixture(scope="module")
def on_databricks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LookerSandbox]:
    with sandbox_workspace() as stand_in:
        access = of_sandbox(stand_in)
        folder = tmp_path_factory.mktemp("looker-databricks")
        with looker_sandbox(folder, DatabricksBehind(workspace=access.workspace())) as running:
            yield running
        access.clear()


#: What is asked each time; the rest of the contract is asked of all dialects by night (ML_CONNECTOR_EXAMPLES is set).
_EACH_TIME = (
    "test_new_changed_and_unchanged_records_come_in_one_batch",
    "test_a_deleted_record_is_marked_and_may_come_back",
    "test_hostile_values_arrive_as_they_are",
    "test_wide_decimals_and_old_dates_are_exact",
    "test_lines_without_a_live_header_are_orphans",
    "test_a_large_batch_and_its_change",
)


class _Dialect(SqlRunnerContract):
    settings: ClassVar[dict[str, Any]]
    large: ClassVar[int] = 60
    looker: LookerSandbox

    @pytest.fixture(autouse=True)
    def _by_night(self, request: pytest.FixtureRequest) -> None:
        if (
            request.node.originalname not in _EACH_TIME
            and "ML_CONNECTOR_EXAMPLES" not in os.environ
        ):
            pytest.skip(
                "by night: the statements are those of DuckDB, only their dialect is another"
            )

    def open(
        self, home: Path, *, now: Callable[[], datetime], checkpoint: Callable[[str], None]
    ) -> SqlRunnerDestination:
        schema = "s" + re.sub(r"\W", "", str(home))[-40:].lower()
        return opened(self.looker, schema, now=now, checkpoint=checkpoint, **self.settings)


class TestOnSnowflake(_Dialect):
    settings: ClassVar[dict[str, Any]] = {"dialect": "snowflake", "catalog": "ERP"}

    @pytest.fixture(autouse=True)
    def _looker(self, on_snowflake: LookerSandbox) -> None:
        self.looker = on_snowflake
        on_snowflake.faults.clear()


class TestOnDatabricks(_Dialect):
    settings: ClassVar[dict[str, Any]] = {"dialect": "databricks", "catalog": "main"}

    @pytest.fixture(autouse=True)
    def _looker(self, on_databricks: LookerSandbox) -> None:
        self.looker = on_databricks
        on_databricks.faults.clear()
