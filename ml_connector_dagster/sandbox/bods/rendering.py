"""Records as business object documents (reference cloudsuite-api §6.2, §6.3); what is marked inferred there is so here."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from xml.etree import ElementTree as Xml

from ml_connector_dagster.sandbox.erp.sources import Value


NAMESPACE = "http://schema.infor.com/InforOAGIS/2"

Row = Mapping[str, Value]


def text_of(value: Value) -> str:
    """As XML Schema writes it; a date as the midnight of its day."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00Z"
    return str(value)


def put(parent: Xml.Element, path: str, value: Value, **attributes: str) -> Xml.Element:
    """Add the elements of ``path`` below ``parent`` with the value in the last; those that are there are used."""
    *above, last = path.split("/")
    for name in above:
        found = parent.find(name)
        parent = Xml.SubElement(parent, name) if found is None else found
    element = Xml.SubElement(parent, last, attributes)
    element.text = text_of(value)
    return element


def envelope(
    verb: str,
    noun: str,
    *,
    action: str,
    tenant: str,
    accounting_entity: str,
    message_id: str,
    created_at: datetime,
) -> tuple[Xml.Element, Xml.Element]:
    """A document without content, and its noun."""
    root = Xml.Element(
        f"{verb}{noun}",
        {"xmlns": NAMESPACE, "releaseID": "9.2", "versionID": "2.14.0", "languageCode": "en-US"},
    )
    put(root, "ApplicationArea/Sender/LogicalID", "lid://infor.m3.m3")
    put(root, "ApplicationArea/CreationDateTime", created_at.isoformat().replace("+00:00", "Z"))
    put(root, "ApplicationArea/BODID", message_id)
    put(root, f"DataArea/{verb}/TenantID", tenant)
    put(root, f"DataArea/{verb}/AccountingEntityID", accounting_entity)
    put(root, f"DataArea/{verb}/LocationID", "")
    put(root, f"DataArea/{verb}/ActionCriteria/ActionExpression", "", actionCode=action)
    return root, put(root, f"DataArea/{noun}", "")


def supplier(noun: Xml.Element, row: Row, lines: Sequence[Row], variation: str) -> None:
    """SupplierPartyMaster."""
    del lines
    put(noun, "PartyIDs/ID", row["supplier_id"], variationID=variation)
    put(noun, "PartyIDs/TaxID", row["vat_number"])
    put(noun, "Name", row["name"])
    put(noun, "Status/Code", row["status"])
    phone = Xml.SubElement(noun, "Communication")
    put(phone, "ChannelCode", "Phone")
    put(phone, "DialNumber", row["phone"])
    put(noun, "Location/Address/CountryCode", row["country"])
    put(noun, "PaymentTermID", row["payment_terms"])
    put(noun, "PaymentMethodCode", row["payment_method"])
    put(noun, "BuyerPersonReference/IDs/ID", row["buyer"])
    put(noun, "Classification/Codes/Code", row["supplier_group"], listID="Supplier Group")


def customer(noun: Xml.Element, row: Row, lines: Sequence[Row], variation: str) -> None:
    """CustomerPartyMaster."""
    del lines
    put(noun, "PartyIDs/ID", row["customer_id"], variationID=variation)
    put(noun, "PartyIDs/TaxID", row["vat_number"])
    put(noun, "Name", row["name"])
    put(noun, "Status/Code", row["status"])
    phone = Xml.SubElement(noun, "Communication")
    put(phone, "ChannelCode", "Phone")
    put(phone, "DialNumber", row["phone"])
    put(noun, "Location/Address/CityName", row["city"])
    put(noun, "Location/Address/PostalCode", row["postal_code"])
    put(noun, "Location/Address/CountryCode", row["country"])
    put(noun, "PaymentTermID", row["payment_terms"])


def item(noun: Xml.Element, row: Row, lines: Sequence[Row], variation: str) -> None:
    """ItemMaster."""
    del lines
    put(noun, "ItemMasterHeader/ItemID/ID", row["item_id"], variationID=variation)
    put(noun, "ItemMasterHeader/Description", row["name"])
    put(noun, "ItemMasterHeader/BaseUOMCode", row["unit"])
    put(noun, "ItemMasterHeader/ItemStatus/Code", row["status"])
    put(noun, "ItemMasterHeader/Classification/Codes/Code", row["item_group"], listID="Item Group")


