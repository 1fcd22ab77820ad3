"""Planning a flow: before a run, after it, and where nothing can be counted."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_connector_dagster.cloudsuite import reckonings
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Flow, FlowDestination, Project
from ml_connector_dagster.config.warehouses import DuckDBConnection
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, TransientError
from ml_connector_dagster.model.forecasts import (
    Forecast,
    Pace,
    QuotaForecast,
    ReadForecast,
    forecast_document,
    forecast_of,
)
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sandbox import Fault, Sandbox
from ml_connector_dagster.staging import Staging
from ml_connector_dagster.sync.flows import ReadMode, run_flow
from ml_connector_dagster.sync.forecast_outcomes import outcome_of
from ml_connector_dagster.sync.forecasts import forecast_flow, reading_seconds
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.world import NoPause, World


def world_of(sandbox: Sandbox, folder: Path, *entities: str, page_rows: int = 10_000) -> World:
    entities = entities or tuple(ENTITIES)
    return World(sandbox=sandbox, folder=folder, entities=entities, page_rows=page_rows)


def of(forecast: Forecast, entity: str, company: str = "100") -> ReadForecast:
    (found,) = [one for one in forecast.reads if (one.entity, one.company) == (entity, company)]
    return found


@pytest.mark.parametrize("page_rows", [10, 10_000])
def test_a_run_of_two_companies_takes_what_its_plan_said_whole_then_what_changed(
    sandbox: Sandbox, tmp_path: Path, page_rows: int
) -> None:
    """One process, four requests at a time: nothing depends on the order in which answers come."""
    world = world_of(sandbox, tmp_path, page_rows=page_rows)
    for mode in (ReadMode.FULL, ReadMode.INCREMENTAL):
        with world.open() as workspace:
            forecast = forecast_flow(workspace, world.flow, mode=mode)
        before = len(sandbox.requests())
        with world.open() as workspace:
            run_flow(workspace, world.flow, run_id=f"run-{mode}", mode=mode)
            outcome = outcome_of(workspace, forecast)
        assert {(one.planned.entity, one.planned.company): one.off for one in outcome.reads} == {
            (entity, company): 0.0 for entity in ENTITIES for company in world.companies
        }
        assert len(sandbox.requests()) - before == forecast.requests
        assert outcome.run_ids == (f"run-{mode}",)


def test_what_two_companies_and_two_divisions_have_in_common_is_not_asked_for_twice(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Their accounts are the same, most of their dimensions are empty: that once cost a request in three."""
    world = world_of(sandbox, tmp_path, "gl_dimensions", "gl_balances")
    with world.open() as workspace:
        run_flow(workspace, world.flow, run_id="learns")
    before = len(sandbox.requests())
    with world.open() as workspace:
        run_flow(workspace, world.flow, run_id="run")
    took = Counter(one.transaction for one in sandbox.requests()[before:])
    # Two companies; each has two divisions and the blank one, whose six dimensions come together, and whose accounts are
    # asked for once although both divisions go through them.
    assert took["LstDivisions"] == 2
    assert took["LstAccountID"] == 2 * (3 + 3)


def test_planning_stages_and_delivers_nothing_and_moves_no_watermark(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path, "suppliers", "gl_balances")
    with world.open() as workspace:
        forecast = forecast_flow(workspace, world.flow, mode=ReadMode.FULL)
        assert workspace.ledger.batches(tenant="acme") == ()
        assert workspace.ledger.watermark("acme", "suppliers", "100") is None
        assert not (workspace.settings.home / "warehouse.duckdb").exists()
        assert [one for one in outcome_of(workspace, forecast).reads if one.actual] == []


def test_what_planning_itself_took_is_what_the_gateway_saw(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path, "suppliers", "purchase_orders", "gl_accounts")
    with world.open() as workspace:
        first = forecast_flow(workspace, world.flow)
        assert first.spent == len(sandbox.requests())
        again = forecast_flow(workspace, world.flow)
    assert first.learning > 0
    assert again.learning == 0  # routes are remembered
    assert again.spent == len(sandbox.requests()) - first.spent < first.spent


