"""Business classes and their fields (reference cloudsuite-api §4.2).

Verified there: the class names, and the fields of Vendor, PayablesInvoice (keys, dates, amount), GeneralLedgerChartAccount and
PayablesInvoicePayment as far as it names them. The other field names are invented after their pattern.
"""

from ml_connector_dagster.sandbox.ion.listings import Listing, companies_of, listing_of


#: When a record changed, in every class but totals: UTC, YYYYMMDDHHMMSSFF, as _fts and _tts are written.
STAMP = "UpdateStamp"

_GROUP = "FinanceEnterpriseGroup"

_DIMENSIONS = range(2, 8)


def _dimension(part: int) -> Listing:
    """FinanceDimension1 is the first part of the account string after the account."""
    name = f"FinanceDimension{part - 1}"
    return listing_of(
        name,
        "gl_dimensions",
        f"""
        AccountingEntity division
        {name} dimension_value
        Description name
        ShortDescription short_name
        DimensionGroup dimension_group
        Blocked is_blocked
        EffectiveDate valid_from
        ExpirationDate valid_to
        """,
        company=_GROUP,
        stamp=STAMP,
        condition=f"EAAITP = {part}",
    )


_ALL = (
    companies_of(_GROUP, _GROUP, "Description"),
    listing_of(
        "Vendor",
        "suppliers",
        """
        Vendor supplier_id
        VendorName name
        VendorStatus status
        VendorType supplier_type
        VendorClass supplier_group
        SearchName search_key
        Country country
        StateProvince state
        Telephone phone
        Language language
        Currency currency
        PaymentTerm payment_terms
        PaymentCode payment_method
        FreightTerm delivery_terms
        ShipVia delivery_method
        ValueAddedTaxRegistration vat_number
        TaxIdentification organization_number
        Buyer buyer
        RemitToVendor payee_id
        LastInvoiceDate last_invoice_date
        """,
        company="VendorGroup",
        stamp=STAMP,
    ),
    listing_of(
        "Customer",
        "customers",
        """
        Customer customer_id
        CustomerName name
        CustomerStatus status
        CustomerType customer_type
        CustomerClass customer_group
        AddressLine1 address_line_1
        AddressLine2 address_line_2
        City city
        PostalCode postal_code
        StateProvince state
        Country country
        Telephone phone
        EmailAddress email
        Language language
        Currency currency
        PaymentTerm payment_terms
        ValueAddedTaxRegistration vat_number
        TaxIdentification organization_number
        SalesRepresentative salesperson
        BillToCustomer payer_id
        CreditLimit credit_limit
        """,
        company="CustomerGroup",
        stamp=STAMP,
    ),
    listing_of(
        "Item",
        "items",
        """
        Item item_id
        Description name
        Description2 description
        ItemStatus status
        ItemType item_type
        ItemClass item_group
        ProductGroup product_group
        BusinessArea business_area
        StockUnitOfMeasure unit
        BuyUnitOfMeasure purchase_unit
        PriceUnitOfMeasure price_unit
        MakeOrBuy make_or_buy
        Responsible responsible
        BuyerGroup procurement_group
        NetWeight net_weight
        GrossWeight gross_weight
        Volume volume
        """,
        company="ItemGroup",
        stamp=STAMP,
    ),
    listing_of(
        "PurchaseOrder",
        "purchase_orders",
        """
        PurchaseOrder purchase_order_id
        Vendor supplier_id
        LowestStatus status_lowest
        Status status_highest
        PurchaseOrderType order_type
        PurchaseOrderDate order_date
        RequestedDeliveryDate requested_delivery_date
        Buyer buyer
        Currency currency
        PaymentTerm payment_terms
        FreightTerm delivery_terms
        ShipVia delivery_method
        AccountingEntity division
        Facility facility
        Location warehouse
        RemitToVendor payee_id
        Reference our_reference
        Project project
        NetAmount net_amount
        GrossAmount gross_amount
        """,
        company="Company",
        stamp=STAMP,
    ),
    listing_of(
        "PurchaseOrderLine",
        "purchase_order_lines",
        """
        PurchaseOrder purchase_order_id
        PurchaseOrderLine line_number
        PurchaseOrderSubline subline_number
        Vendor supplier_id
        Item item_id
        ItemDescription item_name
        VendorItem supplier_item_id
        LowestStatus status_lowest
        Status status_highest
        Facility facility
        Location warehouse
        UnitOfMeasure unit
        Quantity ordered_quantity
        ConfirmedQuantity confirmed_quantity
        ReceivedQuantity received_quantity
        MatchedQuantity invoiced_quantity
        RejectedQuantity rejected_quantity
        UnitCost unit_price
        ConfirmedUnitCost confirmed_price
        CostQuantity price_quantity
        ExtendedAmount line_amount
        RequestedDeliveryDate requested_delivery_date
        ConfirmedDeliveryDate confirmed_delivery_date
        LastReceiptDate received_date
        Buyer buyer
        Requester requester
        """,
        company="Company",
        stamp=STAMP,
    ),
    listing_of(
        "PayablesInvoice",
        "supplier_invoices",
        """
        AccountingEntity division
        Vendor supplier_id
        PayablesInvoice invoice_number
        InvoiceYear invoice_year
        RemitToVendor payee_id
        InvoiceType invoice_type
        InvoiceDate invoice_date
        DueDate due_date
        PostingDate accounting_date
        Currency currency
        InvoiceAmount amount
        TaxAmount vat_amount
        CurrencyRate exchange_rate
        JournalSeries voucher_series
        JournalNumber voucher_number
        PaymentTerm payment_terms
        PaymentCode payment_method
        Approved is_approved
        PaymentHold payment_stop
        """,
        company="Company",
        stamp=STAMP,
    ),
    listing_of(
        "PayablesInvoiceDetail",
        "supplier_invoice_lines",
        """
        AccountingEntity division
        InvoiceDocument invoice_batch_number
        PayablesInvoiceDetail line_number
        Vendor supplier_id
        PayablesInvoice invoice_number
        InvoiceYear invoice_year
        DetailType line_type
        PurchaseOrder purchase_order_id
        PurchaseOrderLine purchase_order_line_number
        PurchaseOrderSubline purchase_order_subline_number
        Item item_id
        Receipt receipt_number
        PackingSlip delivery_note
        Quantity invoiced_quantity
        UnitOfMeasure unit
        GrossUnitCost gross_price
        UnitCost net_price
        NetAmount net_amount
        GrossAmount gross_amount
        TaxAmount vat_amount
        """,
        company="Company",
        stamp=STAMP,
    ),
    listing_of(
        "PayablesInvoicePayment",
        "payments",
        """
        AccountingEntity division
        JournalYear journal_year
        JournalNumber journal_number
        JournalSequence journal_sequence
        Vendor supplier_id
        RemitToVendor payee_id
        PayablesInvoice invoice_number
        InvoiceYear invoice_year
        PaymentDate payment_date
        PostingDate accounting_date
        ToCurrency currency
        TransactionNetAmount amount
        CurrencyRate exchange_rate
        PaymentCode payment_method
        VoucherSeries voucher_series
        VoucherNumber voucher_number
        """,
        company="Company",
        stamp=STAMP,
    ),
    listing_of(
        "GeneralLedgerChartAccount",
        "gl_accounts",
        """
        AccountingEntity division
        GeneralLedgerChartAccount account_id
        AccountDescription name
        ShortDescription short_name
        AccountGroup account_group
        BalanceSheetAccount is_balance_sheet
        IncomeStatementAccount is_profit_and_loss
        Blocked is_blocked
        Currency currency
        EffectiveDate valid_from
        ExpirationDate valid_to
        """,
        company=_GROUP,
        stamp=STAMP,
    ),
    *(_dimension(part) for part in _DIMENSIONS),
    listing_of(
        "GeneralLedgerTotal",
        "gl_balances",
        """
        AccountingEntity division
        Ledger balance_key
        FinanceCodeBlock combination_id
        GeneralLedgerYear year
        AccountingPeriod period
        ValueType value_type
        GeneralLedgerChartAccount account_id
        FinanceDimension1 dimension_2
        FinanceDimension2 dimension_3
        FinanceDimension3 dimension_4
        FinanceDimension4 dimension_5
        FinanceDimension5 dimension_6
        FinanceDimension6 dimension_7
        FunctionalDebitAmount debit
        FunctionalCreditAmount credit
        TransactionDebitAmount debit_currency
        TransactionCreditAmount credit_currency
        """,
        company=_GROUP,
    ),
)

#: Business class → its list.
CLASSES: dict[str, Listing] = {listing.name: listing for listing in _ALL}
