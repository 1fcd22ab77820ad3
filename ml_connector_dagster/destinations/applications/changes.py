"""From a decision to the change that is sent, and from an answer back to the decision."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ml_connector_dagster.destinations.applications.checks import fitted
from ml_connector_dagster.destinations.applications.contract import (
    Change,
    ChangeKind,
    FieldValue,
    Found,
    ObjectFacts,
)
from ml_connector_dagster.destinations.applications.diffs import Decision
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.model.receipts import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A decision on its way, with the values as the application can hold them."""

    decision: Decision
    change: Change


def as_sent(mapped: Mapped, facts: ObjectFacts, one: Decision) -> Decision | Pending:
    """A write as it would be sent; a refusal when the application's metadata rules it out."""
    if one.write is None:
        return one
    key, remote_id = one.draft.external_id, one.remote_id
    if one.write is ChangeKind.ARCHIVE:
        change = Change(kind=one.write, external_id=key, remote_id=remote_id)
        return Pending(decision=one, change=change)
    fitting = fitted(mapped, facts, one.draft)
    if fitting.refusal:
        return refused(one, fitting.refusal)
    change = Change(
        kind=one.write, external_id=key, remote_id=remote_id, fields=fitting.fields, links=one.links
    )
    return Pending(decision=one, change=change)


def refused(one: Decision, reason: str) -> Decision:
    """The decision on a record that is not taken; nothing of it is remembered."""
    return replace(one, outcome=Outcome.REJECTED, write=None, remember=None, reason=reason)


def landed(one: Pending, seen: Mapping[str, Found]) -> bool:
    """Whether an earlier attempt has written it already; ``seen`` is what was found, by record id."""
    found = seen.get(one.decision.draft.record_id)
    return found is not None and holds(found, one.change)


def holds(found: Found, change: Change) -> bool:
    """Whether the application has exactly what ``change`` says, as far as its API tells."""
    for name, value in change.fields.items():
        if name not in found.values or not _same(found.values[name], value):
            return False
    for name, link in change.links.items():
        if name not in found.values or found.values[name] != (link and link.external_id):
            return False
    return True


def _same(found: FieldValue, sent: FieldValue) -> bool:
    if isinstance(found, str) and isinstance(sent, str):
        return found.strip() == sent.strip()
    return found == sent
