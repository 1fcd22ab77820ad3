"""Which way rows go in, what that takes, and the warnings that follow: pure arithmetic."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ml_connector_dagster.config.project import Connection, Flow, FlowDestination
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.warehouses import (
    DatabricksConnection,
    DuckDBConnection,
    SnowflakeConnection,
)
from ml_connector_dagster.destinations.forecasts import warehouse_loading
from ml_connector_dagster.destinations.monday.costs import least_seconds
from ml_connector_dagster.model.forecasts import DeliveryForecast, QuotaForecast
from ml_connector_dagster.sync.delivery_forecasts import Destined
from ml_connector_dagster.sync.flows import ReadMode
from ml_connector_dagster.sync.forecast_warnings import warnings_of


SNOWFLAKE = SnowflakeConnection(
    name="snowflake",
    account="ACME",
    user="ETL",
    role="LOADER",
    warehouse="LOADING",
    database="ANALYTICS",
    credential="snowflake",
    inline_rows=1000,
)
DATABRICKS = DatabricksConnection(
    name="databricks",
    host="https://dbc-1.cloud.databricks.com",
    warehouse_id="0123456789abcdef",
    catalog="main",
    credential="databricks",
    inline_rows=500,
)


@pytest.mark.parametrize(
    ("connection", "batches", "ways"),
    [
        (SNOWFLAKE, [1000], ("inline",)),
        (SNOWFLAKE, [1001], ("staged file",)),
        (SNOWFLAKE, [245_760, 12], ("staged file", "inline")),
        (DATABRICKS, [500, 501], ("inline", "staged file")),
        (DuckDBConnection(name="warehouse", path=Path("w.duckdb")), [10**6], ("in process",)),
    ],
)
def test_the_size_of_a_batch_decides_its_way_in(
    connection: Connection, batches: list[int], ways: tuple[str, ...]
) -> None:
    assert warehouse_loading(connection, batches, []).ways == ways


def test_calls_are_those_of_earlier_batches_that_went_the_same_way() -> None:
    past = [(10, 15), (20, 17), (30, 16), (5000, 31)]  # rows, requests
    inline = warehouse_loading(SNOWFLAKE, [40, 50], past)
    assert (inline.calls, inline.basis) == (32, "what earlier batches took")
    staged = warehouse_loading(SNOWFLAKE, [9000], past)
    assert staged.calls == 31
    first = warehouse_loading(SNOWFLAKE, [9000], past[:3])
    assert first.basis == "what first batches take"


@pytest.mark.parametrize(
    ("items", "seconds"),
    [(0, 0), (1, 0), (500, 0), (501, 60), (1000, 60), (1200, 120)],
)
def test_points_of_monday_allow_500_items_a_minute(items: int, seconds: float) -> None:
    assert least_seconds(items) == seconds


def flow(schedule: Schedule | None = None) -> Flow:
    return Flow(
        name="flow",
        source="acme",
        companies=("100",),
        entities=("suppliers",),
        destinations=(FlowDestination.model_validate({"connection": "warehouse"}),),
        start_date=datetime(2026, 1, 1, tzinfo=UTC).date(),
        schedule=schedule,
    )


def warned(
    seconds: float,
    *,
    mode: ReadMode = ReadMode.INCREMENTAL,
    schedule: Schedule | None = None,
    destined: Destined | None = None,
) -> list[str]:
    zone, noon = ZoneInfo("Europe/Stockholm"), datetime(2026, 1, 18, 12, tzinfo=UTC)
    return list(warnings_of(flow(schedule), mode, zone, [], destined or Destined(), seconds, noon))


def test_a_run_that_outlasts_its_schedule_is_warned_of() -> None:
    quarter = Schedule(cron="*/15 * * * *")
    assert warned(899.0, schedule=quarter) == []
    assert warned(1_200.0, schedule=quarter) == [
        "reading takes 20 minutes, and the schedule starts the next run after 15"
    ]
    # A backfill is started by hand: no tick waits for it.
    assert warned(1_200.0, schedule=quarter, mode=ReadMode.FULL) == []


def test_a_read_that_could_not_be_taken_up_again_is_warned_of() -> None:
    assert warned(timedelta(hours=20).total_seconds(), mode=ReadMode.FULL) == []
    (warning,) = warned(timedelta(hours=30).total_seconds(), mode=ReadMode.FULL)
    assert warning.startswith("reading takes 30 hours: a read that is broken off is taken up again")
    assert "within 20 hours" in warning


def test_limits_of_the_systems_are_warned_of_with_what_is_left() -> None:
    destined = Destined()
    destined.quotas.append(
        QuotaForecast(
            system="monday", name="calls of the day", needed=900, used=300, limit=1000, ceiling=800
        )
    )
    destined.deliveries.append(
        DeliveryForecast(
            destination="monday",
            entity="suppliers",
            rows=5000,
            ways=("mutations",),
            calls=200,
            basis="if every record is new or changed",
            seconds=540.0,
        )
    )
    destined.problems.append("crm: the login was refused")
    assert warned(1.0, destined=destined) == [
        "monday: 900 calls of the day are needed and 500 are left of 1,000; cut the run into parts, or raise the limit",
        "monday: suppliers takes at least 9 minutes by the system's own limits a minute",
        "nothing is known of crm: the login was refused",
    ]
