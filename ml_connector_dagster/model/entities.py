"""The canonical entities: names, columns, keys, relations. One definition for every product line and destination.

Where a product line lacks a column it is null there. Where it has more, the surplus goes into ``_extra``.
Money and quantities are DECIMAL(27, 6): M3's widest amounts have 17 digits (reference cloudsuite-api §2.6),
prices have up to 6 decimals, and sums of them still fit.
"""

from dataclasses import dataclass
from enum import StrEnum


DECIMAL_PRECISION = 27
DECIMAL_SCALE = 6


class ColumnType(StrEnum):
    """The types a column can have."""

    STRING = "string"
    INTEGER = "integer"  # 64 bit
    DECIMAL = "decimal"  # DECIMAL(27, 6)
    DATE = "date"
    TIMESTAMP = "timestamp"  # microseconds, UTC
    BOOLEAN = "boolean"
    JSON = "json"  # a JSON object as text


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of an entity."""

    name: str
    type: ColumnType
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A claim that ``columns`` point at a row of ``entity`` through its ``target`` columns (same tenant and company)."""

    entity: str
    columns: tuple[str, ...]
    target: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One business object.

    Attributes:
        name: plural, also the table's name.
        label: for people.
        key: the columns that identify a row inside a tenant and company; never null.
        blank_key: the key columns that may be the empty string (an M3 division of "" means "all").
        columns: business columns, ``company`` excluded (see ``SYSTEM_COLUMNS``).
        control_totals: amount or quantity columns whose sums are compared between ERP and destination.
        parent: the header that a line needs (the orphan check).
        references: further relations, shown as lineage and used by marts.
    """

    name: str
    label: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    blank_key: tuple[str, ...] = ()
    control_totals: tuple[str, ...] = ()
    parent: Reference | None = None
    references: tuple[Reference, ...] = ()

    def column(self, name: str) -> Column:
        """The column called ``name``; raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name!r}")

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """System columns first, then the business columns, then bookkeeping: the order of a staged file and of a table."""
        return LEADING_COLUMNS + self.columns + TRAILING_COLUMNS


def _text(name: str, description: str) -> Column:
    return Column(name=name, type=ColumnType.STRING, description=description)


def _integer(name: str, description: str) -> Column:
    return Column(name=name, type=ColumnType.INTEGER, description=description)


def _decimal(name: str, description: str) -> Column:
    return Column(name=name, type=ColumnType.DECIMAL, description=description)


def _date(name: str, description: str) -> Column:
    return Column(name=name, type=ColumnType.DATE, description=description)


def _boolean(name: str, description: str) -> Column:
    return Column(name=name, type=ColumnType.BOOLEAN, description=description)


def _timestamp(name: str, description: str) -> Column:
    return Column(name=name, type=ColumnType.TIMESTAMP, description=description)


#: Who a row is. They lead every table.
LEADING_COLUMNS: tuple[Column, ...] = (
    _text(
        "record_id",
        "tenant/company/key…, the key of every table; '/' and '%' inside a part are percent-encoded",
    ),
    _text("tenant", "the connection that the row was read from"),
    _text("company", "company number (M3 CONO, SyteLine site, LN company, …)"),
)

#: What the connector knows about a row. They end every table.
TRAILING_COLUMNS: tuple[Column, ...] = (
    Column(
        name="_extra",
        type=ColumnType.JSON,
        description="fields of the ERP record that no column took, as text",
    ),
    Column(
        name="_problems",
        type=ColumnType.JSON,
        description="column → why its value could not be read; null when all could",
    ),
    _text(
        "_row_hash",
        "content hash of key, business columns and _extra: equal hash means nothing to write",
    ),
    _timestamp("_modified_at", "when the ERP says the record changed; null when it does not say"),
    _timestamp("_extracted_at", "when the request that read this version was sent"),
    _timestamp(
        "_deleted_at", "when the record was found to be gone from the ERP; null while it is there"
    ),
    _text("_batch_id", "the batch that carried this version"),
    _text("_run_id", "the Dagster run (or command) that read it"),
    _text("_source_system", "product line, e.g. m3"),
)

SYSTEM_COLUMNS: tuple[Column, ...] = LEADING_COLUMNS + TRAILING_COLUMNS


def _entities(*entities: Entity) -> dict[str, Entity]:
    return {entity.name: entity for entity in entities}


