"""A stand-in of Snowflake over HTTP on loopback: the drivers' protocol and the SQL API, on DuckDB and sqlglot.

It runs the SQL of our loader, strictly: signed and unexpired JWTs, roles with privileges on databases, schemas and
tables, load history and ON_ERROR of COPY, NOT NULL, lengths and ranges of columns, PRIMARY KEY that is shown and not
enforced, 100090 for a MERGE that meets a row twice, DDL that commits, statements that are queued, cancelled or lost.
What it does not simulate, among other things:

- identifiers that differ by case only (DuckDB folds them), collations, time travel, streams, tasks, cloning;
- stages that outlive a session, GET, file formats besides Parquet, AUTOINCREMENT, GRANT as a statement;
- temporary tables in INFORMATION_SCHEMA;
- bindings through the drivers' protocol, Arrow results, VARIANT paths;
- credits, queueing, and two transactions at a time (writers of the whole account queue).

Passing here means: our SQL parses and the protocol is used rightly. It does not prove a real account.
"""

from ml_connector_dagster.sandbox.snowflake.accounts import Role, User
from ml_connector_dagster.sandbox.snowflake.faults import Fault
from ml_connector_dagster.sandbox.snowflake.server import SnowflakeSandbox


__all__ = ["Fault", "Role", "SnowflakeSandbox", "User"]
