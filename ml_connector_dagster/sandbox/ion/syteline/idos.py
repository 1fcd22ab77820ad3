"""IDOs and their properties (reference cloudsuite-api §3.5).

Verified there: the IDOs' names and the properties it marks V. What the base product has no property for stands in one
that the site has added to it (``Uf_…``), so that one truth is seen through every dialect; other names are invented
after the pattern of the rest.
"""

from dataclasses import replace

from ml_connector_dagster.sandbox.ion.listings import ListedField, Listing, listing_of


_SITE = "SiteRef"

#: The last change, as the site's clock showed it.
STAMP = "RecordDate"
POINTER = "RowPointer"

#: Keys that are kept right-justified, and how wide.
WIDTHS = {"VendNum": 7, "CustNum": 7, "PoNum": 10, "PoVendNum": 7}


def _ido(
    name: str, entity: str, properties: str, condition: str = "", *, stamp: str = STAMP
) -> Listing:
    listing = listing_of(name, entity, properties, company=_SITE, stamp=stamp, condition=condition)
    key = " || '/' || ".join(listing.key)
    # Only the IDOs of all sites have SiteRef.
    fields = {name: field for name, field in listing.fields.items() if name != _SITE}
    if name == "SLCustomers":
        fields["CustSeq"] = ListedField(sql="0", kind="integer")
    fields[POINTER] = ListedField(sql=f"row_guid('{name}/' || {key})", kind="text")
    return replace(listing, fields=fields)


def _unit_codes(part: int) -> Listing:
    """Unit code 1 is the first part of the account string after the account."""
    return _ido(
        f"SLChartUnitcd{part - 1}s",
        "gl_dimensions",
        f"""
        Uf_Division division
        UnitCode{part - 1} dimension_value
        Description name
        Uf_ShortName short_name
        Uf_Group dimension_group
        Uf_Blocked is_blocked
        EffDate valid_from
        ObsDate valid_to
        """,
        f"EAAITP = {part}",
    )


def _posted() -> Listing:
    """Posted vouchers and payments stand in one IDO, told apart by Type."""
    vouchers = _ido(
        "SLAptrxps",
        "supplier_invoices",
        """
        Uf_Division division
        VendNum supplier_id
        InvNum invoice_number
        Uf_FiscalYear invoice_year
        Uf_RemitVendNum payee_id
        Uf_InvType invoice_type
        InvDate invoice_date
        DueDate due_date
        DistDate accounting_date
        CurrCode currency
        InvAmt amount
        SalesTax vat_amount
        ExchRate exchange_rate
        Uf_VoucherSeries voucher_series
        Voucher voucher_number
        TermsCode payment_terms
        PayType payment_method
        Uf_Approved is_approved
        Uf_PayHold payment_stop
        PoNum purchase_order_id
        """,
    )
    payments = _ido(
        "SLAptrxps",
        "payments",
        """
        Uf_JournalYear journal_year
        Uf_JournalNum journal_number
        VouchSeq journal_sequence
        CheckDate payment_date
        AmtPaid amount
        """,
    )
    kind = ListedField(sql="CASE EPTRCD WHEN 50 THEN 'P' ELSE 'V' END", kind="text")
    return replace(
        vouchers,
        condition=f"({vouchers.condition} OR {payments.condition})",
        fields={**payments.fields, **vouchers.fields, "Type": kind},
    )


