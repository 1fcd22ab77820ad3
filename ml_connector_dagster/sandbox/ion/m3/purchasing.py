"""PPS200MI purchase orders and their lines, PPS100MI purchase agreements (there are none).

There is no list of order heads (reference §0): ``PPS100MI/LstHead`` and ``PPS200MI/LstLines`` exist only as a tenant's own transactions.
"""

from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.ion.m3.contracts import Call, program, transaction
from ml_connector_dagster.sandbox.ion.m3.reading import Condition, by_key, filters, read


_HEAD = (
    "CONO PUNO DATE PUDT DWDT LEDT SUNO CONM BUYE CUCD TEPY MODL TEDL TEAF TEPA DIVI FACI WHLO ORTY"
    " POTC PRSU REVN NTAM BRAM COAM ODAM TOQT SAAM LOCD PROJ ELNO OURR REMK"
)
_LINE = (
    "PUNO PNLI PNLS ITNO SITE ITDS PITD PITT FACI WHLO SUNO PUSL PUST ORQA CFQA RVQA CAQA IVQA RJQA"
    " SDQA ADQA ORQT PUUN PUPR CPPR PPUN PUCD ODI1 ODI2 ODI3 LNAM CUPR SAAM LOCD DWDT CODT RCDT"
    " IDAT VTCD BUYE PURC RORC RORN RORL SORN"
)
#: What the tenant's own list transactions give: status and change stamps too.
_OWN_HEAD = f"{_HEAD} PUSL PUST RGDT LMDT CHNO CHID LMTS"
_OWN_LINE = f"CONO {_LINE} RGDT LMDT CHNO CHID LMTS"


def _lines_of_order(call: Call) -> list[Row]:
    return read(call, ("MPLINE",), _LINE.split(), filters(call, ("MPLINE",), "PUNO"))


def _no_agreements(call: Call) -> list[Row]:
    del call  # this installation buys without agreements
    return []


def _own_heads(call: Call) -> list[Row]:
    conditions: list[Condition] = [("IAPUNO >= ?", (call.text("PUNO"),))]
    if "LMDT" in call.inputs:
        conditions.append(("IALMDT >= ?", (call.number("LMDT"),)))
    return read(call, ("MPHEAD",), _OWN_HEAD.split(), conditions)


def _own_lines(call: Call) -> list[Row]:
    position = (call.text("PUNO"), call.number("PNLI"))
    conditions: list[Condition] = [("(IBPUNO, IBPNLI) >= (?, ?)", position)]
    if "LMDT" in call.inputs:
        conditions.append(("IBLMDT >= ?", (call.number("LMDT"),)))
    return read(call, ("MPLINE",), _OWN_LINE.split(), conditions)


_AGREEMENTS = (
    transaction(
        "LstAgrHead", "List agreement heads", "CONO SUNO", "SUNO AGNB VALD", _no_agreements
    ),
    transaction(
        "LstAgrLine", "List agreement lines", "*SUNO *AGNB", "SUNO AGNB ITNO PUPR", _no_agreements
    ),
)
_ORDERS = (
    transaction(
        "GetHead", "Get purchase order head", "*PUNO CONO", _HEAD, by_key("MPHEAD", _HEAD, "PUNO")
    ),
    transaction("LstLine", "List purchase order lines", "*PUNO CONO", _LINE, _lines_of_order),
    transaction(
        "GetLine",
        "Get purchase order line",
        "*PUNO PNLI PNLS CONO",
        _LINE,
        by_key("MPLINE", _LINE, "PUNO PNLI PNLS"),
    ),
)

PPS100MI = program("PPS100MI", "Purchase Agreement", *_AGREEMENTS)
PPS200MI = program("PPS200MI", "Purchase Order", *_ORDERS)

OWN_PPS100MI = program(
    "PPS100MI",
    "Purchase Agreement",
    *_AGREEMENTS,
    transaction("LstHead", "List order heads (own)", "CONO PUNO LMDT", _OWN_HEAD, _own_heads),
)
OWN_PPS200MI = program(
    "PPS200MI",
    "Purchase Order",
    *_ORDERS,
    transaction("LstLines", "List order lines (own)", "CONO PUNO PNLI LMDT", _OWN_LINE, _own_lines),
)
