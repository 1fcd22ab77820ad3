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
    suites: tuple[str, ...] = ("M3", "CSI", "LN", "FSM", "SX", "DATAFABRIC")
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
    """Behaviour that differs between installations, most of it of M3; may be changed at any time.

    Attributes:
        row_ceiling: no list gives more rows than this, whatever maxrecs says (1000 was seen); None for no ceiling.
        query_maxrecs_ignored: maxrecs as a query parameter has no effect (seen on one grid).
        empty_list_is_error: an empty list answers XRE0103; else an empty record list.
        unknown_inputs_rejected: an input field that the transaction lacks is an error; else ignored.
        errors_as_400: NOK answers come with HTTP 400 and the error fields at top level.
        order_by_supported: EXPORTMI understands ORDER BY.
        brief_programs: the tenant has the list transactions that the product's brief names.
        bulk_timeouts: a bulk POST of more than 100 transactions or 32 KB runs into the gateway's 504.
        unauthorized_programs: programs (IDOs, OData services, business classes, tables) the service user may not read.
        absent_programs: programs (and so on) that this installation does not have.
        absent_properties: properties of IDOs, OData sets and so on that this installation does not have.
        user_company: the service user's default company; None for the first one.
        user_division: the service user's default division.
        user_date_format: dates without ``dateformat`` come like this (the user's DTFM).
        landmark_row_limit: Financials: no list gives more rows than this, whatever _limit says (500 and 10000 were seen).
        landmark_next_links: Financials: a list that goes on has a link to its next page; else it just ends.
        landmark_error_status: Financials: HTTP status of an exception (200 and 500 were seen).
        landmark_without_stamps: Financials: business classes that refuse _fts and _tts.
        progress_dates: Distribution: how a date in a WhereClause is read, as strftime.
        restart_repeats_row: Distribution: a page begins with the row that RestartRowID names, not after it.
        restart_needs_row: Distribution: a RestartRowID whose row is gone is an error.
        largest_batch: Distribution: no page holds more rows than this; None for no limit.
        ln_page_limit: LN: no answer holds more rows than this, whatever $top says; None for no limit.
        ln_next_links: LN: an answer that was cut by ``ln_page_limit`` has a nextLink; else it just ends early.
        lake_polls: Compass: so many looks at a query's status find it still running.
        lake_says_failed: Compass: the status of a failed query is FAILED; else FINISHED, and only the result says it.
        lake_keeps_hours: Compass: how long results are kept.

    ``absent_programs`` and ``unauthorized_programs`` hold business classes and tables of the other lines too; DATAFABRIC
    among the absent ones: there is no Compass at all.
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
    absent_properties: set[str] = field(default_factory=set)
    user_company: str | None = None
    user_division: str = ""
    user_date_format: str = "DMY6"
    landmark_row_limit: int = 10_000
    landmark_next_links: bool = True
    landmark_error_status: int = 200
    landmark_without_stamps: set[str] = field(default_factory=set)
    progress_dates: str = "%m/%d/%Y"
    restart_repeats_row: bool = False
    restart_needs_row: bool = True
    largest_batch: int | None = None
    ln_page_limit: int | None = None
    ln_next_links: bool = True
    lake_polls: int = 0
    lake_says_failed: bool = False
    lake_keeps_hours: float = 20.0
