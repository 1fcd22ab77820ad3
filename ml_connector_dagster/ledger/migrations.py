"""Numbered migrations: each one and the record of it in one transaction.

A migration that has been released is never changed; a new need is a new number.
"""

from collections.abc import Callable
from datetime import datetime

import sqlalchemy as sa

from ml_connector_dagster.ledger.tables import METADATA, SCHEMA_VERSION, to_micros
from ml_connector_dagster.model.errors import ConfigError


def _initial(connection: sa.Connection) -> None:
    METADATA.create_all(connection, checkfirst=True)


#: Applied in this order; the position is the version.
MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (_initial,)


def migrate(connection: sa.Connection, now: datetime) -> None:
    """Bring the database up to date, inside the caller's write transaction (several processes may call at once).

    Raises ConfigError when the database was written by a newer version of this package.
    """
    SCHEMA_VERSION.create(connection, checkfirst=True)
    present = connection.execute(sa.select(sa.func.max(SCHEMA_VERSION.c.version))).scalar() or 0
    if present > len(MIGRATIONS):
        raise ConfigError(
            f"the ledger has schema version {present}, this package knows {len(MIGRATIONS)}: "
            "upgrade ml-connector-dagster, or point ML_CONNECTOR_LEDGER_URL elsewhere"
        )
    for version, migration in enumerate(MIGRATIONS[present:], start=present + 1):
        migration(connection)
        connection.execute(
            sa.insert(SCHEMA_VERSION).values(version=version, applied_at=to_micros(now))
        )
