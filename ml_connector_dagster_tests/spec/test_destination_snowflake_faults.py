"""What happens between us and Snowflake: outages, lost answers, ended sessions, interruptions, killed processes."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.snowflake import SnowflakeDestination
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.errors import TransientError
from ml_connector_dagster.model.receipts import OutcomeCounts
from ml_connector_dagster.sandbox.snowflake import Fault, SnowflakeSandbox
from ml_connector_dagster_tests.contracts.destinations import SUPPLIERS, Clock, Pair
from ml_connector_dagster_tests.contracts.staged import DAYS, TENANT, StagedFiles, row
from ml_connector_dagster_tests.spec.snowflake_account import (
    BY_KEY,
    KEY,
    Account,
    connection,
    import_vendor_packages,
    no_pause,
    pem,
    sandbox_account,
)


INLINE, STAGED = 1_000_000, 0


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    import_vendor_packages()
    with sandbox_account() as found:
        yield found


@pytest.fixture
def sandbox(account: Account) -> Iterator[SnowflakeSandbox]:
    found = account.sandbox
    assert found is not None
    yield found
    found.faults.clear()


class Faulty:
    """A pair that holds one record, and something that happens at a point of the next delivery."""

    def __init__(self, account: Account, folder: Path, inline_rows: int) -> None:
        self.happens: dict[str, Callable[[], object]] = {}
        clock = Clock()
        tested = account.destination(
            account.schema_of(folder), inline_rows=inline_rows, now=clock, checkpoint=self._passed
        )
        self.pair = Pair(folder, clock, tested)
        self.pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="old"))

    def _passed(self, point: str) -> None:
        self.happens.pop(point, lambda: None)()

    def change(self) -> StagedFiles:
        rows = [row(SUPPLIERS, "1", name="new", modified=DAYS[1]), row(SUPPLIERS, "2")]
        return self.pair.stage(SUPPLIERS, rows)

    def deliver(self, staged: StagedFiles) -> OutcomeCounts:
        return self.pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT).counts


CHANGED = OutcomeCounts(inserted=1, updated=1)


@pytest.fixture(params=[INLINE, STAGED], ids=["inline", "staged"])
def faulty(
    account: Account, sandbox: SnowflakeSandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Faulty]:
    yield Faulty(account, tmp_path, request.param)
    assert not sandbox.connector.sessions  # closed on every path


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (Fault.LOST, "tables made"),
        (Fault.LOST, "rows loaded"),
        (Fault.PAGE, "tables made"),
        (Fault.PAGE, "rows loaded"),
        (Fault.EXPIRED, "rows loaded"),
        (Fault.STARTING, "rows loaded"),
        (Fault.TOO_MANY, "rows loaded"),
    ],
)
def test_a_passing_fault_is_not_noticed(
    faulty: Faulty, sandbox: SnowflakeSandbox, where: str, fault: Fault
) -> None:
    faulty.happens[where] = lambda: sandbox.faults.add(fault, 1)
    assert faulty.pair.deliver(SUPPLIERS, faulty.change()).counts == CHANGED
    faulty.pair.assert_equal(SUPPLIERS)


@pytest.mark.parametrize("where", ["tables made", "rows loaded", "committed"])
def test_an_outage_leaves_nothing_half_written_and_the_next_delivery_finishes(
    faulty: Faulty, sandbox: SnowflakeSandbox, where: str
) -> None:
    staged = faulty.change()
    faulty.happens[where] = lambda: sandbox.faults.add(Fault.UNAVAILABLE, 10_000)
    faulty.pair.clock.tick()
    with pytest.raises(TransientError, match=r"connection snow.*delivered again later"):
        faulty.deliver(staged)
    sandbox.faults.clear()
    if where != "committed":
        faulty.pair.assert_equal(SUPPLIERS)
    faulty.pair.deliver_now(SUPPLIERS, staged)
    faulty.pair.assert_equal(SUPPLIERS)


def test_a_statement_that_fails_leaves_nothing_half_written(
    faulty: Faulty, sandbox: SnowflakeSandbox
) -> None:
    staged = faulty.change()
    faulty.happens["rows loaded"] = lambda: sandbox.faults.add(Fault.FAILS, 1)
    with pytest.raises(TransientError, match=r"user ETL, role LOADER.*000603"):
        faulty.deliver(staged)
    faulty.pair.assert_equal(SUPPLIERS)
    faulty.pair.deliver(SUPPLIERS, staged)
    faulty.pair.assert_equal(SUPPLIERS)


def test_rows_that_were_brought_twice_are_written_once(faulty: Faulty, account: Account) -> None:
    """As when the request of an INSERT was on its way twice, and both arrived."""

    def double() -> None:
        tables = account.run(
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM ERP.INFORMATION_SCHEMA.TABLES"
            " WHERE STARTSWITH(TABLE_NAME, '_LOAD_')"
        )
        for schema, table in tables:
            path = f'"ERP"."{schema}"."{table}"'
            account.run(f"INSERT INTO {path} SELECT * FROM {path}")

    faulty.happens["rows loaded"] = double
    assert faulty.pair.deliver(SUPPLIERS, faulty.change()).counts == CHANGED
    faulty.pair.assert_equal(SUPPLIERS)


def test_an_answer_that_stays_lost_is_found_by_the_next_delivery(
    account: Account, sandbox: SnowflakeSandbox, tmp_path: Path
) -> None:
    faulty = Faulty(account, tmp_path, INLINE)
    staged = faulty.change()
    faulty.happens["rows loaded"] = lambda: sandbox.faults.add(Fault.LOST, 6)
    faulty.pair.clock.tick()
    with pytest.raises(TransientError):
        faulty.deliver(staged)
    merges = [one for one in sandbox.statements if "MERGE INTO" in one.sql and one.children]
    assert merges[-1].status == "SUCCESS"  # six times asked, once run
    assert faulty.pair.deliver_now(SUPPLIERS, staged).counts == CHANGED
    faulty.pair.assert_equal(SUPPLIERS)  # history and audit once, too


class Interrupted(BaseException):
    """As Dagster ends a run: not an Exception."""


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "not heard"])
def test_an_interrupted_delivery_cancels_its_statement_and_leaves_no_session(
    faulty: Faulty, sandbox: SnowflakeSandbox, monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    def interrupt(seconds: float) -> None:
        raise Interrupted

    def start_slowly() -> None:
        sandbox.faults.add(Fault.STARTING, 1)
        sandbox.faults.add(Fault.DEAF, 0 if heard else 1)
        for part in (tested._api, tested._bulk):
            monkeypatch.setattr(part, "_pause", interrupt)

    tested = faulty.pair.tested
    assert isinstance(tested, SnowflakeDestination)
    staged = faulty.change()
    faulty.happens["rows loaded"] = start_slowly
    before = len(sandbox.statements)
    with pytest.raises(Interrupted):
        faulty.deliver(staged)
    monkeypatch.undo()
    (script,) = [one for one in sandbox.statements[before:] if "MERGE INTO" in one.sql]
    assert script.done.wait(5)
    assert script.refusal is not None
    assert script.refusal.code == "000604"
    faulty.pair.assert_equal(SUPPLIERS)
    faulty.pair.deliver(SUPPLIERS, staged)
    faulty.pair.assert_equal(SUPPLIERS)


def test_a_token_is_made_anew_before_its_hour_is_over(
    account: Account, sandbox: SnowflakeSandbox, tmp_path: Path
) -> None:
    late = [0.0]
    sandbox.account.now = lambda: time.time() + late[0]

    def an_hour_passes(point: str) -> None:
        late[0] += 3_600.0

    destination = account.destination(
        account.schema_of(tmp_path), clock=sandbox.account.now, checkpoint=an_hour_passes
    )
    pair = Pair(tmp_path, Clock(), destination)
    staged = pair.stage(SUPPLIERS, [row(SUPPLIERS, "1")])
    assert destination.deliver(SUPPLIERS, staged, WriteMode.UPSERT).counts.inserted == 1
    sandbox.account.now = time.time


_VICTIM = """
import os, sys
from pathlib import Path
from ml_connector_dagster.config.warehouses import SnowflakeConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.snowflake import SnowflakeDestination
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster_tests.contracts.destinations import SUPPLIERS
from ml_connector_dagster_tests.contracts.staged import row, staged_rows
connection = SnowflakeConnection.model_validate_json(sys.argv[1])
proof = Credential(name="snow", kind="snowflake", values={"private_key": Secret(sys.stdin.read())})
def killed(point):
    if point == "rows loaded":
        os._exit(9)
