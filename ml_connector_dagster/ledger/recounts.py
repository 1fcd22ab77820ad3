"""Recounts: what has to be added to the sum of inserts for the rows that a table must hold. Only ever added to."""

import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Index,
    Row,
    Table,
    Text,
    insert,
    select,
)

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import Moment, metadata, numbered
from ml_connector_dagster.model.recounts import NewRecount, Recount, RecountKind, TableScope


_SCOPE: Final = tuple(field.name for field in fields(TableScope))
_NUMBERS: Final = ("inserted", "correction", "returned", "accepted")

#: ``examples`` is a JSON list of record ids.
recount = Table(
    "recount",
    metadata,
    numbered(),
    *(Column(name, Text, nullable=False) for name in (*_SCOPE, "kind", "run_id")),
    *(Column(name, BigInteger, nullable=False) for name in _NUMBERS),
    *(Column(name, Text, nullable=False) for name in ("examples", "decided_by", "reason")),
    Column("counted_at", Moment, nullable=False),
    Index("recount_scope", *_SCOPE),
)


def record(database: Database, new: NewRecount, *, now: datetime) -> None:
    """Keep a recount; from now on it counts."""
    values: dict[str, Any] = asdict(new)
    scope = values.pop("scope")
    with database.write(f"recounts of {new.scope.destination}") as connection:
        connection.execute(
            insert(recount).values(
                **scope, **{**values, "examples": json.dumps(new.examples)}, counted_at=now
            )
        )


def find(
    database: Database,
    *,
    destination: str,
    tenant: str,
    entity: str | None,
    company: str | None,
) -> tuple[Recount, ...]:
    """The recounts that meet every condition given (None: no condition), oldest first."""
    exact = {
        recount.c.destination: destination,
        recount.c.tenant: tenant,
        recount.c.entity: entity,
        recount.c.company: company,
    }
    conditions: list[ColumnElement[bool]] = [
        column == value for column, value in exact.items() if value is not None
    ]
    with database.read() as connection:
        rows = connection.execute(select(recount).where(*conditions).order_by(recount.c.id))
        return tuple(_recount(row) for row in rows)


def _recount(row: Row[Any]) -> Recount:
    values = dict(row._mapping)
    scope = TableScope(**{name: values.pop(name) for name in _SCOPE})
    kind, examples = RecountKind(values.pop("kind")), tuple(json.loads(values.pop("examples")))
    return Recount(scope=scope, kind=kind, examples=examples, **values)
