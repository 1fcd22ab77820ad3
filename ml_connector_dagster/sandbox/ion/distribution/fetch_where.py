"""Generic table reads: ``POST /rest/serviceinterface/proxy/FetchWhere`` (reference cloudsuite-api §4.3).

Not simulated: the business calls of sxapirestservice, array fields. What the reference leaves open is a switch
(``Switches.progress_dates``, ``restart_…``, ``largest_batch``). Errors come as ``cErrorMessage`` in a 200, as in the business calls.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.erp.database import Database
from ml_connector_dagster.sandbox.ion.conditions import BadConditionError
from ml_connector_dagster.sandbox.ion.distribution.tables import STAMP_DATE, STAMP_TIME, TABLES
from ml_connector_dagster.sandbox.ion.distribution.values import changed, row_pointer, value_json
from ml_connector_dagster.sandbox.ion.distribution.where_clauses import where_condition
from ml_connector_dagster.sandbox.ion.listings import (
    ListedRow,
    Listing,
    Place,
    has_row,
    rows_of,
)
from ml_connector_dagster.sandbox.ion.messages import ApiAnswer, ApiRequest, Named, json_answer
from ml_connector_dagster.sandbox.options import Switches


_PATH: Final = "rest/serviceinterface/proxy/FetchWhere"
_MEMBERS: Final = {
    "CompanyNumber": int,
    "Operator": str,
    "TableName": str,
    "WhereClause": str,
    "BatchSize": int,
    "RestartRowID": str,
}
_OPERATOR: Final = "DR01"

#: WhereClause is compiled into one query; longer ones are refused.
_LONGEST_CLAUSE: Final = 2000


class _RefusedError(Exception):
    """SX.e says no."""


class Distribution:
    """The SX suite of the gateway."""

    def __init__(
        self, database: Database, switches: Switches, clock: Clock, companies: Sequence[str]
    ) -> None:
        self._database = database
        self._switches = switches
        self._clock = clock
        self._companies = frozenset(int(company) for company in companies)

    def named(self, request: ApiRequest) -> Named:
        """What the call is about: table and service."""
        if request.path != _PATH:
            return Named()
        body = _content(request)
        return Named(
            program=str(body.get("TableName", "")),
            transaction="FetchWhere",
            company=str(body.get("CompanyNumber", "")),
        )

    def answer(self, request: ApiRequest, *, terminate_after: int | None = None) -> ApiAnswer:
        """Answer a FetchWhere."""
        del terminate_after  # there is no bulk here
        if request.path != _PATH:
            return json_answer({"error": "Not Found"}, 404, error="Not Found")
        if request.method != "POST":
            return json_answer({"error": "Method Not Allowed"}, 405, error="405")
        body = _content(request)
        sendable = "json" in request.headers.get("content-type", "")
        known = body.keys() == _MEMBERS.keys() and all(
            type(body[name]) is kind for name, kind in _MEMBERS.items()
        )
        if not sendable or not known:
            return json_answer({"error": "Bad Request"}, 400, error="Bad Request")
        try:
            rows, listing = self._rows(body)
        except _RefusedError as refusal:
            return _refused(body["TableName"], str(refusal))
        records = ",".join(self._record(listing, row) for row in rows)
        text = f'{{"ttbl{listing.name}":[{records}]}}'
        return ApiAnswer(body=text.encode("utf-8", "replace"), rows=len(rows))

    def error_in_200(self, named: Named, message: str) -> ApiAnswer:
        """SX.e's own error inside HTTP 200."""
        return _refused(named.program, message)

    def _rows(self, body: Mapping[str, Any]) -> tuple[list[ListedRow], Listing]:
        table = body["TableName"]
        listing = TABLES.get(table)
        if listing is None or table in self._switches.absent_programs:
            raise _RefusedError(f"Table {table} is not defined in the database")
        if table in self._switches.unauthorized_programs:
            raise _RefusedError(f"Operator {body['Operator']} is not authorized to read {table}")
        if not body["Operator"]:
            raise _RefusedError("Operator is required")
        if body["CompanyNumber"] not in self._companies:
            raise _RefusedError(
                f"Company {body['CompanyNumber']} Not Set Up in Company Setup - SASC"
            )
        if body["BatchSize"] < 0 or len(body["WhereClause"]) > _LONGEST_CLAUSE:
            raise _RefusedError("BatchSize or WhereClause is out of range")
        try:
            condition = where_condition(
                body["WhereClause"] or "cono > 0",
                listing,
                dates=self._switches.progress_dates,
                zone=self._clock.timezone,
            )
        except BadConditionError as error:
            raise _RefusedError(f"QUERY-PREPARE failed: {error}") from None
        with self._database.lock:
            return self._page(listing, [condition], body), listing

    def _page(
        self, listing: Listing, conditions: Sequence[Any], body: Mapping[str, Any]
    ) -> list[ListedRow]:
        given = body["RestartRowID"]
        after = _place(given, listing) if given else None
        there = after is not None and has_row(self._database, listing, after)
        if after is not None and not there and self._switches.restart_needs_row:
            raise _RefusedError("Cannot reposition query to ROWID given. (7331)")
        caps = [cap for cap in (body["BatchSize"] or None, self._switches.largest_batch) if cap]
        limit = min(caps, default=None)
        repeated: list[ListedRow] = []
        if there and after is not None and self._switches.restart_repeats_row:
            columns = " AND ".join(f"{column} = ?" for column in listing.key)
            repeated = rows_of(
                self._database,
                listing,
                list(listing.fields),
                [(columns, after)],
                after=None,
                limit=1,
            )
        rows = rows_of(
            self._database, listing, list(listing.fields), conditions, after=after, limit=limit
        )
        return (repeated + rows)[:limit]

    def _record(self, listing: Listing, row: ListedRow) -> str:
        members: list[tuple[str, str]] = []
        for (name, field), value in zip(listing.fields.items(), row.values, strict=True):
            if field.kind == "stamp":
                day, clock = changed(int(value or 0), self._clock.timezone)
                members += [(STAMP_DATE, day), (STAMP_TIME, clock)]
            else:
                members.append((name, value_json(value, field.kind)))
        members += [
            ("operinit", json.dumps(_OPERATOR)),
            ("transproc", json.dumps(listing.name)),
            ("rowpointer", json.dumps(row_pointer(listing.name, row.place))),
            (f"{listing.name}RowID", json.dumps(_row_id(row.place))),
        ]
        return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members) + "}"


def _refused(table: str, message: str) -> ApiAnswer:
    return json_answer({"cErrorMessage": message, f"ttbl{table}": []}, error=message)


def _content(request: ApiRequest) -> dict[str, Any]:
    try:
        content = json.loads(request.body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _row_id(place: Place) -> str:
    return base64.b64encode(json.dumps(place, separators=(",", ":")).encode()).decode()


def _place(row_id: str, listing: Listing) -> Place:
    try:
        parts: Sequence[Any] = json.loads(base64.b64decode(row_id.encode(), validate=True))
        place = tuple(part if isinstance(part, int) else str(part) for part in parts)
    except (ValueError, TypeError):
        place = ()
    if len(place) != len(listing.key):
        raise _RefusedError("RestartRowID is not valid")
    return place
