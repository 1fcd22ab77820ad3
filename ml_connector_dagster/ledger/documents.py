"""Business documents: which variation of each was taken, so that an older one never follows a newer one."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select

from ml_connector_dagster.ledger import dead_letters
from ml_connector_dagster.ledger.batches import insert_batch
from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import dead_letter, document_variation
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.receipts import NewDeadLetter, Stage


#: Noun, company, document id.
DocumentKey = tuple[str, str, str]


def find_variations(
    database: Database, tenant: str, keys: Collection[DocumentKey]
) -> dict[DocumentKey, int]:
    """The newest variation that was taken of each document; those that were never taken are left out."""
    table = document_variation.c
    found: dict[DocumentKey, int] = {}
    with database.read() as connection:
        for noun, company, document_id in keys:
            variation = connection.execute(
                select(table.variation).where(
                    table.tenant == tenant,
                    table.noun == noun,
                    table.company == company,
                    table.document_id == document_id,
                )
            ).scalar_one_or_none()
            if variation is not None:
                found[noun, company, document_id] = variation
    return found


def record(
    database: Database,
    tenant: str,
    *,
    batches: Sequence[Batch],
    variations: Mapping[DocumentKey, tuple[int, str]],
    letters: Sequence[NewDeadLetter],
    resolved: Collection[str],
    now: datetime,
) -> None:
    """Write down what was taken: batches, document → (variation, message id), what was refused, what was refused before and is not now."""
    with database.write(f"documents of {tenant}") as connection:
        for batch in batches:
            insert_batch(connection, batch, None, now)
        for (noun, company, document_id), (variation, message_id) in variations.items():
            key = {"tenant": tenant, "noun": noun, "company": company, "document_id": document_id}
            connection.execute(
                delete(document_variation).where(
                    *(document_variation.c[name] == value for name, value in key.items())
                )
            )
            connection.execute(
                insert(document_variation).values(
                    **key, variation=variation, message_id=message_id, taken_at=now
                )
            )
        dead_letters.record(connection, letters, read_id=None, now=now)
        if resolved:
            open_ones = connection.execute(
                select(dead_letter.c.id).where(
                    dead_letter.c.tenant == tenant,
                    dead_letter.c.stage == Stage.EXTRACT,
                    dead_letter.c.resolved_at.is_(None),
                    dead_letter.c.fingerprint.in_(sorted(resolved)),
                )
            ).scalars()
            dead_letters.resolve(connection, list(open_ones), now)
