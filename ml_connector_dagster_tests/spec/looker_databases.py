"""Databases behind a connection of the stand-in of Looker that are no DuckDB file: stand-ins, asked as Looker would."""

from dataclasses import dataclass

from ml_connector_dagster.destinations.databricks import Workspace
from ml_connector_dagster.destinations.snowflake.refusals import Refused
from ml_connector_dagster.destinations.snowflake.sql_api import SqlApi
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.sandbox.looker.warehouse import Rows, SqlError


@dataclass(frozen=True, slots=True, kw_only=True)
class SnowflakeBehind:
    """Looker's connection to a Snowflake account."""

    api: SqlApi
    dialect: str = "snowflake"
    exists: bool = True

    def read(self, sql: str) -> Rows:
        return self.run(sql)

    def run(self, sql: str) -> Rows:
        try:
            result = self.api.run(sql)
        except (ConnectorError, Refused) as error:
            raise SqlError(f"SQL Error: {error}") from None
        return Rows(
            columns=tuple(str(column["name"]) for column in result.columns),
            rows=[tuple(row) for row in result.rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabricksBehind:
    """Looker's connection to a Databricks warehouse."""

    workspace: Workspace
    dialect: str = "databricks"
    exists: bool = True

    def read(self, sql: str) -> Rows:
        return self.run(sql)

    def run(self, sql: str) -> Rows:
        try:
            if not sql.startswith("SELECT"):
                self.workspace.run(sql)
                return Rows(columns=(), rows=())
            found = self.workspace.fetch(sql)
        except ConnectorError as error:
            raise SqlError(f"SQL Error: {error}") from None
        return Rows(
            columns=tuple(found.column_names),
            rows=[tuple(row.values()) for row in found.to_pylist()],
        )
