"""What an application calls our records, and which content of them it accepted last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from ml_connector_dagster.ledger.databases import Database, chunks
from ml_connector_dagster.ledger.tables import remote_record


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRecord:
    """One record at one destination. ``row_hash`` is the content that it accepted last."""

    record_id: str
    remote_id: str
    row_hash: str
    batch_id: str


def find(
    database: Database, destination: str, entity: str, record_ids: Sequence[str]
) -> Mapping[str, RemoteRecord]:
    """Record id → what is known of it; ids that the destination does not have are left out."""
    found = {}
    with database.read() as connection:
        for portion in chunks(list(dict.fromkeys(record_ids))):
            query = select(remote_record).where(
                remote_record.c.destination == destination,
                remote_record.c.entity == entity,
                remote_record.c.record_id.in_(portion),
            )
            for row in connection.execute(query):
                found[row.record_id] = RemoteRecord(
                    record_id=row.record_id,
                    remote_id=row.remote_id,
                    row_hash=row.row_hash,
                    batch_id=row.batch_id,
                )
    return found


def put(
    database: Database,
    destination: str,
    entity: str,
    records: Sequence[RemoteRecord],
    *,
    now: datetime,
) -> None:
    """Remember ``records``, in place of what was known of them. All or none."""
    newest = list({record.record_id: record for record in records}.values())
    with database.write(f"remote records of {destination}") as connection:
        for portion in chunks(newest):
            connection.execute(
                delete(remote_record).where(
                    remote_record.c.destination == destination,
                    remote_record.c.entity == entity,
                    remote_record.c.record_id.in_([record.record_id for record in portion]),
                )
            )
            connection.execute(
                insert(remote_record),
                [
                    {
                        "destination": destination,
                        "entity": entity,
                        "record_id": record.record_id,
                        "remote_id": record.remote_id,
                        "row_hash": record.row_hash,
                        "batch_id": record.batch_id,
                        "accepted_at": now,
                    }
                    for record in portion
                ],
            )
