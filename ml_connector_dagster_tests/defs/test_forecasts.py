"""Planning in Dagster: a dry run from the launchpad, and what was planned beside what was read."""

from typing import Any

import dagster as dg

from ml_connector_dagster_tests.defs.conftest import Installation


def plan(installation: Installation, **config: Any) -> dg.ExecuteInProcessResult:
    job = installation.defs.get_job_def("plan_a_run")
    return job.execute_in_process(
        instance=installation.instance,
        run_config={"ops": {"foresee": {"config": config}}},
        raise_on_error=False,
    )


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (output,) = [one for one in result.all_events if one.is_successful_output]
    data = output.event_specific_data
    assert isinstance(data, dg._core.events.StepOutputData)
    return {name: value.value for name, value in data.metadata.items()}


def test_a_dry_run_tells_what_a_run_will_take_and_moves_nothing(
    installation: Installation,
) -> None:
    result = plan(installation, mode="full", companies=["100"])
    assert result.success
    said = metadata(result)
    assert said["requests"] > 0
    assert said["rows"] > 0
    assert said["quotas_suffice"] is True
    assert said["warnings"] == "none"
    assert "| suppliers | 100 |" in said["reads"]
    assert "| warehouse | suppliers |" in said["deliveries"].replace("warehouse.erp", "warehouse")
    assert installation.events("acme", "suppliers") == {}


def test_what_was_planned_stands_beside_what_was_read(installation: Installation) -> None:
    assert plan(installation, mode="full", companies=["100"]).success
    assert installation.materialize("suppliers", full=True).success
    newest = max(installation.events("acme", "suppliers").items())[1]
    assert newest["planned_requests"] == 2
    assert newest["plan"] == "2 requests were planned, 2 used, +0%"


def test_a_read_that_nobody_planned_says_nothing_of_plans(installation: Installation) -> None:
    assert installation.materialize("suppliers", full=True).success
    newest = max(installation.events("acme", "suppliers").items())[1]
    assert "planned_requests" not in newest


def test_days_that_are_no_days_are_an_error_that_says_how(installation: Installation) -> None:
    result = plan(installation, mode="days", first_day="yesterday")
    assert not result.success
    (failed,) = result.get_step_failure_events()
    said = failed.step_failure_data.user_failure_data.description
    assert "mode days needs first_day and last_day like 2026-01-01; got 'yesterday'" in said


def test_a_flow_that_is_not_there_is_named_with_those_that_are(installation: Installation) -> None:
    result = plan(installation, flow="sales")
    (failed,) = result.get_step_failure_events()
    said = failed.step_failure_data.user_failure_data.description
    assert "it is 'sales', and there are purchasing" in said
