"""Key sweeps as Dagster runs them: a job of one op, one run per company at each tick, an age on every table."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import dagster as dg

from ml_connector_dagster.config.project import Flow, Project
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.config.sweeps import Sweep
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.defs.sweeps import recently_swept
from ml_connector_dagster_tests.defs.conftest import Installation


def swept_weekly(flow: Flow) -> Flow:
    sweep = Sweep(schedule=Schedule(every="week", on="sunday", at="03:00"))
    return flow.model_copy(update={"sweep": sweep})


def weekly_definitions(project: Project, settings: Settings) -> dg.Definitions:
    flows = {name: swept_weekly(flow) for name, flow in project.flows.items()}
    return build_definitions(project.model_copy(update={"flows": flows}), settings)


def sweep(installation: Installation) -> dg.ExecuteInProcessResult:
    job = installation.defs.get_job_def("sweep_purchasing")
    return job.execute_in_process(instance=installation.instance, raise_on_error=False)


def test_two_sweeps_mark_what_is_gone_and_every_table_says_so(installation: Installation) -> None:
    assert installation.materialize("suppliers", "purchase_orders", full=True).success
    installation.sandbox.erp.delete("suppliers", 1, "100")
    assert sweep(installation).success
    assert sweep(installation).success
    observed = installation.instance.fetch_observations(
        dg.AssetKey(["acme", "warehouse", "suppliers"]), limit=10
    ).records
    marks = [
        one.asset_observation.metadata["records_marked"].value
        for one in observed
        if one.asset_observation is not None
    ]
    assert sorted(marks, key=str) == [0, 0, 0, 1]
    again = installation.materialize("suppliers", incremental=True)
    assert again.success  # the row count check counts what is marked
    newest = max(installation.events("acme", "suppliers").items())[1]
    assert newest["last_sweep"] != "none yet"


def test_a_braked_sweep_is_a_red_run_that_says_why(installation: Installation) -> None:
    assert installation.materialize("purchase_order_lines", full=True).success
    installation.sandbox.erp.delete("purchase_order_lines", 30, "100")
    result = sweep(installation)
    assert not result.success
    (failed,) = result.get_step_failure_events()
    said = failed.step_failure_data.user_failure_data.description
    assert "purchase_order_lines of company 100: 30 of" in said
    assert "the brake allows 20" in said


def test_a_tick_sweeps_each_company_in_a_run_of_its_own(
    project: Project, settings: Settings
) -> None:
    defs = weekly_definitions(project, settings)
    schedule = defs.resolve_schedule_def("purchasing_sweep_schedule")
    assert schedule.cron_schedule == ["0 3 * * 0"]
    at = datetime(2026, 1, 18, 3, tzinfo=UTC)
    with (
        dg.instance_for_test() as instance,
        dg.build_schedule_context(instance=instance, scheduled_execution_time=at) as context,
    ):
        requests = schedule.evaluate_tick(context).run_requests or []
    assert [one.run_config for one in requests] == [
        {"ops": {"find_deleted_purchasing": {"config": {"companies": [company]}}}}
        for company in ("100", "007")
    ]


def test_the_age_of_the_last_sweep_is_a_check(installation: Installation) -> None:
    flow = swept_weekly(installation.flow)
    assert installation.materialize("suppliers", companies=("100", "200"), full=True).success

    def check() -> dg.AssetCheckResult:
        with installation.open() as workspace:
            return recently_swept(
                workspace,
                flow,
                dg.AssetKey(["acme", "warehouse", "suppliers"]),
                entity="suppliers",
                companies=flow.companies,
                zone=ZoneInfo("Europe/Stockholm"),
            )

    assert not check().passed
    sweep(installation)
    assert check().passed
    installation.sandbox.clock.advance(days=15)
    late = check()
    assert not late.passed
    assert late.metadata["oldest_hours"].value == 360.0


def test_the_check_of_age_is_there_where_sweeps_are_scheduled(
    project: Project, settings: Settings
) -> None:
    names = {
        key.name
        for definition in weekly_definitions(project, settings).asset_checks or ()
        for key in definition.check_keys
    }
    assert "recently_swept" in names
    plain = build_definitions(project, settings)
    assert "recently_swept" not in {
        key.name for definition in plain.asset_checks or () for key in definition.check_keys
    }
