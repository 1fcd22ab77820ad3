"""What has to be looked at again at an application, though the ERP says nothing new of it.

A record's place there depends on more than its own row: on the mapping, on whether its parent is there, on other records. A
*mark* says which of those its present state reflects; a *move* is a record that has come or gone, until what is part
of it has been looked at again.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select

from ml_connector_dagster.ledger.databases import Database, chunks
from ml_connector_dagster.ledger.tables import remote_move, remote_record, review_mark
from ml_connector_dagster.model.remote_records import RemoteRecord, RemoteState, ReviewScope


def note_moves(
    connection: Connection, destination: str, entity: str, records: Sequence[RemoteRecord]
) -> None:
    """Write down which of ``records`` come or go by what is about to be remembered of them."""
    states = {record.record_id: record.state for record in records}
    query = select(remote_record.c.record_id, remote_record.c.state).where(
        *_of(remote_record, destination, entity), remote_record.c.record_id.in_(list(states))
    )
    live = RemoteState.LIVE
    moved = [
        row.record_id
        for row in connection.execute(query)
        if (row.state == live) != (states[row.record_id] is live)
    ]
    if moved:
        _forget(connection, destination, entity, moved)
        connection.execute(
            insert(remote_move),
            [{"destination": destination, "entity": entity, "record_id": one} for one in moved],
        )


def find_moves(database: Database, destination: str, entity: str, prefix: str) -> tuple[str, ...]:
    """The records that have come or gone, of those whose id begins with ``prefix``."""
    with database.read() as connection:
        return tuple(_beginning(connection, remote_move, destination, entity, prefix))


def find_record_ids(
    database: Database, destination: str, entity: str, prefix: str
) -> tuple[str, ...]:
    """Every record that was ever decided on, of those whose id begins with ``prefix``."""
    with database.read() as connection:
        return tuple(_beginning(connection, remote_record, destination, entity, prefix))


def find_marks(database: Database, scope: ReviewScope, kind: str) -> frozenset[str]:
    """What of ``kind`` the state of ``scope`` reflects; empty before the first delivery."""
    query = select(review_mark.c.value).where(*_in(scope, kind))
    with database.read() as connection:
        return frozenset(connection.execute(query).scalars())


def reviewed(
    database: Database,
    scope: ReviewScope,
    marks: Mapping[str, Collection[str]],
    moves: Mapping[str, Sequence[str]],
) -> None:
    """The state of ``scope`` reflects ``marks`` (by kind, in place of earlier ones), and ``moves`` (by entity)."""
    with database.write(f"reviews of {scope.destination}") as connection:
        for kind, values in marks.items():
            connection.execute(delete(review_mark).where(*_in(scope, kind)))
            rows = [_columns(scope, kind, value) for value in sorted(values)]
            for portion in chunks(rows):
                connection.execute(insert(review_mark), list(portion))
        for entity, ids in moves.items():
            for some in chunks(ids):
                _forget(connection, scope.destination, entity, some)


def _of(table: Table, destination: str, entity: str) -> tuple[Any, Any]:
    return table.c.destination == destination, table.c.entity == entity


def _beginning(
    connection: Connection, table: Table, destination: str, entity: str, prefix: str
) -> Sequence[str]:
    query = select(table.c.record_id).where(
        *_of(table, destination, entity),
        func.substr(table.c.record_id, 1, len(prefix)) == prefix,
    )
    return connection.execute(query.order_by(table.c.record_id)).scalars().all()


def _forget(connection: Connection, destination: str, entity: str, ids: Sequence[str]) -> None:
    connection.execute(
        delete(remote_move).where(
            *_of(remote_move, destination, entity), remote_move.c.record_id.in_(ids)
        )
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
