"""Connections to applications: systems that take records one by one, through a mapping."""

from typing import Literal

from pydantic import BaseModel, Field

from ml_connector_dagster.config.mappings import APPLICATION_TYPES
from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.values import (
    CredentialName,
    Flag,
    JobSeconds,
    Name,
    Number,
    SalesforceDomain,
    Seconds,
    WebAddress,
    WholeNumber,
)


class MondayConnection(StrictModel):
    """A Monday.com account: a board for each entity."""

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
    request_timeout_seconds: Seconds = Field(
        default=65.0,
        description="How long one request may take; the service itself stops at 60 seconds.",
    )
    retry_seconds: Seconds = Field(
        default=300.0,
        description="How long a request that must wait (limits, a locked board) is tried again.",
    )
    job_timeout_seconds: JobSeconds = Field(
        default=3600.0,
        description="How long a job of many items is waited for.",
    )
    base_url: WebAddress = Field(
        default="https://api.monday.com/v2", description="Another address: a sandbox."
    )


class SalesforceConnection(StrictModel):
    """A Salesforce org, through an app with the client credentials flow."""

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
    request_timeout_seconds: Seconds = Field(
        default=120.0,
        description="How long one request may take.",
    )
    retry_seconds: Seconds = Field(
        default=120.0,
        description="How long a request that fails for a passing reason, or a locked record, is tried again.",
    )
    job_timeout_seconds: JobSeconds = Field(
        default=3600.0,
        description="How long a bulk job is waited for.",
    )
    base_url: WebAddress | None = Field(
        default=None, description="Where requests really go: a sandbox on this machine."
    )


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
