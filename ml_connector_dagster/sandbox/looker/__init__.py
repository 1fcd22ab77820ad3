"""A stand-in of a Looker instance: API 4.0 (what is used of it), LookML, caching, scheduled plans, quotas.

Real HTTP on loopback; written from the reference notes (saas-destinations §3, §4) and Looker's public OpenAPI file,
sharing no code with the rest. LookML is read from a folder, compiled to SQL and run on a DuckDB file.

    options = LookerOptions(lookml=folder, databases={"warehouse": Path("warehouse.duckdb")})
    with LookerSandbox.start(options) as sandbox:
        sandbox.url + "/api/4.0"                     # the API, with sandbox.login
        sandbox.faults.add(Fault(kind="expired", call="PATCH /datagroups"))
        sandbox.instance.plans.deliveries            # what was sent
        sandbox.instance.calls("db_query")           # what the month has cost
        sandbox.calls, sandbox.clock                 # what was asked; the time

Pages for people: ``/_looker``, each dashboard drawn from the queries of its tiles, through the cache, and what was sent.

What is NOT simulated: users and roles beyond SQL Runner; development mode, git and deploys (the folder is production);
writing project files; pivots, totals and custom fields over the API; derived tables, extends, Liquid, parameters, access
filters; the datagroup's own sql_trigger; schedules by time; image and PDF formats; time zones other than UTC.

Choices where the reference is open: a wrong API key is 404, as Looker does; a query that fails in the database is HTTP
200 with ``looker_error`` (json) or ``errors`` (json_detail); unknown fields of a body are 422; unknown LookML fields 400;
a used-up month is 429 without Retry-After; SQL Runner answers a statement that writes with DuckDB's count of rows; the
words of ``last_run_status``.
"""

from ml_connector_dagster.sandbox.looker.faults import Fault
from ml_connector_dagster.sandbox.looker.options import LookerOptions, Plan
from ml_connector_dagster.sandbox.looker.server import LookerSandbox


__all__ = ["Fault", "LookerOptions", "LookerSandbox", "Plan"]
