"""How a flow proves that a destination holds what the ERP has, and when."""

from pydantic import Field

from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.values import Flag, WholeNumber


class Reconcile(StrictModel):
    """Reconciliation of a flow: counts and control totals of the ERP against those of each destination."""

    schedule: Schedule | None = Field(
        default=None,
        description="When everything is compared, like every: day; never by itself when left out.",
    )
    after_runs: Flag = Field(
        default=True,
        description="Whether each scheduled run also compares what the ERP has changed in its days, at warehouses. Costs "
        "about as many requests as the run's own lists.",
    )
    budget_percent: WholeNumber = Field(
        default=25,
        ge=1,
        le=100,
        description="The share of the tenant's requests per minute that a comparison of everything uses at most, spread evenly.",
    )
