"""Which rows and columns of the ERP are which canonical entity: the sandbox's own reading of both.

Written from the entities' published column names, not from any code that reads the API; so a mistake on either side shows.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Literal

from ml_connector_dagster.sandbox.erp.calendar import day_of
from ml_connector_dagster.sandbox.erp.tables import TABLES, Table


Value = str | int | Decimal | date | bool | None
Kind = Literal["text", "division", "integer", "decimal", "negated", "date", "flag"]

_KINDS: dict[str, Kind] = {
    "t": "text",
    "v": "division",
    "i": "integer",
    "d": "decimal",
    "n": "negated",
    "D": "date",
    "f": "flag",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One entity. ``columns`` are (canonical name, SQL expression, kind)."""

    entity: str
    table: Table
    joined: str
    condition: str
    key: tuple[str, ...]
    columns: tuple[tuple[str, str, Kind], ...]
    totals: tuple[str, ...]
    stamp: str  # SQL of the change date


def _source(
    entity: str,
    table: str,
    key: str,
    columns: str,
    *,
    joined: str = "",
    condition: str = "1 = 1",
    totals: str = "",
    stamp: str = "",
) -> Source:
    found: list[tuple[str, str, Kind]] = []
    for line in columns.strip().splitlines():
        name, expression, kind = line.split()
        found.append((name, "NULL" if expression == "-" else expression, _KINDS[kind]))
    return Source(
        entity=entity,
        table=TABLES[table],
        joined=joined,
        condition=condition,
        key=tuple(key.split()),
        columns=tuple(found),
        totals=tuple(totals.split()),
        stamp=stamp or f"{TABLES[table].prefix}LMDT",
    )


