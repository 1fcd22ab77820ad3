"""A tick: one run per company, over the days that are due."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path

import dagster as dg
import pytest

from ml_connector_dagster_tests.defs.conftest import Installation


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A schedule looks into an instance that is kept on disk."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as kept:
        yield kept


def tick(installation: Installation, at: datetime) -> list[dg.RunRequest] | str:
    """The run requests of a tick, or why there are none."""
    schedule = installation.defs.resolve_schedule_def("purchasing_schedule")
    with dg.build_schedule_context(
        instance=installation.instance,
        scheduled_execution_time=at,
        resources={"workspace": (installation.defs.resources or {})["workspace"]},
    ) as context:
        data = schedule.evaluate_tick(context)
    return list(data.run_requests or ()) or str(data.skip_message)


def ranges(requests: list[dg.RunRequest] | str) -> list[tuple[str, str]]:
    assert not isinstance(requests, str), requests
    return [
        (
            one.tags["dagster/asset_partition_range_start"],
            one.tags["dagster/asset_partition_range_end"],
        )
        for one in requests
    ]


def test_a_first_tick_starts_one_run_per_company_on_today(installation: Installation) -> None:
    requests = tick(installation, installation.sandbox.clock.now())

    today = installation.today
    assert ranges(requests) == [
        (f"100|{today}", f"100|{today}"),
        (f"200|{today}", f"200|{today}"),
    ]
    assert not isinstance(requests, str)
    assert [one.tags["ml_connector/company"] for one in requests] == ["100", "200"]
    for one in requests:
        assert one.tags["ml_connector/mode"] == "incremental"
        assert one.tags["ml_connector/tenant"] == "acme"
        assert one.tags["ml_connector/flow"] == "purchasing"
    assert len({one.run_key for one in requests}) == 2


def test_the_first_tick_after_midnight_covers_yesterday(installation: Installation) -> None:
    assert installation.materialize("suppliers", incremental=True).success
    zone = installation.sandbox.clock.timezone
    midnight = datetime.combine(installation.today + timedelta(days=1), time(0, 10), zone)
    installation.sandbox.clock.set(midnight)

    requests = tick(installation, midnight)

    today = installation.today
    assert ranges(requests) == [
        (f"100|{today - timedelta(days=1)}", f"100|{today}"),
        (f"200|{today}", f"200|{today}"),
    ]


def test_a_long_absence_is_made_up(installation: Installation) -> None:
    assert installation.materialize("suppliers", incremental=True).success
    first = installation.today
    installation.sandbox.clock.advance(days=5)

    requests = tick(installation, installation.sandbox.clock.now())

    assert ranges(requests)[0] == (f"100|{first}", f"100|{installation.today}")


def test_a_company_whose_last_run_is_still_going_is_skipped(installation: Installation) -> None:
    for company in ("100", "200"):
        requests = tick(installation, installation.sandbox.clock.now())
        assert not isinstance(requests, str)
        assert company in {one.tags["ml_connector/company"] for one in requests}
        request = next(one for one in requests if one.tags["ml_connector/company"] == company)
        installation.instance.create_run_for_job(
            installation.defs.resolve_job_def("__anonymous_asset_job_purchasing_schedule"),
            tags=dict(request.tags),
            status=dg.DagsterRunStatus.STARTED,
        )

    assert "still going" in str(tick(installation, installation.sandbox.clock.now()))
