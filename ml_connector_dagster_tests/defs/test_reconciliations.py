"""Reconciliation in Dagster: after each run what has changed, by its job everything; red with the records' keys."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from ml_connector_dagster.config.project import Project
from ml_connector_dagster.config.reconciling import Reconcile
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster_tests.defs.conftest import Installation
from ml_connector_dagster_tests.defs.test_marts import run
from ml_connector_dagster_tests.defs.test_replay import output, replay


KEY = dg.AssetKey(["acme", "warehouse", "reconciliation_purchasing"])


def reconcile(installation: Installation, **config: Any) -> dg.ExecuteInProcessResult:
    """What the job's page launches."""
    job = installation.defs.resolve_job_def("reconcile_purchasing")
    return job.execute_in_process(
        instance=installation.instance,
        run_config={"ops": {"reconcile_purchasing_tables": {"config": config}}},
        raise_on_error=False,
    )


def shown(installation: Installation) -> Mapping[str, Any]:
    (record, *_) = installation.instance.fetch_materializations(KEY, limit=1).records
    assert record.asset_materialization is not None
    return {name: one.value for name, one in record.asset_materialization.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {
        one.check_name: one for one in result.get_asset_check_evaluations() if one.asset_key == KEY
    }


def tamper(installation: Installation, sql: str) -> None:
    with duckdb.connect(str(installation.settings.home / "warehouse.duckdb")) as connection:
        connection.execute(sql)


def test_a_run_compares_its_changes_and_the_job_compares_everything(
    installation: Installation,
) -> None:
    ran = run(installation, "100", "200")
    assert ran.success
    assert {one.passed for one in checks(ran).values()} == {True}
    after_run = shown(installation)
    assert "changes since" in after_run["compared"]
    assert after_run["tables_wrong"] == 0

    everything = reconcile(installation)
    assert everything.success
    now = shown(installation)
    assert now["verdict"] == "All 6 tables agree with the ERP"
    assert now["erp_records"] == now["destination_records"] > after_run["erp_records"]
    assert 0 < now["erp_requests"] < now["erp_requests_allowed_per_minute"]
    assert Path(now["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")

    tamper(installation, "UPDATE erp.purchase_orders SET net_amount = net_amount + 1 WHERE record_id ="
           " (SELECT min(record_id) FROM erp.purchase_orders)")  # fmt: skip
    red = reconcile(installation)
    assert red.success  # the comparison has done its work; the check says what it found
    wrong = checks(red)["purchase_orders_agree"]
    assert (wrong.passed, wrong.severity) == (False, dg.AssetCheckSeverity.ERROR)
    record = duckdb.connect(str(installation.settings.home / "warehouse.duckdb"), read_only=True)
    (key,) = record.execute("SELECT min(record_id) FROM erp.purchase_orders").fetchall()[0]
    record.close()
    assert wrong.metadata["records_that_are_wrong"].value == f"{key} (different)"
    assert checks(red)["suppliers_agree"].passed
    assert shown(installation)["verdict"] == "1 of 6 tables differ from the ERP"

    # It stays red until everything is compared again: a run that looks at changes alone says nothing about it.
    assert not checks(run(installation, "100", "200"))["purchase_orders_agree"].passed

    mended = reconcile(installation, repair=True)
    assert checks(mended)["purchase_orders_agree"].passed
    assert shown(installation)["verdict"] == "All 6 tables agree with the ERP"
    assert shown(installation)["records_put_back"] == 1


def test_a_repair_that_does_not_arrive_is_told_and_sent_by_a_replay(
    installation: Installation,
) -> None:
    assert run(installation, "100", "200").success
    key = "acme/100/10001"
    tamper(installation, f"DELETE FROM erp.suppliers WHERE record_id = '{key}'")
    tamper(installation, "ALTER TABLE erp.suppliers ALTER COLUMN _modified_at TYPE VARCHAR")
    failed = reconcile(installation, repair=True, entities=["suppliers"], companies=["100"])
    assert not failed.success
    (step,) = failed.get_step_failure_events()
    told = step.step_failure_data.user_failure_data.description
    assert "1 records are staged and did not arrive; the job replay sends them" in told
    assert shown(installation)["records_not_arrived"] == 1
    tamper(
        installation,
        "ALTER TABLE erp.suppliers ALTER COLUMN _modified_at TYPE TIMESTAMP WITH TIME ZONE",
    )

    would = output(replay(installation, only_show=True))
    assert would["would_be_tried"] == 0
    assert "| suppliers | 100 | 1 | 1 |" in str(would["deliveries"])
    done = replay(installation)
    assert done.success
    assert output(done)["rows_changed"] == 1
    assert "| suppliers | 100 | 1 | 1 | 1 |" in str(output(done)["deliveries"])
    assert checks(reconcile(installation))["suppliers_agree"].passed


def test_a_check_may_be_run_by_itself(installation: Installation) -> None:
    """Its page has a button for it."""
    assert run(installation, "100", "200").success
    check = dg.AssetCheckKey(KEY, "suppliers_agree")
    job = installation.defs.resolve_implicit_global_asset_job_def()
    alone = job.get_subset(asset_selection=set(), asset_check_selection={check})
    result = alone.execute_in_process(instance=installation.instance, raise_on_error=False)
    assert result.success
    assert [one.passed for one in result.get_asset_check_evaluations()] == [True]


def test_the_launchpad_narrows_it(installation: Installation) -> None:
    assert run(installation, "100", "200").success
    assert reconcile(installation, entities=["suppliers"], companies=["200"]).success
    assert shown(installation)["tables_compared"] == 1
    failed = reconcile(installation, period="October")
    assert not failed.success
    (step,) = failed.get_step_failure_events()
    assert "write it like 2026-10" in step.step_failure_data.user_failure_data.description


def test_a_schedule_compares_everything_and_its_age_is_a_check(
    project: Project, settings: Settings
) -> None:
    daily = Reconcile(schedule=Schedule(every="day", at="04:00"), after_runs=False)
    flows = {
        name: flow.model_copy(update={"reconcile": daily}) for name, flow in project.flows.items()
    }
    defs = build_definitions(project.model_copy(update={"flows": flows}), settings)
    schedule = defs.resolve_schedule_def("purchasing_reconcile_schedule")
    assert schedule.cron_schedule == ["0 4 * * *"]
    at = datetime(2026, 1, 18, 4, tzinfo=UTC)
    with (
        dg.instance_for_test() as instance,
        dg.build_schedule_context(instance=instance, scheduled_execution_time=at) as context,
    ):
        (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.tags["ml_connector/reconcile"] == "purchasing"
    graph = defs.resolve_asset_graph()
    names = {key.name for key in graph.asset_check_keys if key.asset_key == KEY}
    assert "recently_reconciled" in names
    flow_job = next(
        job for job in defs.get_repository_def().get_all_jobs() if job.name.startswith("__anonymous_asset_job_purchasing_schedule")
    )  # fmt: skip
    layer = flow_job.asset_layer
    assert KEY not in layer.executable_asset_keys
