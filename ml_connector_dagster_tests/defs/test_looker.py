"""Looker in Dagster: model, dataset and plans, after the tables and marts of the same run."""

from collections.abc import Iterator

import dagster as dg
import duckdb
import pytest


pytest.importorskip("looker_sdk", reason="the extra 'looker' is not installed")

from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.defs.looker import FITS, FRESH
from ml_connector_dagster.defs.names import WORKSPACE
from ml_connector_dagster.defs.resources import workspace_resource
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster.sandbox.looker import Fault
from ml_connector_dagster_tests.looker_world import LookerWorld, looker_world


MODEL, DATASET, PLAN = (
    dg.AssetKey(["acme", "looker", "flow", *rest])
    for rest in (["model"], ["dataset"], ["plans", "21"])
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LookerWorld]:
    with (
        Sandbox.start(SandboxOptions(size=ErpSize.tiny())) as erp,
        looker_world(erp, tmp_path_factory.mktemp("looker")) as started,
    ):
        yield started


def run(
    world: LookerWorld, instance: dg.DagsterInstance, *only: dg.AssetKey
) -> dg.ExecuteInProcessResult:
    """What a schedule launches: everything of the flow, over a range of partitions. Or ``only`` these."""
    defs = build_definitions(
        world.project,
        world.settings,
        resources={WORKSPACE: workspace_resource(world.open)},
        now=world.sandbox.clock.now,
    )
    today = world.sandbox.clock.today()
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=list(only) or None,
        tags={}
        if only
        else {
            "dagster/asset_partition_range_start": f"100|{today}",
            "dagster/asset_partition_range_end": f"100|{today}",
            "ml_connector/mode": "incremental",
        },
        raise_on_error=False,
    )


def made(result: dg.ExecuteInProcessResult) -> list[dg.AssetKey]:
    return [
        event.step_materialization_data.materialization.asset_key
        for event in result.get_asset_materialization_events()
    ]


def test_a_run_publishes_after_the_tables_and_marts_and_sends_the_plans(world: LookerWorld) -> None:
    with dg.instance_for_test() as instance:
        result = run(world, instance)
        assert result.success
        order = made(result)
        mart = dg.AssetKey(["acme", "warehouse", "marts", "purchase_commitments"])
        assert (
            order.index(mart)
            < order.index(MODEL)
            < order.index(DATASET)
            < order.index(PLAN)
            == len(order) - 1
        )
        checks = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
        assert checks[FITS]
        assert checks[FRESH]
        (record, *_) = instance.fetch_materializations(DATASET, limit=1).records
        assert record.asset_materialization is not None
        told = {name: one.value for name, one in record.asset_materialization.metadata.items()}
        assert told["freshness"] == "fresh"
        assert told["sync_id"] == result.run_id
        (record, *_) = instance.fetch_materializations(MODEL, limit=1).records
        assert record.asset_materialization is not None
        lineage = str(record.asset_materialization.metadata["field_lineage"].value)
        assert "suppliers.name" in lineage


def test_an_old_answer_fails_the_run_readably_and_sends_no_plan(world: LookerWorld) -> None:
    with dg.instance_for_test() as instance:
        assert run(world, instance).success
        sent = len(world.looker.instance.plans.deliveries)
        fault = world.looker.faults.add(Fault(kind="stale", call="POST /queries/run", times=None))
        result = run(world, instance)
        world.looker.faults.clear()

    assert fault.fired
    assert not result.success
    assert PLAN not in made(result)
    assert DATASET not in made(result)
    assert len(world.looker.instance.plans.deliveries) == sent
    fresh = [one for one in result.get_asset_check_evaluations() if one.check_name == FRESH]
    assert [one.passed for one in fresh] == [False], "red, not absent"
    assert "is at sync" in str(fresh[0].metadata["answer"].value)
    (failed,) = [one for one in result.all_events if one.is_step_failure]
    assert "Looker does not see the load" in str(failed.step_failure_data.user_failure_data)


def test_a_column_that_was_removed_is_caught_before_anything_is_sent(world: LookerWorld) -> None:
    with dg.instance_for_test() as instance:
        assert run(world, instance).success
        file = str(world.settings.home / "warehouse.duckdb")
        with duckdb.connect(file) as connection:
            connection.execute("ALTER TABLE erp.suppliers DROP COLUMN name")
        sent = len(world.looker.instance.plans.deliveries)
        result = run(world, instance, MODEL, DATASET, PLAN)  # a delivery would bring it back

    checks = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert not checks[FITS]
    assert FRESH not in checks
    assert len(world.looker.instance.plans.deliveries) == sent
