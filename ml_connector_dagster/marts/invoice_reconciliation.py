"""Each supplier invoice line beside its order line, receipt and everything one reconciles by."""

from ml_connector_dagster.marts.columns import COMPANY, day, decimal, integer, text
from ml_connector_dagster.marts.mart import Mart


_QUERY = """
WITH matched AS (
    SELECT n.record_id, n.tenant, n.company, n.division, n.invoice_batch_number, n.line_number, n.line_type,
        n.supplier_id, n.invoice_number, n.invoice_year, n.purchase_order_id,
        n.purchase_order_line_number, n.purchase_order_subline_number, n.item_id, n.receipt_number,
        n.delivery_note, n.unit, n.invoiced_quantity, n.net_amount, n.vat_amount,
        i.invoice_date, i.due_date, i.accounting_date, i.currency, i.voucher_series, i.voucher_number,
        i.amount AS invoice_amount,
        o.currency AS order_currency, o.project, l.facility, l.warehouse, l.buyer,
        l.ordered_quantity, l.received_quantity, l.invoiced_quantity AS order_invoiced_quantity,
        l.purchase_order_id AS found_order_id, i.supplier_id AS found_supplier_id,
        ROUND(CAST(CAST(l.line_amount AS DOUBLE) * CAST(n.invoiced_quantity AS DOUBLE)
            / NULLIF(CAST(l.ordered_quantity AS DOUBLE), 0) AS DECIMAL(38, 10)), 2) AS ordered_amount
    FROM supplier_invoice_lines AS n
    LEFT JOIN supplier_invoices AS i
        ON i.tenant = n.tenant AND i.company = n.company AND i.division = n.division
        AND i.supplier_id = n.supplier_id AND i.invoice_number = n.invoice_number
        AND i.invoice_year = n.invoice_year AND i._deleted_at IS NULL
    LEFT JOIN purchase_order_lines AS l
        ON l.tenant = n.tenant AND l.company = n.company AND l.purchase_order_id = n.purchase_order_id
        AND l.line_number = n.purchase_order_line_number
        AND l.subline_number = n.purchase_order_subline_number AND l._deleted_at IS NULL
    LEFT JOIN purchase_orders AS o
        ON o.tenant = l.tenant AND o.company = l.company AND o.purchase_order_id = l.purchase_order_id
        AND o._deleted_at IS NULL
    WHERE n._deleted_at IS NULL
)
SELECT m.record_id, m.tenant, m.company, m.division, m.supplier_id, s.name AS supplier_name,
    m.invoice_number, m.invoice_year, m.invoice_date, m.due_date, m.accounting_date, m.voucher_series,
    m.voucher_number, m.invoice_batch_number, m.line_number, m.line_type, m.item_id,
    t.name AS item_name, t.item_group, m.purchase_order_id, m.purchase_order_line_number,
    m.purchase_order_subline_number, m.receipt_number, m.delivery_note, m.facility, m.warehouse,
    m.buyer, m.project, m.unit, m.ordered_quantity, m.received_quantity, m.invoiced_quantity,
    m.currency, m.net_amount, m.vat_amount, m.invoice_amount,
    CASE WHEN m.currency = m.order_currency THEN m.ordered_amount END AS ordered_amount,
    CASE WHEN m.currency = m.order_currency THEN m.net_amount - m.ordered_amount END AS price_variance,
    CASE WHEN m.found_supplier_id IS NULL THEN 'no invoice'
        WHEN m.purchase_order_id IS NULL THEN 'no purchase order'
        WHEN m.found_order_id IS NULL THEN 'order line missing'
        WHEN COALESCE(m.received_quantity, 0) = 0 THEN 'not received'
        WHEN m.order_invoiced_quantity > m.received_quantity THEN 'invoiced more than received'
        WHEN m.order_currency IS NULL OR m.currency <> m.order_currency THEN 'other currency'
        WHEN m.net_amount <> m.ordered_amount THEN 'price differs'
        ELSE 'matched' END AS match_status
FROM matched AS m
LEFT JOIN suppliers AS s
    ON s.tenant = m.tenant AND s.company = m.company AND s.supplier_id = m.supplier_id
LEFT JOIN items AS t
    ON t.tenant = m.tenant AND t.company = m.company AND t.item_id = m.item_id
"""

_PROOF = """
SELECT tenant, company, SUM(net_amount) AS difference, SUM(one) AS lines
FROM (
    SELECT tenant, company, COALESCE(net_amount, 0) AS net_amount, 1 AS one FROM invoice_reconciliation
    UNION ALL
    SELECT tenant, company, -COALESCE(net_amount, 0) AS net_amount, -1 AS one
    FROM supplier_invoice_lines
    WHERE _deleted_at IS NULL
) AS everything
GROUP BY tenant, company
HAVING SUM(net_amount) <> 0 OR SUM(one) <> 0
"""

INVOICE_RECONCILIATION = Mart(
    name="invoice_reconciliation",
    label="Invoice reconciliation",
    description="Every supplier invoice line with its invoice, purchase order line, receipt and reconciliation "
    "dimensions (division, facility, warehouse, buyer, project, item group), and whether they agree.",
    grain=("record_id",),
    entities=(
        "supplier_invoice_lines",
        "supplier_invoices",
        "purchase_order_lines",
        "purchase_orders",
        "suppliers",
        "items",
    ),
    columns=(
        text("record_id", "the invoice line's id: ml-connector trace takes it"),
        *COMPANY,
        text("division", "division"),
        text("supplier_id", "supplier number"),
        text("supplier_name", "supplier name"),
        text("invoice_number", "the supplier's invoice number"),
        integer("invoice_year", "invoice year"),
        day("invoice_date", "date of the invoice"),
        day("due_date", "date the payment is due"),
        day("accounting_date", "date it was posted"),
        text("voucher_series", "voucher number series"),
        integer("voucher_number", "voucher number"),
        text("invoice_batch_number", "the ERP's number of the invoice document"),
        integer("line_number", "line of that document"),
        text("line_type", "line type"),
        text("item_id", "item number"),
        text("item_name", "item name"),
        text("item_group", "item group"),
        text("purchase_order_id", "purchase order number"),
        integer("purchase_order_line_number", "purchase order line number"),
        integer("purchase_order_subline_number", "purchase order subline number"),
        text("receipt_number", "receipt that the line is matched to"),
        text("delivery_note", "the supplier's delivery note"),
        text("facility", "facility of the order line"),
        text("warehouse", "warehouse of the order line"),
        text("buyer", "buyer of the order line"),
        text("project", "project of the order"),
        text("unit", "purchase unit of measure"),
        decimal("ordered_quantity", "of the order line"),
        decimal("received_quantity", "of the order line, up to now"),
        decimal("invoiced_quantity", "of this invoice line"),
        text("currency", "invoice currency; of every amount in the row"),
        decimal("net_amount", "net line amount"),
        decimal("vat_amount", "VAT of the line"),
        decimal(
            "invoice_amount", "of the whole invoice, VAT included: the same on each of its lines"
        ),
        decimal(
            "ordered_amount",
            "the invoiced quantity at the order's price; null without an order line in invoice currency",
        ),
        decimal(
            "price_variance", "net_amount less ordered_amount; positive is dearer than ordered"
        ),
        text(
            "match_status",
            "matched, or the first thing that is wrong: no invoice, no purchase order, order line missing, not "
            "received, invoiced more than received, other currency, price differs",
        ),
    ),
    query=_QUERY,
    proof=_PROOF,
    proves="Every invoice line is there once, with its amount.",
)
