"""The body of an entity asset: read each company of the run, and say what that brought, partition by partition.

Dagster puts unpartitioned metadata on the event of *every* partition of a run. So plain numbers go on each
partition, and the tables and previews of a company only on the newest of its partitions; zeros are the default of
all, because setting them one by one costs time that grows with the square of the partitions.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import dagster as dg

from ml_connector_dagster.cloudsuite.gateway import Usage
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.defs.failures import Problem, failure
from ml_connector_dagster.defs.forecasts import against_plan
from ml_connector_dagster.defs.metadata import PREVIEW_ROWS, moment, preview, table
from ml_connector_dagster.defs.names import MODE_TAG
from ml_connector_dagster.defs.partitions import (
    day_ranges,
    days_by_company,
    partition_key,
    where_details_are,
)
from ml_connector_dagster.defs.references import Staged
from ml_connector_dagster.defs.resources import CloudSuiteResource
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.sweeps import SweepState
from ml_connector_dagster.sync.days import covers, rows_on_days
from ml_connector_dagster.sync.extract import Extraction
from ml_connector_dagster.sync.flows import ReadMode, extract_company
from ml_connector_dagster.sync.workspace import Source, Workspace


#: What every partition of a run shows unless it has more to say.
NOTHING_READ: Final[Mapping[str, int]] = {"rows_read": 0, "rows_rejected": 0, "requests": 0}

#: A line in the run's log whenever so many more rows have come.
_LOG_EVERY: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyRead:
    """What one company of the run brought."""

    company: str
    days: tuple[date, ...]
    reads: tuple[Extraction, ...]
    used: Usage


def read_mode(*, full: bool, tags: Mapping[str, str]) -> ReadMode:
    """How much a run reads: config wins, then the tag of schedules and sensors, else exactly its days."""
    if full:
        return ReadMode.FULL
    if tags.get(MODE_TAG) == ReadMode.INCREMENTAL.value:
        return ReadMode.INCREMENTAL
    return ReadMode.DAYS


def read_companies(
    context: dg.AssetExecutionContext,
    cloudsuite: CloudSuiteResource,
    flow: Flow,
    entity: str,
    mode: ReadMode,
) -> Iterator[dg.AssetMaterialization | dg.Output[Staged]]:
    """Read ``entity`` of every company of the run; a company that fails does not hold the others.

    Raises Failure after the last company when one failed; what the others brought is recorded before.
    """
    what = f"{ENTITIES[entity].label} of {flow.source} were not read"
    found = days_by_company(context.partition_keys)
    days = {company: found[company] for company in flow.companies if company in found}
    try:
        workspace = context.resources.workspace.current
        with cloudsuite.source(workspace) as source:
            done, problems = _read_each(context, workspace, source, flow, entity, mode, days)
            numbers = [
                (one, _numbers(one), _summary(workspace, source, flow, entity, mode, one))
                for one in done
            ]
    except Exception as error:
        raise failure(what, [Problem(subject=f"tenant {flow.source}", error=error)]) from None
    if problems:
        for one, by_day, summary in numbers:
            yield from _materializations(context.asset_key, one, by_day, summary)
        raise failure(what, problems, unharmed=_unharmed(done)) from None
    context.add_asset_metadata({**NOTHING_READ, **where_details_are(days)})
    for one, by_day, summary in numbers:
        for day, values in by_day.items():
            context.add_asset_metadata(values, partition_key=partition_key(one.company, day))
        context.add_asset_metadata(summary, partition_key=partition_key(one.company, one.days[-1]))
    yield dg.Output(Staged(tenant=flow.source, entity=entity, days=days))


def _read_each(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    source: Source,
    flow: Flow,
    entity: str,
    mode: ReadMode,
    days: Mapping[str, tuple[date, ...]],
) -> tuple[list[CompanyRead], list[Problem]]:
    done: list[CompanyRead] = []
    problems: list[Problem] = []
    for company, its_days in days.items():
        progress = _Progress(context=context, what=f"{entity} {company}")
        spans: list[tuple[date, date] | None] = [None]
        if mode is ReadMode.DAYS:
            spans = [(span.first, span.last) for span in day_ranges({company: its_days})]
        before = source.gateway.usage()
        try:
            reads = tuple(
                extract_company(
                    workspace,
                    source,
                    flow,
                    entity=entity,
                    company=company,
                    mode=mode,
                    run_id=context.run.run_id,
                    days=span,
                    on_page=progress.page,
                )
                for span in spans
            )
        except Exception as error:  # the others go on; it is raised, explained, when they are done
            problems.append(Problem(subject=f"company {company}", error=error))
        else:
            used = usage_since(before, source.gateway.usage())
            done.append(CompanyRead(company=company, days=its_days, reads=reads, used=used))
    return done, problems


def usage_since(before: Usage, after: Usage) -> Usage:
    """What the gateway used between two looks at it."""
    return Usage(
        requests=after.requests - before.requests,
        retries=after.retries - before.retries,
        throttled=after.throttled - before.throttled,
        logins=after.logins - before.logins,
        response_bytes=after.response_bytes - before.response_bytes,
        waited_seconds=after.waited_seconds - before.waited_seconds,
    )


@dataclass(slots=True, kw_only=True)
class _Progress:
    context: dg.AssetExecutionContext
    what: str
    rows: int = 0

    def page(self, rows: int) -> None:
        if (self.rows + rows) // _LOG_EVERY > self.rows // _LOG_EVERY:
            self.context.log.info(f"{self.what}: {self.rows + rows:,} rows so far")
        self.rows += rows


def _numbers(one: CompanyRead) -> dict[date, dict[str, int]]:
    """Plottable numbers of the days that have any. Requests are of a read, so they count on its newest day."""
    batches = [batch for read in one.reads for batch in read.batches]
    numbers: dict[date, dict[str, int]] = {}
    for day, rows in rows_on_days(batches, one.days).items():
        numbers[day] = {"rows_read": rows}
    # How many rows a day has is only known when all of it was read, by a route that says when a row changed.
    if any(stamp for batch in batches for stamp in batch.rows_by_day):
        for day in numbers:
            if any(covers(read.window, day) for read in one.reads):
                numbers[day]["dagster/partition_row_count"] = sum(
                    batch.rows_by_day.get(day.isoformat(), 0) for batch in batches
                )
    newest = numbers.setdefault(one.days[-1], {})
    newest["requests"] = one.used.requests
    newest["rows_rejected"] = sum(read.dead_letters for read in one.reads)
    return numbers


def _summary(
    workspace: Workspace,
    source: Source,
    flow: Flow,
    entity: str,
    mode: ReadMode,
    one: CompanyRead,
) -> dict[str, Any]:
    batches = [batch for read in one.reads for batch in read.batches]
    last = batches[-1]
    mark = workspace.ledger.watermark(flow.source, entity, one.company)
    started, finished = min(b.started_at for b in batches), max(b.finished_at for b in batches)
    shown = next((batch for batch in reversed(batches) if batch.rows), None)
    rows: list[dict[str, Any]] = []
    if shown is not None:
        head = next(iter(workspace.staging.open(shown).reader()), None)
        rows = [] if head is None else head.slice(0, PREVIEW_ROWS).to_pylist()
    return {
        "company": one.company,
        "read_mode": mode.value,
        "route": ", ".join(sorted({batch.route for batch in batches if batch.route})),
        "window": ", ".join(str(read.window) for read in one.reads),
        "complete_until": moment(None if mark is None else mark.complete_until),
        "last_sweep": moment(_last_sweep(workspace, flow, entity, one.company)),
        "resumed": any(read.resumed for read in one.reads),
        **against_plan(workspace, flow, entity, one.company, one.reads),
        "seconds": round((finished - started).total_seconds(), 3),
        "budget_wait_seconds": round(one.used.waited_seconds, 3),
        "retries": one.used.retries,
        "response_bytes": one.used.response_bytes,
        "cells_rejected": sum(batch.rejected_cells for batch in batches),
        "batches": table(
            ["batch", "window", "route", "rows", "requests", "cells rejected", "dead letters"],
            [
                [
                    b.batch_id,
                    b.window,
                    b.route,
                    b.rows,
                    b.requests,
                    b.rejected_cells,
                    b.dead_letters,
                ]
                for b in batches
            ],
        ),
        "preview": preview(ENTITIES[entity], rows),
        "staged_at": dg.MetadataValue.path(workspace.staging.locate(last)),
    }


def _last_sweep(workspace: Workspace, flow: Flow, entity: str, company: str) -> datetime | None:
    """When deleted records were last looked for."""
    found = workspace.ledger.sweeps.last(flow.source, entity=entity, state=SweepState.COMPLETE)
    return next((one.started_at for one in found if one.company == company), None)


def _materializations(
    key: dg.AssetKey,
    one: CompanyRead,
    by_day: Mapping[date, Mapping[str, Any]],
    summary: Mapping[str, Any],
) -> Iterator[dg.AssetMaterialization]:
    for day in one.days:
        extra = summary if day == one.days[-1] else {}
        yield dg.AssetMaterialization(
            asset_key=key,
            partition=dg.MultiPartitionKey({"company": one.company, "day": day.isoformat()}),
            metadata={**NOTHING_READ, **by_day.get(day, {}), **extra},
        )


def _unharmed(done: Sequence[CompanyRead]) -> str:
    if not done:
        return ""
    names = ", ".join(one.company for one in done)
    return (
        f"company {names}: read and staged; it is delivered by the next run or by the replay sensor"
    )
