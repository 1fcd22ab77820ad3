"""The Compass API: submit, status, result (reference cloudsuite-api §6.4).

Not verified there, and chosen here: the wording of failures, HTTP 404 for a query whose result has expired, 400 for every
call that is not as described. A status that is asked for without waiting finds the query still running.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.erp.database import Database, Row
from ml_connector_dagster.sandbox.ion.compass.jobs import (
    PAGE_ROWS,
    Job,
    Jobs,
    failed,
    failure_page,
    page_of,
)
from ml_connector_dagster.sandbox.ion.compass.statements import (
    BadStatementError,
    Statement,
    main_table,
    read_statement,
)
from ml_connector_dagster.sandbox.ion.compass.tables import LakeTable, lake_tables
from ml_connector_dagster.sandbox.ion.messages import ApiAnswer, ApiRequest, Named, json_answer
from ml_connector_dagster.sandbox.options import Switches


_BASE: Final = ["compass", "v2"]
_LONGEST_WAIT: Final = 25


class Compass:
    """The Data Fabric suite of the gateway, over the same ERP."""

    def __init__(self, database: Database, switches: Switches, clock: Clock) -> None:
        self._erp = database
        self._behind: Database | None = None
        self._switches = switches
        self._clock = clock
        self._tables = lake_tables(clock.timezone.key)
        self._jobs = Jobs()

    def fall_behind(self) -> None:
        """Replication stops: until ``catch_up`` the lake shows the ERP as it is now."""
        self._behind = Database(self._erp.image())

    def catch_up(self) -> None:
        """Replication goes on."""
        behind, self._behind = self._behind, None
        if behind is not None:
            behind.close()

    def reset(self) -> None:
        """As right after the start."""
        self.catch_up()
        self._jobs.clear()

    def named(self, request: ApiRequest) -> Named:
        """The table that a query reads, and submit, status or result."""
        parts = _parts(request)
        if request.method == "POST" and parts == ["jobs"]:
            table = main_table(request.body.decode("utf-8", "replace"))
            return Named(program=table, transaction="submit")
        if len(parts) == 3:
            return Named(program=self._jobs.table_of(parts[1]), transaction=parts[2])
        return Named()

    def answer(self, request: ApiRequest, *, terminate_after: int | None = None) -> ApiAnswer:
        """Answer a call."""
        del terminate_after
        parts = _parts(request)
        query = dict(request.query)
        if "DATAFABRIC" in self._switches.absent_programs:
            return json_answer({"error": "Not Found"}, 404, error="Not Found")
        match request.method, parts:
            case "GET", ["ping"]:
                return json_answer({"status": "UP"})
            case "POST", ["jobs"]:
                return self._submit(request, query)
            case "GET", ["jobs", name, "status"]:
                return self._status(name, query)
            case "GET", ["jobs", name, "result"]:
                return self._result(name, query, request.headers.get("accept", "*/*"))
        return _refused("No such resource", 404)

    def error_in_200(self, named: Named, message: str) -> ApiAnswer:
        """A failure as rows."""
        del named
        return failure_page(message)

    def _submit(self, request: ApiRequest, query: Mapping[str, str]) -> ApiAnswer:
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != "text/plain":
            return _refused("The statement is expected as text/plain", 415)
        if query.get("queryExecutor") != "datalake" or query.get("records") != "0":
            return _refused("queryExecutor=datalake and records=0 are expected", 400)
        job = self._run(request.body.decode("utf-8", "replace"))
        self._jobs.add(job)
        content = {"queryId": job.id, "location": f"jobs/{job.id}/status", "status": "RUNNING"}
        return json_answer(content, 202, error=job.failure)

    def _run(self, text: str) -> Job:
        name, now, polls = str(uuid.uuid4()), self._clock.now(), self._switches.lake_polls
        table = main_table(text)
        try:
            statement = read_statement(
                text, self._visible(), frozenset(self._switches.absent_properties)
            )
            for one in statement.tables:
                if one.name in self._switches.unauthorized_programs:
                    raise BadStatementError(
                        f"Access denied: user is not authorized to query {one.name}"
                    )
        except BadStatementError as error:
            return failed(str(error), table, name=name, made_at=now, polls=polls)
        return Job(
            id=name,
            table=table,
            made_at=now,
            columns=statement.columns,
            rows=self._rows(statement),
            polls=polls,
        )

    def _visible(self) -> dict[str, LakeTable]:
        absent = self._switches.absent_programs
        return {name: one for name, one in self._tables.items() if one.name not in absent}

    def _rows(self, statement: Statement) -> Sequence[Row]:
        database = self._behind or self._erp
        with database.lock:
            for table in (erp for one in statement.tables for erp in one.erp):
                # Replication sees that a row is gone when it looks the next time.
                database.mark_gone(table, self._clock.milliseconds())
            return database.select(statement.sql)

    def _job(self, name: str) -> Job | None:
        kept = timedelta(hours=self._switches.lake_keeps_hours)
        return self._jobs.find(name, younger_than=self._clock.now() - kept)

    def _status(self, name: str, query: Mapping[str, str]) -> ApiAnswer:
        wait = query.get("timeout", "0")
        if (
            query.get("queryExecutor") != "datalake"
            or not wait.isdigit()
            or int(wait) > _LONGEST_WAIT
        ):
            return _refused("queryExecutor=datalake and a timeout of at most 25 are expected", 400)
        job = self._job(name)
        if job is None:
            return _refused(f"Query {name} was not found", 404)
        content: dict[str, object] = {"queryId": name, "location": f"jobs/{name}/status"}
        if int(wait) == 0 or not self._jobs.poll(job):
            return json_answer({**content, "status": "RUNNING"}, 202)
        if job.failure and self._switches.lake_says_failed:
            return json_answer({**content, "status": "FAILED"}, 201, error=job.failure)
        content |= {
            "status": "FINISHED",
            "rowCount": len(job.rows),
            "location": f"jobs/{name}/result",
        }
        return json_answer(content, 201)

    def _result(self, name: str, query: Mapping[str, str], accept: str) -> ApiAnswer:
        job = self._job(name)
        if job is None:
            return _refused(f"Query {name} was not found", 404)
        if job.polls >= 0:
            return _refused(f"Query {name} is still running", 400)
        offset, limit = query.get("offset", "0"), query.get("limit", str(PAGE_ROWS))
        if not offset.isdigit() or not limit.isdigit() or not 0 < int(limit) <= PAGE_ROWS:
            return _refused(f"offset, and a limit of at most {PAGE_ROWS}, are expected", 400)
        as_csv = accept.startswith("text/csv")
        if not as_csv and "json" not in accept and "*" not in accept:
            return _refused("application/json or text/csv can be had", 406)
        return page_of(job, int(offset), int(limit), as_csv=as_csv)


def _parts(request: ApiRequest) -> list[str]:
    parts = [part for part in request.path.split("/") if part]
    return parts[2:] if parts[:2] == _BASE else []


def _refused(message: str, status: int) -> ApiAnswer:
    return json_answer({"code": status, "message": message}, status, error=message)
