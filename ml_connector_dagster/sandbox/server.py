"""The running sandbox: real HTTP on loopback, uvicorn on a thread of its own."""

from dataclasses import fields
from typing import Self
from zoneinfo import ZoneInfo

from ml_connector_dagster.sandbox.admin import build_admin
from ml_connector_dagster.sandbox.asgi import Receive, Scope, Send
from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.erp.erp import Erp
from ml_connector_dagster.sandbox.faults import Faults
from ml_connector_dagster.sandbox.ion.compass.service import Compass
from ml_connector_dagster.sandbox.ion.distribution.fetch_where import Distribution
from ml_connector_dagster.sandbox.ion.financials.lists import Financials
from ml_connector_dagster.sandbox.ion.gateway import Gateway, Limits, Suite
from ml_connector_dagster.sandbox.ion.ln.odata import Ln
from ml_connector_dagster.sandbox.ion.m3.execute import Installation
from ml_connector_dagster.sandbox.ion.m3.rest import M3
from ml_connector_dagster.sandbox.ion.syteline.service import SyteLine
from ml_connector_dagster.sandbox.ion.tokens import AuthorizationServer, FileKind
from ml_connector_dagster.sandbox.journal import Journal, Request, SpikeArrest
from ml_connector_dagster.sandbox.options import SandboxOptions, Switches
from ml_connector_dagster.sandbox.services import SERVICES, Service, Surroundings
from ml_connector_dagster.sandbox.serving import StandIn


class Sandbox(StandIn):
    """A stand-in of the ION API Gateway, with the product lines behind it, and of the other systems that its options name.

    All are served on one port, told apart by their paths. Use ``Sandbox.start`` as a context manager.

    Attributes:
        services: the other systems' stand-ins, by name; there from ``listen`` to ``stop``.
    """

    def __init__(self, options: SandboxOptions | None = None) -> None:
        super().__init__()
        self.options = options = options or SandboxOptions()
        self.clock = Clock(ZoneInfo(options.timezone), options.now)
        self.faults = Faults()
        self.journal = Journal()
        self.switches = Switches()
        self.limits = Limits(
            requests_per_minute=options.requests_per_minute, retry_after=options.retry_after
        )
        self.tokens = AuthorizationServer(options.seed, options.tenants, self.clock)
        self.tokens.lifetime = options.token_lifetime
        self.spike_arrest = SpikeArrest()
        self.today = options.today or self.clock.today()
        self.erp = Erp(
            seed=options.seed,
            size=options.size,
            today=self.today,
            timezone=self.clock.timezone,
            clock=self.clock,
        )
        self.lake = Compass(self.erp.database, self.switches, self.clock)
        self.services: dict[str, Service] = {}
        self._gateway = self._build_gateway()
        self._admin = build_admin(self)

    @classmethod
    def start(cls, options: SandboxOptions | None = None, *, port: int = 0) -> Self:
        """Generate the ERP and listen on 127.0.0.1; port 0 picks a free one."""
        return cls(options).listen(port)

    def reset(self) -> None:
        """As right after the start, on the same port: data, clock, faults, switches, limits, log and tokens.

        The other systems keep what they hold: they are what an ERP is delivered to.
        """
        options = self.options
        self.erp.reset()
        self.lake.reset()
        self.clock.reset()
        self.faults.clear()
        self.journal.clear()
        self.spike_arrest.clear()
        self.tokens.reset(options.token_lifetime)
        self.limits.requests_per_minute = options.requests_per_minute
        self.limits.retry_after = options.retry_after
        fresh = Switches()
        for field in fields(Switches):
            setattr(self.switches, field.name, getattr(fresh, field.name))

    def _build_suites(self) -> dict[str, Suite]:
        database, companies = self.erp.database, self.options.size.companies
        return {
            "M3": M3(
                Installation(
                    database=database,
                    switches=self.switches,
                    clock=self.clock,
                    companies=companies,
                )
            ),
            "CSI": SyteLine(database, self.switches, self.clock, companies),
            "LN": Ln(database, self.switches, companies),
            "FSM": Financials(database, self.switches),
            "SX": Distribution(database, self.switches, self.clock, companies),
            "DATAFABRIC": self.lake,
        }

    def _build_gateway(self) -> Gateway:
        return Gateway(
            tenants=self.options.tenants,
            suites=self._build_suites(),
            tokens=self.tokens,
            faults=self.faults,
            journal=self.journal,
            spike_arrest=self.spike_arrest,
            limits=self.limits,
            clock=self.clock,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The whole sandbox as an ASGI application."""
        if scope["type"] != "http":
            return
        if scope["path"] == "/" or scope["path"].startswith("/_admin"):
            await self._admin(scope, receive, send)
            return
        for name, service in self.services.items():
            if SERVICES[name].answers(scope["path"]):
                await service.stand_in(scope, receive, send)
                return
        await self._gateway(scope, receive, send)

    def listen(self, port: int = 0, host: str = "127.0.0.1") -> Self:
        """Open the other systems' stand-ins, and serve all on a thread until ``stop``."""
        bound = self._bind(port, host)
        surroundings = Surroundings(url=self.url, clock=self.clock, home=self.options.home)
        for name in self.options.services:
            self.services[name] = SERVICES[name].open(surroundings)
        self._serve(bound)
        return self

    def close(self) -> None:
        """Free what is not of the server: the other stand-ins, the lake and the ERP; a second call does nothing."""
        self.faults.clear()
        while self.services:
            self.services.popitem()[1].stand_in.close()
        self.lake.reset()
        self.erp.database.close()

    def ionapi_text(self, tenant: str, kind: FileKind = "service_account") -> str:
        """The tenant's ``.ionapi`` file: of a service account, of client credentials, or of a web app."""
        return self.tokens.ionapi_text(tenant, self.url, kind)

    def requests(self, tenant: str | None = None) -> tuple[Request, ...]:
        """API calls (not logins) that were answered, oldest first."""
        return tuple(r for r in self.journal.requests(tenant) if "/as/" not in r.path)

    def logins(self, tenant: str) -> int:
        """How many tokens the tenant was given."""
        return self.journal.logins(tenant)

    def max_requests_in_any_span(self, tenant: str, seconds: float = 60.0) -> int:
        """The most API calls of the tenant within any span of so many real seconds."""
        return self.journal.max_requests_in_any_span(tenant, seconds)
