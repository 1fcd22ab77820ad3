"""The sensor and the job that take business object documents."""

from pathlib import Path

import dagster as dg

from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.intakes import DocumentIntake
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.sandbox.bods import BodSender
from ml_connector_dagster_tests.defs.conftest import Installation


def test_a_file_starts_a_run_that_takes_and_delivers_it(
    installation: Installation, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    connection = installation.project.connections["acme"]
    assert isinstance(connection, CloudSuiteConnection)
    taking = connection.model_copy(update={"bods": DocumentIntake(folder=inbox)})
    project = installation.project.model_copy(
        update={"connections": {**installation.project.connections, "acme": taking}}
    )
    defs = build_definitions(project, installation.settings, now=installation.sandbox.clock.now)
    sensor = defs.resolve_sensor_def("acme_documents")

    with dg.instance_for_test() as instance:

        def looked() -> int:
            with dg.build_sensor_context(instance=instance) as context:
                return len(sensor.evaluate_tick(context).run_requests or [])

        assert looked() == 0
        sender = BodSender(erp=installation.sandbox.erp)
        key = str(installation.sandbox.erp.truth("suppliers", "100")[0]["supplier_id"])
        content = sender.document("SupplierPartyMaster", "100", key)
        sender.publish(inbox, "one.xml", content)
        assert looked() == 1

    job = defs.resolve_job_def("take_documents_acme")
    result = job.execute_in_process(instance=installation.instance, raise_on_error=False)
    assert result.success
    assert (inbox / "done" / "one.xml").is_file()

    sender.publish(inbox, "two.xml", content[:100])
    result = job.execute_in_process(instance=installation.instance, raise_on_error=False)
    (failed,) = result.get_step_failure_events()
    said = failed.step_failure_data.user_failure_data.description
    assert "two.xml: not well-formed XML" in said
