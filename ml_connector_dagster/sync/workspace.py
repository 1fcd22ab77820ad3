"""One installation, put together: configuration, credentials, ledger, staging; sources and destinations on demand."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from ml_connector_dagster.cloudsuite.catalog.narrowed import EVERYTHING, Columns
from ml_connector_dagster.cloudsuite.gateway import Gateway, open_gateway
from ml_connector_dagster.cloudsuite.ionapi import IonApi
from ml_connector_dagster.cloudsuite.pages import ProductLine
from ml_connector_dagster.cloudsuite.pauses import Pause
from ml_connector_dagster.cloudsuite.product_lines.registry import (
    open_key_line,
    open_product_line,
    registered,
)
from ml_connector_dagster.config.applications import is_application
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.config.project import Connection, FlowDestination, Project
from ml_connector_dagster.config.settings import Settings, make_home
from ml_connector_dagster.credentials import Credential, KeyRing, open_store
from ml_connector_dagster.destinations.applications.contract import Application
from ml_connector_dagster.destinations.contract import Destination, Warehouse
from ml_connector_dagster.destinations.registry import (
    open_application,
    open_destination,
    open_warehouse,
    opened_looker,
)
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.staging import Staging
from ml_connector_dagster.sync.listening import listen
from ml_connector_dagster.sync.memory import share_memory
from ml_connector_dagster.telemetry import flush


if TYPE_CHECKING:
    from ml_connector_dagster.destinations.looker.api import Looker


def open_staging(settings: Settings, step: Callable[[str], None] = lambda name: None) -> Staging:
    """The staging of ``settings``; ``step`` is called at its write points.

    Raises CredentialError when they name a credential that is not stored.
    """
    name = settings.staging_credential
    credential = open_store(settings).get(name) if name else None
    return Staging(settings.staging_url, credential=credential, step=step)


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


class Workspace:
    """What every verb works in. Open it with ``Workspace.open``; it is a context manager.

    Attributes:
        settings: where this installation keeps things.
        project: its connections and flows.
        ledger: what happened and how far we are.
        staging: the batches.
        now: the clock (UTC), replaceable in tests.
        make_pause: what waits for the budget and between retries, replaceable in tests.
    """

    def __init__(
        self,
        settings: Settings,
        project: Project,
        ledger: Ledger,
        staging: Staging,
        now: Callable[[], datetime] = utc_now,
        make_pause: Callable[[], Pause] = Pause,
    ) -> None:
        self.settings = settings
        self.project = project
        self.ledger = ledger
        self.staging = staging
        self.now = now
        self.make_pause = make_pause

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        project: Project | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> Self:
        """Open the ledger and staging of ``settings``; ``project`` is read from ``settings.flows`` when not given.

        Raises ConfigError when the YAML is wrong, CredentialError when staging needs a credential that is not stored.
        """
        share_memory()
        listen(settings)
        loaded = load_project(settings.flows, settings) if project is None else project
        make_home(settings)
        staging = open_staging(settings)  # before what would have to be closed again
        return cls(settings, loaded, Ledger.open(settings.ledger_url, now=now), staging, now)

    def close(self) -> None:
        """Close the ledger's connections; what was heard of the work is sent."""
        self.ledger.close()
        flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def cloudsuite(self, name: str) -> CloudSuiteConnection:
        """The CloudSuite connection called ``name``; raises ConfigError when it is none."""
        connection = self.project.connections.get(name)
        if not isinstance(connection, CloudSuiteConnection):
            known = [
                one
                for one, model in self.project.connections.items()
                if isinstance(model, CloudSuiteConnection)
            ]
            raise ConfigError(
                f"{name!r} is not a cloudsuite connection; configured are {', '.join(known) or 'none'}"
            )
        return connection

    @contextmanager
    def source(
        self, name: str, *, keys_only: bool = False, columns: Columns = EVERYTHING
    ) -> Iterator[Source]:
        """The tenant called ``name``, open for reading. Nothing is sent before something is asked.

        With ``keys_only`` its records hold little more than their keys (a key sweep); with ``columns``, little more
        than these (reconciliation).
        Raises CredentialError when its credential is not stored, ConfigError when its .ionapi file is no use.
        """
        connection = self.cloudsuite(name)
        stored = self.credential(connection.credential).value("ionapi")
        ionapi = IonApi.parse(stored.reveal(), base_url=connection.base_url)
        product_line = registered(connection.product_line)
        with open_gateway(
            connection,
            ionapi,
            suite=product_line.suite,
            readable=product_line.readable,
            tokens=self.ledger.token_store(name, KeyRing.from_settings(self.settings)),
            calls=self.ledger.budget_store(name),
            breaker=self.ledger.breaker_store(name),
            pause=self.make_pause(),
        ) as gateway:
            knowledge = self.ledger.route_store(name)
            line = (
                open_key_line(connection, gateway, knowledge)
                if keys_only
                else open_product_line(connection, gateway, knowledge, columns)
            )
            yield Source(tenant=name, connection=connection, line=line, gateway=gateway)

    def destination(
        self, target: FlowDestination, flow: str = ""
    ) -> AbstractContextManager[Destination]:
        """One destination of a flow, open for writing. The flow's name is for the warehouse's own log."""
        connection = self.project.connections[target.connection]
        return open_destination(
            connection,
            target,
            self.settings.home,
            self.credential,
            flow=flow,
            records=self.ledger.remote,
            call_counts=self.ledger.call_counts,
        )

    def looker(self, name: str) -> "AbstractContextManager[Looker]":
        """Looker behind the connection called ``name``, with a new login. Raises ConfigError when it is none."""
        connection = self.project.connections.get(name)
        if not isinstance(connection, LookerConnection):
            raise ConfigError(f"{name!r} is not a looker connection")
        return opened_looker(
            connection,
            self.credential,
            self.ledger.call_counts(name),
            now=self.now,
            pause=self.make_pause(),
        )

    def warehouse(
        self, target: FlowDestination, flow: str = ""
    ) -> AbstractContextManager[Warehouse]:
        """Like ``destination``, for what only a warehouse can do. Raises ConfigError for anything else."""
        connection = self.project.connections[target.connection]
        return open_warehouse(
            connection,
            target,
            self.settings.home,
            self.credential,
            flow=flow,
            call_counts=self.ledger.call_counts,
        )

    def credential(self, name: str) -> Credential:
        """A stored credential; raises CredentialError that says how to store it when there is none of that name."""
        return open_store(self.settings).get(name, self.project.stored_by(name))

    def application(self, name: str) -> Application:
        """The application behind the connection called ``name``; close it. Raises ConfigError when it is none."""
        return open_application(self.application_connection(name), self.credential)

    def application_connection(self, name: str) -> Connection:
        """The connection called ``name``; raises ConfigError when it is to no application."""
        connection = self.project.connections.get(name)
        if connection is None or not is_application(connection):
            known = [
                one for one, model in self.project.connections.items() if is_application(model)
            ]
            raise ConfigError(
                f"{name!r} is not a connection to an application; configured are {', '.join(known) or 'none'}"
            )
        return connection
