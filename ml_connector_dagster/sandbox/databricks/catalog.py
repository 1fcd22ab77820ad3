"""Unity Catalog: which schemas, tables and views there are, with comments and properties."""

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from ml_connector_dagster.sandbox.databricks.engine import Engine, EngineColumn, Name
from ml_connector_dagster.sandbox.databricks.parsing import ColumnDefinition
from ml_connector_dagster.sandbox.databricks.privileges import Privileges
from ml_connector_dagster.sandbox.databricks.refusals import ApiError, SqlError
from ml_connector_dagster.sandbox.databricks.volumes import Volumes


@dataclass(slots=True, kw_only=True)
class Relation:
    """A table or view. A view's ``columns`` (name and type) come from its ``query``.

    Attributes:
        definition: the query of a view as it was written; ``query`` is what the engine runs.
        declared_types: column → type, where the engine only keeps a plainer one.
        checks: name → condition of the CHECK constraints.
    """

    kind: str
    query: str = ""
    definition: str = ""
    comment: str = ""
    properties: dict[str, str] = field(default_factory=dict)
    column_comments: dict[str, str] = field(default_factory=dict)
    columns: tuple[tuple[str, str], ...] = ()
    declared_types: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)

    def describe(self, columns: Iterable[ColumnDefinition]) -> None:
        """Keep what the engine does not of new columns."""
        for one in columns:
            self.column_comments[one.name] = one.comment
            if one.type != one.engine_type:
                self.declared_types[one.name] = one.type


class Catalog:
    """The metastore of a workspace. Names are folded to lower case, as Unity Catalog does."""

    def __init__(
        self, catalogs: tuple[str, ...], engine: Engine, volumes: Volumes, privileges: Privileges
    ) -> None:
        self.catalogs = catalogs
        self.lock = threading.RLock()  # one statement that writes at a time
        self.schemas: set[tuple[str, str]] = {(name, "default") for name in catalogs}
        self.relations: dict[Name, Relation] = {}
        self._engine = engine
        self._volumes = volumes
        self._privileges = privileges

    def relation(self, name: Name) -> Relation:
        """The relation; raises SqlError when it is not there."""
        if name not in self.relations:
            raise SqlError(
                f"[TABLE_OR_VIEW_NOT_FOUND] The table or view `{'`.`'.join(name)}` cannot be found. "
                "Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42P01"
            )
        return self.relations[name]

    def check_schema(self, catalog: str, schema: str) -> None:
        """Raise SqlError when there is no such schema."""
        if catalog not in self.catalogs:
            raise SqlError(
                f"[NO_SUCH_CATALOG_EXCEPTION] Catalog '{catalog}' was not found. Please verify the catalog name and "
                "then retry the query or command again. SQLSTATE: 42704"
            )
        if (catalog, schema) not in self.schemas:
            raise SqlError(
                f"[SCHEMA_NOT_FOUND] The schema `{catalog}`.`{schema}` cannot be found. Verify the spelling and "
                "correctness of the schema and catalog. SQLSTATE: 42704"
            )

    def schema_info(self, full_name: str) -> dict[str, object]:
        """GET /api/2.1/unity-catalog/schemas/{full_name}"""
        catalog, schema = self._parts(full_name, 2)
        self._enter_schema(catalog, schema)
        return {"name": schema, "catalog_name": catalog, "full_name": full_name}

    def volume_info(self, full_name: str) -> dict[str, object]:
        """GET /api/2.1/unity-catalog/volumes/{full_name}"""
        catalog, schema, volume = self._parts(full_name, 3)
        self._enter_schema(catalog, schema)
        if not self._volumes.exists(catalog, schema, volume):
            raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Volume '{full_name}' does not exist.")
        return {"name": volume, "catalog_name": catalog, "schema_name": schema}

    def table_info(self, full_name: str) -> dict[str, object]:
        """GET /api/2.1/unity-catalog/tables/{full_name}"""
        catalog, schema, table = self._parts(full_name, 3)
        name = (catalog, schema, table)
        self._enter_schema(*name[:2])
        found = self.relations.get(name)
        if found is None:
            raise ApiError(404, "TABLE_DOES_NOT_EXIST", f"Table '{full_name}' does not exist.")
        if not self._privileges.has("SELECT", *name):
            message = f"User does not have SELECT on Table '{full_name}'."
            raise ApiError(403, "PERMISSION_DENIED", message)
        return {
            "name": name[2],
            "catalog_name": name[0],
            "schema_name": name[1],
            "full_name": ".".join(name),
            "table_type": found.kind,
            "data_source_format": "DELTA"
            if found.kind == "MANAGED"
            else "UNKNOWN_DATA_SOURCE_FORMAT",
            "comment": found.comment,
            **({"view_definition": found.definition} if found.kind == "VIEW" else {}),
            "properties": found.properties,
            "columns": [
                self._column_info(found, column, position)
                for position, column in enumerate(self.columns(name))
            ],
        }

    def columns(self, name: Name) -> list[EngineColumn]:
        """The columns of a table or view that is there."""
        own = self.relations[name].columns
        return [EngineColumn(*one) for one in own] or self._engine.columns(name)

    def _column_info(
        self, relation: Relation, column: EngineColumn, position: int
    ) -> dict[str, object]:
        type_text = relation.declared_types.get(column.name, column.type)
        return {
            "name": column.name,
            "type_text": type_text,
            "type_name": re.sub(r"^VARCHAR$", "STRING", type_text.split("(")[0].upper()),
            "position": position,
            "nullable": column.nullable,
            "comment": relation.column_comments.get(column.name),
        }

    def _enter_schema(self, catalog: str, schema: str) -> None:
        self._enter(catalog)
        if (catalog, schema) not in self.schemas:
            message = f"Schema '{catalog}.{schema}' does not exist."
            raise ApiError(404, "SCHEMA_DOES_NOT_EXIST", message)
        self._enter(catalog, schema)

    def _enter(self, *names: str) -> None:
        try:
            self._privileges.enter(*names)
        except SqlError as error:
            raise ApiError(403, "PERMISSION_DENIED", str(error)) from error

    def _parts(self, full_name: str, count: int) -> tuple[str, ...]:
        parts = tuple(full_name.lower().split("."))
        if len(parts) != count:
            message = f"Invalid full name '{full_name}': {count} parts are needed"
            raise ApiError(400, "INVALID_PARAMETER_VALUE", message)
        if parts[0] not in self.catalogs:
            raise ApiError(404, "CATALOG_DOES_NOT_EXIST", f"Catalog '{parts[0]}' does not exist.")
        return parts
