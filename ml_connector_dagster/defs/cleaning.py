"""Clean-ups in Dagster: a job of one op, and its schedule."""

from zoneinfo import ZoneInfo

import dagster as dg
from pydantic import Field

from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.defs.failures import Problem, failure
from ml_connector_dagster.defs.metadata import table
from ml_connector_dagster.defs.names import CLEANING_JOB, CLEANING_OP, WORKSPACE
from ml_connector_dagster.sync.cleanup import Cleaning, clean_up


class CleaningConfig(dg.Config):
    """How a clean-up runs; what it removes stands in the flows file, under retention."""

    dry_run: bool = Field(default=False, description="Remove nothing: only show what would be.")


def cleaning_job() -> dg.JobDefinition:
    """The job that removes what nobody needs any more."""

    @dg.op(
        name=CLEANING_OP,
        out=dg.Out(dg.Nothing),
        required_resource_keys={WORKSPACE},
        description="Replaces old batches by their newest rows, and forgets what only tells of the past.",
    )
    def remove_old(context: dg.OpExecutionContext, config: CleaningConfig) -> None:
        workspace = context.resources.workspace.current
        try:
            done = clean_up(workspace, run_id=context.run_id, dry_run=config.dry_run)
        except Exception as error:
            problem = Problem(subject="clean-up", error=error)
            raise failure("Not everything was cleaned up", [problem]) from None
        context.add_output_metadata(_metadata(done))

    @dg.job(
        name=CLEANING_JOB,
        description="Remove old batches, receipts and rows of the ledger, as `retention:` of the flows file says. Never "
        "the newest version of a record, nor anything that is pending or open.",
    )
    def clean_up_everything() -> None:
        remove_old()

    return clean_up_everything


def cleaning_schedule(clock: Schedule, job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """When the job runs by itself."""
    status = dg.DefaultScheduleStatus
    return dg.ScheduleDefinition(
        name=f"{CLEANING_JOB}_schedule",
        job=job,
        cron_schedule=list(clock.cron_expressions),
        execution_timezone=str(ZoneInfo(clock.timezone or "UTC")),
        default_status=status.RUNNING if clock.enabled else status.STOPPED,
        description="Removes what `retention:` of the flows file lets go.",
    )


def _metadata(done: Cleaning) -> dict[str, dg.MetadataValue]:
    return {
        "dry_run": dg.MetadataValue.bool(done.dry_run),
        "batches_removed": dg.MetadataValue.int(done.removed),
        "rows_kept": dg.MetadataValue.int(sum(one.kept for one in done.scopes)),
        "megabytes": dg.MetadataValue.float(sum(one.bytes for one in done.scopes) / 1e6),
        "folders_removed": dg.MetadataValue.int(done.folders),
        "batches": table(
            ["tenant", "entity", "company", "batches", "their rows", "rows kept", "not yet at"],
            [
                [
                    one.tenant,
                    one.entity,
                    one.company,
                    one.removed,
                    one.rows,
                    one.kept,
                    ", ".join(one.waiting),
                ]
                for one in done.scopes
                if one.removed or one.waiting
            ],
        ),
        "rows_of_the_ledger": table(["what", "rows"], sorted(done.forgotten.items())),
    }
