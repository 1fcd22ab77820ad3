"""What applications call our records and have accepted of them, and the writes that have no answer yet.

An intent is written before its record is sent, and leaves in the transaction that writes down the answer: whatever
is left after a crash is what nobody knows about.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, select

from ml_connector_dagster.ledger.databases import Database, chunks
from ml_connector_dagster.ledger.reviews import note_moves
from ml_connector_dagster.ledger.tables import remote_intent, remote_job, remote_record
from ml_connector_dagster.model.remote_records import Intent, RemoteRecord, RemoteState


def find(
    database: Database, destination: str, entity: str, record_ids: Sequence[str]
) -> Mapping[str, RemoteRecord]:
    """Record id → what is known of it; ids that the destination does not have are left out."""
    found = {}
    with database.read() as connection:
        for portion in chunks(list(dict.fromkeys(record_ids))):
            query = select(remote_record).where(
                *_of(remote_record, destination, entity), remote_record.c.record_id.in_(portion)
            )
            for row in connection.execute(query):
                found[row.record_id] = _record(row)
    return found


def count(
    database: Database, destination: str, entity: str, prefix: str, state: RemoteState
) -> int:
    """How many records whose id begins with ``prefix`` are in ``state``."""
    query = select(func.count()).where(
        *_of(remote_record, destination, entity),
        remote_record.c.state == state.value,
        # Not LIKE, which ignores case in SQLite.
        # Not by "greater than": PostgreSQL orders texts as its locale says.
        func.substr(remote_record.c.record_id, 1, len(prefix)) == prefix,
    )
    with database.read() as connection:
        return int(connection.execute(query).scalar_one())


def put(
    database: Database,
    destination: str,
    entity: str,
    records: Sequence[RemoteRecord],
    *,
    answered: Iterable[str] = (),
    now: datetime,
) -> None:
    """Remember ``records`` in place of what was known of them, and end the intents of ``answered``. All or none."""
    newest = list({record.record_id: record for record in records}.values())
    ended = list(dict.fromkeys(answered))
    with database.write(f"remote records of {destination}") as connection:
        for portion in chunks(newest):
            note_moves(connection, destination, entity, portion)
            _forget(connection, remote_record, destination, entity, [r.record_id for r in portion])
            connection.execute(
                insert(remote_record),
                [_columns(destination, entity, one) | {"accepted_at": now} for one in portion],
            )
        for ids in chunks(ended):
            _forget(connection, remote_intent, destination, entity, ids)


def put_intents(
    database: Database, destination: str, entity: str, intents: Sequence[Intent]
) -> None:
    """Write down what is about to be sent. All or none."""
    with database.write(f"intents of {destination}") as connection:
        for portion in chunks(intents):
            ids = [intent.accepted.record_id for intent in portion]
            _forget(connection, remote_intent, destination, entity, ids)
            connection.execute(
                insert(remote_intent),
                [
                    _columns(destination, entity, intent.accepted)
                    | {"ticket": intent.ticket, "position": intent.position}
                    for intent in portion
                ],
            )


def find_intents(database: Database, destination: str, entity: str) -> tuple[Intent, ...]:
    """What was sent, or was to be, without an answer; in the order of sending inside each ticket."""
    query = (
        select(remote_intent)
        .where(*_of(remote_intent, destination, entity))
        .order_by(remote_intent.c.ticket, remote_intent.c.position)
    )
    with database.read() as connection:
        return tuple(
            Intent(ticket=row.ticket, position=row.position, accepted=_record(row))
            for row in connection.execute(query)
        )


def put_job(
    database: Database, destination: str, entity: str, ticket: str, job_id: str, *, now: datetime
) -> None:
    """A sending has become a job of the application."""
    with database.write(f"jobs of {destination}") as connection:
        connection.execute(
            delete(remote_job).where(
                *_of(remote_job, destination, entity), remote_job.c.ticket == ticket
            )
        )
        connection.execute(
            insert(remote_job).values(
                destination=destination,
                entity=entity,
                ticket=ticket,
                job_id=job_id,
                started_at=now,
            )
        )


def find_jobs(database: Database, destination: str, entity: str) -> Mapping[str, str]:
    """Ticket → id of its job."""
    query = select(remote_job).where(*_of(remote_job, destination, entity))
    with database.read() as connection:
        return {row.ticket: row.job_id for row in connection.execute(query)}


def end_job(database: Database, destination: str, entity: str, ticket: str) -> None:
    """Nobody waits for the job of ``ticket`` any more."""
    with database.write(f"jobs of {destination}") as connection:
        connection.execute(
            delete(remote_job).where(
                *_of(remote_job, destination, entity), remote_job.c.ticket == ticket
            )
        )


def _of(table: Table, destination: str, entity: str) -> tuple[Any, Any]:
    return table.c.destination == destination, table.c.entity == entity


def _forget(
    connection: Connection, table: Table, destination: str, entity: str, ids: Sequence[str]
) -> None:
    connection.execute(
        delete(table).where(*_of(table, destination, entity), table.c.record_id.in_(ids))
    )


def _columns(destination: str, entity: str, record: RemoteRecord) -> dict[str, Any]:
    return {
        "destination": destination,
        "entity": entity,
        "record_id": record.record_id,
        "remote_id": record.remote_id,
        "row_hash": record.row_hash,
        "batch_id": record.batch_id,
        "external_id": record.external_id,
        "version": record.version,
        "modified_at": record.modified_at,
        "extracted_at": record.extracted_at,
        "state": record.state.value,
        "outcome": record.outcome,
    }


def _record(row: Row[Any]) -> RemoteRecord:
    return RemoteRecord(
        record_id=row.record_id,
        remote_id=row.remote_id,
        row_hash=row.row_hash,
        batch_id=row.batch_id,
        external_id=row.external_id,
        version=row.version,
        modified_at=row.modified_at,
        extracted_at=row.extracted_at,
        state=RemoteState(row.state),
        outcome=row.outcome,
    )
