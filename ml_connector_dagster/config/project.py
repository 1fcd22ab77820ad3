"""What a project is made of: connections to systems, and flows between them.

A new kind of connection is one class here and one line in ``Connection``; everything else follows from that.
The descriptions become the JSON schema that editors show.
"""

from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ml_connector_dagster.config.intakes import DocumentIntake
from ml_connector_dagster.config.looker import LookerConnection, LookerPublication
from ml_connector_dagster.config.mappings import APPLICATION_TYPES, EntityMapping
from ml_connector_dagster.config.problems import shown
from ml_connector_dagster.config.replays import Replay
from ml_connector_dagster.config.retention import Retention
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.sweeps import Sweep
from ml_connector_dagster.config.values import (
    Company,
    CredentialName,
    Day,
    EntityName,
    Flag,
    MartName,
    MemorySize,
    Name,
    Number,
    Owner,
    ReadFile,
    SalesforceDomain,
    SchemaName,
    Timezone,
    UnityName,
    WarehouseId,
    WebAddress,
    WholeNumber,
    WrittenFile,
)
from ml_connector_dagster.marts import MARTS, Mart, missing_entities
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ENTITIES


_MODEL = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class CloudSuiteConnection(BaseModel):
    """A CloudSuite tenant, read through its ION API Gateway."""

    model_config = _MODEL

    type: Literal["cloudsuite"] = Field(default="cloudsuite", description="Which kind of system.")
    name: Name = Field(description="The tenant's name everywhere: assets, tables, record ids.")
    product_line: Literal["m3", "syteline", "ln", "financials", "distribution"] = Field(
        description="Which ERP the tenant runs: M3, SyteLine (CloudSuite Industrial), LN, Financials & Supply "
        "Management, or Distribution SX.e."
    )
    credential: CredentialName = Field(
        description="Name of the stored .ionapi file (ml-connector credentials add NAME --ionapi FILE)."
    )
    timezone: Timezone = Field(
        description="IANA name of the zone in which the ERP stamps dates and times, like Europe/Stockholm."
    )
    requests_per_minute: WholeNumber = Field(
        default=300,
        ge=1,
        le=100_000,
        description="Request budget of the tenant, shared by all runs and processes.",
    )
    concurrency: WholeNumber = Field(
        default=4, ge=1, le=64, description="Requests in flight at a time, per run."
    )
    token_max_age_minutes: WholeNumber = Field(
        default=50,
        ge=1,
        le=1440,
        description="A token is renewed at this age, even if it lives longer.",
    )
    page_rows: WholeNumber = Field(
        default=10_000, ge=1, le=1_000_000, description="Records asked for at a time."
    )
    overlap_minutes: WholeNumber = Field(
        default=60,
        ge=0,
        le=10_080,
        description="An incremental read starts this much before the last one ended: for clocks that differ "
        "and transactions that commit late. What is read twice is not written twice.",
    )
    request_timeout_seconds: Number = Field(
        default=60.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="How long one request may take before it is tried again.",
    )
    catalog: ReadFile | None = Field(
        default=None,
        description="YAML file of this tenant's own programs and fields. A relative path begins at this file's "
        "folder; use a subfolder, since the files beside this one are read as flows.",
    )
    bods: DocumentIntake | None = Field(
        default=None,
        description="Business object documents that ION pushes; none are taken when left out.",
    )
    base_url: WebAddress | None = Field(
        default=None,
        description="On-premise: the API base URL to use in place of the one in the .ionapi file.",
    )

    @property
    def zone(self) -> ZoneInfo:
        """``timezone`` as an object."""
        return ZoneInfo(self.timezone)


class DuckDBConnection(BaseModel):
    """An embedded warehouse in one file."""

    model_config = _MODEL

    type: Literal["duckdb"] = Field(default="duckdb", description="Which kind of system.")
    name: Name = Field(description="The warehouse's name in assets and commands.")
    path: WrittenFile = Field(
        description="The database file; a relative path is inside ML_CONNECTOR_HOME."
    )
    memory_limit: MemorySize = Field(
        default="192MB", description="Memory that DuckDB may use, like 192MB or 4GB."
    )
    threads: WholeNumber = Field(
        default=2, ge=1, le=256, description="Threads that DuckDB may use."
    )


