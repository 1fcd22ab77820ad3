"""The list route and the lake route of an entity give the same table, row by row, in every product line."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ml_connector_dagster.cloudsuite.product_lines.registry import PRODUCT_LINES
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.contracts.product_lines import COMPANY, OTHER_COMPANY
from ml_connector_dagster_tests.contracts.tenants import LineTenant, Reading, open_tenant
from ml_connector_dagster_tests.spec.lake_catalogs import lake_first, without_lake, written


def _business(entity: str, reading: Reading) -> Mapping[str, Mapping[str, object]]:
    names = [column.name for column in ENTITIES[entity].columns]
    return {key: {name: row[name] for name in names} for key, row in reading.rows().items()}


@pytest.fixture
def tenant(sandbox: Sandbox, line: str) -> Iterator[LineTenant]:
    yield from open_tenant(sandbox, line)


@pytest.mark.parametrize("line", PRODUCT_LINES)
def test_the_lake_gives_the_table_that_the_list_gives(
    sandbox: Sandbox, tenant: LineTenant, tmp_path: Path, line: str
) -> None:
    lists_file = written(tmp_path, "lists", without_lake(line))
    lists = tenant.line(catalog=lists_file)
    lake = tenant.line(catalog=written(tmp_path, "lake", lake_first(line)))
    listed = PRODUCT_LINES[line].catalog(lists_file).entities
    for entity in listed:
        for company in (COMPANY, OTHER_COMPANY):
            by_list = tenant.read(lists, entity, company)
            by_lake = tenant.read(lake, entity, company)
            assert by_lake.route.startswith("compass ")
            assert not by_list.route.startswith("compass ")
            assert _business(entity, by_lake) == _business(entity, by_list), entity
            assert len(by_lake.table) == len(by_lake.rows()), "no record twice"


@pytest.mark.parametrize("line", PRODUCT_LINES)
def test_every_entity_of_every_line_comes_by_the_lake(
    sandbox: Sandbox, tenant: LineTenant, tmp_path: Path, line: str
) -> None:
    lake = tenant.line(catalog=written(tmp_path, "lake", lake_first(line)))
    for entity in ENTITIES:
        reading = tenant.read(lake, entity, COMPANY)
        truth = sandbox.erp.truth(entity, COMPANY)
        if (line, entity) != ("syteline", "gl_dimensions"):  # it has unit codes 1 to 4
            assert reading.table.num_rows == len(truth), entity
        assert reading.unreadable == ()
        assert all(one.rejected == () for one in reading.shaped)
