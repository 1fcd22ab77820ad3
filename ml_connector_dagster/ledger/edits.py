"""Edits: values that people gave in place of the ERP's. Both are kept for ever; at most one of a column is in force."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from ml_connector_dagster.ledger.databases import Database, chunks
from ml_connector_dagster.ledger.tables import edit
from ml_connector_dagster.model.edits import Edit, EditEnd, NewEdit


def record(database: Database, new: NewEdit, *, now: datetime) -> int:
    """Keep an edit and end those that it replaces: of the same column, or of an older version of the record."""
    same_record = (
        edit.c.destination == new.destination,
        edit.c.entity == new.entity,
        edit.c.record_id == new.record_id,
        edit.c.ended_at.is_(None),
    )
    values = {name: value for name, value in asdict(new).items() if name != "column"}
    with database.write(f"edits for {new.destination}") as connection:
        for condition, why in (
            (edit.c.base_hash != new.base_hash, EditEnd.NEWER_VERSION),
            (edit.c.column_name == new.column, EditEnd.EDITED_AGAIN),
        ):
            connection.execute(
                update(edit)
                .where(*same_record, condition)
                .values(ended_at=now, end_reason=why.value)
            )
        number = connection.execute(
            insert(edit)
            .values(**values, column_name=new.column, edited_at=now, ended_at=None, end_reason="")
            .returning(edit.c.id)
        ).scalar_one()
    return int(number)


def end(connection: Connection, ids: Collection[int], now: datetime) -> None:
    """The ERP has a newer version of these records: part of the transaction that says it was delivered."""
    for chunk in chunks(sorted(ids)):
        connection.execute(
            update(edit)
            .where(edit.c.id.in_(chunk), edit.c.ended_at.is_(None))
            .values(ended_at=now, end_reason=EditEnd.NEWER_VERSION.value)
        )


def find(
    database: Database,
    *,
    in_force_only: bool,
    tenant: str | None,
    entity: str | None,
    company: str | None,
    destination: str | None,
    record_id: str | None,
    letter_ids: Sequence[int] | None,
) -> tuple[Edit, ...]:
    """The edits that meet every condition given, oldest first."""
    exact = {
        edit.c.tenant: tenant,
        edit.c.entity: entity,
        edit.c.company: company,
        edit.c.destination: destination,
        edit.c.record_id: record_id,
    }
    conditions: list[ColumnElement[bool]] = [
        column == value for column, value in exact.items() if value is not None
    ]
    if in_force_only:
        conditions.append(edit.c.ended_at.is_(None))
    if letter_ids is not None:
        conditions.append(edit.c.letter_id.in_(letter_ids))
    with database.read() as connection:
        rows = connection.execute(select(edit).where(*conditions).order_by(edit.c.id))
        return tuple(_edit(row) for row in rows)


def _edit(row: Row[Any]) -> Edit:
    values = dict(row._mapping)
    return Edit(column=values.pop("column_name"), **values)
