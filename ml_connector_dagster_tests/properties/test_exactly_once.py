"""Whatever changes, breaks or dies in whatever order: the warehouse ends equal to the ERP and to the oracle.

A few examples always, the same ones; as many other ones as ``ML_CONNECTOR_EXAMPLES`` says, for a long night.

Nothing lost, nothing doubled. A crash is an exception that nobody may catch, raised at one of the points between
two writes; what runs next is a new workspace on the same folder, as after a restart.
"""

import os
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ml_connector_dagster.destinations.memory import MemoryDestination
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.sandbox import Fault, Sandbox
from ml_connector_dagster.sync.deliver import deliver
from ml_connector_dagster_tests.properties import steps
from ml_connector_dagster_tests.properties.steps import Step
from ml_connector_dagster_tests.world import World, rows_by_record


ENTITIES_MOVED = ("suppliers", "purchase_orders", "purchase_order_lines")


def _fault(kind: str, nth: int) -> Step:
    return (
        f"{kind} at call {nth}",
        lambda world: world.sandbox.faults.add(Fault(kind=kind, nth=nth)),  # type: ignore[arg-type]
    )


entities = st.sampled_from(ENTITIES_MOVED)
counts = st.integers(1, 6)
seeds = st.integers(0, 9)

any_step = st.one_of(
    st.builds(steps.change, entities, counts, seeds),
    st.builds(steps.insert, entities, st.integers(1, 2), seeds),
    st.builds(steps.touch, entities, counts, seeds),
    st.just(steps.RUN),
    st.builds(steps.crash, st.integers(1, 60)),
    st.builds(
        _fault,
        st.sampled_from(
            [
                "unauthorized",
                "too_many_requests",
                "truncated",
                "duplicate_page",
                "cut",
                "html",
                "lost",
            ]
        ),
        st.integers(1, 6),
    ),
    st.builds(steps.wait, st.integers(1, 30)),
    st.just(steps.REPLAY),
)


@pytest.mark.timeout(1800)
@settings(
    max_examples=int(os.environ.get("ML_CONNECTOR_EXAMPLES", "8")),
    deadline=None,
    derandomize="ML_CONNECTOR_EXAMPLES" not in os.environ,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=st.lists(any_step, min_size=2, max_size=8))
def test_any_sequence_of_changes_faults_and_crashes_ends_equal_to_the_erp_and_the_oracle(
    sandbox: Sandbox, sequence: list[Step]
) -> None:
    sandbox.reset()
    with tempfile.TemporaryDirectory() as folder:
        world = World(sandbox, Path(folder), ENTITIES_MOVED, companies=("100",), page_rows=9)
        for _, act in sequence:
            act(world)
        sandbox.faults.clear()
        world.run_well()

        world.assert_equals_the_erp()
        _assert_equals_the_oracle(world)
        assert sum(result.counts.written for result in world.run_well()) == 0


@pytest.mark.parametrize("at", range(1, 14))
def test_a_first_load_that_dies_at_any_write_point_is_made_good_by_the_next_run(
    sandbox: Sandbox, tmp_path: Path, at: int
) -> None:
    world = World(sandbox, tmp_path, ("suppliers",), companies=("100",), page_rows=4)
    died_at = world.crash(at)
    if died_at is None:
        assert at > len(world.points.passed), "the run must be longer than the crash point"
    world.run_well()
    world.assert_equals_the_erp()
    _assert_equals_the_oracle(world)


def _assert_equals_the_oracle(world: World) -> None:
    """Every committed batch, in order, into memory: rows and history must be the warehouse's."""
    oracle = MemoryDestination("oracle.erp")
    with world.open() as workspace:
        for entity in world.entities:
            deliver(
                oracle,
                workspace.ledger,
                workspace.staging,
                tenant="acme",
                entity=entity,
                companies=world.companies,
                run_id="oracle",
            )
            target = world.flow.destinations[0]
            expected = rows_by_record(workspace, nullcontext(oracle), entity, None)
            found = rows_by_record(workspace, workspace.destination(target), entity, None)
            assert found == expected
            with workspace.destination(target) as warehouse:
                for record_id in expected:
                    old = oracle.history(ENTITIES[entity], record_id)["_row_hash"].to_pylist()
                    kept = warehouse.history(ENTITIES[entity], record_id)["_row_hash"].to_pylist()
                    assert kept == old, record_id
