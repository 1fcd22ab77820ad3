"""Records to look at again at an application, though the ERP says nothing new of them.

Whether and how a record stands there depends on more than its own row:

- on the mapping: when a flow's changes, all its records are looked at again, once;
- on what it is part of: lines leave with their order, and come back with it;
- on other records, where a derived column is mapped: an invoice's open amount follows from payments.

The newest staged versions of these records go to that application as a batch of their own, like a replay. What comes out
as it was costs no call.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ml_connector_dagster.columns.content import id_part
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.derived import Derived
from ml_connector_dagster.model.remote_records import ReviewScope
from ml_connector_dagster.sync.open_amounts import WithOpenAmounts, open_amounts
from ml_connector_dagster.sync.references import keys_of, records_pointing_at
from ml_connector_dagster.sync.versions import newest_rows, stage_again
from ml_connector_dagster.sync.workspace import Workspace


#: Rows of one batch: what is held in memory at once.
SLICE: Final = 20_000

_MAPPING: Final = "mapping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What there is to look at again in one scope, and what its state reflects afterwards that it did not before."""

    scope: ReviewScope
    record_ids: tuple[str, ...]
    marks: dict[str, frozenset[str]]
    moves: dict[str, tuple[str, ...]]


def find_review(
    workspace: Workspace,
    all_mapped: Sequence[Mapped],
    destination: str,
    *,
    tenant: str,
    company: str,
) -> Review:
    """What has to be looked at again. Nothing is changed.

    ``all_mapped``: an entity, and what else is made of its rows.
    """
    mapped = all_mapped[0]
    ledger, entity = workspace.ledger, mapped.entity
    scope = ReviewScope(destination=destination, tenant=tenant, entity=entity.name, company=company)
    prefix = f"{id_part(tenant)}/{id_part(company)}/"
    chosen: set[str] = set()
    marks: dict[str, frozenset[str]] = {}
    known, now = (
        ledger.reviews.marks(scope, _MAPPING),
        frozenset({" ".join(one.fingerprint for one in all_mapped)}),
    )
    if known != now:
        marks[_MAPPING] = now
    if known - now:
        chosen |= set(ledger.reviews.remote_record_ids(destination, entity.name, prefix))
    moves = {
        owner: moved
        for owner in mapped.owners
        if (moved := ledger.reviews.moved_records(destination, owner, prefix))
    }
    for owner, moved in moves.items():
        chosen |= _parts_of(workspace, scope, mapped, owner, moved)
    for derived in mapped.derived:
        batches = _staged(workspace, tenant, derived.source, company)
        considered = ledger.reviews.marks(scope, derived.source)
        new = [batch for batch in batches if batch.batch_id not in considered]
        if new:
            marks[derived.source] = frozenset(batch.batch_id for batch in batches)
            chosen |= _touched(workspace, scope, derived, new)
    return Review(scope=scope, record_ids=tuple(sorted(chosen)), marks=marks, moves=moves)


def stage_review(workspace: Workspace, review: Review, *, run_id: str) -> None:
    """Stage what has to be looked at, for its destination alone, and write down that it was."""
    scope = review.scope
    for rows, carrier in newest_slices(workspace, review):
        stage_again(
            workspace, rows, carrier, destination=scope.destination, route="review", run_id=run_id
        )
    if review.marks or review.moves:
        workspace.ledger.reviews.reviewed(scope, marks=review.marks, moves=review.moves)


def newest_slices(workspace: Workspace, review: Review) -> Iterator[tuple[pa.Table, Batch]]:
    """The newest versions of the records, and a batch that carries one of them; slice by slice."""
    scope = review.scope
    for first in range(0, len(review.record_ids), SLICE):
        rows, carrier = newest_rows(
            workspace,
            scope.tenant,
            scope.entity,
            scope.company,
            review.record_ids[first : first + SLICE],
        )
        if carrier is not None and rows.num_rows:
            yield rows, carrier


@contextmanager
def with_derived(
    workspace: Workspace, mapped: Mapped, *, tenant: str, companies: Sequence[str]
) -> Iterator[Callable[[StagedBatch], StagedBatch]]:
    """Gives staged batches the derived columns that ``mapped`` reads, as of now."""
    if not mapped.derived:
        yield lambda staged: staged
        return
    (derived,) = mapped.derived  # open_amount is the only one there is
    batches = [
        batch
        for company in companies
        for batch in _staged(workspace, tenant, derived.source, company)
    ]
    with (
        workspace.staging.files(batches) as files,
        open_amounts(workspace.settings.home, files) as amounts,
    ):
        yield lambda staged: WithOpenAmounts(staged=staged, amounts=amounts)


def _staged(workspace: Workspace, tenant: str, entity: str, company: str) -> list[Batch]:
    """The batches with rows that were staged for everybody; a replay or a review only repeats some of them."""
    found = workspace.ledger.batches(tenant=tenant, entity=entity, company=company)
    return [batch for batch in found if batch.rows and not batch.for_destination]


def _parts_of(
    workspace: Workspace, scope: ReviewScope, mapped: Mapped, owner: str, moved: Sequence[str]
) -> set[str]:
    """The records that are part of ``moved``."""
    (reference,) = {
        one.reference
        for one in mapped.parents.values()
        if one.owner and one.reference.entity == owner
    }
    batches = _staged(workspace, scope.tenant, scope.entity, scope.company)
    with workspace.staging.files(batches) as files:
        return records_pointing_at(workspace.settings.home, files, reference, moved)


def _touched(
    workspace: Workspace, scope: ReviewScope, derived: Derived, batches: Sequence[Batch]
) -> set[str]:
    """The records, of those that were decided on, that something in ``batches`` points at."""
    with workspace.staging.files(batches) as files:
        named = keys_of(workspace.settings.home, files, derived.reference)
    return set(
        workspace.ledger.remote.remote_records(scope.destination, scope.entity, sorted(named))
    )
