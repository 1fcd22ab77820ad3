"""Put back what somebody changed, removed or marked at a destination: the ERP's values, as they are staged.

Only what a comparison has just proved wrong is sent, and only where the ERP's version is the one that is staged. It goes
as a batch of its own, for that destination alone, whose route says how it has to land (``Batch.restores``). So a process
that dies after staging it loses nothing: whoever delivers next restores.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.model.batches import REPAIR, Batch
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.errors import ConfigError, ConnectorError
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts
from ml_connector_dagster.sync.flows import deliver_entity
from ml_connector_dagster.sync.reconcile.results import Comparison, Request
from ml_connector_dagster.sync.reconcile.run import reconcile_flow
from ml_connector_dagster.sync.versions import newest_rows, stage_again
from ml_connector_dagster.sync.workspace import Workspace


#: Records of one batch: what is held in memory at once.
SLICE: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """What was sent of one entity and company to one destination, and what came of it.

    Attributes:
        sent: records that were staged for it, ``resumed`` those that an earlier repair had staged and not delivered.
        problem: why it did not go to its end; None when it did.
    """

    destination: str
    entity: str
    company: str
    sent: int = 0
    resumed: int = 0
    counts: OutcomeCounts = field(default_factory=OutcomeCounts)
    problem: ConnectorError | None = None

    @property
    def waiting(self) -> int:
        """Records that are staged and did not arrive: a replay, or the next delivery, sends them."""
        return 0 if self.problem is None else self.sent + self.resumed

    @property
    def error(self) -> str:
        """The problem as text; "" when there is none."""
        return "" if self.problem is None else str(self.problem)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """The repairs, and the comparisons as they are now: those of repaired tables were made again."""

    repairs: tuple[Repair, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def failed(self) -> tuple[Repair, ...]:
        return tuple(one for one in self.repairs if one.error)


def restorable_records(found: Sequence[Comparison]) -> int:
    """How many records a repair of what was ``found`` sends."""
    return sum(len(one.restorable) for one in found)


def unfinished_records(workspace: Workspace, found: Sequence[Comparison]) -> int:
    """How many records an earlier repair has staged that did not arrive: this one sends them, too."""
    return sum(sum(batch.rows for batch in _unfinished(workspace, one)) for one in found)


def mend(
    workspace: Workspace,
    flow: Flow,
    request: Request,
    found: Sequence[Comparison],
    *,
    on_page: Callable[[str, str, int], None] = lambda entity, company, rows: None,
) -> Mended:
    """Repair what was ``found`` by ``request``, then compare the tables that were touched again.

    What an earlier repair has staged and not delivered goes with it. A destination that fails does not hold the others; the reason is in its repair, and the next delivery goes on.
    """
    wrong = [one for one in found if one.restorable or _unfinished(workspace, one)]
    repairs = tuple(_repair(workspace, flow, one, request.run_id) for one in wrong)
    again: dict[tuple[str, str, str], Comparison] = {}
    for part in _touched(request, wrong):
        for one in reconcile_flow(workspace, flow, part, on_page=on_page):
            again[_scope(one)] = one
    return Mended(repairs=repairs, comparisons=tuple(again.get(_scope(one), one) for one in found))


def _touched(request: Request, wrong: Sequence[Comparison]) -> Iterator[Request]:
    """For each entity and company that was repaired somewhere, one reading of the ERP."""
    for entity, company in dict.fromkeys((one.done.entity, one.done.company) for one in wrong):
        yield replace(
            request,
            entities=[entity],
            companies=[company],
            destinations=[
                one.done.destination
                for one in wrong
                if (one.done.entity, one.done.company) == (entity, company)
            ],
        )


def _scope(one: Comparison) -> tuple[str, str, str]:
    return one.done.destination, one.done.entity, one.done.company


def _unfinished(workspace: Workspace, one: Comparison) -> list[Batch]:
    """Repairs that did not end."""
    done = one.done
    pending = workspace.ledger.pending(
        destination=done.destination,
        tenant=done.tenant,
        entity=done.entity,
        companies=[done.company],
    )
    return [batch for batch in pending if batch.restores]


def _repair(workspace: Workspace, flow: Flow, one: Comparison, run_id: str) -> Repair:
    """Stage the newest versions of the records, and deliver them with whatever is pending before them."""
    done = one.done
    (target,) = [each for each in flow.destinations if each.name == done.destination]
    counts: list[OutcomeCounts] = []

    def count(batch: Batch, report: DeliveryReport) -> None:
        if batch.restores:
            counts.append(report.counts)

    resumed = sum(batch.rows for batch in _unfinished(workspace, one))
    sent, problem = 0, None
    try:
        _require_restoring(workspace, flow, target)
        for batch in _staged(workspace, one, run_id):
            sent += batch.rows
        deliver_entity(
            workspace,
            flow,
            target,
            entity=done.entity,
            companies=[done.company],
            run_id=run_id,
            on_batch=count,
        )
    except ConnectorError as error:
        problem = error
    return Repair(
        destination=done.destination,
        entity=done.entity,
        company=done.company,
        sent=sent,
        resumed=resumed,
        counts=sum(counts, OutcomeCounts()),
        problem=problem,
    )


def _require_restoring(workspace: Workspace, flow: Flow, target: FlowDestination) -> None:
    with workspace.destination(target, flow.name) as destination:
        if WriteMode.RESTORE not in destination.capabilities.write_modes:
            raise ConfigError(
                f"{target.name} cannot be repaired: it has no way to write a record over that has the same version"
            )


def _staged(workspace: Workspace, one: Comparison, run_id: str) -> Iterator[Batch]:
    done = one.done
    for first in range(0, len(one.restorable), SLICE):
        rows, carrier = newest_rows(
            workspace,
            done.tenant,
            done.entity,
            done.company,
            one.restorable[first : first + SLICE],
        )
        if carrier is not None and rows.num_rows:
            yield stage_again(
                workspace, rows, carrier, destination=done.destination, route=REPAIR, run_id=run_id
            )
