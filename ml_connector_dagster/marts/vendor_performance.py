"""How suppliers keep their promises: on time, in full, at the ordered price."""

from ml_connector_dagster.marts.columns import AS_OF_DATE, COMPANY, day, decimal, integer, text
from ml_connector_dagster.marts.mart import Mart


#: A line is judged when its promised date has come. The ERP tells the date of the last receipt and the sum of all
#: receipts, so "on time" is: something came, and the last of it by the promised date. Cancelled lines (M3: status
#: 90 and above) are nobody's fault.
_JUDGED = """
    SELECT l.tenant, l.company, COALESCE(l.supplier_id, o.supplier_id) AS supplier_id, o.currency,
        l.purchase_order_id, l.line_number, l.subline_number,
        COALESCE(l.confirmed_delivery_date, l.requested_delivery_date) AS promised_date,
        o.order_date, l.received_date, l.line_amount, l.ordered_quantity,
        COALESCE(l.received_quantity, 0) AS received_quantity, a.as_of_date
    FROM purchase_order_lines AS l
    LEFT JOIN purchase_orders AS o
        ON o.tenant = l.tenant AND o.company = l.company AND o.purchase_order_id = l.purchase_order_id
    JOIN as_of AS a ON a.tenant = l.tenant AND a.company = l.company
    WHERE l._deleted_at IS NULL
        AND COALESCE(l.confirmed_delivery_date, l.requested_delivery_date) <= a.as_of_date
        AND l.ordered_quantity > 0
        AND NOT (l._source_system = 'm3' AND COALESCE(l.status_lowest, '') >= '90')
"""

_QUERY = f"""
WITH judged AS ({_JUDGED}),
priced AS (
    SELECT j.tenant, j.company, j.purchase_order_id, j.line_number, j.subline_number,
        SUM(n.net_amount) AS invoiced_amount,
        SUM(ROUND(CAST(CAST(j.line_amount AS DOUBLE) * CAST(n.invoiced_quantity AS DOUBLE)
            / NULLIF(CAST(j.ordered_quantity AS DOUBLE), 0) AS DECIMAL(38, 10)), 2)) AS ordered_amount
    FROM judged AS j
    JOIN supplier_invoice_lines AS n
        ON n.tenant = j.tenant AND n.company = j.company
        AND n.purchase_order_id = j.purchase_order_id
        AND n.purchase_order_line_number = j.line_number
        AND n.purchase_order_subline_number = j.subline_number
    JOIN supplier_invoices AS i
        ON i.tenant = n.tenant AND i.company = n.company AND i.division = n.division
        AND i.supplier_id = n.supplier_id AND i.invoice_number = n.invoice_number
        AND i.invoice_year = n.invoice_year AND i.currency = j.currency
    WHERE n._deleted_at IS NULL AND i._deleted_at IS NULL AND n.invoiced_quantity IS NOT NULL
    GROUP BY j.tenant, j.company, j.purchase_order_id, j.line_number, j.subline_number
),
facts AS (
    SELECT j.tenant, j.company, j.supplier_id, j.currency, j.as_of_date,
        CAST(DATE_TRUNC('month', j.promised_date) AS DATE) AS promised_month,
        CASE WHEN j.received_quantity > 0 AND j.received_date <= j.promised_date THEN 1 END AS on_time,
        CASE WHEN j.received_quantity >= j.ordered_quantity THEN 1 END AS in_full,
        CASE WHEN j.received_quantity = 0 THEN 1 END AS missing,
        CASE WHEN j.received_quantity > 0 THEN DATE_DIFF('day', j.order_date, j.received_date) END
            AS lead_days,
        CASE WHEN j.received_quantity > 0 AND j.received_date > j.promised_date
            THEN DATE_DIFF('day', j.promised_date, j.received_date) END AS late_days,
        p.invoiced_amount, p.ordered_amount
    FROM judged AS j
    LEFT JOIN priced AS p
        ON p.tenant = j.tenant AND p.company = j.company
        AND p.purchase_order_id = j.purchase_order_id
        AND p.line_number = j.line_number AND p.subline_number = j.subline_number
)
SELECT f.tenant, f.company, f.supplier_id, MAX(s.name) AS supplier_name, f.currency, f.promised_month,
    COUNT(*) AS lines_due,
    COUNT(f.on_time) AS lines_on_time,
    COUNT(f.in_full) AS lines_in_full,
    COUNT(CASE WHEN f.on_time = 1 AND f.in_full = 1 THEN 1 END) AS lines_on_time_in_full,
    COUNT(f.missing) AS lines_not_received,
    CAST(ROUND(CAST(COUNT(CASE WHEN f.on_time = 1 AND f.in_full = 1 THEN 1 END) AS DOUBLE)
        / CAST(COUNT(*) AS DOUBLE), 4) AS DECIMAL(9, 4)) AS on_time_in_full_rate,
    CAST(AVG(CAST(f.lead_days AS DOUBLE)) AS DECIMAL(18, 4)) AS average_lead_days,
    CAST(AVG(CAST(f.late_days AS DOUBLE)) AS DECIMAL(18, 4)) AS average_late_days,
    SUM(f.invoiced_amount) AS invoiced_amount,
    SUM(f.ordered_amount) AS ordered_amount,
    SUM(f.invoiced_amount - f.ordered_amount) AS price_variance,
    f.as_of_date
FROM facts AS f
LEFT JOIN suppliers AS s
    ON s.tenant = f.tenant AND s.company = f.company AND s.supplier_id = f.supplier_id
GROUP BY f.tenant, f.company, f.supplier_id, f.currency, f.promised_month, f.as_of_date
"""

