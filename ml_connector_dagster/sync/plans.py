"""Send scheduled plans of Looker, each once for a sync, and read back what became of them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from ml_connector_dagster.model.errors import ConnectorError, OutcomeUnknownError


if TYPE_CHECKING:
    from ml_connector_dagster.destinations.looker.api import Looker, PlanRun

#: A sync is not repeated after this time.
REMEMBERED: Final = timedelta(days=7)
#: Each look at a status is a query call of the month.
FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 60.0

#: Looker's words for a run, as far as they are known; any other is taken for a failure and shown.
_DONE: Final = frozenset({"success", "successful", "complete", "completed", "done"})
_UNDER_WAY: Final = frozenset(
    {"", "pending", "created", "queued", "enqueued", "scheduled", "running", "in_progress"}
)


class PlanState(StrEnum):
    """How far a plan came."""

    SENT = "sent"
    FAILED = "failed"
    WAITING = "waiting"  # for other companies of the flow, whose run sends it
    UNKNOWN = "unknown"  # it may have been sent; it is not sent again for this sync


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """One plan. ``run_id`` is the copy that Looker ran, ``status`` its own word, ``error`` why it did not go out."""

    plan_id: str
    state: PlanState
    name: str = ""
    run_id: str = ""
    status: str = ""
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether a person has to look."""
        return self.state is PlanState.FAILED


class Notes(Protocol):
    """What is remembered between processes; the ledger implements it."""

    def load(self, key: str, *, younger_than: timedelta) -> str | None: ...

    def save(self, key: str, document: str) -> None: ...


class _Sent:
    """Which plans a sync has sent: plan → its run, "" when the answer never came. Written before and after each."""

    def __init__(self, notes: Notes, key: str, sync_id: str) -> None:
        self._notes = notes
        self._key = key
        self._sync_id = sync_id
        kept = json.loads(notes.load(key, younger_than=REMEMBERED) or "{}")
        self.runs: dict[str, str] = kept.get("runs", {}) if kept.get("sync_id") == sync_id else {}

    def note(self, plan_id: str, run_id: str) -> None:
        self.runs[plan_id] = run_id
        self._keep()

    def forget(self, plan_id: str) -> None:
        self.runs.pop(plan_id, None)
        self._keep()

    def _keep(self) -> None:
        self._notes.save(self._key, json.dumps({"sync_id": self._sync_id, "runs": self.runs}))


def begin_plans(
    looker: "Looker", notes: Notes, plan_ids: Sequence[str], *, key: str, sync_id: str
) -> tuple["PlanRun | PlanResult", ...]:
    """Send each plan that ``sync_id`` has not sent yet. One that fails holds no other."""
    sent = _Sent(notes, key, sync_id)
    return tuple(_begun(looker, sent, plan_id) for plan_id in plan_ids)


def await_plans(
    looker: "Looker",
    plan_ids: Sequence[str],
    begun: Sequence["PlanRun | PlanResult"],
    *,
    pause: Callable[[float], None],
    timeout: float,
) -> tuple[PlanResult, ...]:
    """Ask for the status of what was ``begun``, until it is known, but no longer than ``timeout`` seconds per plan."""
    return tuple(
        one if isinstance(one, PlanResult) else _ended(looker, plan_id, one, pause, timeout)
        for plan_id, one in zip(plan_ids, begun, strict=True)
    )


def _begun(looker: "Looker", sent: _Sent, plan_id: str) -> "PlanRun | PlanResult":
    known = sent.runs.get(plan_id)
    if known == "":
        return PlanResult(
            plan_id=plan_id,
            state=PlanState.UNKNOWN,
            error="this sync has sent it before, and the answer was lost: it is not sent again",
        )
    try:
        if known is not None:
            return looker.plan(known)
        sent.note(plan_id, "")
        run = looker.run_once(plan_id)
    except OutcomeUnknownError as error:
        return PlanResult(plan_id=plan_id, state=PlanState.UNKNOWN, error=str(error))
    except ConnectorError as error:
        if known is None:
            sent.forget(plan_id)  # surely not sent: a repetition may try
        return PlanResult(plan_id=plan_id, state=PlanState.FAILED, error=str(error))
    sent.note(plan_id, run.id)
    return run


def _ended(
    looker: "Looker",
    plan_id: str,
    run: "PlanRun",
    pause: Callable[[float], None],
    timeout: float,
) -> PlanResult:
    name, waited, wait = run.name, 0.0, FIRST_PAUSE
    try:
        while _word(run.status) in _UNDER_WAY and waited + wait <= timeout:
            pause(wait)
            waited, wait = waited + wait, min(wait * 2, LONGEST_PAUSE)
            run = looker.plan(run.id)
    except ConnectorError as error:
        return PlanResult(
            plan_id=plan_id,
            state=PlanState.UNKNOWN,
            name=name,
            run_id=run.id,
            error=f"it was sent; its status cannot be read: {error}",
        )
    word = _word(run.status)
    state = (
        PlanState.SENT
        if word in _DONE
        else PlanState.UNKNOWN
        if word in _UNDER_WAY
        else PlanState.FAILED
    )
    reason = {
        PlanState.SENT: "",
        PlanState.UNKNOWN: f"it was sent; Looker has told no result within {timeout:g} s",
        PlanState.FAILED: f"Looker tells the status {run.status!r}; its history of schedules says why",
    }[state]
    return PlanResult(
        plan_id=plan_id, state=state, name=name, run_id=run.id, status=run.status, error=reason
    )


def _word(status: str) -> str:
    return status.strip().lower().replace(" ", "_").replace("-", "_")
