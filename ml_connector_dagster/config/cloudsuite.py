"""Connections to ERPs."""

from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from ml_connector_dagster.config.intakes import DocumentIntake
from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.values import (
    CredentialName,
    Name,
    ReadFile,
    Seconds,
    Timezone,
    WebAddress,
    WholeNumber,
)


class CloudSuiteConnection(StrictModel):
    """A CloudSuite tenant, read through its ION API Gateway."""

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
    request_timeout_seconds: Seconds = Field(
        default=60.0,
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
