"""One installation, put together: configuration, credentials, ledger, staging; sources and destinations on demand."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ml_connector_dagster.cloudsuite.gateway import Gateway
from ml_connector_dagster.cloudsuite.pages import ProductLine
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.project import CloudSuiteConnection, FlowDestination, Project
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.staging import Staging


def utc_now() -> datetime:
    """The clock of a real installation."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A CloudSuite tenant that is open for reading."""

    tenant: str
    connection: CloudSuiteConnection
    line: ProductLine
    gateway: Gateway

    @property
    def timezone(self) -> ZoneInfo:
        return self.connection.zone

    @property
    def overlap(self) -> timedelta:
        return timedelta(minutes=self.connection.overlap_minutes)

    @property
    def concurrency(self) -> int:
        return self.connection.concurrency


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What every verb works in. Open it with ``Workspace.open`` and close it when done."""

    settings: Settings
    project: Project
    ledger: Ledger
    staging: Staging
    now: Callable[[], datetime]