ENTITIES: dict[str, Entity] = _entities(
    Entity(
        name="suppliers",
        label="Suppliers",
        description="Vendors that goods, services and invoices come from.",
        key=("supplier_id",),
        columns=(
            _text("supplier_id", "supplier number"),
            _text("name", "supplier name"),
            _text("status", "ERP status code"),
            _text("supplier_type", "ERP supplier type"),
            _text("supplier_group", "supplier group"),
            _text("search_key", "short name for searches"),
            _text("country", "country code"),
            _text("state", "state or area code"),
            _text("phone", "telephone"),
            _text("language", "language code"),
            _text("currency", "default currency"),
            _text("payment_terms", "payment terms code"),
            _text("payment_method", "payment method code"),
            _text("delivery_terms", "delivery terms code"),
            _text("delivery_method", "delivery method code"),
            _text("vat_number", "VAT registration number"),
            _text("organization_number", "company registration number"),
            _text("buyer", "responsible buyer"),
            _text("payee_id", "supplier that is paid, when another one"),
            _date("last_invoice_date", "date of the latest invoice"),
        ),
    ),
    Entity(
        name="customers",
        label="Customers",
        description="Customers that are sold to.",
        key=("customer_id",),
        columns=(
            _text("customer_id", "customer number"),
            _text("name", "customer name"),
            _text("status", "ERP status code"),
            _text("customer_type", "ERP customer type"),
            _text("customer_group", "customer group"),
            _text("address_line_1", "address line 1"),
            _text("address_line_2", "address line 2"),
            _text("city", "city"),
            _text("postal_code", "postal code"),
            _text("state", "state or area code"),
            _text("country", "country code"),
            _text("phone", "telephone"),
            _text("email", "e-mail address"),
            _text("language", "language code"),
            _text("currency", "default currency"),
            _text("payment_terms", "payment terms code"),
            _text("vat_number", "VAT registration number"),
            _text("organization_number", "company registration number"),
            _text("salesperson", "responsible salesperson"),
            _text("payer_id", "customer that pays, when another one"),
            _decimal("credit_limit", "credit limit in the customer's currency"),
        ),
    ),
    Entity(
        name="items",
        label="Items",
        description="Materials, products and services that are bought, made or sold.",
        key=("item_id",),
        columns=(
            _text("item_id", "item number"),
            _text("name", "item name"),
            _text("description", "longer description"),
            _text("status", "ERP status code"),
            _text("item_type", "item type"),
            _text("item_group", "item group"),
            _text("product_group", "product group"),
            _text("business_area", "business area"),
            _text("unit", "base unit of measure"),
            _text("purchase_unit", "purchase unit of measure"),
            _text("price_unit", "purchase price unit of measure"),
            _text("make_or_buy", "ERP make/buy code"),
            _text("responsible", "responsible person"),
            _text("procurement_group", "procurement group"),
            _decimal("net_weight", "net weight in kilograms"),
            _decimal("gross_weight", "gross weight in kilograms"),
            _decimal("volume", "volume in cubic metres"),
        ),
    ),
    Entity(
        name="purchase_orders",
        label="Purchase orders",
        description="Purchase order headers.",
        key=("purchase_order_id",),
        columns=(
            _text("purchase_order_id", "purchase order number"),
            _text("supplier_id", "supplier number"),
            _text("status_lowest", "lowest status of the order's lines"),
            _text("status_highest", "highest status of the order's lines"),
            _text("order_type", "order type"),
            _date("order_date", "date of the order"),
            _date("requested_delivery_date", "delivery date that was asked for"),
            _text("buyer", "buyer"),
            _text("currency", "order currency"),
            _text("payment_terms", "payment terms code"),
            _text("delivery_terms", "delivery terms code"),
            _text("delivery_method", "delivery method code"),
            _text("division", "division"),
            _text("facility", "facility"),
            _text("warehouse", "warehouse"),
            _text("payee_id", "supplier that is paid"),
            _text("our_reference", "our reference"),
            _text("project", "project number"),
            _decimal("net_amount", "net order value in order currency"),
            _decimal("gross_amount", "gross order value in order currency"),
        ),
        control_totals=("net_amount",),
        references=(
            Reference(entity="suppliers", columns=("supplier_id",), target=("supplier_id",)),
        ),
    ),
    Entity(
        name="purchase_order_lines",
        label="Purchase order lines",
        description="Lines of purchase orders, with ordered, received and invoiced quantities.",
        key=("purchase_order_id", "line_number", "subline_number"),
        columns=(
            _text("purchase_order_id", "purchase order number"),
            _integer("line_number", "line number"),
            _integer("subline_number", "subline number, 0 for the line itself"),
            _text("supplier_id", "supplier number"),
            _text("item_id", "item number"),
            _text("item_name", "item name on the order"),
            _text("supplier_item_id", "the supplier's item number"),
            _text("status_lowest", "lowest status"),
            _text("status_highest", "highest status"),
            _text("facility", "facility"),
            _text("warehouse", "warehouse"),
            _text("unit", "purchase unit of measure"),
            _decimal("ordered_quantity", "ordered, in purchase unit"),
            _decimal("confirmed_quantity", "confirmed by the supplier, in purchase unit"),
            _decimal("received_quantity", "received, in purchase unit"),
            _decimal("invoiced_quantity", "invoiced, in purchase unit"),
            _decimal("rejected_quantity", "rejected at inspection, in purchase unit"),
            _decimal("unit_price", "price per price quantity, in order currency"),
            _decimal("confirmed_price", "confirmed price, in order currency"),
            _integer("price_quantity", "quantity that the price is for"),
            _decimal("line_amount", "line value in order currency"),
            _date("requested_delivery_date", "delivery date that was asked for"),
            _date("confirmed_delivery_date", "delivery date that the supplier promised"),
            _date("received_date", "date of the last receipt"),
            _text("buyer", "buyer"),
            _text("requester", "requester"),
        ),
        control_totals=("ordered_quantity", "line_amount"),
        parent=Reference(
            entity="purchase_orders", columns=("purchase_order_id",), target=("purchase_order_id",)
        ),
        references=(
            Reference(entity="items", columns=("item_id",), target=("item_id",)),
            Reference(entity="suppliers", columns=("supplier_id",), target=("supplier_id",)),
        ),
    ),
    Entity(
        name="supplier_invoices",
        label="Supplier invoices",
        description="Posted supplier invoices. Amounts are positive for an invoice, negative for a credit note.",
        key=("division", "supplier_id", "invoice_number", "invoice_year"),
        blank_key=("division",),
        columns=(
            _text("division", "division"),
            _text("supplier_id", "supplier number"),
            _text("invoice_number", "the supplier's invoice number"),
            _integer("invoice_year", "invoice year, part of the ERP's key"),
            _text("payee_id", "supplier that is paid"),
            _text("invoice_type", "invoice type"),
            _date("invoice_date", "date of the invoice"),
            _date("due_date", "date the payment is due"),
            _date("accounting_date", "date it was posted"),
            _text("currency", "invoice currency"),
            _decimal("amount", "invoice amount, VAT included, in invoice currency"),
            _decimal("vat_amount", "VAT in invoice currency"),
            _decimal("exchange_rate", "rate from invoice currency to local currency"),
            _text("voucher_series", "voucher number series"),
            _integer("voucher_number", "voucher number"),
            _text("payment_terms", "payment terms code"),
            _text("payment_method", "payment method code"),
            _boolean("is_approved", "approved for payment"),
            _text("payment_stop", "payment stop code; 0 when payment is allowed"),
            _text("purchase_order_id", "purchase order, when the invoice names one"),
        ),
        control_totals=("amount", "vat_amount"),
        references=(
            Reference(entity="suppliers", columns=("supplier_id",), target=("supplier_id",)),
        ),
    ),
    Entity(
        name="supplier_invoice_lines",
        label="Supplier invoice lines",
        description="Lines of supplier invoices, matched to purchase order lines where they are.",
        key=("division", "invoice_batch_number", "line_number"),
        blank_key=("division",),
        columns=(
            _text("division", "division"),
            _text(
                "invoice_batch_number",
                "the ERP's number of the invoice document that holds the line",
            ),
            _integer("line_number", "line number"),
            _text("supplier_id", "supplier number"),
            _text("invoice_number", "the supplier's invoice number"),
            _integer("invoice_year", "invoice year"),
            _text("line_type", "line type"),
            _text("purchase_order_id", "purchase order number"),
            _integer("purchase_order_line_number", "purchase order line number"),
            _integer("purchase_order_subline_number", "purchase order subline number"),
            _text("item_id", "item number"),
            _text("receipt_number", "receipt that the line is matched to"),
            _text("delivery_note", "the supplier's delivery note"),
            _decimal("invoiced_quantity", "quantity, in purchase unit"),
            _text("unit", "purchase unit of measure"),
            _decimal("gross_price", "gross price in invoice currency"),
            _decimal("net_price", "net price in invoice currency"),
            _decimal("net_amount", "net line amount in invoice currency"),
            _decimal("gross_amount", "gross line amount in invoice currency"),
            _decimal("vat_amount", "VAT in invoice currency"),
        ),
        control_totals=("net_amount",),
        parent=Reference(
            entity="supplier_invoices",
            columns=("division", "supplier_id", "invoice_number", "invoice_year"),
            target=("division", "supplier_id", "invoice_number", "invoice_year"),
        ),
        references=(
            Reference(
                entity="purchase_order_lines",
                columns=(
                    "purchase_order_id",
                    "purchase_order_line_number",
                    "purchase_order_subline_number",
                ),
                target=("purchase_order_id", "line_number", "subline_number"),
            ),
            Reference(entity="items", columns=("item_id",), target=("item_id",)),
        ),
    ),
    Entity(
        name="payments",
        label="Payments",
        description="Posted payments of supplier invoices. Amounts are positive for money paid.",
        key=("division", "journal_year", "journal_number", "journal_sequence"),
        blank_key=("division",),
        columns=(
            _text("division", "division"),
            _integer("journal_year", "year of the journal"),
            _integer("journal_number", "journal number"),
            _integer("journal_sequence", "sequence inside the journal"),
            _text("supplier_id", "supplier number"),
            _text("payee_id", "supplier that was paid"),
            _text("invoice_number", "the invoice that was paid"),
            _integer("invoice_year", "year of that invoice"),
            _date("payment_date", "date of the payment"),
            _date("accounting_date", "date it was posted"),
            _text("currency", "payment currency"),
            _decimal("amount", "amount paid in payment currency"),
            _decimal("exchange_rate", "rate from payment currency to local currency"),
            _text("payment_method", "payment method code"),
            _text("voucher_series", "voucher number series"),
            _integer("voucher_number", "voucher number"),
        ),
        control_totals=("amount",),
        references=(
            Reference(entity="suppliers", columns=("supplier_id",), target=("supplier_id",)),
            Reference(
                entity="supplier_invoices",
                columns=("division", "supplier_id", "invoice_number", "invoice_year"),
                target=("division", "supplier_id", "invoice_number", "invoice_year"),
            ),
        ),
    ),
    Entity(
        name="gl_accounts",
        label="GL accounts",
        description="The chart of accounts.",
        key=("division", "account_id"),
        blank_key=("division",),
        columns=(
            _text("division", "division; empty when the account is common to all"),
            _text("account_id", "account number"),
            _text("name", "account name"),
            _text("short_name", "short name"),
            _text("account_group", "account group"),
            _boolean("is_balance_sheet", "balance sheet account"),
            _boolean("is_profit_and_loss", "profit and loss account"),
            _boolean("is_blocked", "blocked for posting"),
            _text("currency", "currency, when the account is kept in one"),
            _date("valid_from", "first day of validity"),
            _date("valid_to", "last day of validity"),
        ),
    ),
    Entity(
        name="gl_dimensions",
        label="GL dimensions",
        description="Cost centres and the other parts of the account string.",
        key=("division", "dimension", "dimension_value"),
        blank_key=("division",),
        columns=(
            _text("division", "division; empty when the value is common to all"),
            _integer("dimension", "which part of the account string: 2 to 7 in M3"),
            _text("dimension_value", "identity, e.g. a cost centre"),
            _text("name", "name"),
            _text("short_name", "short name"),
            _text("dimension_group", "group"),
            _boolean("is_blocked", "blocked for posting"),
            _date("valid_from", "first day of validity"),
            _date("valid_to", "last day of validity"),
        ),
    ),
    Entity(
        name="gl_balances",
        label="GL balances",
        description="Movement per account, dimension combination and period.",
        key=("division", "balance_key", "combination_id", "year", "period", "value_type"),
        blank_key=("division",),
        columns=(
            _text("division", "division"),
            _text("balance_key", "which balance file (M3 BAKY)"),
            _text("combination_id", "the ERP's number of the dimension combination (M3 PTID)"),
            _integer("year", "fiscal year"),
            _integer("period", "fiscal period"),
            _text("value_type", "1 actual; others are budget versions"),
            _text("account_id", "account number"),
            _text("dimension_2", "account string part 2"),
            _text("dimension_3", "account string part 3"),
            _text("dimension_4", "account string part 4"),
            _text("dimension_5", "account string part 5"),
            _text("dimension_6", "account string part 6"),
            _text("dimension_7", "account string part 7"),
            _decimal("debit", "debit movement in local currency"),
            _decimal("credit", "credit movement in local currency"),
            _decimal("debit_currency", "debit movement in transaction currency"),
            _decimal("credit_currency", "credit movement in transaction currency"),
        ),
        control_totals=("debit", "credit"),
        references=(
            Reference(
                entity="gl_accounts",
                columns=("division", "account_id"),
                target=("division", "account_id"),
            ),
        ),
    ),
)
