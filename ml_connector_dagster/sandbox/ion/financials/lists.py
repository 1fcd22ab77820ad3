"""The generic lists of business classes: ``/fsm/soap/classes/{class}/lists/_generic`` (reference cloudsuite-api §4.2).

Not simulated: single records, actions, sets other than the symbolic key, _flatten, _links of rows, XML answers.
What the reference leaves open is a switch (``Switches.landmark_…``), or as follows: _fts and _tts include their ends, and a list
without a limit gives twenty rows.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlencode

from ml_connector_dagster.sandbox.erp.calendar import day_of
from ml_connector_dagster.sandbox.erp.database import Database
from ml_connector_dagster.sandbox.ion.conditions import (
    BadConditionError,
    Literal,
    parse_condition,
)
from ml_connector_dagster.sandbox.ion.financials.classes import CLASSES, STAMP
from ml_connector_dagster.sandbox.ion.financials.values import stamp_milliseconds, value_text
from ml_connector_dagster.sandbox.ion.listings import (
    Condition,
    ListedField,
    ListedRow,
    Listing,
    Place,
    count_of,
    plain_number,
    rows_of,
)
from ml_connector_dagster.sandbox.ion.messages import ApiAnswer, ApiRequest, Named, json_answer
from ml_connector_dagster.sandbox.options import Switches


DEFAULT_LIMIT: Final = 20

_PARAMETERS: Final = frozenset(
    {
        "_fields",
        "_limit",
        "_filter",
        "_lplFilter",
        "_setName",
        "_fts",
        "_tts",
        "_links",
        "_pageNav",
        "_out",
        "_omitCountValue",
        "_recordCountOnly",
        "_next",
    }
)


class _RefusedError(Exception):
    """Landmark says no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """A list call, understood."""

    listing: Listing
    names: tuple[str, ...]
    conditions: tuple[Condition, ...]
    limit: int
    after: Place | None


class Financials:
    """The FSM suite of the gateway."""

    def __init__(self, database: Database, switches: Switches) -> None:
        self._database = database
        self._switches = switches

    def named(self, request: ApiRequest) -> Named:
        """What the call is about: business class and list."""
        name = _class_of(request.path)
        parameters = dict(request.query)
        return Named(
            program=name, transaction="_generic" if name else "", company=_company(parameters)
        )

    def answer(self, request: ApiRequest, *, terminate_after: int | None = None) -> ApiAnswer:
        """Answer a list call."""
        del terminate_after  # there is no bulk here
        name = _class_of(request.path)
        if not name:
            return json_answer({"error": "Not Found"}, 404, error="Not Found")
        if request.method != "GET":
            return json_answer({"error": "Method Not Allowed"}, 405, error="405")
        parameters = dict(request.query)
        if parameters.get("_out") != "JSON":
            return ApiAnswer(
                body=b'<?xml version="1.0" encoding="UTF-8"?><list/>', content_type="text/xml"
            )
        try:
            query = self._understood(name, parameters)
        except _RefusedError as refusal:
            return self._exception(str(refusal))
        return self._list(query, parameters)

    def error_in_200(self, named: Named, message: str) -> ApiAnswer:
        """Landmark's exception inside HTTP 200."""
        del named
        return _exception_of(message, 200)

    def _exception(self, message: str) -> ApiAnswer:
        return _exception_of(message, self._switches.landmark_error_status)

    def _understood(self, name: str, parameters: Mapping[str, str]) -> _Query:
        listing = CLASSES.get(name)
        if listing is None or name in self._switches.absent_programs:
            raise _RefusedError(f"Business class {name} does not exist")
        if name in self._switches.unauthorized_programs:
            raise _RefusedError(
                f"User is not authorized to perform list _generic on business class {name}"
            )
        unknown = [parameter for parameter in parameters if parameter not in _PARAMETERS]
        if unknown:
            raise _RefusedError(f"Parameter {unknown[0]} is not supported")
        if parameters.get("_setName", "SymbolicKey") != "SymbolicKey":
            raise _RefusedError(
                f"Set {parameters['_setName']} is not defined for business class {name}"
            )
        limit = parameters.get("_limit", str(DEFAULT_LIMIT))
        if not limit.isdigit() or int(limit) < 1:
            raise _RefusedError(f"_limit {limit} is not a positive number")
        return _Query(
            listing=listing,
            names=_names(listing, parameters.get("_fields", "_all")),
            conditions=(*_conditions(listing, parameters), *self._stamps(listing, parameters)),
            limit=min(int(limit), self._switches.landmark_row_limit),
            after=_place(parameters["_next"], listing) if "_next" in parameters else None,
        )

    def _stamps(self, listing: Listing, parameters: Mapping[str, str]) -> list[Condition]:
        found: list[Condition] = []
        for parameter, sign in (("_fts", ">="), ("_tts", "<=")):
            if parameter not in parameters:
                continue
            if (
                STAMP not in listing.fields
                or listing.name in self._switches.landmark_without_stamps
            ):
                raise _RefusedError(
                    f"{parameter} is not supported for business class {listing.name}"
                )
            try:
                moment = stamp_milliseconds(parameters[parameter])
            except ValueError:
                raise _RefusedError(
                    f"{parameter} {parameters[parameter]} is not a timestamp"
                ) from None
            # Hundredths are all that a timestamp can say: a stamp is compared as it is written.
            found.append((f"{listing.stamp} / 10 * 10 {sign} ?", (moment,)))
            found.append((f"{listing.stamp} > 0", ()))
        return found

    def _list(self, query: _Query, parameters: Mapping[str, str]) -> ApiAnswer:
        head: dict[str, Any] = {}
        with self._database.lock:
            if parameters.get("_omitCountValue") != "true":
                head["_count"] = count_of(self._database, query.listing, query.conditions)
            if parameters.get("_recordCountOnly") == "true":
                return json_answer([head])
            rows = rows_of(
                self._database,
                query.listing,
                query.names,
                query.conditions,
                after=query.after,
                limit=query.limit + 1,
            )
        more = len(rows) > query.limit
        rows = rows[: query.limit]
        linked = parameters.get("_pageNav") == "true" and self._switches.landmark_next_links
        if more and linked:
            onward = urlencode({**parameters, "_next": _token(rows[-1].place)})
            head["_links"] = [{"rel": "next", "href": f"../lists/_generic?{onward}"}]
        body = [head] if head else []
        body += [{"_fields": _record(query, row)} for row in rows]
        return json_answer(body, rows=len(rows))


