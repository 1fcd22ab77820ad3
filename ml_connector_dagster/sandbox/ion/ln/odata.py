"""The OData front of LN: ``/lnapi/odata/{service}/{set}`` and ``$metadata`` (reference cloudsuite-api §4.1).

Not simulated: single entities, $expand, $batch, functions, deltas, etags that change anything. What the reference leaves
open is a switch (``Switches.ln_…``), or as follows: rows come in key order when no $orderby asks for another, a service
that is not active in a company answers 404, a right that is missing 403, an unknown property 400.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlencode

from ml_connector_dagster.sandbox.erp.database import Database
from ml_connector_dagster.sandbox.erp.functions import row_guid
from ml_connector_dagster.sandbox.ion.conditions import BadConditionError
from ml_connector_dagster.sandbox.ion.listings import Condition, ListedRow, Place, count_of, rows_of
from ml_connector_dagster.sandbox.ion.ln.filters import filter_condition
from ml_connector_dagster.sandbox.ion.ln.services import SETS, EntitySet
from ml_connector_dagster.sandbox.ion.ln.values import EDM_TYPES, value_json
from ml_connector_dagster.sandbox.ion.messages import ApiAnswer, ApiRequest, Named, json_answer
from ml_connector_dagster.sandbox.options import Switches


_COMPANY: Final = "x-infor-lncompany"
_PREFIX: Final = ["lnapi", "odata"]
_OPTIONS: Final = frozenset(
    {"$filter", "$select", "$orderby", "$top", "$skip", "$count", "$skiptoken"}
)
#: Rows of an answer to a call without $top.
DEFAULT_TOP: Final = 100


class _RefusedError(Exception):
    """LN says no, with an HTTP status."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Ln:
    """The LN suite of the gateway. Its companies are the ERP's."""

    def __init__(self, database: Database, switches: Switches, companies: Sequence[str]) -> None:
        self._database = database
        self._switches = switches
        self._companies = tuple(companies)

    def named(self, request: ApiRequest) -> Named:
        """What the call is about: service and set."""
        service, name = _address(request.path)
        return Named(program=service, transaction=name, company=request.headers.get(_COMPANY, ""))

    def answer(self, request: ApiRequest, *, terminate_after: int | None = None) -> ApiAnswer:
        """Answer a query of a set, or for metadata."""
        del terminate_after  # $batch is not simulated
        service, name = _address(request.path)
        if not service:
            return json_answer({"error": "Not Found"}, 404, error="Not Found")
        if request.method != "GET":
            return _refused("Method not allowed", 405)
        try:
            company = self._company(request)
            self._check_service(service, company)
            if name == "$metadata":
                return self._metadata(service)
            of = SETS.get((service, name))
            if of is None:
                raise _RefusedError(f"Could not find an entity set named '{name}'", 404)
            if name in self._switches.unauthorized_programs:
                raise _RefusedError(f"User is not authorized for {service}/{name}", 403)
            return self._query(of, company, request)
        except _RefusedError as refusal:
            return _refused(str(refusal), refusal.status)

    def error_in_200(self, named: Named, message: str) -> ApiAnswer:
        """LN's error with HTTP status 200."""
        del named
        return _refused(message, 200)

    def _company(self, request: ApiRequest) -> int:
        company = request.headers.get(_COMPANY) or self._switches.user_company or self._companies[0]
        if company not in self._companies:
            raise _RefusedError(f"Switch to company {company} failed", 422)
        return int(company)

    def _check_service(self, service: str, company: int) -> None:
        known = any(service == one.service for one in SETS.values())
        if not known or service in self._switches.absent_programs:
            raise _RefusedError(f"Service {service} is not active in company {company}", 404)
        if service in self._switches.unauthorized_programs:
            raise _RefusedError(f"User is not authorized for service {service}", 403)

    def _metadata(self, service: str) -> ApiAnswer:
        types: dict[str, Any] = {}
        container: dict[str, Any] = {"$Kind": "EntityContainer"}
        for (of_service, name), one in SETS.items():
            if of_service == service:
                types[one.type] = self._type(one)
                container[name] = {"$Collection": True, "$Type": f"{service}.{one.type}"}
        content = {
            "$Version": "4.01",
            "$EntityContainer": f"{service}.Container",
            service: {**types, "Container": container},
        }
        return json_answer(content)

    def _type(self, of: EntitySet) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        for name in self._shown(of):
            edm = EDM_TYPES.get(of.listing.fields[name].kind)
            properties[name] = {} if edm is None else {"$Type": edm, "$Nullable": True}
        return {"$Kind": "EntityType", "$Key": list(of.key), **properties}

    def _shown(self, of: EntitySet) -> list[str]:
        absent = self._switches.absent_properties
        return [name for name in of.listing.fields if name not in absent]

    def _query(self, of: EntitySet, company: int, request: ApiRequest) -> ApiAnswer:
        given = dict(request.query)
        if unknown := [name for name in given if name not in _OPTIONS]:
            raise _RefusedError(f"The query parameter '{unknown[0]}' is not supported")
        shown = self._shown(of)
        names = _named(of, shown, given.get("$select", ",".join(shown)))
        order = _named(of, shown, given.get("$orderby") or ",".join(of.key))
        top = _number(given, "$top", DEFAULT_TOP)
        skip = _number(given, "$skip", 0)
        after = _place(given["$skiptoken"], len(order)) if "$skiptoken" in given else None
        conditions: list[Condition] = [(f"{of.listing.company} = ?", (company,))]
        try:
            if "$filter" in given:
                conditions.append(filter_condition(given["$filter"], of, frozenset(shown)))
        except BadConditionError as error:
            raise _RefusedError(str(error)) from None
        limit = min(top, self._switches.ln_page_limit or top)
        with self._database.lock:
            count = count_of(self._database, of.listing, conditions)
            rows = rows_of(
                self._database,
                of.listing,
                names,
                conditions,
                after=after,
                limit=limit + 1 if after else skip + limit + 1,
                order=[of.listing.fields[name].sql for name in order],
            )
        rows = rows if after else rows[skip:]
        more = len(rows) > limit
        rows = rows[:limit]
        left = top - len(rows) if more else 0
        return self._answer(of, names, rows, given, count=count, left=left)

    def _answer(
        self,
        of: EntitySet,
        names: Sequence[str],
        rows: Sequence[ListedRow],
        given: Mapping[str, str],
        *,
        count: int,
        left: int,
    ) -> ApiAnswer:
        context = f"$metadata#{of.listing.name}"
        head = [f'"@odata.context":{json.dumps(context)}']
        if given.get("$count") == "true":
            head.append(f'"@odata.count":{count}')
        records = ",".join(_record(of, names, row) for row in rows)
        head.append(f'"value":[{records}]')
        if left > 0 and self._switches.ln_next_links:
            onward = urlencode({**given, "$top": str(left), "$skiptoken": _token(rows[-1].place)})
            link = f"/{'/'.join(_PREFIX)}/{of.service}/{of.listing.name}?{onward}"
            head.append(f'"@odata.nextLink":{json.dumps(link)}')
        body = "{" + ",".join(head) + "}"
        return ApiAnswer(body=body.encode("utf-8", "replace"), rows=len(rows))


