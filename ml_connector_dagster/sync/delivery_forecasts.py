"""What bringing the rows to each destination will take, and whether the systems' quotas suffice. Nothing is written there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from ml_connector_dagster.config.applications import is_application
from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.destinations.forecasts import (
    Loading,
    application_budgets,
    application_loading,
    looker_budgets,
    warehouse_loading,
)
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.model.forecasts import DeliveryForecast, QuotaForecast, ReadForecast
from ml_connector_dagster.sync.applications import opened_application
from ml_connector_dagster.sync.extract import BATCH_ROWS
from ml_connector_dagster.sync.flows import parents_first
from ml_connector_dagster.sync.publish import publication_calls
from ml_connector_dagster.sync.workspace import Workspace


_HISTORY: Final = 20


@dataclass(slots=True, kw_only=True)
class Destined:
    """All that is foreseen of the destinations. ``problems``: of which nothing is known, and why."""

    deliveries: list[DeliveryForecast] = field(default_factory=list)
    quotas: list[QuotaForecast] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def forecast_deliveries(
    workspace: Workspace,
    flow: Flow,
    targets: Sequence[FlowDestination],
    reads: Sequence[ReadForecast],
) -> Destined:
    """Each target, each entity that is read. One whose system cannot be asked does not hold the others."""
    destined = Destined()
    for target in targets:
        connection = workspace.project.connections[target.connection]
        forecast = _application if is_application(connection) else _warehouse
        try:
            forecast(workspace, flow, target, reads, destined)
        except ConnectorError as error:
            destined.problems.append(f"{target.name}: {error}")
    connections = dict.fromkeys(target.connection for target in targets)
    if flow.looker is not None and flow.looker_reads in targets:
        connections.setdefault(flow.looker.connection)
    for name in connections:
        connection = workspace.project.connections[name]
        if isinstance(connection, LookerConnection):
            destined.quotas += _looker_quotas(workspace, flow, connection, destined)
    return destined


def _warehouse(
    workspace: Workspace,
    flow: Flow,
    target: FlowDestination,
    reads: Sequence[ReadForecast],
    destined: Destined,
) -> None:
    connection = workspace.project.connections[target.connection]
    for entity, of_entity in _by_entity(reads):
        rows = _rows(of_entity)
        if rows is None:
            destined.deliveries.append(_unknown(target, entity))
            continue
        past = workspace.ledger.past_deliveries(
            destination=target.name, entity=entity, limit=_HISTORY
        )
        batches = [size for one in of_entity for size in _batches(one.rows or 0)]
        loading = warehouse_loading(
            connection, batches, [(one.rows, one.requests) for one in past if one.rows]
        )
        destined.deliveries.append(_known(target, entity, rows, loading))


def _application(
    workspace: Workspace,
    flow: Flow,
    target: FlowDestination,
    reads: Sequence[ReadForecast],
    destined: Destined,
) -> None:
    connection = workspace.project.connections[target.connection]
    with opened_application(workspace, target.connection) as application:
        needed = 0
        for entity, of_entity in _by_entity(reads):
            rows = _rows(of_entity)
            if rows is None:
                destined.deliveries.append(_unknown(target, entity))
                continue
            loading = application_loading(application, connection, target, entity, rows)
            destined.deliveries.append(_known(target, entity, rows, loading))
            needed += loading.calls
        entities = [entity for entity, _ in _by_entity(reads)]
        for budget in application_budgets(application, connection, target, entities):
            destined.quotas.append(
                QuotaForecast(
                    system=target.connection,
                    name=budget.name,
                    needed=needed,
                    used=budget.used,
                    limit=budget.limit,
                    ceiling=budget.ceiling,
                )
            )


def _looker_quotas(
    workspace: Workspace, flow: Flow, connection: LookerConnection, destined: Destined
) -> Iterator[QuotaForecast]:
    """Calls of the month: those of a publication, and of rows that go through Looker itself."""
    month = f"{workspace.now():%Y-%m}"
    needed = dict.fromkeys(("query", "admin"), 0)
    if flow.looker is not None and flow.looker.connection == connection.name:
        needed |= publication_calls(flow.looker)
    through = [one.name for one in flow.destinations if one.connection == connection.name]
    needed["query"] += sum(
        one.calls or 0 for one in destined.deliveries if one.destination in through
    )
    counts = workspace.ledger.call_counts(connection.name)
    for kind, (used, limit) in looker_budgets(connection, counts, month).items():
        yield QuotaForecast(
            system=connection.name,
            name=f"{kind} calls of {month}",
            needed=needed[kind],
            used=used,
            limit=limit,
            ceiling=limit,
        )


def _by_entity(reads: Sequence[ReadForecast]) -> Iterator[tuple[str, list[ReadForecast]]]:
    well = [one for one in reads if not one.error]
    for entity in parents_first([one.entity for one in well]):
        yield entity, [one for one in well if one.entity == entity]


def _rows(reads: Sequence[ReadForecast]) -> int | None:
    """All together; None when one of them is not known."""
    known = [one.rows for one in reads if one.rows is not None]
    return sum(known) if len(known) == len(reads) else None


def _batches(rows: int) -> list[int]:
    """Rows of each batch; a read of nothing is one, too."""
    full, rest = divmod(rows, BATCH_ROWS)
    return [*([BATCH_ROWS] * full), *([rest] if rest or not full else [])]


def _known(target: FlowDestination, entity: str, rows: int, loading: Loading) -> DeliveryForecast:
    return DeliveryForecast(
        destination=target.name,
        entity=entity,
        rows=rows,
        ways=loading.ways,
        calls=loading.calls,
        basis=loading.basis,
        seconds=loading.seconds,
    )


def _unknown(target: FlowDestination, entity: str) -> DeliveryForecast:
    return DeliveryForecast(
        destination=target.name,
        entity=entity,
        rows=None,
        ways=(),
        calls=None,
        basis="how many rows come is not known",
    )