class DatabricksConnection(BaseModel):
    """A Databricks SQL warehouse, with a Unity Catalog catalog that holds the tables."""

    model_config = _MODEL

    type: Literal["databricks"] = Field(default="databricks", description="Which kind of system.")
    name: Name = Field(description="The warehouse's name in assets and commands.")
    host: WebAddress = Field(
        description="The workspace's address, like https://dbc-a1b2345c-d6e7.cloud.databricks.com."
    )
    warehouse_id: WarehouseId = Field(
        description="The SQL warehouse's id: the last part of its HTTP path, under Connection details."
    )
    catalog: UnityName = Field(description="The Unity Catalog catalog; it must be there.")
    volume: UnityName = Field(
        default="ml_connector_landing",
        description="Volume of the flow's schema that large batches go through; made when it is not there.",
    )
    credential: CredentialName = Field(
        description="Name of the stored token, or of the service principal's client_id and client_secret "
        "(ml-connector credentials add NAME --kind databricks --field token)."
    )
    inline_rows: WholeNumber = Field(
        default=1000,
        ge=0,
        le=10_000,
        description="Batches of up to so many rows go as a parameter of the statement, larger ones as files; "
        "0 sends every batch as files.",
    )
    request_timeout_seconds: Number = Field(
        default=60.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="How long one request may take before it is tried again.",
    )
    retry_seconds: Number = Field(
        default=120.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a request that fails for a passing reason is tried again.",
    )
    statement_timeout_seconds: Number = Field(
        default=3600.0,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="A statement that is not done after this time is cancelled. It includes the warehouse's start.",
    )


class MondayConnection(BaseModel):
    """A Monday.com account: a board for each entity."""

    model_config = _MODEL

    type: Literal["monday"] = Field(default="monday", description="Which kind of system.")
    name: Name = Field(description="The account's name in assets and commands.")
    credential: CredentialName = Field(
        description="Name of the stored API token (ml-connector credentials add NAME --kind monday --field token)."
    )
    workspace_id: str = Field(
        default="",
        description="Workspace in which setup makes boards: the number in its address; the main one when left out.",
    )
    plan: Literal["free", "standard", "pro", "enterprise"] = Field(
        default="standard",
        description="The account's plan: how many calls a day and a minute it allows.",
    )
    usage_ceiling: Number = Field(
        default=0.8,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the account's daily calls that may be used up; a delivery stops there.",
    )
    api_version: str = Field(
        default="2026-07",
        pattern=r"^20\d\d-(01|04|07|10)$",
        description="API version that is asked for; 2026-07 is the first that takes many items at once.",
    )
    batch_size: WholeNumber = Field(
        default=25, ge=1, le=50, description="Items written by one request."
    )
    ingest_threshold: WholeNumber = Field(
        default=500,
        ge=1,
        le=10_000,
        description="More changed items than this go as one file, in a job (not subitems).",
    )
    archive_duplicates: Flag = Field(
        default=False,
        description="Archive items that have the key of another one, all but the oldest; they are reported anyway.",
    )
    request_timeout_seconds: Number = Field(
        default=65.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="How long one request may take; the service itself stops at 60 seconds.",
    )
    retry_seconds: Number = Field(
        default=300.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a request that must wait (limits, a locked board) is tried again.",
    )
    job_timeout_seconds: Number = Field(
        default=3600.0,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="How long a job of many items is waited for.",
    )
    base_url: WebAddress = Field(
        default="https://api.monday.com/v2", description="Another address: a sandbox."
    )


class SalesforceConnection(BaseModel):
    """A Salesforce org, through an app with the client credentials flow."""

    model_config = _MODEL

    type: Literal["salesforce"] = Field(default="salesforce", description="Which kind of system.")
    name: Name = Field(description="The org's name in assets and commands.")
    domain: SalesforceDomain = Field(
        description="The org's My Domain without .salesforce.com, like acme.my or acme--test.sandbox.my."
    )
    credential: CredentialName = Field(
        description="Name of the stored client_id and client_secret of the app "
        "(ml-connector credentials add NAME --kind salesforce --field client_id --field client_secret)."
    )
    api_version: str = Field(
        default="64.0", pattern=r"^\d\d\.0$", description="REST API version, in quotes."
    )
    bulk_threshold: WholeNumber = Field(
        default=2000,
        ge=0,
        le=100_000,
        description="Up to so many changed records of an object go 200 a call; more go as one Bulk API 2.0 job.",
    )
    workers: WholeNumber = Field(default=4, ge=1, le=10, description="Calls at a time.")
    usage_ceiling: Number = Field(
        default=0.8,
        gt=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the org's daily API requests, of everybody, at which a delivery stops.",
    )
    allow_duplicates: Flag = Field(
        default=False,
        description="Save records that a duplicate rule of the org only warns about; else they are refused.",
    )
    session_minutes: WholeNumber = Field(
        default=110,
        ge=1,
        le=1440,
        description="A session is renewed at this age; below the session timeout of the org.",
    )
    request_timeout_seconds: Number = Field(
        default=120.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="How long one request may take.",
    )
    retry_seconds: Number = Field(
        default=120.0,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a request that fails for a passing reason, or a locked record, is tried again.",
    )
    job_timeout_seconds: Number = Field(
        default=3600.0,
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="How long a bulk job is waited for.",
    )
    base_url: WebAddress | None = Field(
        default=None, description="Where requests really go: a sandbox on this machine."
    )