_ALL = (
    _ido(
        "SLVendors",
        "suppliers",
        """
        VendNum supplier_id
        Name name
        Stat status
        Uf_VendType supplier_type
        Category supplier_group
        Uf_SearchKey search_key
        VadCountry country
        VadState state
        Phone phone
        LangCode language
        CurrCode currency
        TermsCode payment_terms
        PayType payment_method
        Delterm delivery_terms
        ShipCode delivery_method
        TaxRegNum1 vat_number
        TaxRegNum2 organization_number
        Buyer buyer
        Uf_RemitVendNum payee_id
        LastPurch last_invoice_date
        """,
    ),
    _ido(
        "SLCustomers",
        "customers",
        """
        CustNum customer_id
        Name name
        Stat status
        CustType customer_type
        Uf_Group customer_group
        Addr_1 address_line_1
        Addr_2 address_line_2
        City city
        Zip postal_code
        State state
        Country country
        Phone_1 phone
        ExternalEmailAddr email
        LangCode language
        CurrCode currency
        TermsCode payment_terms
        TaxRegNum1 vat_number
        TaxRegNum2 organization_number
        Slsman salesperson
        CorpCust payer_id
        CreditLimit credit_limit
        """,
    ),
    _ido(
        "SLItems",
        "items",
        """
        Item item_id
        Description name
        Overview description
        Stat status
        MatlType item_type
        ProductCode item_group
        FamilyCode product_group
        Uf_BusinessArea business_area
        UM unit
        Uf_PurchaseUM purchase_unit
        Uf_PriceUM price_unit
        PMTCode make_or_buy
        Uf_Responsible responsible
        CommCode procurement_group
        UnitWeight net_weight
        Uf_GrossWeight gross_weight
        Uf_Volume volume
        """,
    ),
    _ido(
        "SLPos",
        "purchase_orders",
        """
        PoNum purchase_order_id
        VendNum supplier_id
        Uf_LowestStat status_lowest
        Stat status_highest
        Type order_type
        OrderDate order_date
        DueDate requested_delivery_date
        Buyer buyer
        PoCurrCode currency
        TermsCode payment_terms
        Delterm delivery_terms
        ShipCode delivery_method
        Uf_Division division
        Uf_Facility facility
        Whse warehouse
        Uf_RemitVendNum payee_id
        VendOrder our_reference
        Uf_Project project
        PoCost net_amount
        Uf_GrossCost gross_amount
        """,
    ),
    _ido(
        "SLPoItems",
        "purchase_order_lines",
        """
        PoNum purchase_order_id
        PoLine line_number
        PoRelease subline_number
        PoVendNum supplier_id
        Item item_id
        ItmDescription item_name
        VendItem supplier_item_id
        Uf_LowestStat status_lowest
        Stat status_highest
        Uf_Facility facility
        Whse warehouse
        UM unit
        QtyOrderedConv ordered_quantity
        Uf_QtyConfirmed confirmed_quantity
        QtyReceived received_quantity
        QtyVoucher invoiced_quantity
        QtyRejected rejected_quantity
        UnitMatCostConv unit_price
        Uf_ConfirmedCost confirmed_price
        Uf_CostQty price_quantity
        Uf_ExtCost line_amount
        DueDate requested_delivery_date
        PromiseDate confirmed_delivery_date
        RcvdDate received_date
        Uf_Buyer buyer
        Uf_Requester requester
        """,
    ),
    _posted(),
    _ido(
        "SLVchItemAlls",
        "supplier_invoice_lines",
        """
        Uf_Division division
        Voucher invoice_batch_number
        VouchSeq line_number
        VendNum supplier_id
        InvNum invoice_number
        Uf_FiscalYear invoice_year
        Uf_LineType line_type
        PoNum purchase_order_id
        PoLine purchase_order_line_number
        PoRelease purchase_order_subline_number
        Item item_id
        GrnNum receipt_number
        PackNum delivery_note
        QtyVouchered invoiced_quantity
        UM unit
        Uf_GrossCost gross_price
        ItemCost net_price
        Uf_NetAmt net_amount
        Uf_GrossAmt gross_amount
        Uf_TaxAmt vat_amount
        """,
    ),
    _ido(
        "SLCharts",
        "gl_accounts",
        """
        Uf_Division division
        Acct account_id
        Description name
        Uf_ShortName short_name
        ChaType account_group
        Uf_BalanceSheet is_balance_sheet
        Uf_ProfitLoss is_profit_and_loss
        Uf_Blocked is_blocked
        Uf_CurrCode currency
        EffDate valid_from
        ObsDate valid_to
        """,
    ),
    *(_unit_codes(part) for part in range(2, 6)),
    _ido(
        "GLAcctPeriodBalances",
        "gl_balances",
        """
        Uf_Division division
        Uf_BalanceKey balance_key
        Uf_CombinationId combination_id
        FiscalYear year
        FiscalPeriod period
        Uf_ValueType value_type
        Acct account_id
        AcctUnit1 dimension_2
        AcctUnit2 dimension_3
        AcctUnit3 dimension_4
        AcctUnit4 dimension_5
        Uf_AcctUnit5 dimension_6
        Uf_AcctUnit6 dimension_7
        Debit debit
        Credit credit
        Uf_DebitCurr debit_currency
        Uf_CreditCurr credit_currency
        """,
        stamp="",  # summed up from the ledger: no row of its own, no time of change
    ),
)

#: IDO name → IDO.
IDOS = {listing.name: listing for listing in _ALL}
