"""A stand-in of a Databricks workspace: SQL warehouse, Unity Catalog volumes and tables, tokens. Loopback only.

Real Delta tables, written by Sail (a Spark SQL engine, over Flight SQL); delta-rs does what Sail lacks. Only the SQL
that a loader needs is taken, and that strictly; anything else is refused, so that nothing seems to work by accident.

Not simulated: concurrent writers (statements that write run one at a time; a conflict is a fault on a switch),
row filters, result truncation by ``row_limit``, CSV results, COPY INTO, time travel, external locations, storage
credentials, DESCRIBE, INSERT/UPDATE/DELETE, warehouse sizes and prices, and anything that is kept over a restart.
Needs the packages pysail, adbc-driver-flightsql, deltalake and sqlglot.
"""

from ml_connector_dagster.sandbox.databricks.faults import Fault
from ml_connector_dagster.sandbox.databricks.options import WorkspaceOptions
from ml_connector_dagster.sandbox.databricks.server import DatabricksSandbox


__all__ = ["DatabricksSandbox", "Fault", "WorkspaceOptions"]
