"""Taking out what nobody needs any more: batches that a kept one replaces, and rows that only tell of the past.

A kept batch takes the place of others in one transaction: it comes with a delivery to each destination that has all of
them, and their counts are carried over, so that what a table must hold stays the same number.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from ml_connector_dagster.ledger.batches import insert_batch
from ml_connector_dagster.ledger.databases import Database, chunks
from ml_connector_dagster.ledger.deliveries import OUTCOMES
from ml_connector_dagster.ledger.reads import ReadState
from ml_connector_dagster.ledger.tables import batch as batches
from ml_connector_dagster.ledger.tables import (
    budget_call,
    dead_letter,
    delivery,
    delivery_attempt,
    delivery_carried,
    edit,
    removed_batch,
    sweep,
    watermark,
    window_read,
)
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.errors import TransientError
from ml_connector_dagster.model.receipts import DeliveryState


#: A call that ended so long ago counts in no span of the budget.
_BUDGET_PAST: Final = timedelta(days=1)

_SUMS: Final = (*OUTCOMES, "requests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """Before which moments rows are of no use any more."""

    letters: datetime
    reads: datetime
    sweeps: datetime
    now: datetime


class LedgerCleaning:
    """What a clean-up asks of the ledger, and takes out of it."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else, in any process, cleans up inside the block. It is waited for."""
        return self._database.alone("clean-up")

    def watermark_batches(self) -> frozenset[str]:
        """The batches that prove how far each entity is complete."""
        with self._database.read() as connection:
            return frozenset(connection.execute(select(watermark.c.batch_id)).scalars())

    def replace_batches(
        self, removed: Sequence[Batch], kept: Batch | None, *, needed_by: Collection[str]
    ) -> None:
        """Put ``kept`` in the place of ``removed``, batches of one entity and company, all or nothing.

        What they have delivered still counts. Raises TransientError when one of them is needed after all: by a
        destination of ``needed_by`` that has not got it, as the proof of a watermark, or because somebody else has
        replaced it.
        """
        one, now = removed[0], self._now()
        subject = f"batches of {one.entity} of {one.tenant}/{one.company}"
        with self._database.write(subject) as connection:
            _must_be_removable(connection, removed, needed_by)
            _carry(connection, removed)
            if kept is not None:
                insert_batch(connection, kept, None, now)
                ordinary = [each.batch_id for each in removed if not each.for_destination]
                for destination in _having_all(connection, ordinary):
                    connection.execute(insert(delivery).values(**_done(kept, destination, now)))
            for ids in chunks([each.batch_id for each in removed]):
                for table in (delivery_attempt, delivery, batches):
                    connection.execute(delete(table).where(table.c.batch_id.in_(ids)))
                connection.execute(
                    insert(removed_batch), [{"batch_id": each, "removed_at": now} for each in ids]
                )

    def removed_batches(self, *, since: datetime) -> frozenset[str]:
        """Batches that were replaced at ``since`` or later: somebody may still be reading their files."""
        query = select(removed_batch.c.batch_id).where(removed_batch.c.removed_at >= since)
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def forget_removed_batches(self, *, before: datetime) -> None:
        """The files of batches that were replaced before ``before`` are gone."""
        with self._database.write("removed batches") as connection:
            connection.execute(delete(removed_batch).where(removed_batch.c.removed_at < before))

    def forget(self, limits: Forgetting, *, dry_run: bool = False) -> dict[str, int]:
        """Remove rows that only tell of the past (``dry_run``: count them); answers how many, by what they are."""
        counts: dict[str, int] = {}
        for what, table, conditions in _past(limits):
            if dry_run:
                query = select(func.count()).select_from(table).where(*conditions)
                with self._database.read() as connection:
                    counts[what] = connection.execute(query).scalar_one()
            else:
                with self._database.write(f"clean-up of {what}") as connection:
                    counts[what] = connection.execute(delete(table).where(*conditions)).rowcount
        return counts


