"""Business object documents in Dagster: a sensor that sees files, and the job that takes them.

A job of one op, not an asset: documents come in no partition. What they change reaches the assets' tables all the same.
"""

import dagster as dg

from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.failures import Problem, failure
from ml_connector_dagster.defs.metadata import table
from ml_connector_dagster.defs.names import DOCUMENTS_TAG, TENANT_TAG, WORKSPACE
from ml_connector_dagster.defs.schedules import UNFINISHED
from ml_connector_dagster.sync.documents import deliver_documents, take_documents, waiting


#: A look at a folder costs nothing.
LOOK_EVERY = 30


def documents_job(tenant: str) -> dg.JobDefinition:
    """The job that takes all documents of ``tenant`` that have arrived, and delivers them."""

    @dg.op(
        name=f"take_{tenant}",
        out=dg.Out(dg.Nothing),
        required_resource_keys={WORKSPACE},
        description="Stages what the documents say, moves the files, and delivers to every destination.",
    )
    def take(context: dg.OpExecutionContext) -> None:
        workspace = context.resources.workspace.current
        try:
            intake = take_documents(workspace, tenant, run_id=context.run_id)
            results = deliver_documents(workspace, tenant, intake, run_id=context.run_id)
        except Exception as error:
            problem = Problem(subject=f"tenant {tenant}", error=error)
            raise failure(f"documents of {tenant} were not taken", [problem]) from None
        metadata = {
            "taken": dg.MetadataValue.int(intake.taken),
            "outdated": dg.MetadataValue.int(intake.outdated),
            "rows_staged": dg.MetadataValue.int(sum(batch.rows for batch in intake.batches)),
            "rows_changed": dg.MetadataValue.int(sum(one.counts.written for one in results)),
            "refused": table(
                ["file", "reason"], [[one.file, redact(one.reason)] for one in intake.refused]
            ),
        }
        errors = [f"{one.destination} {one.entity}: {one.error}" for one in results if one.error]
        if intake.refused or errors:
            refused = [f"{one.file}: {one.reason}" for one in intake.refused]
            raise dg.Failure(
                description=redact(
                    f"{len(refused)} document(s) of {tenant} cannot be used, {len(errors)} deliveries failed; all others "
                    f"are in. {'; '.join([*refused[:5], *errors])}. Correct what is in the folder of the rejected and put "
                    "it back under its name; deliveries are made up for by the replay sensor."
                ),
                metadata=metadata,
                allow_retries=False,
            )
        context.add_output_metadata(metadata)

    @dg.job(
        name=f"take_documents_{tenant}",
        tags={DOCUMENTS_TAG: tenant, TENANT_TAG: tenant},
        description=f"Take the business object documents of {tenant!r} that have arrived, and deliver what they changed.",
    )
    def documents() -> None:
        take()

    return documents


def documents_sensor(
    connection: CloudSuiteConnection, job: dg.JobDefinition
) -> dg.SensorDefinition:
    """Starts ``job`` when files are there and no run is at them."""
    tenant = connection.name

    @dg.sensor(
        name=f"{tenant}_documents",
        job=job,
        minimum_interval_seconds=LOOK_EVERY,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Takes business object documents of {tenant!r} as they arrive.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if connection.bods is None or not waiting(connection.bods):
            return dg.SkipReason("No document has arrived.")
        filters = dg.RunsFilter(tags={DOCUMENTS_TAG: tenant}, statuses=UNFINISHED)
        if context.instance.get_runs_count(filters):
            return dg.SkipReason("A run is still taking documents.")
        return dg.RunRequest(tags={DOCUMENTS_TAG: tenant, TENANT_TAG: tenant})

    return look