_ALL = (
    _source(
        "suppliers",
        "CIDMAS",
        "supplier_id",
        """
        supplier_id IDSUNO t
        name IDSUNM t
        status IDSTAT t
        supplier_type IDSUTY t
        supplier_group IISUCL t
        search_key IDALSU t
        country IDCSCD t
        state IDECAR t
        phone IDPHNO t
        language IDLNCD t
        currency IICUCD t
        payment_terms IITEPY t
        payment_method IIPYME t
        delivery_terms IITEDL t
        delivery_method IIMODL t
        vat_number IDVRNO t
        organization_number IDCORG t
        buyer IIBUYE t
        payee_id IIPRSU t
        last_invoice_date IILIDT D
        """,
        joined="JOIN CIDVEN ON IICONO = IDCONO AND IISUNO = IDSUNO",
        stamp="max(IDLMDT, IILMDT)",
    ),
    _source(
        "customers",
        "OCUSMA",
        "customer_id",
        """
        customer_id OKCUNO t
        name OKCUNM t
        status OKSTAT t
        customer_type OKCUTP t
        customer_group OKCUCL t
        address_line_1 OKCUA1 t
        address_line_2 OKCUA2 t
        city OKTOWN t
        postal_code OKPONO t
        state OKECAR t
        country OKCSCD t
        phone OKPHNO t
        email OKMAIL t
        language OKLNCD t
        currency OKCUCD t
        payment_terms OKTEPY t
        vat_number OKVRNO t
        organization_number OKCORG t
        salesperson OKSMCD t
        payer_id OKPYNO t
        credit_limit OKCRLM d
        """,
    ),
    _source(
        "items",
        "MITMAS",
        "item_id",
        """
        item_id MMITNO t
        name MMITDS t
        description MMFUDS t
        status MMSTAT t
        item_type MMITTY t
        item_group MMITGR t
        product_group MMITCL t
        business_area MMBUAR t
        unit MMUNMS t
        purchase_unit MMPUUN t
        price_unit MMPPUN t
        make_or_buy MMMABU t
        responsible MMRESP t
        procurement_group MMPRGP t
        net_weight MMNEWE d
        gross_weight MMGRWE d
        volume MMVOL3 d
        """,
    ),
    _source(
        "purchase_orders",
        "MPHEAD",
        "purchase_order_id",
        """
        purchase_order_id IAPUNO t
        supplier_id IASUNO t
        status_lowest IAPUSL t
        status_highest IAPUST t
        order_type IAORTY t
        order_date IAPUDT D
        requested_delivery_date IADWDT D
        buyer IABUYE t
        currency IACUCD t
        payment_terms IATEPY t
        delivery_terms IATEDL t
        delivery_method IAMODL t
        division IADIVI t
        facility IAFACI t
        warehouse IAWHLO t
        payee_id IAPRSU t
        our_reference IAOURR t
        project IAPROJ t
        net_amount IANTAM d
        gross_amount IABRAM d
        """,
        totals="net_amount",
    ),
    _source(
        "purchase_order_lines",
        "MPLINE",
        "purchase_order_id line_number subline_number",
        """
        purchase_order_id IBPUNO t
        line_number IBPNLI i
        subline_number IBPNLS i
        supplier_id IBSUNO t
        item_id IBITNO t
        item_name IBPITD t
        supplier_item_id IBSITE t
        status_lowest IBPUSL t
        status_highest IBPUST t
        facility IBFACI t
        warehouse IBWHLO t
        unit IBPUUN t
        ordered_quantity IBORQA d
        confirmed_quantity IBCFQA d
        received_quantity IBRVQA d
        invoiced_quantity IBIVQA d
        rejected_quantity IBRJQA d
        unit_price IBPUPR d
        confirmed_price IBCPPR d
        price_quantity IBPUCD i
        line_amount IBLNAM d
        requested_delivery_date IBDWDT D
        confirmed_delivery_date IBCODT D
        received_date IBRCDT D
        buyer IBBUYE t
        requester IBPURC t
        """,
        totals="ordered_quantity line_amount",
    ),
    _source(
        "supplier_invoices",
        "FPLEDG",
        "division supplier_id invoice_number invoice_year",
        """
        division EPDIVI v
        supplier_id EPSUNO t
        invoice_number EPSINO t
        invoice_year EPINYR i
        payee_id EPSPYN t
        invoice_type EPIVTP t
        invoice_date EPIVDT D
        due_date EPDUDT D
        accounting_date EPACDT D
        currency EPCUCD t
        amount EPCUAM n
        vat_amount EPVTAM d
        exchange_rate EPARAT d
        voucher_series EPVSER t
        voucher_number EPVONO i
        payment_terms EPTEPY t
        payment_method EPPYME t
        is_approved EPAPRV f
        payment_stop EPIVBL t
        purchase_order_id - t
        """,
        condition="EPTRCD = 40",
        totals="amount vat_amount",
    ),
    _source(
        "supplier_invoice_lines",
        "FAPIBL",
        "division invoice_batch_number line_number",
        """
        division E6DIVI v
        invoice_batch_number E6INBN t
        line_number E6TRNO i
        supplier_id E6SUNO t
        invoice_number E6SINO t
        invoice_year E6INYR i
        line_type E6RDTP t
        purchase_order_id E6PUNO t
        purchase_order_line_number E6PNLI i
        purchase_order_subline_number E6PNLS i
        item_id E6ITNO t
        receipt_number E6REPN t
        delivery_note E6SUDO t
        invoiced_quantity E6IVQA d
        unit E6PUUN t
        gross_price E6GRPR d
        net_price E6NEPR d
        net_amount E6NLAM d
        gross_amount E6GLAM d
        vat_amount E6VTA1 d
        """,
        totals="net_amount",
    ),
    _source(
        "payments",
        "FPLEDG",
        "division journal_year journal_number journal_sequence",
        """
        division EPDIVI v
        journal_year EPYEA4 i
        journal_number EPJRNO i
        journal_sequence EPJSNO i
        supplier_id EPSUNO t
        payee_id EPSPYN t
        invoice_number EPSINO t
        invoice_year EPINYR i
        payment_date EPIVDT D
        accounting_date EPACDT D
        currency EPCUCD t
        amount EPCUAM d
        exchange_rate EPARAT d
        payment_method EPPYME t
        voucher_series EPVSER t
        voucher_number EPVONO i
        """,
        condition="EPTRCD = 50",
        totals="amount",
    ),
    _source(
        "gl_accounts",
        "FCHACC",
        "division account_id",
        """
        division EADIVI v
        account_id EAAITM t
        name EATX40 t
        short_name EATX15 t
        account_group EAAICL t
        is_balance_sheet EAAT01 f
        is_profit_and_loss EAAT02 f
        is_blocked EALCCD f
        currency EACUCD t
        valid_from EAVFDT D
        valid_to EAVTDT D
        """,
        condition="EAAITP = 1",
    ),
    _source(
        "gl_dimensions",
        "FCHACC",
        "division dimension dimension_value",
        """
        division EADIVI v
        dimension EAAITP i
        dimension_value EAAITM t
        name EATX40 t
        short_name EATX15 t
        dimension_group EAAICL t
        is_blocked EALCCD f
        valid_from EAVFDT D
        valid_to EAVTDT D
        """,
        condition="EAAITP BETWEEN 2 AND 7",
    ),
    _source(
        "gl_balances",
        "BALANCES",
        "division balance_key combination_id year period value_type",
        """
        division X2DIVI v
        balance_key X2BAKY t
        combination_id X2PTID t
        year X2YEA4 i
        period X2PERI i
        value_type X2VTYP t
        account_id X1BIT1 t
        dimension_2 X1BIT2 t
        dimension_3 X1BIT3 t
        dimension_4 X1BIT4 t
        dimension_5 X1BIT5 t
        dimension_6 X1BIT6 t
        dimension_7 X1BIT7 t
        debit X2ACAD d
        credit X2ACAC d
        debit_currency X2CUAD d
        credit_currency X2CUAC d
        """,
        joined="JOIN BALANCE_KEYS ON X1CONO = X2CONO AND X1PTID = X2PTID",
        totals="debit credit",
    ),
)

#: Canonical entity name → where it lives.
SOURCES: dict[str, Source] = {source.entity: source for source in _ALL}


def typed(value: int | str | None, kind: Kind) -> Value:
    """A stored value as its canonical type; what cannot be read as it is None."""
    text = "" if value is None else str(value).strip()
    if kind == "division":
        return text
    if text == "":
        return None
    if kind == "text":
        return text
    if kind == "date":
        return day_of(text)
    if kind == "flag":
        return {"1": True, "0": False}.get(text)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if kind == "integer":
        return int(number)
    # Nothing is written as "0" whatever its sign.
    return -number if kind == "negated" and number else number
