"""What Dagster knows of runs and checks reaches the channels: once when it begins, once when it is over."""

from collections.abc import Iterator

import dagster as dg
import pytest

from ml_connector_dagster.config.alerts import AlertChannel, Alerts
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.defs.alerts import run_subject
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Fault
from ml_connector_dagster_tests.defs.conftest import Installation
from ml_connector_dagster_tests.receivers import Webhook, webhook


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as running:
        yield running


@pytest.fixture
def repository(installation: Installation, hook: Webhook) -> dg.RepositoryDefinition:
    open_store(installation.settings).add("ops", "alerts", {"url": Secret(hook.address)})
    alerts = Alerts.model_validate({"ui": "https://dagster.example.com"}).model_copy(
        update={"channels": (AlertChannel(credential="ops"),)}
    )
    project = installation.project.model_copy(update={"alerts": alerts})
    defs = build_definitions(project, installation.settings, now=installation.sandbox.clock.now)
    return defs.get_repository_def()


def see(
    installation: Installation,
    repository: dg.RepositoryDefinition,
    name: str,
    result: dg.ExecuteInProcessResult,
) -> None:
    """Let a sensor of runs see how one ended."""
    failed = name == "alert_failed_runs"
    context = dg.build_run_status_sensor_context(
        sensor_name=name,
        dagster_event=result.get_run_failure_event() if failed else result.get_run_success_event(),
        dagster_instance=installation.instance,
        dagster_run=result.dagster_run,
    )
    repository.get_sensor_def(name)(context.for_run_failure() if failed else context)


def look(installation: Installation, repository: dg.RepositoryDefinition) -> str:
    """Let the sensor that looks around have its turn; what it says."""
    context = dg.build_sensor_context(
        instance=installation.instance, repository_def=repository, sensor_name="alerts"
    )
    said = repository.get_sensor_def("alerts").evaluate_tick(context).skip_message
    assert said is not None
    return said


def test_they_are_on_as_soon_as_there_is_a_channel(
    installation: Installation, repository: dg.RepositoryDefinition
) -> None:
    ours = {"alert_failed_runs", "alert_recovered_runs", "alerts"}
    states = {one.name: one.default_status for one in repository.sensor_defs if one.name in ours}
    assert states == dict.fromkeys(ours, dg.DefaultSensorStatus.RUNNING)
    without = {one.name for one in installation.defs.get_repository_def().sensor_defs}
    assert not ours & without


def test_a_run_that_fails_is_told_once_until_one_like_it_succeeds(
    installation: Installation, repository: dg.RepositoryDefinition, hook: Webhook
) -> None:
    installation.sandbox.faults.add(Fault(kind="html", times=None))
    for _ in range(2):
        broken = installation.materialize("suppliers")
        see(installation, repository, "alert_failed_runs", broken)
    subject = run_subject(broken.dagster_run)
    assert subject.startswith("acme/suppliers and 1 more [100|")
    assert hook.titles == [f"Run failed: {subject}"]
    message = hook.posted[0]["message"]
    assert message.startswith(f"{subject}: Suppliers of acme were not read. company 100: ")
    assert "https://dagster.example.com/runs/" in message

    installation.sandbox.faults.clear()
    healed = installation.materialize("suppliers")
    assert healed.success
    see(installation, repository, "alert_recovered_runs", healed)
    assert hook.titles[1:] == [f"Resolved: {subject}"]
    see(installation, repository, "alert_recovered_runs", healed)
    assert len(hook.posted) == 2


def test_a_schedules_runs_are_told_apart_by_flow_and_company() -> None:
    def run(**tags: str) -> dg.DagsterRun:
        named = {f"ml_connector/{name}": value for name, value in tags.items()}
        return dg.DagsterRun(job_name="__ASSET_JOB", tags=named)

    one = run(flow="buying", company="100", mode="incremental")
    assert run_subject(one) == "flow buying, company 100 (read and deliver)"
    assert run_subject(run(flow="buying", replay="buying")) == "flow buying (replay)"


def test_a_check_that_is_an_error_is_told_until_it_passes(
    installation: Installation, repository: dg.RepositoryDefinition, hook: Webhook
) -> None:
    """Row counts here; a reconciliation difference is a check too, and comes the same way."""

    def report(passed: bool) -> None:
        installation.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(["acme", "warehouse", "suppliers"]),
                check_name="row_count",
                passed=passed,
                description="2 of 20 are missing",
            )
        )

    assert look(installation, repository) == "0 notices sent; nothing to launch."
    report(False)
    for _ in range(2):
        look(installation, repository)
    assert hook.titles == ["Check failed: row_count of acme/warehouse/suppliers"]
    assert "2 of 20 are missing" in hook.posted[0]["message"]
    report(True)
    look(installation, repository)
    assert hook.titles[1:] == ["Resolved: row_count of acme/warehouse/suppliers"]


def test_a_channel_that_does_not_answer_does_not_stop_the_sensor(
    installation: Installation, repository: dg.RepositoryDefinition, hook: Webhook
) -> None:
    hook.status = 500
    installation.sandbox.faults.add(Fault(kind="html", times=None))
    broken = installation.materialize("suppliers")
    see(installation, repository, "alert_failed_runs", broken)
    assert hook.posted == []
    hook.status = 200
    assert look(installation, repository) == "1 notices sent; nothing to launch."
    assert len(hook.posted) == 1