def purchase_order(noun: Xml.Element, row: Row, lines: Sequence[Row], variation: str) -> None:
    """PurchaseOrder, with its lines."""
    head = Xml.SubElement(noun, "PurchaseOrderHeader")
    put(head, "DocumentID/ID", row["purchase_order_id"], variationID=variation)
    put(head, "Status/Code", row["status_lowest"])
    put(head, "SupplierParty/PartyIDs/ID", row["supplier_id"])
    put(head, "OrderDateTime", row["order_date"])
    put(head, "RequiredDeliveryDateTime", row["requested_delivery_date"])
    put(head, "ExtendedAmount", row["net_amount"], currencyID=text_of(row["currency"]))
    place = put(head, "ShipToParty/Location", "", type="Warehouse")
    put(place, "ID", row["warehouse"])
    for one in lines:
        line = Xml.SubElement(noun, "PurchaseOrderLine")
        put(line, "LineNumber", one["line_number"])
        put(line, "SubLineNumber", one["subline_number"])
        put(line, "Item/ItemID/ID", one["item_id"])
        put(line, "Item/Description", one["item_name"])
        put(line, "Quantity", one["ordered_quantity"], unitCode=text_of(one["unit"]))
        put(line, "ReceivedQuantity", one["received_quantity"])
        put(line, "UnitPrice/Amount", one["unit_price"], currencyID=text_of(row["currency"]))
        put(line, "UnitPrice/PerQuantity", one["price_quantity"])
        put(line, "ExtendedAmount", one["line_amount"])
        put(line, "PromisedDeliveryDateTime", one["confirmed_delivery_date"])


def supplier_invoice(noun: Xml.Element, row: Row, lines: Sequence[Row], variation: str) -> None:
    """SupplierInvoice, with its lines."""
    head = Xml.SubElement(noun, "SupplierInvoiceHeader")
    currency = text_of(row["currency"])
    put(head, "DocumentID/ID", row["invoice_number"], variationID=variation)
    if lines:
        put(head, "AlternateDocumentID/ID", lines[0]["invoice_batch_number"])
    put(head, "DocumentDateTime", row["invoice_date"])
    put(head, "SupplierParty/PartyIDs/ID", row["supplier_id"])
    put(head, "Tax/Amount", row["vat_amount"], currencyID=currency)
    put(head, "TotalAmount", row["amount"], currencyID=currency)
    for one in lines:
        line = Xml.SubElement(noun, "SupplierInvoiceLine")
        put(line, "LineNumber", one["line_number"])
        put(line, "Item/ItemID/ID", one["item_id"])
        put(line, "Quantity", one["invoiced_quantity"], unitCode=text_of(one["unit"]))
        put(line, "UnitPrice/Amount", one["net_price"], currencyID=currency)
        put(line, "ExtendedAmount", one["net_amount"], currencyID=currency)


def payable(noun: Xml.Element, row: Row, lines: Sequence[Row], variation: str) -> None:
    """PayableTransaction: its structure is inferred."""
    del lines
    head = Xml.SubElement(noun, "PayableTransactionHeader")
    voucher = f"{text_of(row['voucher_series'])}{text_of(row['voucher_number'])}"
    put(head, "DocumentID/ID", voucher, variationID=variation)
    put(head, "DocumentReference/DocumentID/ID", row["invoice_number"])
    put(head, "DocumentDateTime", row["invoice_date"])
    put(head, "SupplierParty/PartyIDs/ID", row["supplier_id"])
    put(head, "DueDateTime", row["due_date"])
    put(head, "Amount", row["amount"], currencyID=text_of(row["currency"]))


def account(noun: Xml.Element, row: Row, lines: Sequence[Row], variation: str) -> None:
    """ChartOfAccounts, of one account."""
    del lines
    put(noun, "IDs/ID", row["account_id"], variationID=variation)
    put(noun, "BaseChartOfAccounts/GLNominalAccount", row["account_id"])
    put(noun, "BaseChartOfAccounts/Description", row["name"])


def dimension(noun: Xml.Element, row: Row, lines: Sequence[Row], variation: str) -> None:
    """CodeDefinition of a value of an accounting dimension."""
    del lines
    listed = f"Accounting Dimension {row['dimension']}"
    put(noun, "DocumentID/ID", row["dimension_value"], variationID=variation)
    put(noun, "ListID", listed)
    put(noun, "CodeValue", row["dimension_value"], listID=listed)
    put(noun, "Description", row["name"])
