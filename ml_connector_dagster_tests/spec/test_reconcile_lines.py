"""Every product line lists its records with few columns, by its own routes and by the lake; what is alike is clean."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from ml_connector_dagster.cloudsuite.product_lines.registry import PRODUCT_LINES
from ml_connector_dagster.config.project import Project
from ml_connector_dagster.model.reconciliations import Finding, ReconciliationState, Standing
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.reconcile.results import Comparison, Request
from ml_connector_dagster.sync.reconcile.run import reconcile_flow
from ml_connector_dagster_tests.spec.lake_catalogs import lake_first
from ml_connector_dagster_tests.world import World


ENTITIES = ("suppliers", "purchase_orders", "supplier_invoices", "gl_balances")


@dataclass
class LineWorld(World):
    """A world of another product line than M3."""

    line: str = "m3"

    @property
    def project(self) -> Project:
        usual: Project = super().project
        acme = usual.connections["acme"].model_copy(update={"product_line": self.line})
        return usual.model_copy(update={"connections": {**usual.connections, "acme": acme}})

    def reconcile(self) -> tuple[Comparison, ...]:
        with self.open() as workspace:
            return reconcile_flow(workspace, self.flow, Request(run_id="reconcile"))


@pytest.mark.parametrize("lake", [False, True], ids=["own", "lake"])
@pytest.mark.parametrize("line", PRODUCT_LINES)
def test_a_line_agrees_and_a_deleted_row_is_found(
    sandbox: Sandbox, tmp_path: Path, line: str, lake: bool
) -> None:
    catalog = tmp_path / "catalog.yaml"
    catalog.write_text(lake_first(line) if lake else "{}", encoding="utf-8")
    world = LineWorld(
        sandbox,
        tmp_path,
        ENTITIES,
        companies=("100",),
        catalog=catalog if lake else None,
        line=line,
    )
    world.run_well()
    found = world.reconcile()
    truth = sandbox.erp.totals()
    assert {one.done.state for one in found} == {ReconciliationState.CLEAN}
    for one in found:
        assert one.done.erp_rows == truth[one.done.entity]["100"]["rows"]
    with duckdb.connect(str(world.settings.home / "warehouse.duckdb")) as connection:
        query = "SELECT min(record_id) FROM erp.purchase_orders"
        (gone,) = connection.execute(query).fetchall()[0]
        connection.execute("DELETE FROM erp.purchase_orders WHERE record_id = ?", [gone])
    sandbox.clock.advance(hours=2)
    (wrong,) = [one for one in world.reconcile() if one.is_wrong]
    (difference,) = wrong.differences
    assert (difference.record_id, difference.finding) == (gone, Finding.MISSING)
    assert difference.standing is Standing.WRONG
