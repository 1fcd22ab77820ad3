"""Keep the marts of a flow at its destinations: define the views as of what has been delivered, and prove them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.marts import AsOf, Mart
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.sync.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class MartRefresh:
    """One mart at one destination, as it is now.

    Attributes:
        dates: without the companies of which something was never delivered to the end.
        doubts: what does not add up (``Mart.proof``); empty when all is well.
    """

    mart: Mart
    destination: str
    dates: tuple[AsOf, ...]
    rows: int
    preview: tuple[dict[str, Any], ...]
    doubts: tuple[dict[str, Any], ...]


def as_of_dates(
    workspace: Workspace, flow: Flow, target: FlowDestination, mart: Mart
) -> tuple[AsOf, ...]:
    """Per company, the day (in the tenant's zone) up to which ``target`` has everything that the mart reads.

    What was read but not delivered yet does not count, and neither does what is newer than the oldest such batch.
    """
    zone = workspace.cloudsuite(flow.source).zone
    dates = []
    for company in flow.companies:
        moments = []
        for entity in mart.entities:
            mark = workspace.ledger.watermark(flow.source, entity, company)
            pending = workspace.ledger.pending(
                destination=target.name, tenant=flow.source, entity=entity, companies=[company]
            )
            moments += [
                None if mark is None else mark.complete_until,
                *(batch.window.start for batch in pending),
            ]
        known = [moment for moment in moments if moment is not None]
        if len(known) == len(moments):
            day = min(known).astimezone(zone).date()
            dates.append(AsOf(tenant=flow.source, company=company, day=day))
    return tuple(dates)


def refresh_mart(
    workspace: Workspace, flow: Flow, target: FlowDestination, mart: Mart, *, preview_rows: int = 0
) -> MartRefresh:
    """Define the view anew, as of what has been delivered, look at what it gives, and prove it."""
    with workspace.warehouse(target, flow.name) as destination:
        for entity in mart.entities:
            destination.prepare(ENTITIES[entity])  # nothing may have come of one of them yet
        dates = None
        # Runs of other companies do the same at the same time; whoever defines last must know what all have done.
        while (now := as_of_dates(workspace, flow, target, mart)) != dates:
            dates = now
            destination.define_view(mart.view(dates))
        (count,) = destination.ask(f"SELECT COUNT(*) AS found FROM {mart.name}").to_pylist()
        preview = f"SELECT * FROM {mart.name} LIMIT {preview_rows}"
        return MartRefresh(
            mart=mart,
            destination=target.name,
            dates=now,
            rows=int(count["found"]),
            preview=tuple(destination.ask(preview).to_pylist()) if preview_rows else (),
            doubts=tuple(destination.ask(mart.doubts(now)).to_pylist()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MartResult:
    """One line of a summary. ``error`` is "" when all went well."""

    mart: str
    destination: str
    rows: int = 0
    adds_up: bool = False
    as_of: str = ""
    error: str = ""


def refresh_marts(
    workspace: Workspace, flow: Flow, *, entities: Sequence[str] = ()
) -> tuple[MartResult, ...]:
    """Every mart of ``flow`` at every warehouse, or those that read one of ``entities``.

    One that fails does not hold the others.
    """
    return tuple(
        _refresh_one(workspace, flow, target, mart)
        for target in flow.warehouses
        for mart in flow.own_marts
        if not entities or set(entities) & set(mart.entities)
    )


def _refresh_one(
    workspace: Workspace, flow: Flow, target: FlowDestination, mart: Mart
) -> MartResult:
    try:
        found = refresh_mart(workspace, flow, target, mart)
    except ConnectorError as error:
        return MartResult(mart=mart.name, destination=target.name, error=str(error))
    days = sorted({one.day.isoformat() for one in found.dates})
    return MartResult(
        mart=mart.name,
        destination=target.name,
        rows=found.rows,
        adds_up=not found.doubts,
        as_of=" to ".join(dict.fromkeys((days[0], days[-1]))) if days else "",
    )