def _past(limits: Forgetting) -> list[tuple[str, Table, list[ColumnElement[bool]]]]:
    """Edits go before the letters that they answer: a letter with an edit in force stays."""
    edited = exists().where(edit.c.letter_id == dead_letter.c.id)
    staged = exists().where(batches.c.read_id == window_read.c.id)
    newest_reads = select(func.max(window_read.c.id)).group_by(
        window_read.c.tenant, window_read.c.entity, window_read.c.company
    )
    newest_sweeps = select(func.max(sweep.c.id)).group_by(
        sweep.c.tenant, sweep.c.entity, sweep.c.company, sweep.c.state
    )
    ago = (limits.now - _BUDGET_PAST).timestamp()
    return [
        ("edits", edit, [edit.c.ended_at < limits.letters]),
        ("dead letters", dead_letter, [dead_letter.c.resolved_at < limits.letters, ~edited]),
        (
            "reads",
            window_read,
            [
                window_read.c.state != ReadState.OPEN,
                window_read.c.ended_at < limits.reads,
                window_read.c.id.not_in(newest_reads),
                ~staged,
            ],
        ),
        ("sweeps", sweep, [sweep.c.ended_at < limits.sweeps, sweep.c.id.not_in(newest_sweeps)]),
        (
            "budget rows",
            budget_call,
            [
                or_(
                    budget_call.c.ended_at < ago,
                    and_(budget_call.c.ended_at.is_(None), budget_call.c.started_at < ago),
                )
            ],
        ),
    ]


def _must_be_removable(
    connection: Connection, removed: Sequence[Batch], needed_by: Collection[str]
) -> None:
    ids = [one.batch_id for one in removed]
    there: set[str] = set()
    for portion in chunks(ids):
        query = select(batches.c.batch_id).where(batches.c.batch_id.in_(portion))
        there |= set(connection.execute(query).scalars())
    proofs = set(connection.execute(select(watermark.c.batch_id)).scalars())
    ordinary = [one.batch_id for one in removed if not one.for_destination]
    lacking = set(needed_by) - _having_all(connection, ordinary)
    if there != set(ids) or proofs & set(ids) or lacking:
        raise TransientError(
            f"batches of {removed[0].entity} of {removed[0].tenant}/{removed[0].company} were used while they were "
            "cleaned up; nothing of them was removed. Run the clean-up again"
        )


def _having_all(connection: Connection, batch_ids: Sequence[str]) -> set[str]:
    """The destinations to which each of these batches was delivered."""
    counted: dict[str, int] = {}
    for portion in chunks(batch_ids):
        query = (
            select(delivery.c.destination, func.count())
            .where(delivery.c.batch_id.in_(portion), delivery.c.state == DeliveryState.DONE)
            .group_by(delivery.c.destination)
        )
        for destination, count in connection.execute(query):
            counted[destination] = counted.get(destination, 0) + count
    return {name for name, count in counted.items() if count == len(batch_ids)}


def _carry(connection: Connection, removed: Sequence[Batch]) -> None:
    """Add the counts of deliveries that go to those of earlier clean-ups."""
    one = removed[0]
    sums: dict[str, dict[str, int]] = {}
    for portion in chunks([each.batch_id for each in removed]):
        query = (
            select(
                delivery.c.destination, *(func.sum(delivery.c[name]).label(name) for name in _SUMS)
            )
            .where(delivery.c.batch_id.in_(portion), delivery.c.state == DeliveryState.DONE)
            .group_by(delivery.c.destination)
        )
        for row in connection.execute(query):
            so_far = sums.setdefault(row.destination, dict.fromkeys(_SUMS, 0))
            for name in _SUMS:
                so_far[name] += int(getattr(row, name))
    for destination, added in sums.items():
        place = {
            "destination": destination,
            "tenant": one.tenant,
            "entity": one.entity,
            "company": one.company,
        }
        this = [delivery_carried.c[name] == value for name, value in place.items()]
        grown: Mapping[str, ColumnElement[int]] = {
            name: delivery_carried.c[name] + value for name, value in added.items()
        }
        if connection.execute(update(delivery_carried).where(*this).values(**grown)).rowcount == 0:
            connection.execute(insert(delivery_carried).values(**place, **added))


def _done(kept: Batch, destination: str, now: datetime) -> dict[str, object]:
    """The delivery of a batch whose records a destination has already."""
    return {
        "batch_id": kept.batch_id,
        "destination": destination,
        "state": DeliveryState.DONE,
        "attempts": 0,
        "run_id": kept.run_id,
        "started_at": now,
        "finished_at": now,
        **dict.fromkeys(_SUMS, 0),
    }