class SnowflakeConnection(BaseModel):
    """A Snowflake account, as one user and role."""

    model_config = _MODEL

    type: Literal["snowflake"] = Field(default="snowflake", description="Which kind of system.")
    name: Name = Field(description="The warehouse's name in assets and commands.")
    account: str = Field(
        min_length=1,
        description="Account identifier, like MYORG-MYACCOUNT (SELECT CURRENT_ORGANIZATION_NAME(), CURRENT_ACCOUNT_NAME()).",
    )
    user: str = Field(min_length=1, description="The user that loads; best of TYPE = SERVICE.")
    credential: CredentialName = Field(
        description="Name of the stored credential: private_key (PEM) and passphrase, or token."
    )
    role: str = Field(min_length=1, description="The role that owns the tables.")
    warehouse: str = Field(
        min_length=1, description="The virtual warehouse that computes; X-Small is enough."
    )
    database: str = Field(
        min_length=1,
        description="The database, which must be there. Exactly as SHOW DATABASES says.",
    )
    inline_rows: WholeNumber = Field(
        default=5_000,
        ge=0,
        le=1_000_000,
        description="Batches of at most so many rows go straight through the SQL API; larger ones as files.",
    )
    login_timeout_seconds: WholeNumber = Field(
        default=60, ge=1, le=3600, description="How long a login may take, tries included."
    )
    network_timeout_seconds: WholeNumber = Field(
        default=300,
        ge=1,
        le=3600,
        description="How long any other request may take, tries included.",
    )
    host: str = Field(
        default="",
        description="Instead of <account>.snowflakecomputing.com: private link, or a sandbox.",
    )
    port: WholeNumber = Field(default=443, ge=1, le=65_535, description="Port of the host.")
    protocol: Literal["https", "http"] = Field(
        default="https", description="http is for a sandbox on this machine only."
    )

    @property
    def base_url(self) -> str:
        """Where requests go."""
        # Underscores are not allowed in host names; Snowflake serves each account under hyphens too.
        host = self.host or f"{self.account.replace('_', '-').lower()}.snowflakecomputing.com"
        return f"{self.protocol}://{host}:{self.port}"

    @model_validator(mode="after")
    def _plain_http_stays_here(self) -> Self:
        if self.protocol == "http" and self.host not in ("127.0.0.1", "localhost"):
            raise ValueError("protocol: http is for a sandbox on 127.0.0.1 only; use https")
        return self


Connection = Annotated[
    CloudSuiteConnection
    | DatabricksConnection
    | DuckDBConnection
    | LookerConnection
    | MondayConnection
    | SalesforceConnection
    | SnowflakeConnection,
    Field(discriminator="type"),
]

#: The word after ``type:`` → its model, as listed in ``Connection``.
CONNECTION_TYPES: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(Connection)[0])
}


class FlowDestination(BaseModel):
    """Where a flow's records go: a schema of a warehouse, or an application."""

    model_config = _MODEL

    connection: str = Field(description="Name of a connection.")
    schema_name: SchemaName = Field(
        default="erp",
        validation_alias="schema",
        serialization_alias="schema",
        description="Warehouses only: schema that holds the tables; made when it is not there.",
    )
    tables: Literal["shared", "per_company"] = Field(
        default="shared",
        description="Warehouses only. shared: one table per entity with a company column; per_company: a table for each.",
    )
    write_mode: WriteMode = Field(
        default=WriteMode.UPSERT,
        description="upsert: the newest version of each record, older ones in <entity>_history.",
    )

    mapping: dict[EntityName, EntityMapping] = Field(
        default_factory=dict,
        description="Applications only: entity → what is different from the usual mapping.",
    )

    @property
    def name(self) -> str:
        """The destination's id in the ledger, in assets and in commands.

        ``<connection>.<schema>`` of a warehouse; ``<connection>`` of an application, which has no schemas.
        """
        return f"{self.connection}.{self.schema_name}" if self.schema_name else self.connection

    def without_schema(self) -> Self:
        """As a destination in an application."""
        return self.model_copy(update={"schema_name": ""})


def _all_entities(value: object) -> object:
    """``all`` stands for every entity, in the canonical order."""
    return list(ENTITIES) if value in ("all", ["all"], ("all",)) else value


def _all_or_no_marts(value: object) -> object:
    """``all`` is what a flow has when it says nothing."""
    return None if value == "all" else () if value == "none" else value


