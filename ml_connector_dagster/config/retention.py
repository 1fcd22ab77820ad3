"""How long is kept what nobody needs any more."""

from typing import Self

from pydantic import Field, model_validator

from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.values import WholeNumber


_LONGEST = 36_500


class Retention(StrictModel):
    """What a clean-up removes. The newest version of every record, and whatever is pending or open, always stays."""

    batches_days: WholeNumber = Field(
        default=90,
        ge=1,
        le=_LONGEST,
        description="Staged batches: older ones that every destination has are replaced by one that holds the newest "
        "version of each of their records.",
    )
    receipts_days: WholeNumber = Field(
        default=730,
        ge=1,
        le=_LONGEST,
        description="What destinations answered, record by record; not shorter than batches_days.",
    )
    letters_days: WholeNumber = Field(
        default=730,
        ge=1,
        le=_LONGEST,
        description="Dead letters after they were resolved, and edits after they ended.",
    )
    reads_days: WholeNumber = Field(
        default=90,
        ge=1,
        le=_LONGEST,
        description="Reads that ended and of which no batch is left; the newest of each table stays.",
    )
    sweeps_days: WholeNumber = Field(
        default=730,
        ge=1,
        le=_LONGEST,
        description="Key sweeps; the newest of each table and outcome stays.",
    )
    schedule: Schedule | None = Field(
        default=None,
        description="When the job clean_up runs by itself, like every: week; never when left out.",
    )

    @model_validator(mode="after")
    def _receipts_outlive_batches(self) -> Self:
        if self.receipts_days < self.batches_days:
            raise ValueError(
                f"receipts_days ({self.receipts_days}) is shorter than batches_days ({self.batches_days}): receipts "
                "are kept with their batch; raise it"
            )
        return self
