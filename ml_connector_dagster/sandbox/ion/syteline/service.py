"""The IDO request service: ``load`` and ``info`` (reference cloudsuite-api §3.1 to §3.4).

Not simulated: tokens of its own, ``configurations``, custom load methods, PREV and LAST, descending order, v1. ``update``
and ``invoke`` are refused, and stand in ``requests()``. What the reference leaves open: a call without a configuration is
refused with 400, one with an unknown configuration with ``Success: false``; an IDO that is not there is a 404;
``info`` needs no privilege.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.erp.database import Database
from ml_connector_dagster.sandbox.ion.conditions import BadConditionError
from ml_connector_dagster.sandbox.ion.listings import (
    Condition,
    ListedField,
    ListedRow,
    Listing,
    rows_of,
)
from ml_connector_dagster.sandbox.ion.messages import ApiAnswer, ApiRequest, Named, json_answer
from ml_connector_dagster.sandbox.ion.syteline.filters import filter_condition
from ml_connector_dagster.sandbox.ion.syteline.idos import IDOS, POINTER, STAMP
from ml_connector_dagster.sandbox.ion.syteline.values import bookmark, place_of, value_text
from ml_connector_dagster.sandbox.options import Switches


_CONFIGURATION: Final = "x-infor-mongooseconfig"
_PREFIX: Final = ["IDORequestService", "ido"]
_PARAMETERS: Final = frozenset(
    {"properties", "filter", "orderby", "recordcap", "loadtype", "bookmark", "distinct", "readonly"}
)
_TYPES: Final = {
    "date": "Date",
    "stamp": "Date",
    "decimal": "Decimal",
    "negated": "Decimal",
    "integer": "Long Integer",
}

#: What ``recordcap=-1`` gives.
SYSTEM_CAP: Final = 200


class _RefusedError(Exception):
    """Mongoose says no."""


class SyteLine:
    """The CSI suite of the gateway. Each company of the ERP is a site, with a configuration of its own."""

    def __init__(
        self, database: Database, switches: Switches, clock: Clock, companies: Sequence[str]
    ) -> None:
        self._database = database
        self._switches = switches
        self._companies = frozenset(companies)
        self._idos = {name: _stamped(ido, clock.timezone.key) for name, ido in IDOS.items()}

    def named(self, request: ApiRequest) -> Named:
        """What the call is about: IDO and verb."""
        verb, name = _verb(request.path)
        configuration = request.headers.get(_CONFIGURATION, "")
        return Named(
            program=name, transaction=verb, company=configuration.removeprefix(f"{request.tenant}_")
        )

    def answer(self, request: ApiRequest, *, terminate_after: int | None = None) -> ApiAnswer:
        """Answer a load or an info."""
        del terminate_after  # there is no bulk here
        verb, name = _verb(request.path)
        if verb not in ("load", "info"):
            return json_answer({"error": "Not Found"}, 404, error="Not Found")
        if request.method != "GET":
            return json_answer({"Message": "Method Not Allowed"}, 405, error="405")
        if _CONFIGURATION not in request.headers:
            message = "The request has no X-Infor-MongooseConfig header."
            return json_answer({"Message": message}, 400, error=message)
        try:
            site = self._site(request)
            ido = self._idos.get(name)
            if ido is None or name in self._switches.absent_programs:
                message = f"IDO {name} was not found."
                return json_answer({"Message": message}, 404, error=message)
            shown = [name for name in ido.fields if name not in self._switches.absent_properties]
            return _info(ido, shown) if verb == "info" else self._load(ido, shown, site, request)
        except _RefusedError as refusal:
            return _refused(str(refusal))

    def error_in_200(self, named: Named, message: str) -> ApiAnswer:
        """Not a success, with HTTP status 200: Mongoose's usual way."""
        del named
        return _refused(message)

    def _site(self, request: ApiRequest) -> str:
        configuration = request.headers[_CONFIGURATION]
        site = configuration.removeprefix(f"{request.tenant}_")
        if site == configuration or site not in self._companies:
            raise _RefusedError(f"The configuration {configuration} does not exist.")
        return site

    def _load(
        self, ido: Listing, shown: Sequence[str], site: str, request: ApiRequest
    ) -> ApiAnswer:
        if ido.name in self._switches.unauthorized_programs:
            raise _RefusedError(f"User requires [Read] privilege for {ido.name}.")
        given = {name.lower(): value for name, value in request.query}
        if unknown := [name for name in given if name not in _PARAMETERS]:
            raise _RefusedError(f"The parameter {unknown[0]} is not known.")
        names = _names(ido, shown, given.get("properties", "*"))
        order = _names(ido, shown, given.get("orderby") or POINTER)
        cap = _cap(given.get("recordcap", "-1"))
        conditions: list[Condition] = [(f"{ido.company} = ?", (int(site),))]
        try:
            if given.get("filter"):
                conditions.append(filter_condition(given["filter"], ido, shown))
        except BadConditionError as error:
            raise _RefusedError(str(error)) from None
        rows = rows_of(
            self._database,
            ido,
            [*names, *_identity(ido)],
            conditions,
            after=_after(given, order),
            limit=None if cap is None else cap + 1,
            # As SQL Server does, what is null comes first.
            order=[f"CAST(coalesce({ido.fields[name].sql}, '') AS TEXT)" for name in order],
        )
        more = cap is not None and len(rows) > cap
        rows = rows[:cap]
        content = {
            "Items": [_item(ido, names, row) for row in rows],
            "Bookmark": bookmark(order, rows[0].place, rows[-1].place) if rows else None,
            "MoreRowsExist": more,
            "Success": True,
            "Message": None,
        }
        return json_answer(content, rows=len(rows))


