"""Alerts: which conditions hold, since when, and who has been told of which end of them.

What is wrong and who knows of it are kept apart, so a channel that cannot be reached is told later, and no other channel
hears a thing twice.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, and_, insert, select, update

from ml_connector_dagster.ledger.databases import Database
from ml_connector_dagster.ledger.tables import alert, alert_told
from ml_connector_dagster.model.alerts import Alert, AlertKind, Condition


class LedgerAlerts:
    """The alerts of an installation."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def observe(self, conditions: Sequence[Condition], kinds: Collection[AlertKind]) -> None:
        """Of ``kinds``, exactly ``conditions`` hold now: new ones are raised, those that are no longer there resolved."""
        wanted = {(one.kind, one.subject): one for one in conditions}
        with self._database.write("alerts") as connection:
            known = {(one.condition.kind, one.condition.subject): one for one in _open(connection)}
            gone = [one for key, one in known.items() if key[0] in kinds and key not in wanted]
            now = self._now()
            _end(connection, gone, now)
            _begin(connection, [one for key, one in wanted.items() if key not in known], now)

    def raise_one(self, condition: Condition) -> None:
        """``condition`` holds from now on; one that is known already keeps its first message."""
        with self._database.write("alerts") as connection:
            known = {(one.condition.kind, one.condition.subject) for one in _open(connection)}
            if (condition.kind, condition.subject) not in known:
                _begin(connection, [condition], self._now())

    def resolve_one(self, kind: AlertKind, subject: str) -> None:
        """It no longer holds; nothing happens when it did not."""
        with self._database.write("alerts") as connection:
            known = [
                one
                for one in _open(connection)
                if (one.condition.kind, one.condition.subject) == (kind, subject)
            ]
            _end(connection, known, self._now())

    def find(self, *, open_only: bool = True) -> tuple[Alert, ...]:
        """Alerts, oldest first."""
        query = select(alert).order_by(alert.c.id)
        if open_only:
            query = query.where(alert.c.resolved_at.is_(None))
        with self._database.read() as connection:
            return tuple(_alert(row) for row in connection.execute(query))

    def untold(self, channel: str) -> tuple[Alert, ...]:
        """What ``channel`` has not heard, oldest first: of conditions that began, and of those it knows that ended.

        One that was over before it heard of it is left out.
        """
        begun = alert_told.alias("begun")
        ended = alert_told.alias("ended")
        query = (
            select(alert)
            .outerjoin(begun, _told(begun, channel, "raised"))
            .outerjoin(ended, _told(ended, channel, "resolved"))
            .where(
                (alert.c.resolved_at.is_(None) & begun.c.alert_id.is_(None))
                | (
                    alert.c.resolved_at.is_not(None)
                    & begun.c.alert_id.is_not(None)
                    & ended.c.alert_id.is_(None)
                )
            )
            .order_by(alert.c.id)
        )
        with self._database.read() as connection:
            return tuple(_alert(row) for row in connection.execute(query))

    def mark_told(self, channel: str, one: Alert) -> None:
        """``channel`` has heard of ``one`` as it is: raised, or resolved."""
        state = "raised" if one.resolved_at is None else "resolved"
        with self._database.write("alerts") as connection:
            connection.execute(
                insert(alert_told).values(
                    alert_id=one.id, channel=channel, state=state, told_at=self._now()
                )
            )

    def tell_alone(self, channel: str) -> AbstractContextManager[None]:
        """Nobody else, in any process, tells ``channel`` inside the block. It is waited for."""
        return self._database.alone(f"alerts to {channel}", wait_seconds=60)


def _told(which: FromClause, channel: str, state: str) -> ColumnElement[bool]:
    return and_(which.c.alert_id == alert.c.id, which.c.channel == channel, which.c.state == state)


def _open(connection: Connection) -> list[Alert]:
    query = select(alert).where(alert.c.resolved_at.is_(None))
    return [_alert(row) for row in connection.execute(query)]


def _begin(connection: Connection, conditions: Sequence[Condition], now: datetime) -> None:
    if not conditions:
        return
    connection.execute(
        insert(alert),
        [
            {
                "kind": one.kind.value,
                "subject": one.subject,
                "message": one.message,
                "run_id": one.run_id,
                "raised_at": now,
                "resolved_at": None,
            }
            for one in conditions
        ],
    )


def _end(connection: Connection, alerts: Sequence[Alert], now: datetime) -> None:
    for one in alerts:
        connection.execute(update(alert).where(alert.c.id == one.id).values(resolved_at=now))


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        id=row.id,
        condition=Condition(
            kind=AlertKind(row.kind), subject=row.subject, message=row.message, run_id=row.run_id
        ),
        raised_at=row.raised_at,
        resolved_at=row.resolved_at,
    )
