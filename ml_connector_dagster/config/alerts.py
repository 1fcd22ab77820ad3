"""Whom to tell when something needs a person, and from when on it does."""

from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.problems import did_you_mean, shown
from ml_connector_dagster.config.values import CredentialName, Number, WebAddress
from ml_connector_dagster.model.alerts import AlertKind


def _kind(value: object) -> object:
    kinds = [kind.value for kind in AlertKind]
    if isinstance(value, str) and value not in kinds:
        raise ValueError(f"unknown alert {shown(value)}{did_you_mean(value, kinds)}")
    return value


class AlertChannel(StrictModel):
    """One place that is told: a Slack or Teams channel, a mailbox, a program that takes JSON."""

    credential: CredentialName = Field(
        description="Name of the stored credential whose field url says where and how "
        "(ml-connector credentials add NAME --kind alerts --field url)."
    )
    only: tuple[Annotated[AlertKind, BeforeValidator(_kind)], ...] = Field(
        default=(), description="Which alerts it is told; all when left out."
    )

    def wants(self, kind: AlertKind) -> bool:
        """Whether it is told about ``kind``."""
        return not self.only or kind in self.only


class Alerts(StrictModel):
    """Alerts of the whole installation. Each is told once when it begins and once when it is over."""

    ui: WebAddress | None = Field(
        default=None,
        description="Where people open the Dagster UI, for links to runs; no links when left out.",
    )
    channels: tuple[AlertChannel, ...] = Field(
        default=(), description="Who is told; nobody when left out."
    )
    rejected_percent: Number = Field(
        default=1.0,
        ge=0,
        lt=100,
        description="More than this share of a table's last batch refused is told.",
    )

    @field_validator("channels", mode="after")
    @classmethod
    def _no_channel_twice(cls, values: tuple[AlertChannel, ...]) -> tuple[AlertChannel, ...]:
        names = [value.credential for value in values]
        for position, name in enumerate(names):
            if name in names[:position]:
                raise ValueError(
                    f"the credential {shown(name)} is listed twice; put both in one channel"
                )
        return values
