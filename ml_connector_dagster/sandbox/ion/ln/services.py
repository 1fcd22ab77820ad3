"""OData services, their entity sets and properties (reference cloudsuite-api §4.1).

Named there: services, sets, the keys of Orders and Lines, and the properties BusinessPartner, Name,
BusinessPartnerStatus, PurchaseOrder, BuyfromBusinessPartner and OrderDate. The other names are invented after their
pattern. There is none for finance: payables, payments and the ledger are not to be had by OData.
"""

from dataclasses import dataclass, replace

from ml_connector_dagster.sandbox.ion.listings import ListedField, Listing, listing_of


_COMPANY = "Company"

#: An item code begins with the nine places of its project segment; here no item belongs to a project.
PROJECT_SEGMENT = " " * 9


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySet:
    """One set of a service. ``key``: its key properties, which are also its order; ``items``: properties with item codes."""

    service: str
    type: str
    listing: Listing
    key: tuple[str, ...]
    stamp: str
    items: frozenset[str] = frozenset()


def _set(
    service: str,
    name: str,
    entity_type: str,
    entity: str,
    key: str,
    properties: str,
    *,
    stamp: str,
    items: str = "",
) -> EntitySet:
    listing = listing_of(name, entity, properties, company=_COMPANY, stamp=stamp)
    fields = {name: field for name, field in listing.fields.items() if name != _COMPANY}
    for item in items.split():
        sql = fields[item].sql
        fields[item] = replace(
            fields[item],
            sql=f"CASE {sql} WHEN '' THEN '' ELSE '{PROJECT_SEGMENT}' || trim({sql}) END",
        )
    # LN keeps moments as whole seconds.
    fields[stamp] = ListedField(sql=f"{listing.stamp} / 1000", kind="stamp")
    return EntitySet(
        service=service,
        type=entity_type,
        listing=replace(listing, fields=fields),
        key=tuple(key.split()),
        stamp=stamp,
        items=frozenset(items.split()),
    )


_ALL = (
    _set(
        "tcapi.comBusinessPartner",
        "BuyfromBusinessPartners",
        "BuyfromBusinessPartner",
        "suppliers",
        "BusinessPartner",
        """
        BusinessPartner supplier_id
        Name name
        BusinessPartnerStatus status
        BusinessPartnerType supplier_type
        FinancialSupplierGroup supplier_group
        SearchKey search_key
        Country country
        State state
        Telephone phone
        Language language
        Currency currency
        TermsOfPayment payment_terms
        PaymentMethod payment_method
        TermsOfDelivery delivery_terms
        Carrier delivery_method
        TaxNumber vat_number
        RegistrationNumber organization_number
        Buyer buyer
        PaytoBusinessPartner payee_id
        LastInvoiceDate last_invoice_date
        """,
        stamp="LastModificationDate",
    ),
    _set(
        "tcapi.comBusinessPartner",
        "SoldtoBusinessPartners",
        "SoldtoBusinessPartner",
        "customers",
        "BusinessPartner",
        """
        BusinessPartner customer_id
        Name name
        BusinessPartnerStatus status
        BusinessPartnerType customer_type
        FinancialCustomerGroup customer_group
        AddressLine1 address_line_1
        AddressLine2 address_line_2
        City city
        PostalCode postal_code
        State state
        Country country
        Telephone phone
        Email email
        Language language
        Currency currency
        TermsOfPayment payment_terms
        TaxNumber vat_number
        RegistrationNumber organization_number
        SalesRepresentative salesperson
        PaybyBusinessPartner payer_id
        CreditLimit credit_limit
        """,
        stamp="LastModificationDate",
    ),
    _set(
        "tcapi.ibdItem",
        "Items",
        "Item",
        "items",
        "Item",
        """
        Item item_id
        Description name
        SecondDescription description
        Status status
        ItemType item_type
        ItemGroup item_group
        ProductType product_group
        ProductClass business_area
        InventoryUnit unit
        PurchaseUnit purchase_unit
        PurchasePriceUnit price_unit
        MakeOrBuy make_or_buy
        Planner responsible
        PurchaseOffice procurement_group
        Weight net_weight
        GrossWeight gross_weight
        Volume volume
        """,
        stamp="DateOfLastModification",
        items="Item",
    ),
    _set(
        "tdapi.purPurchaseOrder",
        "Orders",
        "Order",
        "purchase_orders",
        "PurchaseOrder",
        """
        PurchaseOrder purchase_order_id
        BuyfromBusinessPartner supplier_id
        LowestStatus status_lowest
        OrderStatus status_highest
        OrderType order_type
        OrderDate order_date
        PlannedReceiptDate requested_delivery_date
        Buyer buyer
        Currency currency
        TermsOfPayment payment_terms
        TermsOfDelivery delivery_terms
        Carrier delivery_method
        FinancialDepartment division
        Site facility
        Warehouse warehouse
        PaytoBusinessPartner payee_id
        Reference our_reference
        Project project
        OrderAmount net_amount
        GrossOrderAmount gross_amount
        """,
        stamp="LastModificationDateTime",
    ),
    _set(
        "tdapi.purPurchaseOrder",
        "Lines",
        "Line",
        "purchase_order_lines",
        "PurchaseOrder Line Sequence",
        """
        PurchaseOrder purchase_order_id
        Line line_number
        Sequence subline_number
        BuyfromBusinessPartner supplier_id
        Item item_id
        ItemDescription item_name
        SupplierItem supplier_item_id
        LowestStatus status_lowest
        LineStatus status_highest
        Site facility
        Warehouse warehouse
        PurchaseUnit unit
        OrderedQuantity ordered_quantity
        ConfirmedQuantity confirmed_quantity
        ReceivedQuantity received_quantity
        InvoicedQuantity invoiced_quantity
        RejectedQuantity rejected_quantity
        Price unit_price
        ConfirmedPrice confirmed_price
        PriceQuantity price_quantity
        OrderAmount line_amount
        PlannedReceiptDate requested_delivery_date
        ConfirmedReceiptDate confirmed_delivery_date
        ActualReceiptDate received_date
        Buyer buyer
        Requester requester
        """,
        stamp="LastModificationDateTime",
        items="Item",
    ),
)

#: (service, set) → the set.
SETS = {(one.service, one.listing.name): one for one in _ALL}
