"""The whole way with batches on S3: whatever S3 does and whoever dies, the warehouse ends equal to the ERP."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.s3 import Fault, S3Options, S3Sandbox
from ml_connector_dagster.sandbox.s3.faults import FaultKind
from ml_connector_dagster.staging import clouds
from ml_connector_dagster.sync.pending import deliver_overdue, overdue_deliveries
from ml_connector_dagster.sync.replay import choose_letters, replay
from ml_connector_dagster.sync.sweep import sweep_flow
from ml_connector_dagster.sync.trace import trace
from ml_connector_dagster_tests.spec.staging_places import S3Place
from ml_connector_dagster_tests.world import World


@pytest.fixture(scope="module")
def running() -> Iterator[S3Sandbox]:
    with S3Sandbox.start(S3Options(page_size=7)) as s3:
        yield s3


@pytest.fixture
def place(running: S3Sandbox, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    monkeypatch.setattr(clouds, "TRIES", 2)
    running.reset()
    return S3Place(running)


@dataclass
class CloudWorld(World):
    """A world that stages in a bucket, which it opens with a stored credential."""

    place: S3Place | None = None

    @property
    def settings(self) -> Settings:
        assert self.place is not None
        settings = read_settings(
            {
                "ML_CONNECTOR_HOME": str(self.folder / "home"),
                "ML_CONNECTOR_STAGING_URL": self.place.url,
                "ML_CONNECTOR_STAGING_CREDENTIAL": "bucket",
            }
        )
        settings.home.mkdir(parents=True, exist_ok=True)
        store = open_store(settings)
        if not any(one.name == "bucket" for one in store.list()):
            store.add("bucket", "s3", self.place.credential.values)
        return settings

    def orphans(self) -> tuple[str, ...]:
        with self.open() as workspace:
            return workspace.staging.orphans(workspace.ledger.batch_ids())


def world_of(sandbox: Sandbox, folder: Path, place: S3Place, page_rows: int = 9) -> CloudWorld:
    return CloudWorld(
        sandbox, folder, ("suppliers",), companies=("100",), page_rows=page_rows, place=place
    )


@pytest.mark.parametrize("at", range(1, 14))
def test_a_first_load_that_dies_at_any_write_point_is_made_good_by_the_next_run(
    sandbox: Sandbox, tmp_path: Path, place: S3Place, at: int
) -> None:
    world = world_of(sandbox, tmp_path, place, page_rows=4)
    died_at = world.crash(at)
    if died_at is None:
        assert at > len(world.points.passed), "the run must be longer than the crash point"
    world.run_well()
    world.assert_equals_the_erp()
    left = world.orphans()
    assert len(left) <= 1
    with world.open() as workspace:
        for orphan in left:
            workspace.staging.discard(orphan)
    assert world.orphans() == ()
    world.assert_equals_the_erp()


@pytest.mark.parametrize("kind", ["slow_down", "cut", "lost", "torn"])
def test_a_storage_that_fails_for_a_while_costs_a_run_and_nothing_else(
    sandbox: Sandbox, tmp_path: Path, place: S3Place, kind: FaultKind
) -> None:
    """Longer than one request is tried again: some runs are red, then the next one makes up for all of it."""
    world = world_of(sandbox, tmp_path, place)
    red = 0
    for operation, nth in (
        ("PutObject", 1),
        ("PutObject", 2),
        ("ListObjectsV2", 1),
        ("GetObject", 1),
        ("PutObject", 3),
    ):
        sandbox.erp.change("suppliers", 3, seed=nth)
        sandbox.clock.advance(hours=2)
        place.s3.faults.add(Fault(kind=kind, operation=operation, nth=nth, times=4))
        red += any(result.error for result in world.run())
        place.s3.faults.clear()
    assert red > 0 or kind == "torn"  # S3's answers to writes are short: half of one is whole
    world.run_well()
    world.assert_equals_the_erp()
    assert sum(result.counts.written for result in world.run_well()) == 0


def test_what_an_outage_held_back_is_delivered_later_and_its_trail_is_told(
    sandbox: Sandbox, tmp_path: Path, place: S3Place
) -> None:
    world = world_of(sandbox, tmp_path, place)
    warehouse = world.settings.home / "warehouse.duckdb"
    warehouse.write_bytes(b"this is not a database" * 1000)
    assert all(result.error for result in world.run())
    warehouse.unlink()

    with world.open() as workspace:
        overdue = overdue_deliveries(workspace, world.flow, older_than=timedelta())
        results = deliver_overdue(workspace, world.flow, overdue, run_id="later")
    assert [one.error for one in results] == [""]

    world.assert_equals_the_erp()
    record_id = next(iter(world.found("suppliers")))
    with world.open() as workspace:
        (story,) = trace(workspace, record_id)
    assert tuple(event.what for event in story.events) == ("read", "failed", "delivered")
    assert story.events[-1].outcome == "inserted"  # from the receipts in the bucket


def test_records_that_were_refused_are_replayed_from_the_bucket(
    sandbox: Sandbox, tmp_path: Path, place: S3Place
) -> None:
    world = world_of(sandbox, tmp_path, place)
    truth = sandbox.erp.truth("suppliers", "100")
    column = next(
        name for name in truth[0] if 0 < sum(row[name] is None for row in truth) < len(truth)
    )
    alter(world, f"CREATE SCHEMA erp; CREATE TABLE erp.suppliers ({column} VARCHAR NOT NULL)")
    world.run_well()
    with world.open() as workspace:
        letters = choose_letters(workspace, world.flow)
    assert len(letters) == sum(row[column] is None for row in truth)

    alter(world, f"ALTER TABLE erp.suppliers ALTER COLUMN {column} DROP NOT NULL")
    with world.open() as workspace:
        done = replay(workspace, world.flow, letters, run_id="replay")
    assert (done.attempted, done.still_open, done.errors) == (len(letters), 0, ())
    world.assert_equals_the_erp()


def alter(world: World, statements: str) -> None:
    """Somebody has a hand in the warehouse."""
    with duckdb.connect(str(world.settings.home / "warehouse.duckdb")) as connection:
        connection.execute(statements)


def test_a_sweep_knows_from_the_bucket_what_should_be_there(
    sandbox: Sandbox, tmp_path: Path, place: S3Place
) -> None:
    world = world_of(sandbox, tmp_path, place)
    world.run_well()
    gone = sandbox.erp.delete("suppliers", 2, "100", seed=1)
    for number in range(2):
        with world.open() as workspace:
            results = sweep_flow(workspace, world.flow, run_id=f"sweep-{number}")
            assert [one.problems for one in results if one.problems] == []
        sandbox.clock.advance(hours=1)
    marked = [row for row in world.found("suppliers").values() if row["_deleted_at"] is not None]
    assert len(marked) == len(gone)


def test_nothing_is_left_on_this_machine(
    sandbox: Sandbox, tmp_path: Path, place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    world = world_of(sandbox, tmp_path, place)
    world.run_well()
    assert list(scratch.iterdir()) == []
    assert not (world.settings.home / "staging").exists()
