"""How each table of a destination stands, from what the ledger kept of reconciliations: whichever run compared it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.model.reconciliations import Reconciliation
from ml_connector_dagster.sync.reconcile.results import NOTHING_WRONG, WRONG
from ml_connector_dagster.sync.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStanding:
    """One entity and company.

    Attributes:
        whole: the last comparison of everything.
        last: the last comparison of all, of everything or not.
        agreed_at: when everything was last compared and nothing was wrong.
    """

    entity: str
    company: str
    whole: Reconciliation | None
    last: Reconciliation | None
    agreed_at: datetime | None

    @property
    def worst(self) -> Reconciliation | None:
        """What counts: the last comparison of everything, unless a later one has found something."""
        if self.last is not None and self.last.state in WRONG:
            return self.last
        return self.whole or self.last

    @property
    def is_wrong(self) -> bool:
        return self.worst is not None and self.worst.state in WRONG


def standings(
    workspace: Workspace, flow: Flow, target: FlowDestination
) -> tuple[TableStanding, ...]:
    """Every entity and company of ``flow`` at ``target``, in the order of the flow."""
    whole = _by_scope(workspace, flow, target, whole=True)
    last = _by_scope(workspace, flow, target, whole=False)
    agreed = {
        (one.entity, one.company): one.started_at
        for one in workspace.ledger.last_reconciliations(
            flow.source, target.name, states=NOTHING_WRONG, whole=True
        )
    }
    return tuple(
        TableStanding(
            entity=entity,
            company=company,
            whole=whole.get((entity, company)),
            last=last.get((entity, company)),
            agreed_at=agreed.get((entity, company)),
        )
        for entity in flow.entities
        for company in flow.companies
    )


def _by_scope(
    workspace: Workspace, flow: Flow, target: FlowDestination, *, whole: bool
) -> Mapping[tuple[str, str], Reconciliation]:
    found = workspace.ledger.last_reconciliations(flow.source, target.name, whole=whole)
    return {(one.entity, one.company): one for one in found}
