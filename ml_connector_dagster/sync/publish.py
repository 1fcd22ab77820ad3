"""Publish a load in Looker: mark it, have Looker look anew, prove that it does, and only then send plans.

In this order (reference saas-destinations §3.3): the sync marker goes into the warehouse after the load; the datagroup is
triggered, which voids caches; a query past the cache must answer this sync's id; then the plans are sent, each once. An
answer that is old stops everything: nobody gets a report of yesterday's rows under today's date.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ml_connector_dagster.config.looker import LookerConnection, LookerPublication
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.destinations.contract import Warehouse
from ml_connector_dagster.lookml.tables import MARKER_TABLE, MARKER_VIEW
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, StaleError, TransientError
from ml_connector_dagster.model.views import View
from ml_connector_dagster.sync.plans import PlanResult, PlanState, await_plans, begin_plans
from ml_connector_dagster.sync.workspace import Workspace


if TYPE_CHECKING:
    from ml_connector_dagster.destinations.looker.api import Looker, PlanRun
    from ml_connector_dagster.destinations.looker.quotas import QuotaUse

#: How long an id of Looker's is taken as still right. A wrong one answers 404, and is looked up anew.
KNOWN_FOR: Final = timedelta(days=3650)
#: Pauses before the proof is asked for again: a replica that Looker reads may lag a little. Each is one query call.
PROOF_PAUSES: Final = (3.0, 10.0)
SYNC_ID: Final = f"{MARKER_VIEW}.sync_id"
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


class Proof(StrEnum):
    """Whether Looker was seen to see the load."""

    FRESH = "fresh"
    NOT_ASKED = "not asked"  # verify: off, or sampled and passed today


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What became of one publication. ``quota`` is how far the month of the connection is."""

    sync_id: str
    finished_at: datetime
    datagroup_id: str
    proof: Proof
    plans: tuple[PlanResult, ...]
    calls: int
    quota: "tuple[QuotaUse, ...]"

    @property
    def failed_plans(self) -> tuple[PlanResult, ...]:
        """The plans that did not go out."""
        return tuple(one for one in self.plans if one.failed)


def publish(
    workspace: Workspace,
    flow: Flow,
    *,
    sync_id: str,
    companies: Sequence[str] = (),
) -> Publication:
    """Publish what the flow's warehouse holds now. ``sync_id`` names this load, and a repetition of it.

    Plans that this ``sync_id`` has sent are not sent again; with fewer ``companies`` than the flow has, they wait until
    the others are loaded, too. Raises TransientError when something of ``companies`` (all
    when empty) is still to be delivered, StaleError when Looker does not see the load, ConfigError when the month's calls
    would not last; then no plan was sent. A plan that fails is told in the result, and holds no other.
    """
    wanted = _wanted(flow)
    _refuse_unfinished(workspace, flow, companies)
    target = flow.looker_reads
    with workspace.looker(wanted.connection) as looker:
        _require_calls(looker, wanted)
        with workspace.ledger.publish_alone(target.name):
            finished_at = mark(workspace, flow, sync_id)
            datagroup_id = _trigger(workspace, looker, wanted)
            proof = _proved(workspace, flow, looker, sync_id)
            begun = _begin_plans(workspace, flow, looker, sync_id, companies)
        plans = await_plans(
            looker,
            wanted.plans,
            begun,
            pause=workspace.make_pause(),
            timeout=_plan_timeout(workspace, wanted),
        )
        return Publication(
            sync_id=sync_id,
            finished_at=finished_at,
            datagroup_id=datagroup_id,
            proof=proof,
            plans=plans,
            calls=looker.quota.calls,
            quota=looker.quota.use(),
        )


def _begin_plans(
    workspace: Workspace, flow: Flow, looker: "Looker", sync_id: str, companies: Sequence[str]
) -> "Sequence[PlanRun | PlanResult]":
    """Send the plans, or leave them to the run of the company that comes last: a plan is of all companies, and each
    company is a run of its own. So two that end at once must not both be the last: the caller is alone."""
    wanted = _wanted(flow)
    known = workspace.ledger.publications(wanted.connection)
    key = f"plans of {flow.name} sent at"
    behind = _behind(workspace, flow, companies, known.load(key, younger_than=KNOWN_FOR))
    if behind:
        told = f"waits for company {', '.join(behind)}: not loaded since the plan was last sent"
        return [
            PlanResult(plan_id=one, state=PlanState.WAITING, error=told) for one in wanted.plans
        ]
    begun = begin_plans(looker, known, wanted.plans, key=f"plans of {flow.name}", sync_id=sync_id)
    known.save(key, workspace.now().isoformat())
    return begun


def _behind(
    workspace: Workspace, flow: Flow, companies: Sequence[str], sent_at: str | None
) -> list[str]:
    """The companies besides ``companies`` of which something is to be delivered, or was not read since ``sent_at``."""
    others = [one for one in flow.companies if companies and one not in companies]
    since = datetime.fromisoformat(sent_at) if sent_at else None
    return [one for one in others if not _is_loaded(workspace, flow, one, since)]


def _is_loaded(workspace: Workspace, flow: Flow, company: str, since: datetime | None) -> bool:
    ledger, target = workspace.ledger, flow.looker_reads.name
    for entity in flow.entities:
        mark = ledger.watermark(flow.source, entity, company)
        if mark is None or (since is not None and mark.complete_until < since):
            return False
        if ledger.pending(
            destination=target, tenant=flow.source, entity=entity, companies=[company]
        ):
            return False
    return True