_PROOF = """
SELECT tenant, company, SUM(lines_due) AS difference
FROM (
    SELECT tenant, company, lines_due FROM vendor_performance
    UNION ALL
    SELECT l.tenant, l.company, -1 AS lines_due
    FROM purchase_order_lines AS l
    JOIN as_of AS a ON a.tenant = l.tenant AND a.company = l.company
    WHERE l._deleted_at IS NULL
        AND COALESCE(l.confirmed_delivery_date, l.requested_delivery_date) <= a.as_of_date
        AND l.ordered_quantity > 0
        AND NOT (l._source_system = 'm3' AND COALESCE(l.status_lowest, '') >= '90')
) AS everything
GROUP BY tenant, company
HAVING SUM(lines_due) <> 0
"""

VENDOR_PERFORMANCE = Mart(
    name="vendor_performance",
    label="Vendor performance",
    description="Receipts against promises, and invoiced against ordered prices, by supplier, order currency and "
    "month promised. Lines whose promised date has come by as_of_date.",
    grain=("tenant", "company", "supplier_id", "currency", "promised_month"),
    entities=(
        "suppliers",
        "purchase_orders",
        "purchase_order_lines",
        "supplier_invoices",
        "supplier_invoice_lines",
    ),
    columns=(
        *COMPANY,
        text("supplier_id", "supplier number"),
        text("supplier_name", "supplier name"),
        text("currency", "order currency; of every amount in the row"),
        day(
            "promised_month",
            "first day of the month promised: the confirmed delivery date, else the requested one",
        ),
        integer("lines_due", "order lines whose promised date has come"),
        integer("lines_on_time", "something was received, and the last of it by the promised date"),
        integer("lines_in_full", "at least the ordered quantity was received"),
        integer("lines_on_time_in_full", "both"),
        integer("lines_not_received", "nothing was received yet"),
        decimal("on_time_in_full_rate", "lines_on_time_in_full / lines_due, 0 to 1"),
        decimal(
            "average_lead_days",
            "from order date to last receipt, of the lines received",
        ),
        decimal("average_late_days", "after the promised date, of the lines that came late"),
        decimal(
            "invoiced_amount",
            "net amount of the invoice lines that are matched to these order lines, where the invoice is in order "
            "currency",
        ),
        decimal("ordered_amount", "the same quantities at the order's price"),
        decimal(
            "price_variance",
            "invoiced_amount less ordered_amount; positive is dearer than ordered",
        ),
        AS_OF_DATE,
    ),
    query=_QUERY,
    proof=_PROOF,
    proves="Every order line that is due is judged once.",
)
