"""Whatever is deleted, restored, changed and read in whatever order: two more sweeps, and every destination knows."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.memory import MemoryDestination
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.faults import Fault
from ml_connector_dagster.sync.deliver import deliver
from ml_connector_dagster_tests.spec.test_sweep import SweptWorld
from ml_connector_dagster_tests.world import business, key_of


ENTITY = "suppliers"

Step = Callable[[SweptWorld], object]


def _delete(seed: int) -> Step:
    return lambda world: world.sandbox.erp.delete(ENTITY, 1, "100", seed=seed)


def _change(seed: int) -> Step:
    return lambda world: world.sandbox.erp.change(ENTITY, 1, seed=seed)


def _insert(seed: int) -> Step:
    return lambda world: world.sandbox.erp.insert(ENTITY, 1, seed=seed)


def _restore(world: SweptWorld) -> None:
    world.sandbox.erp.reset()


def _broken_sweep(world: SweptWorld) -> None:
    world.sandbox.faults.add(
        Fault(kind="error_in_200", transaction="LstSuppliers", nth=2, times=None)
    )
    world.sweep()
    world.sandbox.faults.clear()


steps = st.one_of(
    st.builds(_delete, st.integers(0, 9)),
    st.builds(_change, st.integers(0, 9)),
    st.builds(_insert, st.integers(0, 9)),
    st.just(_restore),
    st.just(_broken_sweep),
    st.just(lambda world: world.run()),
    st.just(lambda world: world.sweep()),
)


@settings(
    max_examples=int(os.environ.get("ML_CONNECTOR_EXAMPLES", "4")),
    deadline=None,
    derandomize="ML_CONNECTOR_EXAMPLES" not in os.environ,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=st.lists(steps, min_size=4, max_size=10))
def test_two_sweeps_after_any_sequence_the_live_rows_are_the_erps_records(
    sandbox: Sandbox, sequence: list[Step]
) -> None:
    sandbox.reset()
    with tempfile.TemporaryDirectory() as folder:
        world = SweptWorld(sandbox, Path(folder), (ENTITY,), page_rows=6)
        world.run_well()
        for step in sequence:
            step(world)
        world.run_well()
        world.sweep_well()
        world.sweep_well()
        found = world.found(ENTITY)
        live = {
            key_of(ENTITY, row): business(ENTITY, row)
            for row in found.values()
            if row["_deleted_at"] is None
        }
        truth = {key_of(ENTITY, row) for row in sandbox.erp.truth(ENTITY)}
        assert live.keys() == truth
        assert oracle_rows(world) == {
            record_id: (row["_row_hash"], row["_deleted_at"]) for record_id, row in found.items()
        }


def oracle_rows(world: SweptWorld) -> dict[str, tuple[object, object]]:
    """Every batch into memory: record id → hash and mark."""
    oracle = MemoryDestination("oracle.erp")
    with world.open() as workspace:
        deliver(
            oracle,
            workspace.ledger,
            workspace.staging,
            tenant="acme",
            entity=ENTITY,
            companies=world.companies,
            run_id="oracle",
        )
    rows = oracle.rows(ENTITIES[ENTITY], Scope(tenant="acme")).to_pylist()
    return {row["record_id"]: (row["_row_hash"], row["_deleted_at"]) for row in rows}