def _wanted(flow: Flow) -> LookerPublication:
    if flow.looker is None:
        raise ConfigError(
            f"flow {flow.name!r} has no looker: block, so there is nothing to publish"
        )
    return flow.looker


def _plan_timeout(workspace: Workspace, wanted: LookerPublication) -> float:
    connection = workspace.project.connections[wanted.connection]
    return connection.plan_timeout_seconds if isinstance(connection, LookerConnection) else 0.0


def undelivered(workspace: Workspace, flow: Flow, companies: Sequence[str] = ()) -> str:
    """Entities of which the warehouse that Looker reads still lacks batches, with how many; "" when it has all.

    As long as there are any, ``publish`` refuses. ``companies`` are all of the flow's when empty.
    """
    left = {
        entity: len(batches)
        for entity in flow.entities
        if (
            batches := workspace.ledger.pending(
                destination=flow.looker_reads.name,
                tenant=flow.source,
                entity=entity,
                companies=companies or flow.companies,
            )
        )
    }
    return ", ".join(f"{name} ({count})" for name, count in left.items())


def _refuse_unfinished(workspace: Workspace, flow: Flow, companies: Sequence[str]) -> None:
    told = undelivered(workspace, flow, companies)
    if told:
        raise TransientError(
            f"{flow.looker_reads.name} still lacks batches of {told}, so nothing was published in Looker and no plan was sent. "
            f"Deliver them first: ml-connector deliver {flow.name}"
        )


def publication_calls(wanted: LookerPublication) -> dict[str, int]:
    """Kind of call → how many a publication makes at least."""
    queries = 2 * len(wanted.plans) + (wanted.verify != "off")  # sent, and asked for its status
    return {"query": queries, "admin": 1}


def _require_calls(looker: "Looker", wanted: LookerPublication) -> None:
    """A sequence that stops half-way has cost calls for nothing."""
    from ml_connector_dagster.destinations.looker.quotas import CallKind

    calls = publication_calls(wanted)
    looker.quota.require({CallKind(kind): number for kind, number in calls.items()})


def mark(workspace: Workspace, flow: Flow, sync_id: str) -> datetime:
    """Write which sync the warehouse is at: a view of one row, which every warehouse can replace in one statement."""
    if not _SAFE_ID.fullmatch(sync_id):
        raise ConfigError(f"{sync_id!r} cannot name a sync: letters, digits and _ . : - only")
    finished_at = workspace.now()
    moment = finished_at.isoformat(sep=" ", timespec="microseconds")
    with workspace.destination(flow.looker_reads, flow.name) as destination:
        warehouse: Warehouse = destination  # type: ignore[assignment]  # checked when the files were read
        warehouse.prepare(ENTITIES[flow.entities[0]])  # a view needs a schema
        warehouse.define_view(
            View(
                name=MARKER_TABLE,
                description="Which load this schema is at. Written by ml-connector, asked through Looker.",
                query=f"SELECT '{sync_id}' AS sync_id, CAST('{moment}' AS TIMESTAMPTZ) AS finished_at",
            )
        )
    return finished_at


def _trigger(workspace: Workspace, looker: "Looker", wanted: LookerPublication) -> str:
    """Trigger the datagroup; its id is looked up once, and kept, since each look costs a call."""
    known = workspace.ledger.publications(wanted.connection)
    key = f"datagroup {wanted.model}/{wanted.datagroup}"
    at = int(workspace.now().timestamp())
    kept = known.load(key, younger_than=KNOWN_FOR)
    if kept:
        try:
            looker.trigger(kept, at)
        except ConfigError:
            known.save(key, "")  # gone, or of another instance: looked up below
        else:
            return kept
    found = looker.datagroup_id(wanted.model, wanted.datagroup)
    looker.trigger(found, at)
    known.save(key, found)
    return found


def _proved(workspace: Workspace, flow: Flow, looker: "Looker", sync_id: str) -> Proof:
    """Ask Looker, past its cache, which sync it sees. Raises StaleError unless it is this one."""
    wanted = _wanted(flow)
    known = workspace.ledger.publications(wanted.connection)
    key, today = f"proof of {flow.name}", workspace.now().date().isoformat()
    if wanted.verify == "off":
        return Proof.NOT_ASKED
    if wanted.verify == "sampled" and known.load(key, younger_than=KNOWN_FOR) == today:
        return Proof.NOT_ASKED
    known.save(key, "")
    pause = workspace.make_pause()
    seen = _seen(looker, wanted)
    for seconds in PROOF_PAUSES:
        if seen == sync_id:
            break
        pause(seconds)
        seen = _seen(looker, wanted)
    if seen != sync_id:
        raise StaleError(
            f"Looker does not see the load: asked through model {wanted.model!r}, its database is at sync "
            f"{seen or 'none'}, and {flow.looker_reads.name} is at {sync_id}. No plan was sent"
        )
    known.save(key, today)
    return Proof.FRESH


def last_proof(workspace: Workspace, flow: Flow) -> str:
    """The day (UTC) of the last proof that Looker sees the flow's load; "" when the latest one failed, or none was asked."""
    known = workspace.ledger.publications(_wanted(flow).connection)
    return known.load(f"proof of {flow.name}", younger_than=KNOWN_FOR) or ""


def _seen(looker: "Looker", wanted: LookerPublication) -> str:
    row = looker.first_row(wanted.model, MARKER_VIEW, [SYNC_ID], [])
    return "" if row is None else str(row.get(SYNC_ID) or "")
