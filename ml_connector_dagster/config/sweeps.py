"""How a flow finds records that were deleted in the ERP, and how many of them it believes."""

from pydantic import Field

from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.values import Number, WholeNumber


class Sweep(StrictModel):
    """Key sweeps of a flow. A record is marked deleted when two sweeps in a row did not find it."""

    schedule: Schedule | None = Field(
        default=None,
        description="When the keys are compared, like every: week; never by itself when left out.",
    )
    brake_percent: Number = Field(
        default=5.0,
        ge=0,
        le=100,
        description="A sweep that misses more than this share of an entity's records of a company stops and marks "
        "nothing. So does one that finds no record at all, unless this is 100.",
    )
    brake_records: WholeNumber = Field(
        default=20,
        ge=0,
        le=1_000_000_000,
        description="So many records may be missing whatever their share: small tables are not braked by it.",
    )
    budget_percent: WholeNumber = Field(
        default=50,
        ge=1,
        le=100,
        description="The share of the tenant's requests per minute that a sweep uses at most, spread evenly.",
    )

    def allowed(self, known: int) -> int:
        """How many of ``known`` records may be missing."""
        return max(self.brake_records, int(known * self.brake_percent / 100))

    def brakes(self, *, known: int, seen: int, missed: int) -> bool:
        """Whether a sweep is not believed."""
        nothing_at_all = known > 0 and seen == 0 and self.brake_percent < 100
        return nothing_at_all or missed > self.allowed(known)
