"""What a person sees when something is wrong: what happened, what to do, and no secret."""

import json
import logging
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import dagster as dg

from ml_connector_dagster.credentials.keys import KeyRing
from ml_connector_dagster.credentials.store import CredentialStore
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.defs.failures import Problem, failure
from ml_connector_dagster.defs.partitions import partition_key
from ml_connector_dagster.defs.sensors import failed_runs
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ContractError, CredentialError, TransientError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Fault
from ml_connector_dagster_tests.defs.conftest import Installation


def step_failure(result: dg.ExecuteInProcessResult, step: str) -> dg.DagsterEvent:
    found = [
        event for event in result.all_events if event.is_step_failure and event.step_key == step
    ]
    assert len(found) == 1, [event.message for event in result.all_events if event.is_failure]
    return found[0]


def everything_stored(installation: Installation, run_id: str) -> str:
    """All that Dagster keeps of a run, as text."""
    return "\n".join(map(str, installation.instance.all_logs(run_id)))


def test_a_refused_credential_is_a_red_run_that_says_what_to_do(installation: Installation) -> None:
    ionapi = json.loads(installation.sandbox.ionapi_text("ACME_TST"))
    ionapi["sask"] = "this-secret-is-wrong-and-must-not-show"
    store = CredentialStore(
        installation.settings.credentials_file, KeyRing.from_settings(installation.settings)
    )
    store.remove("ACME_TST")
    store.add("ACME_TST", "ionapi", {"ionapi": Secret(json.dumps(ionapi))})

    result = installation.materialize("suppliers")

    assert not result.success
    event = step_failure(result, "acme__suppliers")
    shown = event.step_failure_data.user_failure_data
    assert shown is not None
    assert "Suppliers of acme were not read" in shown.description
    assert "ml-connector credentials add" in shown.description
    assert {"what happened", "what to do"} <= shown.metadata.keys()
    text = everything_stored(installation, result.run_id)
    for name in ("sask", "saak", "cs"):
        assert ionapi[name] not in text, f"{name} is in an event"
    assert not any(event.is_step_up_for_retry for event in result.all_events)


def test_a_credential_that_is_not_there_is_named(installation: Installation) -> None:
    store = CredentialStore(
        installation.settings.credentials_file, KeyRing.from_settings(installation.settings)
    )
    store.remove("ACME_TST")

    result = installation.materialize("suppliers")

    shown = step_failure(result, "acme__suppliers").step_failure_data.user_failure_data
    assert shown is not None
    assert "ACME_TST" in shown.description


def test_one_failing_company_does_not_hold_the_other(installation: Installation) -> None:
    installation.sandbox.faults.add(Fault(kind="html", company="100", times=None))

    result = installation.materialize("purchase_orders", companies=("100", "200"), days=(1, 0))

    assert not result.success
    shown = step_failure(result, "acme__purchase_orders").step_failure_data.user_failure_data
    assert shown is not None
    assert "company 100" in shown.description
    assert "company 200" in shown.metadata["not affected"].value
    assert installation.events("acme", "purchase_orders").keys() == {
        partition_key("200", installation.day(1)),
        partition_key("200", installation.day(0)),
    }

    installation.sandbox.faults.clear()
    assert installation.materialize("purchase_orders", companies=("200", "200")).success


def test_an_outage_of_the_warehouse_is_said_and_made_up_by_replay(
    installation: Installation,
) -> None:
    warehouse = installation.settings.home / "warehouse.duckdb"
    warehouse.write_bytes(b"this is not a database" * 1000)

    result = installation.materialize("purchase_orders", full=True)

    assert not result.success
    shown = step_failure(
        result, "acme__warehouse__purchase_orders"
    ).step_failure_data.user_failure_data
    assert shown is not None
    assert "did not reach warehouse.erp" in str(shown.description)
    assert installation.events("acme", "purchase_orders")
    assert not installation.events("acme", "warehouse", "purchase_orders")

    warehouse.unlink()
    again = installation.defs.resolve_job_def("replay").execute_in_process(
        instance=installation.instance
    )
    assert again.success
    with (
        installation.open() as workspace,
        workspace.destination(installation.flow.destinations[0]) as destination,
    ):
        found = destination.inspect(
            ENTITIES["purchase_orders"], Scope(tenant="acme", company="100")
        )
    assert found.rows == len(installation.sandbox.erp.truth("purchase_orders", "100"))


def test_secrets_in_log_lines_are_masked_before_dagster_stores_them(
    installation: Installation, tmp_path: Path
) -> None:
    secret = "Bearer abcdefghijklmnopqrstuvwxyz0123456789"

    def now() -> datetime:
        logging.getLogger("ml_connector_dagster.test").warning("sent Authorization: %s", secret)
        return installation.sandbox.clock.now()

    defs = build_definitions(installation.project, installation.settings, now=now)
    overrides = {"python_logs": {"managed_python_loggers": ["ml_connector_dagster"]}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as instance:
        watched = replace(installation, defs=defs, instance=instance)
        result = watched.materialize("suppliers")
        text = everything_stored(watched, result.run_id)
    assert "sent Authorization" in text
    assert secret not in text


def test_a_failed_run_is_one_line_for_log_collectors(installation: Installation) -> None:
    installation.sandbox.faults.add(Fault(kind="html", times=None))
    result = installation.materialize("purchase_orders")
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=installation.instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()
    lines: list[str] = []
    context.log.error = lines.append  # type: ignore[method-assign]

    failed_runs(context)

    assert len(lines) == 1
    assert "acme__purchase_orders" in lines[0]
    assert "were not read" in lines[0]


def test_only_what_may_pass_is_tried_again() -> None:
    passing, refused = TransientError("gateway busy"), CredentialError("no access")
    assert failure("x", [Problem(subject="a", error=passing)]).allow_retries
    assert not failure("x", [Problem(subject="a", error=refused)]).allow_retries
    both = [Problem(subject="a", error=passing), Problem(subject="b", error=refused)]
    assert not failure("x", both).allow_retries


def test_an_own_fault_shows_its_traceback_without_secrets() -> None:
    try:
        raise ValueError("Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789")
    except ValueError as error:
        shown = failure("It broke", [Problem(subject="company 100", error=error)])
    text = f"{shown.description} {shown.metadata}"
    assert "abcdefghijklmnopqrstuvwxyz0123456789" not in text
    assert "test_failures.py" in shown.metadata["traceback"].value


def test_every_step_is_said_once() -> None:
    shown = failure(
        "x",
        [Problem(subject=name, error=ContractError("odd answer")) for name in ("a", "b")],
    )
    assert shown.description is not None
    assert shown.description.count("What to do") == 1
    assert shown.description.count("ml-connector ping") == 1
