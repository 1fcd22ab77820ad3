"""Where an entity comes from is told for every product line."""

import pytest

from ml_connector_dagster.cloudsuite.product_lines.registry import PRODUCT_LINES
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.defs.lineage import column_lineage, origins
from ml_connector_dagster.model.entities import ENTITIES


@pytest.mark.parametrize("line", PRODUCT_LINES)
def test_every_entity_has_an_origin_and_its_columns_have_fields(line: str) -> None:
    connection = CloudSuiteConnection.model_validate(
        {"name": "acme", "product_line": line, "credential": "acme", "timezone": "Europe/Stockholm"}
    )
    found = origins(connection)
    assert set(found) <= set(ENTITIES)
    assert "suppliers" in found
    for entity, origin in found.items():
        assert origin.tables, entity
        assert origin.routes, entity
        assert set(origin.columns) <= {column.name for column in ENTITIES[entity].columns}
        column_lineage("acme", origin)
