"""CRS620MI suppliers and CRS610MI customers. Which list lacks which field is as in reference §2.11."""

from ml_connector_dagster.sandbox.erp.database import Row
from ml_connector_dagster.sandbox.ion.m3.contracts import Call, program, transaction
from ml_connector_dagster.sandbox.ion.m3.reading import Condition, by_key, changed_since, read


_SUPPLIER = ("CIDMAS", "CIDVEN")

_SUPPLIER_LIST = (
    "CONO SUNO SUNM LNCD PHNO CSCD ECAR SUCL ORTY TEDL MODL TEPY PYME CUCD CRTP VTCD TAXC TINO"
    " BUYE RESP PRSU LIDT TECD CFI1 CFI2 CFI3 CFI4 CFI5 CGRP"
)
_SUPPLIER_BY_NUMBER = "CONO SUNO SUTY SUNM STAT ALSU CORG COR2 VRNO LNCD PHNO CSCD ECAR SUCO"
_SUPPLIER_BASIC = (
    "CONO SUNO SUTY SUNM STAT ALSU CORG COR2 VRNO LNCD PHNO CSCD ECAR SUCL ORTY TEDL MODL TEPY"
    " PYME CUCD CRTP VTCD TAXC TINO BUYE RESP PRSU SUCO LIDT TECD CFI1 CFI2 CFI3 CFI4 CFI5 CGRP"
)

_CUSTOMER_LIST = (
    "CONO CUNO CUTP CUNM CUA1 CUA2 CUA3 CUA4 PONO TOWN ECAR CSCD PHNO MAIL STAT CORG VRNO CUCD"
    " CUCL TEPY PYNO CRLM CRL2 CRL3 LNCD SMCD WHLO"
)
_CUSTOMER_BASIC = f"{_CUSTOMER_LIST} TXCO CFI1 CFI3 RGDT LMDT"


def _suppliers(call: Call) -> list[Row]:
    conditions: list[Condition] = changed_since(call, _SUPPLIER)
    if "FRSU" in call.inputs:
        conditions.append(("IDSUNO >= ?", (call.text("FRSU"),)))
    if "TOSU" in call.inputs:
        conditions.append(("IDSUNO <= ?", (call.text("TOSU"),)))
    return read(call, _SUPPLIER, _SUPPLIER_LIST.split(), conditions)


def _suppliers_by_number(call: Call) -> list[Row]:
    conditions: list[Condition] = [("IDSUNO >= ?", (call.text("SUNO"),))]
    return read(call, _SUPPLIER, _SUPPLIER_BY_NUMBER.split(), conditions)


def _customers(call: Call) -> list[Row]:
    tables = ("OCUSMA",)
    conditions: list[Condition] = changed_since(call, tables)
    conditions.append(("OKCUNO >= ?", (call.text("CUNO"),)))
    return read(call, tables, _CUSTOMER_LIST.split(), conditions)


CRS620MI = program(
    "CRS620MI",
    "Supplier Interface",
    transaction(
        "LstSuppliers", "List suppliers", "CONO FRSU TOSU LMTS", _SUPPLIER_LIST, _suppliers
    ),
    transaction(
        "LstByNumber",
        "List suppliers by number",
        "*SUNO CONO",
        _SUPPLIER_BY_NUMBER,
        _suppliers_by_number,
    ),
    transaction(
        "GetBasicData",
        "Get basic data",
        "*SUNO CONO",
        _SUPPLIER_BASIC,
        by_key("CIDMAS CIDVEN", _SUPPLIER_BASIC, "SUNO"),
    ),
)

CRS610MI = program(
    "CRS610MI",
    "Customer Interface",
    transaction("LstByNumber", "List by number", "CONO CUNO LMTS", _CUSTOMER_LIST, _customers),
    transaction(
        "GetBasicData",
        "Get basic data",
        "CONO *CUNO",
        _CUSTOMER_BASIC,
        by_key("OCUSMA", _CUSTOMER_BASIC, "CUNO"),
        ("Customer {CUNO} does not exist", "WCU0203"),
    ),
)
