"""Business documents: which variation of each was taken, so that an older one never follows a newer one."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from ml_connector_dagster.ledger import dead_letters
from ml_connector_dagster.ledger.batches import insert_batch
from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import dead_letter, document_variation
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.receipts import NewDeadLetter, Stage


#: Noun, company, document id.
DocumentKey = tuple[str, str, str]


class LedgerDocuments:
    """The business documents of all tenants."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def take_alone(self, tenant: str) -> AbstractContextManager[None]:
        """Nobody else, in any process, takes documents of ``tenant`` inside the block. It is waited for."""
        return self._database.alone(f"documents.{tenant}")

    def variations(self, tenant: str, keys: Collection[DocumentKey]) -> Mapping[DocumentKey, int]:
        """The newest variation that was taken of each document; those that were never taken are left out."""
        found: dict[DocumentKey, int] = {}
        with self._database.read() as connection:
            for key in keys:
                query = select(document_variation.c.variation).where(*_is(tenant, key))
                variation = connection.execute(query).scalar_one_or_none()
                if variation is not None:
                    found[key] = variation
        return found

    def record(
        self,
        tenant: str,
        *,
        batches: Sequence[Batch],
        variations: Mapping[DocumentKey, tuple[int, str]],
        letters: Sequence[NewDeadLetter],
        resolved: Collection[str],
    ) -> None:
        """Write down the batches that documents became, with their variations (number, message id), all or none.

        ``letters``: what was refused. ``resolved``: fingerprints of what was refused before and is not now.
        """
        now = self._now()
        with self._database.write(f"documents of {tenant}") as connection:
            for batch in batches:
                insert_batch(connection, batch, None, now)
            for key, (variation, message_id) in variations.items():
                connection.execute(delete(document_variation).where(*_is(tenant, key)))
                connection.execute(
                    insert(document_variation).values(
                        **_named(tenant, key),
                        variation=variation,
                        message_id=message_id,
                        taken_at=now,
                    )
                )
            dead_letters.record(connection, letters, read_id=None, now=now)
            if resolved:
                dead_letters.resolve(connection, _open_letters(connection, tenant, resolved), now)


def _open_letters(connection: Connection, tenant: str, fingerprints: Collection[str]) -> list[int]:
    query = select(dead_letter.c.id).where(
        dead_letter.c.tenant == tenant,
        dead_letter.c.stage == Stage.EXTRACT,
        dead_letter.c.resolved_at.is_(None),
        dead_letter.c.fingerprint.in_(sorted(fingerprints)),
    )
    return list(connection.execute(query).scalars())


def _named(tenant: str, key: DocumentKey) -> dict[str, str]:
    noun, company, document_id = key
    return {"tenant": tenant, "noun": noun, "company": company, "document_id": document_id}


def _is(tenant: str, key: DocumentKey) -> list[ColumnElement[bool]]:
    return [document_variation.c[name] == value for name, value in _named(tenant, key).items()]
