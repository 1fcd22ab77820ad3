"""What applications call our records and have accepted of them, and the writes that have no answer yet.

An intent is written before its record is sent, and leaves in the transaction that writes down the answer: whatever
is left after a crash is what nobody knows about.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from ml_connector_dagster.ledger.databases import Database, chunks
from ml_connector_dagster.ledger.reviews import begins_with, forget, note_moves, of
from ml_connector_dagster.ledger.tables import remote_intent, remote_job, remote_record
from ml_connector_dagster.model.remote_records import Intent, RemoteRecord, RemoteState


class LedgerRemoteRecords:
    """What applications have of our records: ``RemoteRecords`` of ``destinations.applications``."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def deliver_alone(self, destination: str, entity: str) -> AbstractContextManager[None]:
        """Nobody else, in any process, delivers ``entity`` to ``destination`` inside the block. It is waited for.

        Raises TransientError when it takes too long. A process that dies lets go of it.
        """
        return self._database.alone(f"{destination}.{entity}")

    def remote_records(
        self, destination: str, entity: str, record_ids: Sequence[str]
    ) -> Mapping[str, RemoteRecord]:
        """Record id → what ``destination`` calls it and has accepted of it; unknown ones are left out."""
        found = {}
        with self._database.read() as connection:
            for portion in chunks(list(dict.fromkeys(record_ids))):
                query = select(remote_record).where(
                    *of(remote_record, destination, entity), remote_record.c.record_id.in_(portion)
                )
                for row in connection.execute(query):
                    found[row.record_id] = _record(row)
        return found

    def count_remote_records(
        self, destination: str, entity: str, prefix: str, state: RemoteState
    ) -> int:
        """How many records whose id begins with ``prefix`` (not empty) are in ``state`` at ``destination``."""
        query = select(func.count()).where(
            *of(remote_record, destination, entity),
            remote_record.c.state == state.value,
            begins_with(remote_record, prefix),
        )
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def put_remote_records(
        self,
        destination: str,
        entity: str,
        records: Sequence[RemoteRecord],
        *,
        answered: Collection[str] = (),
    ) -> None:
        """Remember ``records``, in place of what was known of them, and end the intents of ``answered``. All or none."""
        newest = list({record.record_id: record for record in records}.values())
        accepted_at = {"accepted_at": self._now()}
        with self._database.write(f"remote records of {destination}") as connection:
            for portion in chunks(newest):
                note_moves(connection, destination, entity, portion)
                ids = [record.record_id for record in portion]
                forget(connection, remote_record, destination, entity, ids)
                connection.execute(
                    insert(remote_record),
                    [_columns(destination, entity, one) | accepted_at for one in portion],
                )
            for ids_of_some in chunks(list(dict.fromkeys(answered))):
                forget(connection, remote_intent, destination, entity, ids_of_some)

    def put_intents(self, destination: str, entity: str, intents: Sequence[Intent]) -> None:
        """Write down writes that are about to be sent. All or none."""
        with self._database.write(f"intents of {destination}") as connection:
            for portion in chunks(intents):
                ids = [intent.accepted.record_id for intent in portion]
                forget(connection, remote_intent, destination, entity, ids)
                connection.execute(
                    insert(remote_intent),
                    [
                        _columns(destination, entity, intent.accepted)
                        | {"ticket": intent.ticket, "position": intent.position}
                        for intent in portion
                    ],
                )

    def intents(self, destination: str, entity: str) -> tuple[Intent, ...]:
        """Writes without an answer, by ticket and in the order of sending."""
        query = (
            select(remote_intent)
            .where(*of(remote_intent, destination, entity))
            .order_by(remote_intent.c.ticket, remote_intent.c.position)
        )
        with self._database.read() as connection:
            return tuple(
                Intent(ticket=row.ticket, position=row.position, accepted=_record(row))
                for row in connection.execute(query)
            )

    def put_job(self, destination: str, entity: str, ticket: str, job_id: str) -> None:
        """A sending has become a job of the application, which another process can wait for too."""
        with self._database.write(f"jobs of {destination}") as connection:
            _forget_job(connection, destination, entity, ticket)
            connection.execute(
                insert(remote_job).values(
                    destination=destination,
                    entity=entity,
                    ticket=ticket,
                    job_id=job_id,
                    started_at=self._now(),
                )
            )

    def jobs(self, destination: str, entity: str) -> Mapping[str, str]:
        """Ticket → id of its job."""
        query = select(remote_job).where(*of(remote_job, destination, entity))
        with self._database.read() as connection:
            return {row.ticket: row.job_id for row in connection.execute(query)}

    def end_job(self, destination: str, entity: str, ticket: str) -> None:
        """Nobody waits for the job of ``ticket`` any more."""
        with self._database.write(f"jobs of {destination}") as connection:
            _forget_job(connection, destination, entity, ticket)


def _forget_job(connection: Connection, destination: str, entity: str, ticket: str) -> None:
    connection.execute(
        delete(remote_job).where(
            *of(remote_job, destination, entity), remote_job.c.ticket == ticket
        )
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
