"""LookML projects of flows, as tests want them."""

from ml_connector_dagster.lookml import DIALECTS, LookmlProject
from ml_connector_dagster.lookml.names import DialectName
from ml_connector_dagster.marts import MARTS
from ml_connector_dagster.model.entities import ENTITIES, Entity


def project_of(
    dialect: DialectName = "duckdb",
    schema: tuple[str, ...] = ("erp",),
    entities: tuple[Entity, ...] = tuple(ENTITIES.values()),
    *,
    connection: str = "warehouse",
    label: str = "ERP",
    with_marts: bool = True,
) -> LookmlProject:
    """A project over everything, or over ``entities``."""
    names = {one.name for one in entities}
    marts = tuple(one for one in MARTS.values() if with_marts and set(one.entities) <= names)
    return LookmlProject(
        project="erp",
        model="erp",
        label=label,
        connection=connection,
        dialect=DIALECTS[dialect],
        schema=schema,
        entities=entities,
        marts=marts,
    )