def _exception_of(message: str, status: int) -> ApiAnswer:
    return json_answer({"exception": {"message": message}}, status, error=message)


def _class_of(path: str) -> str:
    parts = [unquote(part) for part in path.split("/")]
    if parts[:3] != ["fsm", "soap", "classes"] or parts[4:] != ["lists", "_generic"]:
        return ""
    return parts[3]


def _company(parameters: Mapping[str, str]) -> str:
    """The quoted value of the first comparison that ends in Group or Company: for the journal only."""
    for part in parameters.get("_lplFilter", "").split(" and "):
        field, sign, value = part.strip().partition(" = ")
        if sign and field.endswith(("Group", "Company")):
            return value.strip('"')
    return ""


def _names(listing: Listing, wanted: str) -> tuple[str, ...]:
    names = tuple(listing.fields) if wanted == "_all" else tuple(wanted.split(","))
    for name in names:
        if name not in listing.fields:
            raise _RefusedError(f"Field {name} is not defined for business class {listing.name}")
    return names


def _conditions(listing: Listing, parameters: Mapping[str, str]) -> list[Condition]:
    found: list[Condition] = []

    def compare(name: str, sign: str, literal: Literal) -> Condition:
        if name not in listing.fields:
            raise BadConditionError(f"field {name} is not defined for {listing.name}")
        return _comparison(listing.fields[name], sign, literal.text)

    try:
        if "_lplFilter" in parameters:
            found.append(parse_condition(parameters["_lplFilter"], compare, {}))
        for part in parameters.get("_filter", "").split("|") if parameters.get("_filter") else ():
            name, _, value = part.partition("::")
            found.append(compare(name, "=", Literal(text=value, quoted=True)))
    except BadConditionError as error:
        raise _RefusedError(f"Invalid filter: {error}") from None
    return found


def _comparison(field: ListedField, sign: str, text: str) -> Condition:
    if field.kind == "text" or field.kind == "division":
        return f"CAST({field.sql} AS TEXT) {sign} ?", (text,)
    if field.kind == "date" and text and day_of(text) is None:
        raise BadConditionError(f"{text} is not a date")
    if field.kind == "flag":
        text = {"false": "0", "true": "1"}.get(text, text)
    number = plain_number(text or "0", negated=field.kind == "negated")
    if number is None:
        raise BadConditionError(f"{text} is not a number")
    whole = number.removesuffix(".00")
    return f"{field.comparable()} {sign} ?", (int(whole) if whole.isdigit() else whole,)


def _record(query: _Query, row: ListedRow) -> dict[str, str]:
    fields = query.listing.fields
    return {
        name: value_text(value, fields[name].kind)
        for name, value in zip(query.names, row.values, strict=True)
    }


def _token(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place(token: str, listing: Listing) -> Place:
    try:
        parts: Sequence[Any] = json.loads(base64.urlsafe_b64decode(token.encode()))
        place = tuple(part if isinstance(part, int) else str(part) for part in parts)
    except (ValueError, TypeError):
        place = ()
    if len(place) != len(listing.key):
        raise _RefusedError("_next is not valid")
    return place
