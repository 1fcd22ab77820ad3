"""What a sandbox is started with, and the switches for what the reference leaves open."""

from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from ml_connector_dagster.sandbox.erp.sizes import ErpSize


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One tenant of the gateway. All tenants look at the same ERP.

    Attributes:
        suites: what the tenant has published; others answer 404.
        forbidden_suites: published, but not for this service account: 403.
        issues_refresh_tokens: the authorized app's "Issue Refresh Tokens".
    """

    id: str
    suites: tuple[str, ...] = ("M3",)
    forbidden_suites: tuple[str, ...] = ("IDM",)
    issues_refresh_tokens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """Everything that can be set. The M3 switches can also be changed while it runs (``sandbox.switches``).

    Attributes:
        seed: of the ERP's data and of the secrets.
        now: the clock's time at start (aware), from where it runs on; None for real time.
        today: the ERP's last day; None for the clock's day at start.
        timezone: of the ERP: LMDT is a local day.
        requests_per_minute: spike arrest per tenant over any 60 seconds; None for no limit.
        retry_after: whether a 429 of the spike arrest carries Retry-After.
        token_lifetime: seconds, the response's expires_in.
        home: folder with ``warehouse.duckdb`` and ``lookml``, which the stand-in of Looker reads.
        services: stand-ins of other systems that are served on the same port (``services.SERVICES``).
    """

    seed: int = 20_260_101
    size: ErpSize = field(default_factory=ErpSize)
    now: datetime | None = None
    today: date | None = None
    timezone: str = "Europe/Stockholm"
    tenants: tuple[Tenant, ...] = (Tenant(id="ACME_TST"), Tenant(id="BETA_TST"))
    requests_per_minute: int | None = 300
    retry_after: bool = True
    token_lifetime: int = 7200
    home: Path | None = None
    services: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Switches:
    """M3 behaviour that differs between installations; may be changed at any time.

    Attributes:
        row_ceiling: no list gives more rows than this, whatever maxrecs says (1000 was seen); None for no ceiling.
        query_maxrecs_ignored: maxrecs as a query parameter has no effect (seen on one grid).
        empty_list_is_error: an empty list answers XRE0103; else an empty record list.
        unknown_inputs_rejected: an input field that the transaction lacks is an error; else ignored.
        errors_as_400: NOK answers come with HTTP 400 and the error fields at top level.
        order_by_supported: EXPORTMI understands ORDER BY.
        brief_programs: the tenant has the list transactions that the product's brief names.
        bulk_timeouts: a bulk POST of more than 100 transactions or 32 KB runs into the gateway's 504.
        unauthorized_programs: programs the service user may not call.
        absent_programs: programs that this installation does not have.
        user_company: the service user's default company; None for the first one.
        user_division: the service user's default division.
        user_date_format: dates without ``dateformat`` come like this (the user's DTFM).
    """

    row_ceiling: int | None = None
    query_maxrecs_ignored: bool = False
    empty_list_is_error: bool = True
    unknown_inputs_rejected: bool = True
    errors_as_400: bool = False
    order_by_supported: bool = True
    brief_programs: bool = False
    bulk_timeouts: bool = True
    unauthorized_programs: set[str] = field(default_factory=set)
    absent_programs: set[str] = field(default_factory=set)
    user_company: str | None = None
    user_division: str = ""
    user_date_format: str = "DMY6"
