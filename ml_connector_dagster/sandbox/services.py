"""The stand-ins that share the sandbox's process and port, besides the ION gateway.

A line in ``SERVICES`` names a stand-in, and says which paths it answers. Its own module is
imported when a sandbox is to serve it, and not before: some need packages that are not installed everywhere.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.serving import StandIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a stand-in may want to know of the sandbox that it is served in.

    Attributes:
        url: where it can be reached.
        home: folder with a flow's own files, if there is one: a warehouse and LookML that stand-ins read.
    """

    url: str
    clock: Clock
    home: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A stand-in that is served.

    Attributes:
        stand_in: the object itself, for faults and questions from Python.
        login: what its clients log in with, as the fields of a stored credential.
    """

    stand_in: StandIn
    login: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A stand-in that can be served.

    Attributes:
        paths: the first parts of the paths that it answers; no two stand-ins share one.
        packages: modules that it needs, and that this package's own requirements do not bring.
        extra: brings ``packages``.
    """

    open: Callable[[Surroundings], Service]
    paths: tuple[str, ...]
    packages: tuple[str, ...] = ()
    extra: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Packages that are not installed."""
        return tuple(name for name in self.packages if importlib.util.find_spec(name) is None)

    def answers(self, path: str) -> bool:
        """Whether a request for ``path`` is its business."""
        return any(path == one or path.startswith(f"{one}/") for one in self.paths)


def _snowflake(surroundings: Surroundings) -> Service:
    from ml_connector_dagster.sandbox.snowflake.loader_account import loader_account

    stand_in, login = loader_account()
    return Service(stand_in=stand_in, login=login)


def _databricks(surroundings: Surroundings) -> Service:
    from ml_connector_dagster.sandbox.databricks import DatabricksSandbox

    stand_in = DatabricksSandbox()
    stand_in.url = surroundings.url
    return Service(stand_in=stand_in, login={"token": stand_in.options.token})


def _salesforce(surroundings: Surroundings) -> Service:
    from ml_connector_dagster.sandbox.salesforce import SalesforceSandbox

    stand_in = SalesforceSandbox()
    ((key, secret),) = stand_in.options.clients.items()
    return Service(stand_in=stand_in, login={"client_id": key, "client_secret": secret})


def _monday(surroundings: Surroundings) -> Service:
    from ml_connector_dagster.sandbox.monday import MondaySandbox

    stand_in = MondaySandbox()
    return Service(stand_in=stand_in, login={"token": stand_in.options.token})


def _looker(surroundings: Surroundings) -> Service:
    from ml_connector_dagster.sandbox.looker import LookerOptions, LookerSandbox

    home = surroundings.home
    stand_in = LookerSandbox(
        LookerOptions()
        if home is None
        else LookerOptions(
            lookml=home / "lookml", databases={"warehouse": home / "warehouse.duckdb"}
        )
    )
    return Service(stand_in=stand_in, login=stand_in.login)


#: Name → stand-in. The name is also the type of the connections that it serves.
SERVICES: Final[Mapping[str, Offer]] = {
    "snowflake": Offer(
        open=_snowflake,
        paths=("/api/v2", "/session", "/queries", "/monitoring", "/telemetry", "/_stage"),
    ),
    "databricks": Offer(
        open=_databricks,
        paths=("/api/2.0", "/api/2.1", "/oidc", "/.well-known", "/_external"),
        packages=("pysail", "deltalake", "adbc_driver_flightsql"),
        extra="sandbox-databricks",
    ),
    "salesforce": Offer(open=_salesforce, paths=("/services", "/_salesforce", "/lightning")),
    "monday": Offer(
        open=_monday, paths=("/v2", "/_monday"), packages=("graphql",), extra="sandbox-monday"
    ),
    "looker": Offer(
        open=_looker, paths=("/api/4.0", "/_looker"), packages=("lkml",), extra="looker"
    ),
}


def installed_services() -> tuple[str, ...]:
    """The stand-ins that this machine can serve."""
    return tuple(name for name, offer in SERVICES.items() if not offer.missing)


def how_to_install(service: str) -> str:
    """What to type to get a stand-in that is not installed."""
    return f"pip install 'ml-connector-dagster[{SERVICES[service].extra}]'"
