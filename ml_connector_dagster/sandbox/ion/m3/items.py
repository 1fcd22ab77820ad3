"""MMS200MI items."""

from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.ion.m3.contracts import Call, program, transaction
from ml_connector_dagster.sandbox.ion.m3.reading import Condition, by_key, changed_since, read


_TABLE = ("MITMAS",)
_LIST = (
    "CONO ITNO ITDS FUDS STAT ITTY ITGR ITCL BUAR UNMS PUUN PPUN SPUN MABU RESP NEWE GRWE VOL3"
    " VTCP VTCS PRGP DCCD LMDT ITNE"
)
_BASIC = f"{_LIST} RGDT RGTM CFI1"
_SELECTED = "ITNO ITDS FUDS STAT UNMS ITGR ITCL ITTY PUPR CUCD SAPR CUCS"


def _by_item(call: Call) -> list[Row]:
    return read(call, _TABLE, _LIST.split(), [("MMITNO >= ?", (call.text("ITNO"),))])


def _by_change_date(call: Call) -> list[Row]:
    conditions: list[Condition] = [("MMLMDT >= ?", (call.number("FLMD"),))]
    if "TLMD" in call.inputs:
        conditions.append(("MMLMDT <= ?", (call.number("TLMD"),)))
    return read(call, _TABLE, _LIST.split(), conditions, ("MMLMDT", "MMITNO"))


def _selected(call: Call) -> list[Row]:
    conditions: list[Condition] = changed_since(call, _TABLE)
    if "FRIT" in call.inputs:
        conditions.append(("MMITNO >= ?", (call.text("FRIT"),)))
    if "TOIT" in call.inputs:
        conditions.append(("MMITNO <= ?", (call.text("TOIT"),)))
    if "LMDT" in call.inputs:
        conditions.append(("MMLMDT >= ?", (call.number("LMDT"),)))
    return read(call, _TABLE, _SELECTED.split(), conditions)


MMS200MI = program(
    "MMS200MI",
    "Item Interface",
    transaction("LstItmByItm", "List items by item", "CONO *ITNO LNCD", _LIST, _by_item),
    transaction(
        "LstItmByChgDate",
        "List items by change date",
        "CONO FLMD TLMD CSDS LNCD",
        _LIST,
        _by_change_date,
    ),
    transaction("SelItem", "Select items", "CONO FRIT TOIT LMDT LMTS", _SELECTED, _selected),
    transaction(
        "GetItmBasic",
        "Get item basic data",
        "CONO *ITNO",
        _BASIC,
        by_key("MITMAS", _BASIC, "ITNO"),
    ),
)