def _stamped(ido: Listing, zone: str) -> Listing:
    """The IDO with its stamps on the clock of the site."""
    fields = dict(ido.fields)
    if STAMP in fields:
        fields[STAMP] = ListedField(sql=f"wall_clock({ido.stamp}, '{zone}')", kind="stamp")
    return replace(ido, fields=fields)


def _verb(path: str) -> tuple[str, str]:
    parts = path.split("/")
    return (parts[2], parts[3]) if parts[:2] == _PREFIX and len(parts) == 4 else ("", "")


def _refused(message: str) -> ApiAnswer:
    content = {
        "Items": None,
        "Bookmark": None,
        "MoreRowsExist": False,
        "Success": False,
        "Message": message,
    }
    return json_answer(content, error=message)


def _info(ido: Listing, shown: Sequence[str]) -> ApiAnswer:
    properties = [
        {"Name": name, "DataType": _TYPES.get(ido.fields[name].kind, "String")} for name in shown
    ]
    return json_answer({"Properties": properties, "Success": True, "Message": None})


def _names(ido: Listing, shown: Sequence[str], wanted: str) -> tuple[str, ...]:
    names = tuple(shown) if wanted.strip() == "*" else tuple(map(str.strip, wanted.split(",")))
    for name in names:
        if name not in shown:
            raise _RefusedError(f"Property {name} not found on IDO {ido.name}.")
    return names


def _cap(text: str) -> int | None:
    """How many rows at most; None for all."""
    if text == "-1":
        return SYSTEM_CAP
    if not text.isdigit():
        raise _RefusedError(f"The record cap {text} is not valid.")
    return int(text) or None


def _after(given: Mapping[str, str], order: tuple[str, ...]) -> tuple[str | int, ...] | None:
    load = given.get("loadtype", "FIRST")
    if load == "FIRST":
        return None
    place = place_of(given.get("bookmark", ""), order) if load == "NEXT" else None
    if place is None:
        raise _RefusedError(f"The bookmark is not valid for load type {load}.")
    return place


def _identity(ido: Listing) -> tuple[str, ...]:
    """What an _ItemId is made of."""
    return (STAMP, POINTER) if STAMP in ido.fields else (POINTER,)


def _item(ido: Listing, names: Sequence[str], row: ListedRow) -> dict[str, Any]:
    values, identity = row.values[: len(names)], row.values[len(names) :]
    item = {
        name: value_text(name, value, ido.fields[name].kind)
        for name, value in zip(names, values, strict=True)
    }
    stamp = str(identity[0] or "") if len(identity) > 1 else ""
    moment = stamp or "19000101 00:00:00.000"
    table = ido.name.removeprefix("SL").lower()
    moment = f"{moment[:4]}-{moment[4:6]}-{moment[6:]}"
    return item | {
        "_ItemId": f"PBT=[{table}] {table[:3]}.DT=[{moment}] {table[:3]}.ID=[{identity[-1]}]"
    }
