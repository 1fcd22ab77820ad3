"""Marts in Dagster: unpartitioned views that run last in a run over company by day."""

import dagster as dg
import duckdb
import pytest

from ml_connector_dagster.config.project import Project
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster_tests.defs.conftest import Installation


ENTITIES = ("suppliers", "purchase_orders", "purchase_order_lines")
MART = dg.AssetKey(["acme", "warehouse", "marts", "purchase_commitments"])


def run(installation: Installation, first: str, last: str) -> dg.ExecuteInProcessResult:
    """What a schedule launches: everything of the flow, over a range of partitions."""
    return installation.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=installation.instance,
        tags={
            "dagster/asset_partition_range_start": f"{first}|{installation.day(1)}",
            "dagster/asset_partition_range_end": f"{last}|{installation.today}",
            "ml_connector/mode": "incremental",
        },
        raise_on_error=False,
    )


def newest(installation: Installation) -> dg.AssetMaterialization:
    (record, *_) = installation.instance.fetch_materializations(MART, limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization


def check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = [one for one in result.get_asset_check_evaluations() if one.asset_key == MART]
    return found


def rows(installation: Installation) -> list[tuple[object, ...]]:
    path = str(installation.settings.home / "warehouse.duckdb")
    with duckdb.connect(path) as connection:
        return connection.execute("SELECT * FROM erp.purchase_commitments").fetchall()


def test_a_range_of_companies_and_days_makes_each_mart_once(installation: Installation) -> None:
    result = run(installation, "100", "200")

    assert result.success
    events = installation.instance.fetch_materializations(MART, limit=10).records
    assert [one.partition_key for one in events] == [None]
    values = {name: one.value for name, one in newest(installation).metadata.items()}
    assert values["dagster/row_count"] == len(rows(installation)) > 0
    assert f"| 100 | {installation.today} |" in values["as_of"]
    assert f"| 200 | {installation.today} |" in values["as_of"]
    assert check(result).passed


def test_a_company_that_was_not_read_yet_is_not_in_the_mart(installation: Installation) -> None:
    assert run(installation, "100", "100").success
    assert "| 200 |" not in str(newest(installation).metadata["as_of"].value)
    assert {row[1] for row in rows(installation)} == {"100"}

    assert run(installation, "200", "200").success
    assert "| 200 |" in str(newest(installation).metadata["as_of"].value)


def test_a_mart_that_does_not_add_up_fails_its_check(installation: Installation) -> None:
    assert run(installation, "100", "200").success
    with duckdb.connect(str(installation.settings.home / "warehouse.duckdb")) as connection:
        # Behind the connector's back: a supplier twice, so that lines count twice.
        connection.execute("INSERT INTO erp.suppliers SELECT * FROM erp.suppliers")

    job = installation.defs.resolve_implicit_global_asset_job_def()
    found = check(job.execute_in_process(instance=installation.instance, asset_selection=[MART]))

    assert not found.passed
    assert found.metadata["groups_that_differ"].value
    assert "difference" in str(found.metadata["differences"].value)


def test_a_mart_is_left_as_it_is_when_a_table_below_it_fails(installation: Installation) -> None:
    assert run(installation, "100", "100").success
    before = len(installation.instance.fetch_materializations(MART, limit=10).records)
    with duckdb.connect(str(installation.settings.home / "warehouse.duckdb")) as connection:
        connection.execute("ALTER TABLE erp.purchase_order_lines DROP COLUMN line_amount")
        connection.execute("ALTER TABLE erp.purchase_order_lines ADD COLUMN line_amount DATE")
    installation.sandbox.erp.change("purchase_order_lines", 2, "100")

    assert not run(installation, "100", "100").success
    assert len(installation.instance.fetch_materializations(MART, limit=10).records) == before


@pytest.mark.parametrize(("chosen", "kept"), [(None, True), ((), False)])
def test_a_flow_says_whether_it_keeps_marts(
    project: Project, settings: Settings, chosen: tuple[str, ...] | None, kept: bool
) -> None:
    flow = project.flows["purchasing"].model_copy(update={"marts": chosen})
    defs = build_definitions(project.model_copy(update={"flows": {"purchasing": flow}}), settings)
    assert (MART in defs.resolve_asset_graph().materializable_asset_keys) == kept


def test_a_mart_whose_entities_are_not_read_is_left_out_and_says_why(project: Project) -> None:
    left_out = project.flows["purchasing"].marts_left_out
    assert "purchase_commitments" not in left_out
    assert left_out["payables_aging"] == ("supplier_invoices", "payments")
