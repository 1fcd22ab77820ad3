"""How many rows a table must hold, counted again when the sum of inserts does not say it.

The sum is one number in the ledger, however long the history. Where it does not fit what the destination holds, the
receipts are counted record by record (``receipt_counts``). What they prove is written down as a recount, and the sum is
right again from then on. Rows that are really lost or doubled stay a difference: no receipt explains them.
"""

from dataclasses import dataclass, replace
from typing import Final

from ml_connector_dagster.config.applications import is_application
from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.destinations.contract import Scope, Warehouse
from ml_connector_dagster.destinations.identifiers import literal
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import OutcomeCounts
from ml_connector_dagster.model.recounts import NewRecount, Recount, RecountKind, TableScope
from ml_connector_dagster.sync.receipt_counts import Answers, read_answers
from ml_connector_dagster.sync.workspace import Workspace


_ALL_THERE: Final = "every record that was accepted is there again"

#: Record ids of one query: what one answer may hold is limited in places.
_PAGE: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many rows a table must hold, and holds.

    Attributes:
        last: the recount that ``expected`` follows from; None when the sum of inserts was never corrected.
        explained: False when the receipts are not all there, so that they can explain nothing.
    """

    scope: TableScope
    expected: int
    held: int
    last: Recount | None = None
    explained: bool = True

    @property
    def difference(self) -> int:
        """Rows too many; negative: too few."""
        return self.held - self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCount:
    """A count whose difference was looked into, record by record.

    Attributes:
        missing: records that the destination accepted and does not hold.
        surplus: records that it holds and never accepted, or holds more than once.
    """

    count: Count
    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()


def settled_count(workspace: Workspace, scope: TableScope, held: int, *, run_id: str) -> Count:
    """Hold ``held`` rows against what was accepted. Receipts are counted only where the two are not the same."""
    count = _count(workspace, scope, held)
    if not count.difference:
        return count
    with read_answers(workspace, scope) as answers:
        return _recounted(workspace, scope, held, answers, run_id)


def named_count(
    workspace: Workspace,
    flow: Flow,
    target: FlowDestination,
    *,
    entity: str,
    company: str,
    run_id: str,
) -> NamedCount:
    """Count a table, and name the records behind a difference. Only then are its record ids read."""
    scope = TableScope(destination=target.name, tenant=flow.source, entity=entity, company=company)
    place = Scope(tenant=flow.source, company=company)
    with workspace.destination(target, flow.name) as destination:
        facts = destination.inspect(ENTITIES[entity], place)
        held = facts.rows + facts.deleted
    count = _count(workspace, scope, held)
    if not count.difference:
        return NamedCount(count=count)
    with read_answers(workspace, scope) as answers:
        count = _recounted(workspace, scope, held, answers, run_id)
        in_warehouse = not is_application(workspace.project.connections[target.connection])
        if not (count.difference and held and in_warehouse):
            return NamedCount(count=count)
        with workspace.warehouse(target, flow.name) as warehouse:
            _read_ids(warehouse, scope, answers)
        return NamedCount(count=count, missing=answers.missing(), surplus=answers.surplus())


def accept_count(
    workspace: Workspace, count: Count, *, decided_by: str, reason: str, run_id: str
) -> None:
    """From now on the table is right as it is. Who says so, and why, stays in the ledger and on the check.

    Raises ConfigError when nobody says so.
    """
    for what, text in (("who accepts it (--by)", decided_by), ("why (--why)", reason)):
        if not text.strip():
            raise ConfigError(f"an accepted difference is kept for the audit: say {what}")
    now = _like_last(workspace, count, RecountKind.ACCEPTED, run_id)
    workspace.ledger.record_recount(
        replace(
            now,
            accepted=now.accepted + count.difference,
            decided_by=decided_by.strip(),
            reason=reason.strip(),
        )
    )


def _recounted(
    workspace: Workspace, scope: TableScope, held: int, answers: Answers, run_id: str
) -> Count:
    """The count after the receipts were looked at; what they prove is written down when it is news."""
    before = _count(workspace, scope, held)
    now = _like_last(workspace, before, RecountKind.RECEIPTS, run_id)
    found = answers.counts()
    correction = found.records - now.inserted
    explained = found.are_complete(_delivered(workspace, scope))
    if explained and correction != now.correction:
        workspace.ledger.record_recount(
            replace(now, correction=correction, returned=found.returned, examples=found.examples)
        )
    count = replace(_count(workspace, scope, held), explained=explained)
    if count.difference and count.last is not None and count.last.accepted == -count.difference:
        now = _like_last(workspace, count, RecountKind.HEALED, run_id)
        workspace.ledger.record_recount(replace(now, accepted=0, decided_by="", reason=_ALL_THERE))
        return _count(workspace, scope, held)
    return count


def _count(workspace: Workspace, scope: TableScope, held: int) -> Count:
    known = workspace.ledger.recounts(
        destination=scope.destination,
        tenant=scope.tenant,
        entity=scope.entity,
        company=scope.company,
    )
    last = known[-1] if known else None
    expected = _delivered(workspace, scope).inserted + (0 if last is None else last.adjustment)
    return Count(scope=scope, expected=expected, held=held, last=last)


def _delivered(workspace: Workspace, scope: TableScope) -> OutcomeCounts:
    return workspace.ledger.delivered_counts(
        destination=scope.destination,
        tenant=scope.tenant,
        entity=scope.entity,
        company=scope.company,
    )


def _like_last(workspace: Workspace, count: Count, kind: RecountKind, run_id: str) -> NewRecount:
    """A recount that says what the last one said."""
    last = count.last
    return NewRecount(
        scope=count.scope,
        kind=kind,
        run_id=run_id,
        inserted=_delivered(workspace, count.scope).inserted,
        correction=0 if last is None else last.correction,
        returned=0 if last is None else last.returned,
        examples=() if last is None else last.examples,
        accepted=0 if last is None else last.accepted,
        decided_by="" if last is None else last.decided_by,
        reason="" if last is None else last.reason,
    )


def _read_ids(warehouse: Warehouse, scope: TableScope, answers: Answers) -> None:
    """Every row's record id, those marked deleted included, page by page."""
    last = ""
    while True:
        page = warehouse.ask(
            f"SELECT record_id, COUNT(*) AS copies FROM {scope.entity} WHERE tenant = {literal(scope.tenant)}"
            f" AND company = {literal(scope.company)} AND record_id > {literal(last)}"
            f" GROUP BY record_id ORDER BY record_id LIMIT {_PAGE}"
        )
        rows = [{name.lower(): value for name, value in row.items()} for row in page.to_pylist()]
        answers.find({str(row["record_id"]): int(row["copies"]) for row in rows})
        if len(rows) < _PAGE:
            return
        last = str(rows[-1]["record_id"])