destination = SnowflakeDestination("snow.erp", connection, proof, sys.argv[2], checkpoint=killed)
staged = staged_rows(Path(sys.argv[3]), SUPPLIERS, [row(SUPPLIERS, "1")], batch_id="victim")
destination.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
"""


def test_what_a_killed_process_left_behind_is_dropped_when_nobody_can_be_using_it(
    account: Account, sandbox: SnowflakeSandbox, tmp_path: Path
) -> None:
    schema = account.schema_of(tmp_path)

    def work_tables() -> list[Any]:
        return account.run(
            "SELECT TABLE_NAME FROM ERP.INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = ?"
            " AND (STARTSWITH(TABLE_NAME, '_LOAD_') OR STARTSWITH(TABLE_NAME, '_DECIDED_'))",
            schema.upper(),
        )

    died = subprocess.run(
        [
            sys.executable,
            "-c",
            _VICTIM,
            account.connection.model_dump_json(),
            schema,
            str(tmp_path / "victim"),
        ],
        input=pem(KEY),
        text=True,
        check=False,
    )
    assert died.returncode == 9
    assert len(work_tables()) == 2

    def deliver_one(number: int) -> None:
        destination = account.destination(schema)
        pair = Pair(tmp_path / f"home {number}", Clock(), destination)
        destination.deliver(
            SUPPLIERS,
            pair.stage(SUPPLIERS, [row(SUPPLIERS, str(number))]),
            WriteMode.UPSERT,
        )

    deliver_one(1)
    assert len(work_tables()) == 2  # it might still be at work
    sandbox.account.now = lambda: time.time() + 7 * 3_600
    later = account.destination(schema, clock=sandbox.account.now)
    pair = Pair(tmp_path, Clock(), later)
    later.deliver(SUPPLIERS, pair.stage(SUPPLIERS, []), WriteMode.UPSERT)
    sandbox.account.now = time.time
    assert work_tables() == []


@pytest.mark.parametrize("inline_rows", [INLINE, STAGED])
def test_a_service_that_is_not_there_is_said_readably(tmp_path: Path, inline_rows: int) -> None:
    with sandbox_account() as gone:
        assert gone.sandbox is not None
        nowhere = connection(gone.sandbox, inline_rows=inline_rows)
    destination = SnowflakeDestination("snow.erp", nowhere, BY_KEY, "s", pause=no_pause)
    with pytest.raises(TransientError, match=r"connection snow\) did not answer in 6 tries"):
        destination.inspect(SUPPLIERS, Scope(tenant=TENANT))
    destination.close()
