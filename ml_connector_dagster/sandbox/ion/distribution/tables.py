"""Tables and their fields (reference cloudsuite-api §4.3).

Table names are those of the reference; field names follow the short ones that it names (cono, vendno, custno, prod, whse, pono,
posuf, lineno, qtyord, price) and are invented otherwise. There is no table of invoice lines and none of account parts.
"""

from dataclasses import replace

from ml_connector_dagster.sandbox.ion.listings import (
    ListedField,
    Listing,
    companies_of,
    listing_of,
)


#: When a row changed: a date and HHMM, both from the same moment.
STAMP_DATE = "transdt"
STAMP_TIME = "transtm"


def _numbered(listing: Listing) -> Listing:
    """A company is a number here."""
    number = replace(listing.fields["cono"], kind="integer")
    return replace(listing, fields={**listing.fields, "cono": number})


def _table(name: str, entity: str, names: str) -> Listing:
    return _numbered(listing_of(name, entity, names, company="cono", stamp=STAMP_DATE))


def _ledger() -> Listing:
    """apet: invoices (transcd 0) and payments (transcd 3) in one table. What is owed counts up, what was paid counts down."""
    entries = _table(
        "apet",
        "supplier_invoices",
        """
        divno division
        vendno supplier_id
        apinvno invoice_number
        invyr invoice_year
        payto payee_id
        invtype invoice_type
        invdt invoice_date
        duedt due_date
        postdt accounting_date
        currencyty currency
        amount amount
        taxamt vat_amount
        exchgrate exchange_rate
        vchrser voucher_series
        vchrno voucher_number
        termstype payment_terms
        paytype payment_method
        approvefl is_approved
        paystop payment_stop
        """,
    )
    journal = _table(
        "apet",
        "payments",
        """
        jrnlyr journal_year
        jrnlno journal_number
        jrnlseq journal_sequence
        paymtdt payment_date
        """,
    )
    code = ListedField(sql="CASE EPTRCD WHEN 40 THEN 0 ELSE 3 END", kind="integer")
    return replace(
        entries, condition="1 = 1", fields={**entries.fields, **journal.fields, "transcd": code}
    )


_ALL = (
    _numbered(companies_of("sasc", "cono", "conm")),
    _table(
        "apsv",
        "suppliers",
        """
        vendno supplier_id
        name name
        statustype status
        vendtype supplier_type
        vendgrp supplier_group
        lookupnm search_key
        countrycd country
        state state
        phoneno phone
        langcd language
        currencyty currency
        termstype payment_terms
        paytype payment_method
        fobcd delivery_terms
        shipviaty delivery_method
        vatregno vat_number
        fedtaxid organization_number
        buyer buyer
        payto payee_id
        lastinvdt last_invoice_date
        """,
    ),
    _table(
        "arsc",
        "customers",
        """
        custno customer_id
        name name
        statustype status
        custtype customer_type
        custgrp customer_group
        addr1 address_line_1
        addr2 address_line_2
        city city
        zipcd postal_code
        state state
        countrycd country
        phoneno phone
        email email
        langcd language
        currencyty currency
        termstype payment_terms
        vatregno vat_number
        fedtaxid organization_number
        slsrepout salesperson
        billto payer_id
        credlim credit_limit
        """,
    ),
    _table(
        "icsp",
        "items",
        """
        prod item_id
        descrip1 name
        descrip2 description
        statustype status
        prodtype item_type
        prodcat item_group
        prodline product_group
        busarea business_area
        unitstock unit
        unitbuy purchase_unit
        unitprice price_unit
        makebuy make_or_buy
        responsible responsible
        buyergrp procurement_group
        weight net_weight
        grossweight gross_weight
        cubes volume
        """,
    ),
    _table(
        "poeh",
        "purchase_orders",
        """
        pono purchase_order_id
        vendno supplier_id
        stagelow status_lowest
        stagecd status_highest
        transtype order_type
        orderdt order_date
        reqshipdt requested_delivery_date
        buyer buyer
        currencyty currency
        termstype payment_terms
        fobcd delivery_terms
        shipviaty delivery_method
        divno division
        facility facility
        whse warehouse
        payto payee_id
        refer our_reference
        project project
        totnetamt net_amount
        totgrossamt gross_amount
        """,
    ),
    _table(
        "poel",
        "purchase_order_lines",
        """
        pono purchase_order_id
        lineno line_number
        posuf subline_number
        vendno supplier_id
        shipprod item_id
        proddesc item_name
        vendprod supplier_item_id
        stagelow status_lowest
        stagecd status_highest
        facility facility
        whse warehouse
        unit unit
        qtyord ordered_quantity
        qtyconf confirmed_quantity
        qtyrcv received_quantity
        qtyinv invoiced_quantity
        qtyrej rejected_quantity
        price unit_price
        priceconf confirmed_price
        pricepack price_quantity
        netamt line_amount
        reqshipdt requested_delivery_date
        expshipdt confirmed_delivery_date
        receiptdt received_date
        buyer buyer
        requester requester
        """,
    ),
    _ledger(),
    _table(
        "glsa",
        "gl_accounts",
        """
        divno division
        acctno account_id
        descrip name
        shortdesc short_name
        acctgrp account_group
        balshtfl is_balance_sheet
        plfl is_profit_and_loss
        blockedfl is_blocked
        currencyty currency
        effectdt valid_from
        expiredt valid_to
        """,
    ),
    _table(
        "glsb",
        "gl_balances",
        """
        divno division
        balkey balance_key
        combno combination_id
        yr year
        per period
        valtype value_type
        acctno account_id
        dim2 dimension_2
        dim3 dimension_3
        dim4 dimension_4
        dim5 dimension_5
        dim6 dimension_6
        dim7 dimension_7
        debitamt debit
        creditamt credit
        debitcur debit_currency
        creditcur credit_currency
        """,
    ),
)

#: Table → its list.
TABLES: dict[str, Listing] = {listing.name: listing for listing in _ALL}
