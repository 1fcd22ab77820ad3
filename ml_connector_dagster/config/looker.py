"""What Looker has in YAML: a connection to it, and in a flow what is published there."""

from typing import Literal

from pydantic import Field, field_validator

from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.problems import shown
from ml_connector_dagster.config.values import (
    CredentialName,
    Flag,
    JobSeconds,
    LookerDatabase,
    LookmlName,
    Name,
    PlainName,
    PlanId,
    Seconds,
    WebAddress,
    WholeNumber,
)


class LookerConnection(StrictModel):
    """A Looker instance, through the API key of one of its users."""

    type: Literal["looker"] = Field(default="looker", description="Which kind of system.")
    name: Name = Field(description="The instance's name in assets and commands.")
    base_url: WebAddress = Field(
        description="Where the API answers, with its port where it has one, like https://acme.cloud.looker.com."
    )
    credential: CredentialName = Field(
        description="Name of the stored API key "
        "(ml-connector credentials add NAME --kind looker --field client_id --field client_secret)."
    )
    database: LookerDatabase = Field(
        description="Looker's own name of its connection to the database that holds the tables (Admin, Connections)."
    )
    edition: Literal["standard", "enterprise", "embed"] = Field(
        default="standard",
        description="The licence, which says how many API calls a month are included: standard 1,000 queries and 1,000 "
        "others, enterprise 100,000 and 10,000, embed 500,000 and 100,000.",
    )
    monthly_query_calls: WholeNumber | None = Field(
        default=None,
        ge=1,
        description="Calls that query the database which we may make in a month; all that the edition includes when "
        "left out.",
    )
    monthly_admin_calls: WholeNumber | None = Field(
        default=None, ge=1, description="The same for all other calls; logins are not counted."
    )
    verify_tls: Flag = Field(
        default=True, description="Whether the server's certificate is checked."
    )
    request_timeout_seconds: Seconds = Field(
        default=120.0,
        description="How long one call may take.",
    )
    retry_seconds: Seconds = Field(
        default=120.0,
        description="How long a call that fails for a passing reason is tried again.",
    )
    plan_timeout_seconds: JobSeconds = Field(
        default=300.0,
        description="How long the status of a plan that was sent is asked for.",
    )
    dialect: Literal["", "databricks", "duckdb", "snowflake"] = Field(
        default="",
        description="SQL Runner only: which SQL the database behind Looker's connection speaks.",
    )
    catalog: PlainName = Field(
        default="",
        description="SQL Runner only: catalog (Databricks) or database (Snowflake) that holds the schema; what Looker's "
        "connection begins in when left out.",
    )
    statement_rows: WholeNumber = Field(
        default=500, ge=1, le=5_000, description="SQL Runner only: rows of one statement."
    )
    statement_bytes: WholeNumber = Field(
        default=262_144,
        ge=16_384,
        le=1_000_000,
        description="SQL Runner only: the longest statement that is sent.",
    )


class LookerPublication(StrictModel):
    """What a flow does in Looker once its tables and marts are loaded."""

    connection: str = Field(description="Name of a looker connection.")
    write_mode: Literal["warehouse", "sql_runner"] = Field(
        default="warehouse",
        description="How rows get to where Looker reads them. warehouse: straight into the database, by one of the flow's "
        "destinations; sql_runner: through Looker itself, by a destination of the looker connection.",
    )
    warehouse: str = Field(
        description="The destination of this flow whose tables Looker reads: its connection, or connection.schema."
    )
    model: LookmlName = Field(
        default="erp", description="Name of the LookML model that is generated, and asked."
    )
    project: LookmlName = Field(
        default="erp", description="Name of the LookML project in Looker that holds the model."
    )
    datagroup: LookmlName = Field(
        default="erp_sync", description="The model's datagroup that a load triggers."
    )
    plans: tuple[PlanId, ...] = Field(
        default=(),
        description='Ids of scheduled plans that are sent after each load, quoted: ["12"].',
    )
    verify: Literal["every", "sampled", "off"] = Field(
        default="every",
        description="When Looker must prove that it sees the new rows before a plan is sent. sampled: once a day, and "
        "again until it passes; off: never.",
    )

    @field_validator("plans", mode="after")
    @classmethod
    def _no_plan_twice(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for position, value in enumerate(values):
            if value in values[:position]:
                raise ValueError(f"{shown(value)} is listed twice")
        return values
