"""What the checks of a delivered table make of what they find there."""

import dagster as dg
import duckdb

from ml_connector_dagster_tests.defs.conftest import Installation


TABLE = dg.AssetKey(["acme", "warehouse", "suppliers"])


def checks_after(installation: Installation, sql: str) -> dict[str, dg.AssetCheckEvaluation]:
    """The checks of a run that finds nothing new, after ``sql`` was done behind the connector's back."""
    assert installation.materialize("suppliers", incremental=True).success
    with duckdb.connect(str(installation.settings.home / "warehouse.duckdb")) as connection:
        connection.execute(sql)
    result = installation.materialize("suppliers", incremental=True)
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_a_row_that_is_marked_deleted_is_still_counted(installation: Installation) -> None:
    found = checks_after(
        installation,
        "UPDATE erp.suppliers SET _deleted_at = now() WHERE record_id = 'acme/100/10001'",
    )
    assert found["row_count"].passed
    assert "| 1 |" in str(found["row_count"].metadata["companies"].value)


def test_a_row_that_is_gone_is_missed(installation: Installation) -> None:
    found = checks_after(
        installation, "DELETE FROM erp.suppliers WHERE record_id = 'acme/100/10001'"
    )
    assert not found["row_count"].passed
    assert found["row_count"].metadata["rows_found"].value == (
        found["row_count"].metadata["rows_expected"].value - 1  # type: ignore[operator]
    )
