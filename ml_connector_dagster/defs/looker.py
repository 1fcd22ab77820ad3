"""What a flow publishes in Looker, as assets: the model, the dataset, and each scheduled plan.

They have no partitions, like marts, and run last. The dataset and the plans are one step: a plan may only be sent by the
very sync that was proved, and a step that begins anew knows which plans it has sent.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import dagster as dg

from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.config.project import Flow, Project
from ml_connector_dagster.defs.failures import RETRIES, Problem, failure
from ml_connector_dagster.defs.metadata import REASON_CELL, moment, table
from ml_connector_dagster.defs.names import COMPANY_TAG, WORKSPACE, looker_key
from ml_connector_dagster.lookml.dashboards import DASHBOARDS
from ml_connector_dagster.lookml.lineage import ErpFields, FieldLineage, field_lineage
from ml_connector_dagster.lookml.project import LookmlProject
from ml_connector_dagster.model.errors import StaleError
from ml_connector_dagster.sync.lookml import (
    check_lookml,
    dashboard_address,
    explore_address,
    lookml_project,
    publication_of,
)
from ml_connector_dagster.sync.plans import PlanResult, PlanState
from ml_connector_dagster.sync.publish import Proof, Publication, publish


FITS: Final = "lookml_fits_the_tables"
FRESH: Final = "looker_sees_this_load"

_NO_RIGHT: Final = "Asked in Looker itself, past its cache"


def looker_assets(
    project: Project,
    flow: Flow,
    tables: Mapping[str, dg.AssetKey],
    marts: Mapping[str, dg.AssetKey],
    erp: ErpFields,
) -> list[dg.AssetsDefinition]:
    """The model, and the dataset with its plans. ``tables`` and ``marts`` are those that Looker reads, by name."""
    below = {**tables, **marts}
    return [
        _model(project, flow, below, erp),
        _published(project, flow, list(below.values())),
    ]


def _model(
    project: Project, flow: Flow, below: Mapping[str, dg.AssetKey], erp: ErpFields
) -> dg.AssetsDefinition:
    wanted, connection = publication_of(project, flow)
    key = looker_key(flow, "model")
    generated = lookml_project(project, flow)
    lineage = field_lineage(generated, erp)

    @dg.asset(
        key=key,
        deps=list(below.values()),
        description=f"The LookML model {wanted.model} of project {wanted.project}: explores over the tables and marts at "
        f"{flow.looker_reads.name}. Write it with `ml-connector lookml write`.",
        group_name=_group(flow),
        kinds={"looker", "lookml"},
        owners=list(flow.owners),
        tags={"tenant": flow.source, "stage": "published"},
        metadata={
            "dagster/column_lineage": _column_lineage(lineage, below),
            "explores": _explores(connection, generated),
            "dashboards": _dashboards(connection, generated),
        },
        check_specs=[
            dg.AssetCheckSpec(
                FITS,
                asset=key,
                blocking=True,
                description="Every table and column that the generated LookML names is in the warehouse; else "
                "dashboards would break, so nothing is published.",
            )
        ],
        retry_policy=RETRIES,
        required_resource_keys={WORKSPACE},
    )
    def model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        try:
            problems, fitting = check_lookml(context.resources.workspace.current, flow)
        except Exception as error:
            problem = Problem(subject=f"model {wanted.model}", error=error)
            raise failure("The LookML was not compared with the tables", [problem]) from None
        found = [*problems, *fitting.problems]
        misfits = table(
            ["where", "problem"],
            [[one.where, one.message] for one in found[:50]],
            width=REASON_CELL,
        )
        return dg.MaterializeResult(
            metadata={
                "views": len(generated.tables),
                "fields": len(lineage),
                "field_lineage": _lineage_table(lineage),
            },
            check_results=[
                dg.AssetCheckResult(
                    asset_key=key,
                    check_name=FITS,
                    passed=not found,
                    severity=dg.AssetCheckSeverity.ERROR,
                    metadata={
                        "problems": len(found),
                        "columns_not_shown": len(fitting.unseen),
                        **({"what_does_not_fit": misfits} if found else {}),
                    },
                )
            ],
        )

    return model


def _published(project: Project, flow: Flow, below: Sequence[dg.AssetKey]) -> dg.AssetsDefinition:
    wanted, connection = publication_of(project, flow)
    dataset, model = looker_key(flow, "dataset"), looker_key(flow, "model")
    plans = {plan: looker_key(flow, "plans", plan) for plan in wanted.plans}
    outs = {
        "dataset": dg.AssetSpec(
            dataset,
            deps=[model, *below],
            description=f"What Looker shows of {flow.looker_reads.name}: caches are void after each load (datagroup "
            f"{wanted.datagroup}), and Looker was asked whether it sees the load.",
            metadata={"explores": _explores(connection, lookml_project(project, flow))},
        ),
        **{
            f"plan_{plan}": dg.AssetSpec(
                key,
                deps=[dataset],
                description=f"Scheduled plan {plan} of Looker, sent once after each load that was proved to be seen.",
            )
            for plan, key in plans.items()
        },
    }
    specs = [
        one.replace_attributes(
            group_name=_group(flow),
            kinds={"looker"},
            owners=list(flow.owners),
            tags={**one.tags, "tenant": flow.source, "stage": "published"},
            skippable=one.key != dataset,
        )
        for one in outs.values()
    ]

    @dg.multi_asset(
        name=f"publish_{flow.name}_in_looker",
        specs=specs,
        check_specs=[
            dg.AssetCheckSpec(
                FRESH,
                asset=dataset,
                description=f"{_NO_RIGHT}, Looker's database is at the sync that has just been loaded.",
            )
        ],
        retry_policy=RETRIES,
        required_resource_keys={WORKSPACE},
    )
    def publication(context: dg.AssetExecutionContext) -> Any:
        company = context.run.tags.get(COMPANY_TAG, "")
        try:
            done = publish(
                context.resources.workspace.current,
                flow,
                sync_id=context.run.run_id,
                companies=[company] if company in flow.companies else (),
            )
        except Exception as error:
            if isinstance(error, StaleError):
                yield _not_seen(dataset, error)
            problem = Problem(subject=f"connection {wanted.connection}", error=error)
            raise failure(f"{flow.name} was not published in Looker", [problem]) from None
        yield from _results(done, dataset, plans)
        if done.failed_plans:
            raise _plans_failed(done)

    return publication


def _not_seen(dataset: dg.AssetKey, error: StaleError) -> dg.AssetCheckResult:
    """The check is red, and not merely absent: Looker was asked, and answered with an older load."""
    return dg.AssetCheckResult(
        asset_key=dataset,
        check_name=FRESH,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"asked": True, "answer": str(error)},
    )


def _results(
    done: Publication, dataset: dg.AssetKey, plans: Mapping[str, dg.AssetKey]
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    yield dg.MaterializeResult(
        asset_key=dataset,
        metadata={
            "sync_id": done.sync_id,
            "load_finished_at": moment(done.finished_at),
            "datagroup_id": done.datagroup_id,
            "freshness": done.proof.value,
            "calls_of_this_run": done.calls,
            "plans": table(
                ["plan", "name", "state", "note"],
                [[one.plan_id, one.name, one.state.value, one.error] for one in done.plans],
                width=REASON_CELL,
            ),
            "quota": table(
                ["calls", "month", "made", "allowed"],
                [[one.kind.value, one.month, one.used, one.limit] for one in done.quota],
            ),
            **{f"{one.kind.value}_calls_this_month": one.used for one in done.quota},
        },
        check_results=[
            dg.AssetCheckResult(
                asset_key=dataset,
                check_name=FRESH,
                passed=True,
                metadata={"asked": done.proof is Proof.FRESH, "sync_id": done.sync_id},
            )
        ],
    )
    for one in done.plans:
        if one.state in (PlanState.SENT, PlanState.UNKNOWN):
            yield dg.MaterializeResult(asset_key=plans[one.plan_id], metadata=_plan(one))


def _plan(one: PlanResult) -> dict[str, Any]:
    return {
        "state": one.state.value,
        "plan": one.name or one.plan_id,
        "run": one.run_id or "not known",
        "status": one.status or "none yet",
        **({"note": one.error} if one.state is PlanState.UNKNOWN else {}),
    }


def _plans_failed(done: Publication) -> dg.Failure:
    told = "; ".join(f"plan {one.plan_id}: {one.error}" for one in done.failed_plans)
    return dg.Failure(
        description=f"Looker has the load, and {len(done.failed_plans)} of {len(done.plans)} plans did not go out: {told}. "
        "Correct the plan in Looker and run again",
        allow_retries=False,
    )


def _group(flow: Flow) -> str:
    return f"{flow.source}_looker"


def _explores(connection: LookerConnection, generated: LookmlProject) -> dg.MarkdownMetadataValue:
    names = [
        one.view for one in generated.tables if one.mart or (one.entity and not one.is_history)
    ]
    return dg.MetadataValue.md(
        "\n".join(
            f"- [{name}]({explore_address(connection.base_url, generated.model, name)})"
            for name in names
        )
    )


def _dashboards(connection: LookerConnection, generated: LookmlProject) -> dg.MarkdownMetadataValue:
    names = [one.mart for one in DASHBOARDS if one.mart in {mart.name for mart in generated.marts}]
    return dg.MetadataValue.md(
        "\n".join(
            f"- [{name}]({dashboard_address(connection.base_url, generated.model, name)})"
            for name in names
        )
    )


def _column_lineage(
    lineage: Sequence[FieldLineage], below: Mapping[str, dg.AssetKey]
) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            one.field: [dg.TableColumnDep(asset_key=below[one.table], column_name=one.column)]
            for one in lineage
            if one.table in below
        }
    )


def _lineage_table(lineage: Sequence[FieldLineage]) -> dg.MarkdownMetadataValue:
    return table(
        ["LookML field", "column", "ERP fields"],
        [
            [
                one.field,
                f"{one.table}.{one.column}",
                ", ".join(f"{where} {name}" for where, name in one.erp),
            ]
            for one in lineage
            if one.erp
        ],
    )
