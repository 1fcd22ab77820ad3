"""Reconciliations: how each comparison ended, and the records that differed at the last one.

A comparison and what it found are one transaction. A difference keeps the moment at which it was first found for as
long as both sides of it stay as they were: one that should have healed since then is no longer in flight.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    Row,
    Table,
    Text,
    delete,
    insert,
    select,
)

from ml_connector_dagster.ledger.databases import Database, chunks
from ml_connector_dagster.ledger.tables import Moment, metadata, newest_of_each, numbered
from ml_connector_dagster.model.reconciliations import (
    Difference,
    Finding,
    Reconciliation,
    ReconciliationState,
    Standing,
)


_SCOPE: Final = ("tenant", "destination", "entity", "company")
_NUMBERS: Final = ("erp_rows", "found_rows", "in_flight", "waiting", "wrong", "requests")

#: Every reconciliation that ended, however it ended.
reconciliation = Table(
    "reconciliation",
    metadata,
    numbered(),
    *(Column(name, Text, nullable=False) for name in (*_SCOPE, "run_id", "state")),
    Column("since", Moment, nullable=True),
    Column("period", Integer, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in _NUMBERS),
    Column("reason", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=False),
    Index("reconciliation_scope", *_SCOPE, "state"),
)

#: The records that differed when they were last compared. ``erp`` and ``found`` are JSON: column → value.
reconciliation_difference = Table(
    "reconciliation_difference",
    metadata,
    *(Column(name, Text, primary_key=True, nullable=False) for name in (*_SCOPE, "record_id")),
    *(
        Column(name, Text, nullable=False)
        for name in ("finding", "standing", "why", "erp", "found")
    ),
    Column("first_seen_at", Moment, nullable=False),
)


def record(database: Database, done: Reconciliation, differences: Sequence[Difference]) -> None:
    """Write down a comparison. One of everything replaces the differences of its scope, another adds to them.

    One that failed knows nothing, and leaves them as they are.
    """
    scope = _scope(done)
    with database.write(f"reconciliations of {done.destination}") as connection:
        connection.execute(
            insert(reconciliation).values(
                **scope,
                run_id=done.run_id,
                state=done.state.value,
                since=done.since,
                period=done.period,
                reason=done.reason,
                started_at=done.started_at,
                ended_at=done.ended_at,
                **{name: getattr(done, name) for name in _NUMBERS},
            )
        )
        if done.state is ReconciliationState.FAILED:
            return
        ours = [reconciliation_difference.c[name] == value for name, value in scope.items()]
        if done.is_whole:
            connection.execute(delete(reconciliation_difference).where(*ours))
        else:
            for portion in chunks(sorted(one.record_id for one in differences)):
                named = reconciliation_difference.c.record_id.in_(portion)
                connection.execute(delete(reconciliation_difference).where(*ours, named))
        if differences:
            connection.execute(
                insert(reconciliation_difference),
                [
                    {
                        **scope,
                        "record_id": one.record_id,
                        "finding": one.finding.value,
                        "standing": one.standing.value,
                        "why": one.why,
                        "erp": json.dumps(dict(one.erp)),
                        "found": json.dumps(dict(one.found)),
                        "first_seen_at": one.first_seen_at or done.started_at,
                    }
                    for one in differences
                ],
            )


def find_differences(
    database: Database, *, tenant: str, destination: str, entity: str, company: str
) -> tuple[Difference, ...]:
    """The records of a scope that differed when they were last compared, by record id."""
    query = (
        select(reconciliation_difference)
        .where(
            reconciliation_difference.c.tenant == tenant,
            reconciliation_difference.c.destination == destination,
            reconciliation_difference.c.entity == entity,
            reconciliation_difference.c.company == company,
        )
        .order_by(reconciliation_difference.c.record_id)
    )
    with database.read() as connection:
        return tuple(_difference(row) for row in connection.execute(query))


def find_last(
    database: Database,
    tenant: str,
    destination: str,
    *,
    states: Collection[ReconciliationState] | None,
    whole: bool,
) -> tuple[Reconciliation, ...]:
    """The newest of each entity and company, by both: of those that ended in ``states``, of everything if ``whole``."""
    conditions = [
        reconciliation.c.tenant == tenant,
        reconciliation.c.destination == destination,
    ]
    if states is not None:
        conditions.append(reconciliation.c.state.in_([one.value for one in states]))
    if whole:
        conditions += [reconciliation.c.since.is_(None), reconciliation.c.period == 0]
    query = newest_of_each(reconciliation, conditions)
    with database.read() as connection:
        return tuple(_reconciliation(row) for row in connection.execute(query))


def _scope(done: Reconciliation) -> Mapping[str, str]:
    return {name: getattr(done, name) for name in _SCOPE}


def _difference(row: Row[Any]) -> Difference:
    return Difference(
        record_id=row.record_id,
        finding=Finding(row.finding),
        standing=Standing(row.standing),
        why=row.why,
        erp=json.loads(row.erp),
        found=json.loads(row.found),
        first_seen_at=row.first_seen_at,
    )


def _reconciliation(row: Row[Any]) -> Reconciliation:
    return Reconciliation(
        tenant=row.tenant,
        destination=row.destination,
        entity=row.entity,
        company=row.company,
        run_id=row.run_id,
        state=ReconciliationState(row.state),
        since=row.since,
        period=row.period,
        reason=row.reason,
        started_at=row.started_at,
        ended_at=row.ended_at,
        **{name: getattr(row, name) for name in _NUMBERS},
    )