def _address(path: str) -> tuple[str, str]:
    parts = [unquote(part) for part in path.split("/")]
    return (parts[2], parts[3]) if parts[:2] == _PREFIX and len(parts) == 4 else ("", "")


def _refused(message: str, status: int) -> ApiAnswer:
    detail = {"code": "ERROR", "message": message}
    return json_answer({"error": {**detail, "details": [detail]}}, status, error=message)


def _named(of: EntitySet, shown: Sequence[str], wanted: str) -> list[str]:
    names = [name.strip() for name in wanted.split(",")]
    for name in names:
        if name not in shown:
            raise _RefusedError(f"Could not find a property named '{name}' on type '{of.type}'")
    return names


def _number(given: Mapping[str, str], option: str, otherwise: int) -> int:
    text = given.get(option, str(otherwise))
    if not text.isdigit():
        raise _RefusedError(f"The value of '{option}' is not a number")
    return int(text)


def _token(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place(token: str, parts: int) -> Place:
    try:
        place = tuple(json.loads(base64.urlsafe_b64decode(token.encode())))
    except ValueError:
        place = ()
    if len(place) != parts:
        raise _RefusedError("The value of '$skiptoken' is not valid")
    return place


def _record(of: EntitySet, names: Sequence[str], row: ListedRow) -> str:
    members = [f'"@odata.etag":{json.dumps(_etag(row))}']
    members += [
        f"{json.dumps(name)}:{value_json(value, of.listing.fields[name].kind)}"
        for name, value in zip(names, row.values, strict=True)
    ]
    return "{" + ",".join(members) + "}"


def _etag(row: ListedRow) -> str:
    return f'W/"{row_guid(repr(row.values))}"'