def test_what_is_read_whole_is_taken_to_be_like_the_last_read_and_costs_no_counting(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    world = world_of(sandbox, tmp_path, "gl_balances")
    with world.open() as workspace:
        counted = forecast_flow(workspace, world.flow)
        run_flow(workspace, world.flow, run_id="run")
        (last,) = workspace.ledger.past_reads(tenant="acme", entity="gl_balances", company="100")
        known = forecast_flow(workspace, world.flow)
    assert of(counted, "gl_balances").basis == "sampled"
    assert of(known, "gl_balances").basis == "last read"
    assert of(known, "gl_balances").requests == last.requests
    assert of(known, "gl_balances").bytes == last.bytes
    assert known.spent == known.setup == 2  # the divisions of two companies


def test_a_forecast_survives_the_ledger(sandbox: Sandbox, tmp_path: Path) -> None:
    world = world_of(sandbox, tmp_path, "suppliers", "items")
    with world.open() as workspace:
        made = forecast_flow(workspace, world.flow, companies=["200"], entities=["items"])
        (kept,) = workspace.ledger.forecasts("flow")
    assert kept == replace(made, seconds=round(made.seconds, 1))
    assert [(one.entity, one.company) for one in kept.reads] == [("items", "200")]
    text = json.dumps(forecast_document(made))
    assert forecast_of(json.loads(text)) == kept


def test_a_table_that_is_longer_than_a_count_is_counted_in_the_lake(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_fifty(monkeypatch)
    world = world_of(sandbox, tmp_path, "purchase_order_lines")
    with world.open() as workspace:
        forecast = forecast_flow(workspace, world.flow, mode=ReadMode.FULL)
    found = of(forecast, "purchase_order_lines")
    assert (found.rows, found.how) == (75, "COUNT(*) in the data lake")


def test_without_a_lake_a_long_table_has_at_least_so_many_rows_and_a_warning(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_fifty(monkeypatch)
    sandbox.switches.absent_programs |= {"DATAFABRIC"}
    world = world_of(sandbox, tmp_path, "purchase_order_lines")
    with world.open() as workspace:
        forecast = forecast_flow(workspace, world.flow, mode=ReadMode.FULL, companies=["100"])
    found = of(forecast, "purchase_order_lines")
    assert (found.rows, found.basis) == (50, "at least")
    assert forecast.warnings == (
        "purchase_order_lines, company 100: counting stopped at 50 rows, there are more; 4 requests are the least",
    )


def only_fifty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count no further than 50 rows: the ERP of the tests is small."""
    from ml_connector_dagster.cloudsuite.product_lines.m3 import list_reckonings, table_counts

    for module in (reckonings, list_reckonings, table_counts):
        monkeypatch.setattr(module, "COUNTED_ROWS", 50)


@contextmanager
def distribution(sandbox: Sandbox, folder: Path) -> Iterator[tuple[Workspace, Flow]]:
    """SX.e without a lake: an API that cannot be asked how much there is."""
    sandbox.switches.absent_programs |= {"DATAFABRIC"}
    world = World(sandbox=sandbox, folder=folder, entities=("suppliers",))
    flow = Flow(
        name="flow",
        source="acme",
        companies=("100",),
        entities=("suppliers",),
        destinations=(
            FlowDestination.model_validate({"connection": "warehouse", "schema": "erp"}),
        ),
        start_date=sandbox.clock.today() - timedelta(days=20),
    )
    project = Project(
        connections={
            "acme": CloudSuiteConnection(
                name="acme",
                product_line="distribution",
                credential="acme",
                timezone="Europe/Stockholm",
                page_rows=4,
            ),
            "warehouse": DuckDBConnection(name="warehouse", path=Path("warehouse.duckdb")),
        },
        flows={"flow": flow},
    )
    settings = world.settings
    with Workspace(
        settings,
        project,
        Ledger.open(settings.ledger_url, now=sandbox.clock.now),
        Staging(settings.staging_url),
        sandbox.clock.now,
        make_pause=NoPause,
    ) as workspace:
        yield workspace, flow


def test_what_cannot_be_asked_is_unknown_first_and_estimated_from_the_ledger_then(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    with distribution(sandbox, tmp_path) as (workspace, flow):
        first = forecast_flow(workspace, flow, mode=ReadMode.FULL)
        (result,) = run_flow(workspace, flow, run_id="run", mode=ReadMode.FULL)
        second = forecast_flow(workspace, flow, mode=ReadMode.FULL)
    assert result.error == ""
    unknown, estimated = of(first, "suppliers"), of(second, "suppliers")
    assert (unknown.rows, unknown.requests, unknown.basis) == (None, 1, "unknown")
    assert "nothing was read before; 1 requests are the least" in first.warnings[0]
    assert first.deliveries[0].calls is None
    assert (estimated.rows, estimated.requests) == (result.rows, result.requests)
    assert estimated.how == "estimated from the last 1 reads in the ledger"
    assert second.warnings == ()


def test_an_entity_that_may_not_be_read_is_said_and_does_not_hold_the_others(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.switches.unauthorized_programs |= {"CRS620MI", "EXPORTMI", "CIDMAS"}
    sandbox.switches.absent_programs |= {"DATAFABRIC"}
    world = world_of(sandbox, tmp_path, "suppliers", "items")
    with world.open() as workspace:
        forecast = forecast_flow(workspace, world.flow)
    assert "no route of suppliers can serve company 100" in of(forecast, "suppliers").error
    assert of(forecast, "items").rows == 20
    (warning,) = [one for one in forecast.warnings if "company 100 cannot be read" in one]
    assert warning.startswith("suppliers of company 100 cannot be read: no route of suppliers")


def test_a_tenant_that_does_not_answer_is_an_error_at_once(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.faults.add(Fault(kind="status", status=503, times=None))
    world = world_of(sandbox, tmp_path, "suppliers", "items")
    with world.open() as workspace, pytest.raises(TransientError):
        forecast_flow(workspace, world.flow)


def test_a_flow_has_only_its_own_entities_and_companies(sandbox: Sandbox, tmp_path: Path) -> None:
    world = world_of(sandbox, tmp_path, "suppliers")
    with world.open() as workspace:
        with pytest.raises(ConfigError, match="has no entity 'items'"):
            forecast_flow(workspace, world.flow, entities=["items"])
        with pytest.raises(ConfigError, match="has no company '300'"):
            forecast_flow(workspace, world.flow, companies=["300"])


def test_minutes_of_reads_that_follow_one_another() -> None:
    end = datetime(2026, 11, 22, tzinfo=UTC)
    one = ReadForecast(
        entity="items", company="100", window=Window(start=None, end=end), requests=450, longest=450
    )
    pace = Pace(requests_per_minute=300, concurrency=4, latency=0.2, measured=False)
    # One chain: 5 a second. The first 300 take 60 s; the 301st waits until the first is 60 s gone, so 60.2 s; then 150 / 5.
    assert reading_seconds([one], 0, pace) == pytest.approx(60.2 + 30.0)
    # Four chains side by side: 450 / 4 * 0.2 = 22.5 s each, 45 s for both, 900 requests at 20 a second.
    # The first 300 in 15 s, the next 60.2 s after, and so on: 2 * 60.2 + 300 / 20 = 135.4 s.
    both = [replace(one, longest=113), replace(one, entity="customers", longest=113)]
    unhindered = 2 * 113 * 0.2  # the longest of the four chains has one request more than its share
    expected = 2 * 60.2 + 300 / (900 / unhindered)
    assert reading_seconds(both, 0, pace) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("needed", "used", "ceiling", "suffices"),
    [(10, 90, 100, True), (11, 90, 100, False), (None, 100, 100, True), (100, None, 100, True)],
)
def test_a_quota_suffices_up_to_where_we_stop(
    needed: int | None, used: int | None, ceiling: int, suffices: bool
) -> None:
    quota = QuotaForecast(
        system="crm", name="calls", needed=needed, used=used, limit=200, ceiling=ceiling
    )
    assert quota.suffices is suffices
