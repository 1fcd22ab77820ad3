"""What is owed to whom, by how long it is overdue."""

from ml_connector_dagster.marts.columns import AS_OF_DATE, COMPANY, day, decimal, integer, text
from ml_connector_dagster.marts.mart import Mart


#: An open item is all invoices and payments with the same invoice key and currency. A payment that matches no
#: invoice (or is in another currency) stays an item of its own: so the total is invoices less payments, always.
_QUERY = """
WITH entries AS (
    SELECT tenant, company, division, supplier_id, invoice_number, invoice_year, currency,
        due_date, amount, 1 AS is_invoice
    FROM supplier_invoices
    WHERE _deleted_at IS NULL
    UNION ALL
    SELECT tenant, company, division, supplier_id, invoice_number, invoice_year, currency,
        CAST(NULL AS DATE) AS due_date, -amount AS amount, 0 AS is_invoice
    FROM payments
    WHERE _deleted_at IS NULL
),
open_items AS (
    SELECT tenant, company, supplier_id, currency, MAX(due_date) AS due_date,
        MAX(is_invoice) AS has_invoice, SUM(amount) AS open_amount
    FROM entries
    GROUP BY tenant, company, division, supplier_id, invoice_number, invoice_year, currency
    HAVING SUM(amount) <> 0
),
late AS (
    SELECT o.tenant, o.company, o.supplier_id, o.currency, o.due_date, o.has_invoice, o.open_amount,
        a.as_of_date, DATE_DIFF('day', o.due_date, a.as_of_date) AS days_late
    FROM open_items AS o
    JOIN as_of AS a ON a.tenant = o.tenant AND a.company = o.company
),
placed AS (
    SELECT tenant, company, supplier_id, currency, due_date, open_amount, as_of_date,
        CASE WHEN has_invoice = 0 THEN 6 WHEN due_date IS NULL THEN 5 WHEN days_late <= 0 THEN 0
            WHEN days_late <= 30 THEN 1 WHEN days_late <= 60 THEN 2 WHEN days_late <= 90 THEN 3
            ELSE 4 END AS bucket_number
    FROM late
)
SELECT p.tenant, p.company, p.supplier_id, MAX(s.name) AS supplier_name, p.currency, p.bucket_number,
    CASE p.bucket_number WHEN 0 THEN 'not due' WHEN 1 THEN '1-30 days' WHEN 2 THEN '31-60 days'
        WHEN 3 THEN '61-90 days' WHEN 4 THEN 'over 90 days' WHEN 5 THEN 'no due date'
        ELSE 'payment without invoice' END AS bucket,
    SUM(p.open_amount) AS open_amount,
    COUNT(*) AS open_items,
    MIN(p.due_date) AS oldest_due_date,
    p.as_of_date
FROM placed AS p
LEFT JOIN suppliers AS s
    ON s.tenant = p.tenant AND s.company = p.company AND s.supplier_id = p.supplier_id
GROUP BY p.tenant, p.company, p.supplier_id, p.currency, p.bucket_number, p.as_of_date
"""

_PROOF = """
SELECT tenant, company, currency, SUM(amount) AS difference
FROM (
    SELECT tenant, company, currency, open_amount AS amount FROM payables_aging
    UNION ALL
    SELECT i.tenant, i.company, i.currency, -i.amount AS amount
    FROM supplier_invoices AS i
    JOIN as_of AS a ON a.tenant = i.tenant AND a.company = i.company
    WHERE i._deleted_at IS NULL
    UNION ALL
    SELECT p.tenant, p.company, p.currency, p.amount
    FROM payments AS p
    JOIN as_of AS a ON a.tenant = p.tenant AND a.company = p.company
    WHERE p._deleted_at IS NULL
) AS everything
GROUP BY tenant, company, currency
HAVING SUM(amount) <> 0
"""

PAYABLES_AGING = Mart(
    name="payables_aging",
    label="Payables aging",
    description="Open supplier invoices by supplier, currency and days overdue. Invoices less payments; amounts of "
    "different currencies are never added.",
    grain=("tenant", "company", "supplier_id", "currency", "bucket_number"),
    entities=("suppliers", "supplier_invoices", "payments"),
    columns=(
        *COMPANY,
        text("supplier_id", "supplier number"),
        text("supplier_name", "supplier name"),
        text("currency", "invoice currency; of every amount in the row"),
        integer("bucket_number", "order of the buckets: 0 to 6"),
        text(
            "bucket",
            "days after the due date on as_of_date: not due, 1-30, 31-60, 61-90, over 90; or no due date, or "
            "payment without invoice",
        ),
        decimal(
            "open_amount",
            "invoices less payments; negative for credit notes and overpayments",
        ),
        integer("open_items", "invoices, or payments without invoice, that are not settled"),
        day("oldest_due_date", "the earliest due date among them"),
        AS_OF_DATE,
    ),
    query=_QUERY,
    proof=_PROOF,
    proves="Per company and currency, the open amounts are all invoices less all payments.",
)
