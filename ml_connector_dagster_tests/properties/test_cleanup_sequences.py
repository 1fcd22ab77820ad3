"""Whatever changes, is delivered, cleaned up or dies in whatever order: nothing that is needed is ever removed.

After any sequence a destination that comes then, a replay, and the destination that was there all along hold what the
oracle holds which was there from the beginning. As many examples as ``ML_CONNECTOR_EXAMPLES`` says, for a long night.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ml_connector_dagster.config.retention import Retention
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.memory import MemoryDestination
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.cleanup import clean_up
from ml_connector_dagster.sync.deliver import deliver
from ml_connector_dagster.sync.flows import ReadMode
from ml_connector_dagster.sync.sweep import sweep_flow
from ml_connector_dagster.sync.verify import verify_delivery
from ml_connector_dagster.sync.versions import newest_rows
from ml_connector_dagster_tests.world import Crash, World


ENTITY = "suppliers"
RETENTION = Retention(batches_days=2, receipts_days=30)

Step = tuple[str, Callable[["_Aging"], None]]


class _Aging:
    """A world with an oracle that gets every batch as soon as it is there."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.oracle = MemoryDestination("oracle.erp")

    def run(self, mode: ReadMode = ReadMode.INCREMENTAL) -> None:
        self.world.run(mode)
        self.tell(self.oracle)

    def tell(self, destination: MemoryDestination) -> None:
        """Deliver what it lacks, without a word in the ledger about anybody else."""
        with self.world.open() as workspace:
            deliver(
                destination,
                workspace.ledger,
                workspace.staging,
                tenant="acme",
                entity=ENTITY,
                companies=self.world.companies,
                run_id=destination.name,
            )

    def clean(self, crash_at: int | None = None) -> None:
        """Clean up; with ``crash_at``, die at that write point of staging, or between two steps."""
        self.world.points.passed.clear()
        self.world.points.crash_at = crash_at
        try:
            with self.world.open() as workspace:
                project = workspace.project.model_copy(update={"retention": RETENTION})
                workspace.project = project
                clean_up(workspace, run_id="clean-up", grace=timedelta(0), step=self.world.points)
        except Crash:
            pass
        finally:
            self.world.points.crash_at = None

    def sweep(self) -> None:
        with self.world.open() as workspace:
            sweep_flow(workspace, self.world.flow, run_id="sweep", brake_percent=100)
        self.tell(self.oracle)

    def batches(self) -> int:
        with self.world.open() as workspace:
            return len(workspace.ledger.batches(tenant="acme"))

    def wait(self, hours: int) -> None:
        self.world.sandbox.clock.advance(hours=hours)


def _named(name: str, act: Callable[[_Aging], object]) -> Step:
    def step(aging: _Aging) -> None:
        act(aging)

    return name, step


def _erp(what: str, count: int, seed: int) -> Step:
    def act(aging: _Aging) -> None:
        erp = aging.world.sandbox.erp
        getattr(erp, what)(ENTITY, count, seed=seed)

    return _named(f"{what} {count} (seed {seed})", act)


steps = st.one_of(
    st.builds(
        _erp,
        st.sampled_from(["change", "touch", "insert", "delete"]),
        st.integers(1, 5),
        st.integers(0, 9),
    ),
    st.just(_named("run", lambda aging: aging.run())),
    st.just(_named("read everything", lambda aging: aging.run(ReadMode.FULL))),
    st.builds(lambda hours: _named(f"{hours} h pass", lambda a: a.wait(hours)), st.integers(1, 80)),
    st.just(_named("clean up", lambda aging: aging.clean())),
    st.builds(
        lambda at: _named(f"a clean-up dies at write point {at}", lambda a: a.clean(at)),
        st.integers(1, 16),
    ),
    st.just(_named("sweep", lambda aging: aging.sweep())),
)


@pytest.mark.timeout(1800)
@settings(
    max_examples=int(os.environ.get("ML_CONNECTOR_EXAMPLES", "6")),
    deadline=None,
    derandomize="ML_CONNECTOR_EXAMPLES" not in os.environ,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=st.lists(steps, min_size=4, max_size=10))
def test_any_sequence_with_clean_ups_leaves_everybody_with_what_the_oracle_holds(
    sandbox: Sandbox, sequence: list[Step]
) -> None:
    sandbox.reset()
    with tempfile.TemporaryDirectory() as folder:
        aging = _Aging(World(sandbox, Path(folder), [ENTITY], companies=("100",)))
        aging.run()
        for _, step in sequence:
            step(aging)
        aging.run()
        aging.wait(80)
        aging.run()
        before = aging.batches()
        aging.clean()
        assert aging.batches() < before
        _assert_nothing_needed_is_gone(aging)


def _assert_nothing_needed_is_gone(aging: _Aging) -> None:
    expected = _held(aging.oracle)
    assert expected
    found = {key: _content(row) for key, row in aging.world.found(ENTITY).items()}
    assert found == expected, "the destination that was there all along"
    late = MemoryDestination("late.erp")
    aging.tell(late)
    assert _held(late) == expected, "a destination that comes after the clean-up"
    with aging.world.open() as workspace:
        rows, _ = newest_rows(workspace, "acme", ENTITY, "100", sorted(expected))
        assert {row["record_id"]: _content(row) for row in rows.to_pylist()} == expected
        target = aging.world.flow.destinations[0]
        checked = verify_delivery(
            workspace,
            aging.world.flow,
            target,
            entity=ENTITY,
            companies=["100"],
            run_id="check",
        )
        assert checked.problems == ()
        assert workspace.ledger.watermark("acme", ENTITY, "100") is not None
        there = {batch.batch_id for batch in workspace.ledger.batches(tenant="acme")}
        assert workspace.ledger.cleaning.watermark_batches() <= there
        for batch in workspace.ledger.batches(tenant="acme"):
            assert workspace.staging.open(batch).reader().read_all().num_rows == batch.rows


def _held(destination: MemoryDestination) -> dict[str, Any]:
    rows = destination.rows(ENTITIES[ENTITY], Scope(tenant="acme")).to_pylist()
    return {row["record_id"]: _content(row) for row in rows}


def _content(row: Mapping[str, Any]) -> tuple[str, bool]:
    return row["_row_hash"], row["_deleted_at"] is not None