class Flow(BaseModel):
    """Entities of one tenant, and where they go."""

    model_config = _MODEL

    name: Name = Field(description="The flow's name in schedules and commands.")
    source: str = Field(description="Name of the cloudsuite connection that is read.")
    companies: tuple[Company, ...] = Field(
        min_length=1,
        description='Company numbers, quoted: ["100", "007"]. Each is a partition of its own.',
    )
    entities: Annotated[tuple[EntityName, ...], BeforeValidator(_all_entities)] = Field(
        min_length=1, description="all, or a list of entities."
    )
    destinations: tuple[FlowDestination, ...] = Field(
        min_length=1, description="Where each entity goes; every destination gets every batch."
    )
    marts: Annotated[tuple[MartName, ...] | None, BeforeValidator(_all_or_no_marts)] = Field(
        default=None,
        description="Views that are kept beside the tables: all (of those whose entities the flow has), none, or a "
        "list of marts.",
    )
    looker: LookerPublication | None = Field(
        default=None,
        description="What is published in Looker after each load; nothing when left out.",
    )
    start_date: Day = Field(
        description="First daily partition, like 2025-11-01. Older records belong to it. A recent day is "
        "best: each day and company is a partition."
    )
    schedule: Schedule | None = Field(
        default=None, description="When the flow runs by itself; never when left out."
    )
    sweep: Sweep = Field(
        default=Sweep(),
        description="How records that the ERP deleted are found, and when.",
    )
    replay: Replay = Field(
        default=Replay(), description="How often the flow tries again by itself what failed."
    )
    owners: tuple[Owner, ...] = Field(
        default=(), description="E-mail addresses or team:NAME, shown on the assets."
    )
    description: str = Field(default="", description="What the flow is for, shown on the assets.")

    @property
    def warehouses(self) -> tuple[FlowDestination, ...]:
        """The destinations that have tables, and so marts; applications have neither."""
        return tuple(target for target in self.destinations if target.schema_name)

    @property
    def looker_reads(self) -> FlowDestination:
        """The destination whose tables Looker reads. Raises ValueError when the flow publishes nothing there."""
        if self.looker is None:
            raise ValueError(f"flow {self.name} publishes nothing in Looker")
        named = self.looker.warehouse
        return next(one for one in self.destinations if named in (one.name, one.connection))

    @property
    def own_marts(self) -> tuple[Mart, ...]:
        """The marts that this flow keeps, in each of its warehouses."""
        names = MARTS if self.marts is None else self.marts
        return tuple(MARTS[name] for name in names if name not in self.marts_left_out)

    @property
    def marts_left_out(self) -> dict[str, tuple[str, ...]]:
        """Marts that this flow cannot have, and the entities that it lacks for each."""
        lacking = {name: missing_entities(mart, self.entities) for name, mart in MARTS.items()}
        return {name: missing for name, missing in lacking.items() if missing}

    @field_validator("marts", mode="after")
    @classmethod
    def _entities_of_marts(
        cls, values: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        for name in values or ():
            missing = missing_entities(MARTS[name], info.data.get("entities", ENTITIES))
            if missing:
                raise ValueError(
                    f"mart {shown(name)} needs {', '.join(missing)}; add to entities, or leave the mart out"
                )
        return values

    @field_validator("companies", "entities", "marts", "owners", mode="after")
    @classmethod
    def _no_repetition(cls, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for position, value in enumerate(values or ()):
            if value in (values or ())[:position]:
                raise ValueError(f"{shown(value)} is listed twice")
        return values

    @field_validator("destinations", mode="after")
    @classmethod
    def _no_destination_twice(
        cls, values: tuple[FlowDestination, ...]
    ) -> tuple[FlowDestination, ...]:
        names = [value.name.casefold() for value in values]
        for position, value in enumerate(values):
            if names[position] in names[:position]:
                raise ValueError(f"destination {value.name} is listed twice")
        return values


def is_application(connection: BaseModel) -> bool:
    """Whether a connection takes records one by one, through a mapping."""
    return getattr(connection, "type", "") in APPLICATION_TYPES


def object_address(connection: BaseModel, name: str) -> str:
    """Where a person sees an object of an application; "" when that cannot be known from its name.

    Monday's addresses hold numbers of boards, which only Monday knows.
    """
    if isinstance(connection, SalesforceConnection):
        base = connection.base_url or f"https://{connection.domain}.salesforce.com"
        return f"{base}/lightning/o/{name}/list"
    return ""


class Project(BaseModel):
    """Everything that the YAML files say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connections: dict[str, Connection] = Field(
        default_factory=dict, description="Systems, by the name that flows use for them."
    )
    flows: dict[str, Flow] = Field(
        default_factory=dict, description="What is read and where it goes, by flow name."
    )
    retention: Retention = Field(
        default=Retention(), description="How long is kept what nobody needs any more."
    )
