"""A stand-in of Snowflake over HTTP on loopback: the drivers' protocol and the SQL API, on DuckDB and sqlglot.

It runs the SQL of our loader, strictly: signed and unexpired JWTs, roles with privileges, load history of COPY,
100090 for a MERGE that meets a row twice, DDL that commits. What it does not simulate, among other things:

- identifiers that differ by case only (DuckDB folds them), collations, time travel, streams, tasks, cloning;
- temporary tables, stages that outlive a session, GET, file formats besides Parquet, ON_ERROR = CONTINUE;
- privileges on single tables: who owns or may use the schema may read and write its tables;
- bindings through the drivers' protocol, Arrow results, VARIANT paths, PRIMARY KEY (accepted, forgotten);
- credits, queueing, and two transactions at a time (writers of the whole account queue).

Passing here means: our SQL parses and the protocol is used rightly. It does not prove a real account.
"""

from ml_connector_dagster.sandbox.snowflake.accounts import Role, User
from ml_connector_dagster.sandbox.snowflake.faults import Fault
from ml_connector_dagster.sandbox.snowflake.server import SnowflakeSandbox


__all__ = ["Fault", "Role", "SnowflakeSandbox", "User"]
