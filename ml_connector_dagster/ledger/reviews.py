"""What has to be looked at again at an application, though the ERP says nothing new of it.

A record's place there depends on more than its own row: on the mapping, on whether its parent is there, on other records. A
*mark* says which of those its present state reflects; a *move* is a record that has come or gone, until what is part
of it has been looked at again.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, select

from ml_connector_dagster.ledger.databases import Database, chunks
from ml_connector_dagster.ledger.tables import remote_move, remote_record, review_mark
from ml_connector_dagster.model.remote_records import RemoteRecord, RemoteState, ReviewScope


def note_moves(
    connection: Connection, destination: str, entity: str, records: Sequence[RemoteRecord]
) -> None:
    """Write down which of ``records`` come or go by what is about to be remembered of them."""
    states = {record.record_id: record.state for record in records}
    query = select(remote_record.c.record_id, remote_record.c.state).where(
        *of(remote_record, destination, entity), remote_record.c.record_id.in_(list(states))
    )
    live = RemoteState.LIVE
    moved = [
        row.record_id
        for row in connection.execute(query)
        if (row.state == live) != (states[row.record_id] is live)
    ]
    if moved:
        forget(connection, remote_move, destination, entity, moved)
        connection.execute(
            insert(remote_move),
            [{"destination": destination, "entity": entity, "record_id": one} for one in moved],
        )


class LedgerReviews:
    """What has to be looked at again at applications."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def moved_records(self, destination: str, entity: str, prefix: str) -> tuple[str, ...]:
        """Records (``prefix``: their ids' beginning) that have come to ``destination``, or gone from it, since ``reviewed``."""
        return self._beginning(remote_move, destination, entity, prefix)

    def remote_record_ids(self, destination: str, entity: str, prefix: str) -> tuple[str, ...]:
        """The ids (beginning with ``prefix``) of all records that were decided on for ``destination``."""
        return self._beginning(remote_record, destination, entity, prefix)

    def marks(self, scope: ReviewScope, kind: str) -> frozenset[str]:
        """What of ``kind`` the state of ``scope`` reflects; empty before the first delivery."""
        query = select(review_mark.c.value).where(*_in(scope, kind))
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def reviewed(
        self,
        scope: ReviewScope,
        *,
        marks: Mapping[str, Collection[str]],
        moves: Mapping[str, Sequence[str]],
    ) -> None:
        """``scope`` was looked at again: it reflects ``marks`` (by kind, in place of earlier ones), and ``moves`` (by
        entity)."""
        with self._database.write(f"reviews of {scope.destination}") as connection:
            for kind, values in marks.items():
                connection.execute(delete(review_mark).where(*_in(scope, kind)))
                rows = [_columns(scope, kind, value) for value in sorted(values)]
                for portion in chunks(rows):
                    connection.execute(insert(review_mark), list(portion))
            for entity, ids in moves.items():
                for some in chunks(ids):
                    forget(connection, remote_move, scope.destination, entity, some)

    def _beginning(
        self, table: Table, destination: str, entity: str, prefix: str
    ) -> tuple[str, ...]:
        query = (
            select(table.c.record_id)
            .where(*of(table, destination, entity), begins_with(table, prefix))
            .order_by(table.c.record_id)
        )
        with self._database.read() as connection:
            return tuple(connection.execute(query).scalars())


def of(table: Table, destination: str, entity: str) -> tuple[ColumnElement[bool], ...]:
    """The rows of one entity at one destination."""
    return table.c.destination == destination, table.c.entity == entity


def begins_with(table: Table, prefix: str) -> ColumnElement[bool]:
    """The records whose id begins with ``prefix``.

    Not LIKE, which ignores case in SQLite. Not by "greater than": PostgreSQL orders texts as its locale says.
    """
    return func.substr(table.c.record_id, 1, len(prefix)) == prefix


def forget(
    connection: Connection, table: Table, destination: str, entity: str, ids: Sequence[str]
) -> None:
    """Remove these records of one entity at one destination from ``table``."""
    connection.execute(
        delete(table).where(*of(table, destination, entity), table.c.record_id.in_(ids))
    )


def _in(scope: ReviewScope, kind: str) -> tuple[Any, ...]:
    values = _columns(scope, kind, "")
    del values["value"]
    return tuple(review_mark.c[name] == value for name, value in values.items())


def _columns(scope: ReviewScope, kind: str, value: str) -> dict[str, str]:
    return {
        "destination": scope.destination,
        "tenant": scope.tenant,
        "entity": scope.entity,
        "company": scope.company,
        "kind": kind,
        "value": value,
    }
