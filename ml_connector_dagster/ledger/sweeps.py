"""Key sweeps: who was missed, how often, and when each table was last swept.

A sweep, the batches that carry its marks and what it saw of each record are one transaction: a mark never stands
without its evidence, and evidence that has become a mark is not used twice.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from ml_connector_dagster.ledger.batches import insert_batch
from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import newest_of_each, sighting
from ml_connector_dagster.ledger.tables import sweep as sweeps
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.sweeps import Sighting, Sweep, SweepState


class LedgerSweeps:
    """The key sweeps of all tenants."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def alone(self, tenant: str, entity: str, company: str) -> AbstractContextManager[None]:
        """Nobody else, in any process, sweeps this entity and company inside the block. It is waited for."""
        return self._database.alone(f"sweep.{tenant}.{entity}.{company}")

    def sightings(self, tenant: str, entity: str, company: str) -> Mapping[str, Sighting]:
        """The records that the last complete sweep missed and did not mark, by record id."""
        query = select(sighting).where(
            sighting.c.tenant == tenant, sighting.c.entity == entity, sighting.c.company == company
        )
        with self._database.read() as connection:
            return {
                row.record_id: Sighting(
                    record_id=row.record_id,
                    first_missed_at=row.first_missed_at,
                    times_missed=row.times_missed,
                )
                for row in connection.execute(query)
            }

    def record(
        self, sweep: Sweep, *, batches: Sequence[Batch] = (), sightings: Sequence[Sighting] = ()
    ) -> None:
        """Write down a sweep together with the batches of its marks and whom it missed.

        When it is complete, ``sightings`` take the place of those before; else they stay. Raises ValueError when one
        that is not complete brings any, or batches.
        """
        complete = sweep.state is SweepState.COMPLETE
        if (batches or sightings) and not complete:
            raise ValueError(f"a {sweep.state} sweep of {sweep.entity} proves nothing")
        # The subject of a read's commits too: a mark is made on what is staged.
        subject = f"batches of {sweep.entity} of {sweep.tenant}/{sweep.company}"
        with self._database.write(subject) as connection:
            connection.execute(insert(sweeps).values(**_values(sweep)))
            if complete:
                for batch in batches:
                    insert_batch(connection, batch, None, self._now())
                _replace_sightings(connection, sweep, sightings)

    def last(
        self, tenant: str, *, entity: str | None = None, state: SweepState | None = None
    ) -> tuple[Sweep, ...]:
        """The newest sweep of each entity and company, by both; with ``state``, the newest that ended so."""
        conditions = [sweeps.c.tenant == tenant]
        if entity is not None:
            conditions.append(sweeps.c.entity == entity)
        if state is not None:
            conditions.append(sweeps.c.state == state.value)
        query = newest_of_each(sweeps, conditions)
        with self._database.read() as connection:
            return tuple(_sweep(row) for row in connection.execute(query))


def _replace_sightings(connection: Connection, sweep: Sweep, sightings: Sequence[Sighting]) -> None:
    scope = {"tenant": sweep.tenant, "entity": sweep.entity, "company": sweep.company}
    connection.execute(
        delete(sighting).where(*(sighting.c[name] == value for name, value in scope.items()))
    )
    if sightings:
        connection.execute(
            insert(sighting),
            [
                {
                    **scope,
                    "record_id": one.record_id,
                    "first_missed_at": one.first_missed_at,
                    "times_missed": one.times_missed,
                }
                for one in sightings
            ],
        )


def _values(sweep: Sweep) -> dict[str, Any]:
    return {
        "tenant": sweep.tenant,
        "entity": sweep.entity,
        "company": sweep.company,
        "run_id": sweep.run_id,
        "state": sweep.state.value,
        "known": sweep.known,
        "seen": sweep.seen,
        "missed": sweep.missed,
        "marked": sweep.marked,
        "returned": sweep.returned,
        "requests": sweep.requests,
        "reason": sweep.reason,
        "started_at": sweep.started_at,
        "ended_at": sweep.ended_at,
    }


def _sweep(row: Row[Any]) -> Sweep:
    return Sweep(
        tenant=row.tenant,
        entity=row.entity,
        company=row.company,
        run_id=row.run_id,
        state=SweepState(row.state),
        started_at=row.started_at,
        ended_at=row.ended_at,
        known=row.known,
        seen=row.seen,
        missed=row.missed,
        marked=row.marked,
        returned=row.returned,
        requests=row.requests,
        reason=row.reason,
    )
