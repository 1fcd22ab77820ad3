"""What happened and how far we are: one database, SQLite by default, PostgreSQL by URL."""

from ml_connector_dagster.ledger.facade import Ledger
from ml_connector_dagster.ledger.reads import WindowRead


__all__ = ["Ledger", "WindowRead"]
