"""Connections to warehouses: systems that hold tables and answer SQL."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.values import (
    CredentialName,
    JobSeconds,
    MemorySize,
    Name,
    Seconds,
    UnityName,
    WarehouseId,
    WebAddress,
    WholeNumber,
    WrittenFile,
)


class DuckDBConnection(StrictModel):
    """An embedded warehouse in one file."""

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


class DatabricksConnection(StrictModel):
    """A Databricks SQL warehouse, with a Unity Catalog catalog that holds the tables."""

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
    request_timeout_seconds: Seconds = Field(
        default=60.0,
        description="How long one request may take before it is tried again.",
    )
    retry_seconds: Seconds = Field(
        default=120.0,
        description="How long a request that fails for a passing reason is tried again.",
    )
    statement_timeout_seconds: JobSeconds = Field(
        default=3600.0,
        description="A statement that is not done after this time is cancelled. It includes the warehouse's start.",
    )


class SnowflakeConnection(StrictModel):
    """A Snowflake account, as one user and role."""

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
