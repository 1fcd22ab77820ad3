"""CRS630MI accounting identities, GLS200MI vouchers, GLS215MI balances."""

from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.ion.m3.contracts import Call, program, transaction
from ml_connector_dagster.sandbox.ion.m3.reading import (
    Condition,
    by_key,
    filters,
    in_division,
    read,
)


_CHART = ("FCHACC",)
_LEDGER = ("FGLEDG",)

_IDENTITY = (
    "DIVI AITP AITM AICL TX40 TX15 AT01 AT02 AT03 AT04 AT11 AT12 AT13 LCCD VFDT VTDT CUCD RESP"
    " RGDT RGTM LMDT CHNO CHID LMTS LX40 LX15"
)
_VOUCHER = "DIVI YEA4 JRNO VSER VONO ACDT OCDT FEID FNCN TRCD VTXT RGDT LMDT"
_VOUCHER_LINE = (
    "DIVI YEA4 JRNO JSNO FEID FNCN TRCD VSER VONO VSNO ACDT OCDT AIT1 AIT2 AIT3 AIT4 AIT5 AIT6 AIT7"
    " CUCD CRTP ARAT ACAM CUAM DBCR ACQT ACYP CYP6 VTXT VTCD RGDT RGTM LMDT CHNO CHID THCC TCAM"
)
_BALANCE = "PTID VTYP BUNO BVER YEA4 PERI ACAD ACAC CUAD CUAC ACQD ACQC THCC"
_COMBINATION = "PTID BIT1 BIT2 BIT3 BIT4 BIT5 BIT6 BIT7"
_BALANCE_TABLES = ("BALANCES",)
_FROM_KEYS = (
    "EXISTS (SELECT 1 FROM BALANCE_KEYS WHERE X1CONO = X2CONO AND X1PTID = X2PTID AND X1{} = ?)"
)


def _identities(call: Call) -> list[Row]:
    conditions = filters(call, _CHART, "AITP")
    conditions += [in_division(call, _CHART), ("EAAITM >= ?", (call.text("AITM"),))]
    return read(call, _CHART, _IDENTITY.split(), conditions)


def _vouchers(call: Call) -> list[Row]:
    conditions: list[Condition] = [
        in_division(call, _LEDGER),
        ("EGJSNO = ?", (1,)),
        ("EGACDT >= ?", (call.number("FRDT"),)),
        ("EGACDT <= ?", (call.number("TODT"),)),
    ]
    order = ("EGACDT", "EGVSER", "EGVONO", "EGYEA4", "EGJRNO")
    return read(call, _LEDGER, _VOUCHER.split(), conditions, order)


def _voucher_lines(call: Call) -> list[Row]:
    conditions = filters(call, _LEDGER, "YEA4 VONO VSER JRNO")
    conditions.append(in_division(call, _LEDGER))
    return read(call, _LEDGER, _VOUCHER_LINE.split(), conditions)


def _balances(call: Call) -> list[Row]:
    conditions = filters(call, _BALANCE_TABLES, "BAKY VTYP")
    conditions.append(in_division(call, _BALANCE_TABLES))
    for place in range(1, 8):
        field = f"BIT{place}"
        if field in call.inputs:
            conditions.append((_FROM_KEYS.format(field), (call.text(field),)))
    return read(call, _BALANCE_TABLES, _BALANCE.split(), conditions)


CRS630MI = program(
    "CRS630MI",
    "Accounting Identity",
    transaction(
        "LstAccountID",
        "List accounting identities",
        "*AITP DIVI AITM LNCD",
        _IDENTITY,
        _identities,
    ),
    transaction(
        "GetAccountID",
        "Get accounting identity",
        "*AITP *AITM DIVI",
        _IDENTITY,
        by_key("FCHACC", _IDENTITY, "AITP AITM"),
    ),
)

GLS200MI = program(
    "GLS200MI",
    "General Ledger",
    transaction(
        "LstVouchersByDt", "List vouchers by date", "*FRDT *TODT DIVI", _VOUCHER, _vouchers
    ),
    transaction(
        "LstVoucherLines",
        "List voucher lines",
        "*DIVI *YEA4 *VONO VSER JRNO",
        _VOUCHER_LINE,
        _voucher_lines,
    ),
)

GLS215MI = program(
    "GLS215MI",
    "General Ledger Balances",
    transaction(
        "LstPerBalances",
        "List period balances",
        "*DIVI *BAKY BIT1 BIT2 BIT3 BIT4 BIT5 BIT6 BIT7 VTYP",
        _BALANCE,
        _balances,
    ),
    transaction(
        "GetBitFromPtid",
        "Get dimension combination",
        "*PTID",
        _COMBINATION,
        by_key("BALANCE_KEYS", _COMBINATION, "PTID"),
    ),
)
