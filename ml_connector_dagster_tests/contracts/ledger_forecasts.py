"""What every ledger must do for plans: keep forecasts, and tell what earlier reads and deliveries took.

A database's test inherits ``LedgerForecasts`` and gives ``url``.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from ml_connector_dagster.ledger import Ledger, PastDelivery
from ml_connector_dagster.model.forecasts import (
    DeliveryForecast,
    Forecast,
    Pace,
    QuotaForecast,
    ReadForecast,
)
from ml_connector_dagster_tests.contracts.ledger import begin, commit, deliver, report
from ml_connector_dagster_tests.contracts.ledger_samples import (
    COMPANY,
    ENTITY,
    NOON,
    TENANT,
    WAREHOUSE,
    Clock,
    days,
)


def foreseen(name: str, *, flow: str = "purchasing") -> Forecast:
    """A forecast with something in every field."""
    read = ReadForecast(
        entity=ENTITY,
        company=COMPANY,
        window=days(None, 18),
        route="list CRS620MI/LstSuppliers",
        rows=1200,
        requests=3,
        longest=2,
        bytes=96_000,
        basis="counted",
        how="the list's keys",
    )
    failed = ReadForecast(
        entity="items", company="200", window=days(17, 18), error="no right to it"
    )
    return Forecast(
        forecast_id=name,
        flow=flow,
        tenant=TENANT,
        mode="full",
        made_at=NOON,
        reads=(read, failed),
        deliveries=(
            DeliveryForecast(
                destination=WAREHOUSE,
                entity=ENTITY,
                rows=1200,
                ways=("inline", "staged file"),
                calls=15,
                basis="what earlier batches took",
                seconds=60.0,
            ),
        ),
        quotas=(
            QuotaForecast(
                system="crm", name="calls", needed=15, used=None, limit=1000, ceiling=800
            ),
        ),
        setup=2,
        spent=9,
        learning=4,
        pace=Pace(requests_per_minute=300, concurrency=4, latency=0.25, measured=True),
        seconds=61.5,
        warnings=("items of company 200 cannot be read: no right to it",),
    )


class LedgerForecasts:
    """Inherit, and give the fixture ``url``: a fresh, empty database."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def ledger(self, url: str, clock: Clock) -> Iterator[Ledger]:
        with Ledger.open(url, now=clock) as opened:
            yield opened

    def test_forecasts_of_a_flow_come_back_as_they_were_newest_first(self, ledger: Ledger) -> None:
        first, other = foreseen("f1"), foreseen("f2", flow="sales")
        second = replace(foreseen("f3"), made_at=NOON + timedelta(minutes=1))
        for one in (first, other, second):
            ledger.record_forecast(one)
        assert ledger.forecasts("purchasing", limit=9) == (second, first)
        assert ledger.forecasts("purchasing") == (second,)
        assert ledger.forecasts("purchasing", since=NOON + timedelta(seconds=1), limit=9) == (
            second,
        )
        assert ledger.forecasts("nobody") == ()

    def test_forecasts_of_long_ago_make_room(self, ledger: Ledger) -> None:
        ledger.record_forecast(replace(foreseen("old"), made_at=NOON - timedelta(days=401)))
        ledger.record_forecast(replace(foreseen("kept"), made_at=NOON - timedelta(days=399)))
        ledger.record_forecast(foreseen("new"))
        found = ledger.forecasts("purchasing", limit=9)
        assert [one.forecast_id for one in found] == ["new", "kept"]

    def test_a_past_read_is_all_its_batches_and_only_when_it_ended(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        whole = begin(ledger, days(None, 17))
        commit(ledger, whole, "b1")
        commit(ledger, whole, "b2", finished=True)
        later = begin(ledger, days(18, 18), at=NOON + timedelta(hours=1))
        commit(ledger, later, "b3", finished=True)
        commit(ledger, begin(ledger, days(18, 19), at=NOON + timedelta(hours=2)), "b4")
        found = ledger.past_reads(tenant=TENANT, entity=ENTITY, company=COMPANY)
        assert [(one.rows, one.requests, one.bytes) for one in found] == [
            (3, 2, 3000),
            (6, 4, 6000),
        ]
        assert [one.window for one in found] == [days(18, 18), days(None, 17)]
        since = ledger.past_reads(
            tenant=TENANT, entity=ENTITY, company=COMPANY, since=NOON + timedelta(minutes=1)
        )
        assert [one.window for one in since] == [days(18, 18)]
        assert ledger.past_reads(tenant=TENANT, entity=ENTITY, company="200") == ()

    def test_past_deliveries_tell_how_large_batches_were_and_what_they_took(
        self, ledger: Ledger
    ) -> None:
        read = begin(ledger)
        for name in ("b1", "b2", "b3"):
            commit(ledger, read, name)
        deliver(ledger, "b1", answer=replace(report(), requests=15))
        deliver(ledger, "b2", answer=replace(report(), requests=17))
        ledger.start_delivery("b3", WAREHOUSE, "run-2")
        assert ledger.past_deliveries(destination=WAREHOUSE, entity=ENTITY) == (
            PastDelivery(rows=3, requests=17),
            PastDelivery(rows=3, requests=15),
        )
        assert ledger.past_deliveries(destination=WAREHOUSE, entity="items") == ()
        taken = ledger.delivery_requests(
            destination=WAREHOUSE, entity=ENTITY, run_ids=["run-2", "run-9"]
        )
        assert taken == 32
        assert ledger.delivery_requests(destination=WAREHOUSE, entity=ENTITY, run_ids=[]) == 0
