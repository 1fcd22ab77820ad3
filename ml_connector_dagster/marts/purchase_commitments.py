"""What has been ordered and has not come yet, by the month in which it is due."""

from ml_connector_dagster.marts.columns import AS_OF_DATE, COMPANY, day, decimal, integer, text
from ml_connector_dagster.marts.mart import Mart


#: NULLIF, although no such line gets there: a planner may divide before it filters.
#: A line is closed when everything was received, or when the ERP says that no more will come: in M3 the lines of
#: status 85 and above. What is open is worth its share of the line's amount, so discounts and price units count.
_LINES = """
    SELECT l.tenant, l.company, COALESCE(l.supplier_id, o.supplier_id) AS supplier_id, o.currency,
        COALESCE(l.confirmed_delivery_date, l.requested_delivery_date, o.requested_delivery_date)
            AS promised_date,
        CAST(l.line_amount AS DOUBLE) AS line_amount,
        CAST(l.ordered_quantity AS DOUBLE) AS ordered_quantity,
        CAST(l.ordered_quantity - COALESCE(l.received_quantity, 0) AS DOUBLE) AS open_quantity,
        a.as_of_date
    FROM purchase_order_lines AS l
    LEFT JOIN purchase_orders AS o
        ON o.tenant = l.tenant AND o.company = l.company AND o.purchase_order_id = l.purchase_order_id
    JOIN as_of AS a ON a.tenant = l.tenant AND a.company = l.company
    WHERE l._deleted_at IS NULL
        AND l.ordered_quantity > 0 AND l.ordered_quantity > COALESCE(l.received_quantity, 0)
        AND NOT (l._source_system = 'm3' AND COALESCE(l.status_lowest, '') >= '85')
"""

_QUERY = f"""
WITH lines AS ({_LINES}),
valued AS (
    SELECT tenant, company, supplier_id, currency, promised_date, as_of_date,
        CAST(DATE_TRUNC('month', promised_date) AS DATE) AS due_month,
        ROUND(CAST(line_amount * open_quantity / NULLIF(ordered_quantity, 0) AS DECIMAL(38, 10)), 2) AS open_amount
    FROM lines
)
SELECT v.tenant, v.company, v.supplier_id, MAX(s.name) AS supplier_name, v.currency, v.due_month,
    COUNT(*) AS open_lines,
    SUM(v.open_amount) AS open_amount,
    SUM(CASE WHEN v.promised_date < v.as_of_date THEN v.open_amount ELSE 0 END) AS overdue_amount,
    v.as_of_date
FROM valued AS v
LEFT JOIN suppliers AS s
    ON s.tenant = v.tenant AND s.company = v.company AND s.supplier_id = v.supplier_id
GROUP BY v.tenant, v.company, v.supplier_id, v.currency, v.due_month, v.as_of_date
"""

_PROOF = """
SELECT tenant, company, SUM(open_lines) AS difference
FROM (
    SELECT tenant, company, open_lines FROM purchase_commitments
    UNION ALL
    SELECT l.tenant, l.company, -1 AS open_lines
    FROM purchase_order_lines AS l
    JOIN as_of AS a ON a.tenant = l.tenant AND a.company = l.company
    WHERE l._deleted_at IS NULL
        AND l.ordered_quantity > 0 AND l.ordered_quantity > COALESCE(l.received_quantity, 0)
        AND NOT (l._source_system = 'm3' AND COALESCE(l.status_lowest, '') >= '85')
) AS everything
GROUP BY tenant, company
HAVING SUM(open_lines) <> 0
"""

PURCHASE_COMMITMENTS = Mart(
    name="purchase_commitments",
    label="Purchase commitments",
    description="What is still to be delivered of purchase orders, by supplier, order currency and month due. "
    "Amounts of different currencies are never added.",
    grain=("tenant", "company", "supplier_id", "currency", "due_month"),
    entities=("suppliers", "purchase_orders", "purchase_order_lines"),
    columns=(
        *COMPANY,
        text("supplier_id", "supplier number"),
        text("supplier_name", "supplier name"),
        text("currency", "order currency; of every amount in the row"),
        day(
            "due_month",
            "first day of the month promised: the confirmed delivery date, else the requested one; null without any",
        ),
        integer("open_lines", "order lines of which something is still to come"),
        decimal(
            "open_amount",
            "line amount times the share of the quantity that has not been received, rounded per line",
        ),
        decimal(
            "overdue_amount",
            "the part of it that was promised before as_of_date",
        ),
        AS_OF_DATE,
    ),
    query=_QUERY,
    proof=_PROOF,
    proves="Every open order line is counted once.",
)
