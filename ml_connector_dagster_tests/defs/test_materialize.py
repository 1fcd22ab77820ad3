"""From the sandbox's ERP into DuckDB through Dagster: one partition, many, again, everything, what changed."""

from collections import Counter

import duckdb

from ml_connector_dagster.defs.partitions import partition_key
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster_tests.defs.conftest import Installation


ORDERS = ("acme", "purchase_orders")
IN_WAREHOUSE = ("acme", "warehouse", "purchase_orders")


def warehouse_rows(installation: Installation, entity: str) -> Counter[str]:
    """Company → rows in DuckDB."""
    with (
        installation.open() as workspace,
        workspace.destination(installation.flow.destinations[0]) as destination,
    ):
        rows = destination.rows(ENTITIES[entity], Scope(tenant="acme"))
    return Counter(rows["company"].to_pylist())


def test_one_partition_reads_its_day_and_delivers_it(installation: Installation) -> None:
    installation.sandbox.erp.change("purchase_orders", 4, "100", day=installation.day(2))

    assert installation.materialize("purchase_orders", days=(2, 2)).success

    key = partition_key("100", installation.day(2))
    staged, delivered = installation.events(*ORDERS), installation.events(*IN_WAREHOUSE)
    assert staged.keys() == delivered.keys() == {key}
    assert staged[key]["rows_read"] == staged[key]["dagster/partition_row_count"] == 4
    assert staged[key]["requests"] > 0
    assert staged[key]["read_mode"] == "days"
    assert delivered[key]["rows_loaded"] == delivered[key]["rows_changed"] == 4
    assert delivered[key]["dagster/row_count"] == 4
    assert warehouse_rows(installation, "purchase_orders") == {"100": 4}


def test_a_range_of_two_companies_is_one_read_for_each(installation: Installation) -> None:
    erp = installation.sandbox.erp
    erp.change("purchase_orders", 3, "100", day=installation.day(3))
    erp.change("purchase_orders", 2, "200", day=installation.day(2))

    result = installation.materialize("purchase_orders", companies=("100", "200"), days=(4, 2))

    assert result.success
    numbers = {key: one["rows_read"] for key, one in installation.events(*ORDERS).items()}
    assert numbers == {
        partition_key("100", installation.day(4)): 0,
        partition_key("100", installation.day(3)): 3,
        partition_key("100", installation.day(2)): 0,
        partition_key("200", installation.day(4)): 0,
        partition_key("200", installation.day(3)): 0,
        partition_key("200", installation.day(2)): 2,
    }
    changed = {key: one["rows_changed"] for key, one in installation.events(*IN_WAREHOUSE).items()}
    assert changed == numbers
    with installation.open() as workspace:
        windows = [batch.window for batch in workspace.ledger.batches(tenant="acme")]
    assert [(one.first_day, one.last_day) for one in windows] == [
        (installation.day(4), installation.day(2))
    ] * 2


def test_running_again_writes_nothing(installation: Installation) -> None:
    entities = ("suppliers", "purchase_orders")
    assert installation.materialize(*entities, companies=("100", "200"), full=True).success
    first = {entity: warehouse_rows(installation, entity) for entity in entities}

    assert installation.materialize(*entities, companies=("100", "200"), full=True).success

    for entity in entities:
        assert installation.total("rows_read", "acme", entity) == first[entity].total() > 0
        assert installation.total("rows_changed", "acme", "warehouse", entity) == 0
        assert warehouse_rows(installation, entity) == first[entity]


def test_a_full_read_counts_on_the_partition_it_was_asked_for(installation: Installation) -> None:
    assert installation.materialize("purchase_orders", full=True).success

    truth = len(installation.sandbox.erp.truth("purchase_orders", "100"))
    key = partition_key("100", installation.today)
    staged = installation.events(*ORDERS)
    assert staged.keys() == {key}
    assert staged[key]["read_mode"] == "full"
    assert staged[key]["rows_read"] == truth
    changed_today = installation.sandbox.erp.truth(
        "purchase_orders", "100", changed_from=installation.today
    )
    assert staged[key]["dagster/partition_row_count"] == len(changed_today)
    assert warehouse_rows(installation, "purchase_orders") == {"100": truth}


def test_the_first_partition_takes_everything_before_it(installation: Installation) -> None:
    assert installation.materialize("purchase_orders", days=(10, 10)).success

    key = partition_key("100", installation.day(10))
    truth = installation.sandbox.erp.truth(
        "purchase_orders", "100", changed_until=installation.day(10)
    )
    assert installation.events(*ORDERS)[key]["rows_read"] == len(truth) > 0


def test_an_incremental_run_brings_exactly_what_changed(installation: Installation) -> None:
    assert installation.materialize("purchase_orders", incremental=True).success
    installation.sandbox.clock.advance(minutes=30)
    installation.sandbox.erp.change("purchase_orders", 3, "100")

    assert installation.materialize("purchase_orders", incremental=True).success

    key = partition_key("100", installation.today)
    assert installation.events(*ORDERS)[key]["read_mode"] == "incremental"
    assert installation.events(*IN_WAREHOUSE)[key]["rows_changed"] == 3


def test_an_empty_day_is_a_materialisation_too(installation: Installation) -> None:
    erp = installation.sandbox.erp
    empty = next(
        ago
        for ago in range(1, 9)
        if not erp.truth(
            "purchase_orders",
            "100",
            changed_from=installation.day(ago),
            changed_until=installation.day(ago),
        )
    )
    assert installation.materialize("purchase_orders", days=(empty, empty)).success

    key = partition_key("100", installation.day(empty))
    assert installation.events(*ORDERS)[key]["rows_read"] == 0
    assert installation.events(*IN_WAREHOUSE)[key]["rows_loaded"] == 0


def test_a_row_that_vanished_from_the_warehouse_turns_the_run_red(
    installation: Installation,
) -> None:
    assert installation.materialize("purchase_orders", full=True).success
    with duckdb.connect(str(installation.settings.home / "warehouse.duckdb")) as database:
        database.execute(
            "DELETE FROM erp.purchase_orders WHERE record_id = "
            "(SELECT min(record_id) FROM erp.purchase_orders)"
        )

    result = installation.materialize("purchase_orders", incremental=True)

    assert not result.success
    (count,) = [
        one for one in result.get_asset_check_evaluations() if one.check_name == "row_count"
    ]
    assert not count.passed
    assert count.metadata["rows_found"].value == count.metadata["rows_expected"].value - 1


def test_checks_run_with_the_delivery_and_pass(installation: Installation) -> None:
    result = installation.materialize(
        "purchase_orders", "purchase_order_lines", companies=("100", "200"), full=True
    )

    assert result.success
    checks = {
        (one.asset_key.path[-1], one.check_name): one.passed
        for one in result.get_asset_check_evaluations()
    }
    assert checks == {
        ("purchase_orders", "row_count"): True,
        ("purchase_orders", "unique_keys"): True,
        ("purchase_orders", "no_dead_letters"): True,
        ("purchase_order_lines", "row_count"): True,
        ("purchase_order_lines", "unique_keys"): True,
        ("purchase_order_lines", "no_dead_letters"): True,
        ("purchase_order_lines", "lines_have_headers"): True,
    }
