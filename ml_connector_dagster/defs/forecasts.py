"""What a run will take, in Dagster: a job that says it before anything starts, and numbers beside what was read.

A job of one op, and not an asset: it materialises nothing. What the run then took stands on the assets' own pages.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from enum import Enum
from typing import Any, Final

import dagster as dg
from pydantic import Field

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.failures import Problem, failure
from ml_connector_dagster.defs.metadata import table
from ml_connector_dagster.defs.names import WORKSPACE
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.forecasts import Forecast
from ml_connector_dagster.sync.extract import Extraction
from ml_connector_dagster.sync.flows import ReadMode
from ml_connector_dagster.sync.forecast_outcomes import planned_read
from ml_connector_dagster.sync.forecasts import forecast_flow
from ml_connector_dagster.sync.workspace import Workspace


#: The op's name, under which the launchpad's config stands.
PLAN_OP: Final = "foresee"
#: Characters of a cell: reasons are sentences.
_CELL: Final = 200


class PlannedMode(Enum):
    """How much the planned run would read."""

    incremental = "incremental"
    days = "days"
    full = "full"


class PlanConfig(dg.Config):
    """The run to plan: an incremental one, unless it is told otherwise."""

    flow: str = Field(
        default="", description="The flow whose run is planned; may be left out when there is one."
    )
    mode: PlannedMode = Field(
        default=PlannedMode.incremental,
        description="incremental: from where the last run ended; days: first_day to last_day again; full: everything.",
    )
    first_day: str = Field(default="", description="mode days: the first day, like 2026-01-01.")
    last_day: str = Field(default="", description="mode days: the last day; today when left out.")
    companies: list[str] = Field(default=[], description='Only these companies, e.g. "100".')
    entities: list[str] = Field(default=[], description="Only these entities, e.g. suppliers.")


def plan_job(flows: Sequence[Flow]) -> dg.JobDefinition:
    """The dry run. ``flows``: those that can be named; the launchpad shows the first one."""
    by_name = {flow.name: flow for flow in flows}

    @dg.op(
        name=PLAN_OP,
        out=dg.Out(dg.Nothing),
        required_resource_keys={WORKSPACE},
        description="Asks the ERP how much there is, and every quota how much is left. Nothing is read or written.",
    )
    def foresee(context: dg.OpExecutionContext, config: PlanConfig) -> None:
        workspace: Workspace = context.resources.workspace.current
        try:
            flow = _found(by_name, config.flow)
            forecast = forecast_flow(
                workspace,
                flow,
                mode=ReadMode(config.mode.value),
                days=_days(workspace, flow, config),
                companies=config.companies,
                entities=config.entities,
                on_read=lambda entity, company: context.log.debug(f"{entity} {company}"),
            )
        except Exception as error:
            problem = Problem(subject=f"flow {config.flow}", error=error)
            raise failure(f"{config.flow} was not planned", [problem]) from None
        for warning in forecast.warnings:
            context.log.warning(redact(warning))
        context.add_output_metadata(forecast_metadata(forecast))

    shown: dict[str, Any] = {
        "flow": flows[0].name,
        "mode": ReadMode.INCREMENTAL.value,
        "first_day": "",
        "last_day": "",
        "companies": [],
        "entities": [],
    }

    @dg.job(
        name="plan_a_run",
        config={"ops": {PLAN_OP: {"config": shown}}},
        description="Say what a run will take before it starts: requests and minutes within the tenant's budget, rows "
        "and bytes, calls to each destination, and whether quotas suffice. Name flow, mode and days in the launchpad; "
        f"flows are {', '.join(by_name)}. Nothing is read or written.",
    )
    def plan() -> None:
        foresee()

    return plan


def forecast_metadata(forecast: Forecast) -> dict[str, Any]:
    """A forecast as the page of a run shows it."""
    return {
        "requests": forecast.requests,
        "minutes": round(forecast.seconds / 60, 2),
        "rows": forecast.rows,
        "megabytes": round(forecast.bytes / 1_000_000, 2),
        "requests_for_this_plan": forecast.spent,
        "quotas_suffice": all(one.suffices for one in forecast.quotas),
        "warnings": dg.MetadataValue.md("\n".join(f"- {redact(one)}" for one in forecast.warnings))
        if forecast.warnings
        else "none",
        "reads": table(
            ["entity", "company", "rows", "requests", "basis", "how", "route"],
            [
                [
                    one.entity,
                    one.company,
                    one.rows,
                    one.requests,
                    one.basis if not one.error else "error",
                    redact(one.error) or one.how,
                    one.route,
                ]
                for one in forecast.reads
            ],
            width=_CELL,
        ),
        "deliveries": table(
            ["destination", "entity", "rows", "way in", "calls", "calls are"],
            [
                [one.destination, one.entity, one.rows, ", ".join(one.ways), one.calls, one.basis]
                for one in forecast.deliveries
            ],
            width=_CELL,
        ),
        "quotas": table(
            ["system", "quota", "needed", "used", "limit", "we stop at", "suffices"],
            [
                [
                    one.system,
                    one.name,
                    one.needed,
                    one.used,
                    one.limit,
                    one.ceiling,
                    "yes" if one.suffices else "no",
                ]
                for one in forecast.quotas
            ],
        ),
    }


def against_plan(
    workspace: Workspace, flow: Flow, entity: str, company: str, reads: Sequence[Extraction]
) -> dict[str, Any]:
    """What was foreseen of ``reads``, for the asset's page; nothing when nobody planned them."""
    lines = list(_lines(workspace, flow, entity, company, reads))
    if not lines:
        return {}
    planned = sum(said for said, _ in lines)
    used = sum(took for _, took in lines)
    off = f", {(used - planned) / used:+.0%}" if used else ""
    return {
        "planned_requests": planned,
        "plan": f"{planned:,} requests were planned, {used:,} used{off}",
    }


def _lines(
    workspace: Workspace, flow: Flow, entity: str, company: str, reads: Sequence[Extraction]
) -> Iterator[tuple[int, int]]:
    for read in reads:
        said = planned_read(
            workspace,
            flow,
            entity=entity,
            company=company,
            window=read.window,
            began=read.batches[0].started_at,
        )
        if said is not None:
            yield said.requests, read.requests


def _found(flows: dict[str, Flow], name: str) -> Flow:
    if not name and len(flows) == 1:
        return next(iter(flows.values()))
    if name not in flows:
        raise ConfigError(
            f"name the flow in the launchpad: it is {name!r}, and there are {', '.join(flows)}"
        )
    return flows[name]


def _days(workspace: Workspace, flow: Flow, config: PlanConfig) -> tuple[date, date] | None:
    if config.mode is not PlannedMode.days:
        return None
    try:
        first = date.fromisoformat(config.first_day)
        last = date.fromisoformat(config.last_day) if config.last_day else None
    except ValueError:
        raise ConfigError(
            f"mode days needs first_day and last_day like 2026-01-01; got {config.first_day!r} and {config.last_day!r}"
        ) from None
    today = workspace.now().astimezone(workspace.cloudsuite(flow.source).zone).date()
    return first, last or today
