"""What moved on each account and dimension, and what it stands at."""

from ml_connector_dagster.marts.columns import COMPANY, decimal, flag, integer, text
from ml_connector_dagster.marts.mart import Mart


_DIMENSIONS = range(2, 8)
_PARTS = ", ".join(f"dimension_{n}" for n in _DIMENSIONS)
_KEY = f"tenant, company, division, balance_key, value_type, account_id, {_PARTS}"

#: A combination has a cell in every period from its first movement on, so balances add up in any period, also where
#: nothing moved. Empty parts are '' inside, since a null joins nothing. An account or dimension that is common to
#: all divisions has the division ''; a division's own one goes before it. Columns that are hidden by an alias of the
#: same name are qualified: systems differ in which of the two they mean.
_QUERY = f"""
WITH movements AS (
    SELECT b.tenant, b.company, b.division, b.balance_key, b.value_type, b.account_id,
        {", ".join(f"COALESCE(b.dimension_{n}, '') AS dimension_{n}" for n in _DIMENSIONS)},
        b.year, b.period, COALESCE(b.debit, 0) AS debit, COALESCE(b.credit, 0) AS credit
    FROM gl_balances AS b
    WHERE b._deleted_at IS NULL
),
periods AS (
    SELECT DISTINCT tenant, company, division, balance_key, value_type, year, period,
        year * 1000 + period AS position
    FROM movements
),
combinations AS (
    SELECT {_KEY}, MIN(year * 1000 + period) AS first_position
    FROM movements
    GROUP BY {_KEY}
),
cells AS (
    SELECT {_KEY}, year, period, debit, credit FROM movements
    UNION ALL
    SELECT {", ".join(f"c.{part}" for part in _KEY.split(", "))}, p.year, p.period,
        CAST(0 AS DECIMAL(27, 6)) AS debit, CAST(0 AS DECIMAL(27, 6)) AS credit
    FROM combinations AS c
    JOIN periods AS p
        ON p.tenant = c.tenant AND p.company = c.company AND p.division = c.division
        AND p.balance_key = c.balance_key AND p.value_type = c.value_type
    WHERE p.position >= c.first_position
),
moved AS (
    SELECT {_KEY}, year, period, SUM(c.debit) AS debit, SUM(c.credit) AS credit,
        SUM(c.debit - c.credit) AS movement
    FROM cells AS c
    GROUP BY {_KEY}, year, period
),
divisions AS (
    SELECT DISTINCT tenant, company, division FROM movements
),
accounts AS (
    SELECT d.tenant, d.company, d.division, a.account_id,
        COALESCE(MAX(CASE WHEN a.division <> '' THEN a.name END), MAX(a.name)) AS account_name,
        COALESCE(MAX(CASE WHEN a.division <> '' THEN a.account_group END), MAX(a.account_group))
            AS account_group,
        COALESCE(MAX(CASE WHEN a.division <> '' AND a.is_profit_and_loss THEN 1
                WHEN a.division <> '' THEN 0 END),
            MAX(CASE WHEN a.is_profit_and_loss THEN 1 ELSE 0 END)) AS is_result
    FROM divisions AS d
    JOIN gl_accounts AS a ON a.tenant = d.tenant AND a.company = d.company
    WHERE a._deleted_at IS NULL AND (a.division = d.division OR a.division = '')
    GROUP BY d.tenant, d.company, d.division, a.account_id
),
named AS (
    SELECT d.tenant, d.company, d.division, g.dimension, g.dimension_value,
        COALESCE(MAX(CASE WHEN g.division <> '' THEN g.name END), MAX(g.name)) AS name
    FROM divisions AS d
    JOIN gl_dimensions AS g ON g.tenant = d.tenant AND g.company = d.company
    WHERE g._deleted_at IS NULL AND (g.division = d.division OR g.division = '')
    GROUP BY d.tenant, d.company, d.division, g.dimension, g.dimension_value
),
described AS (
    SELECT m.*, a.account_name, a.account_group, a.is_result,
        {", ".join(f"n{n}.name AS dimension_{n}_name" for n in _DIMENSIONS)}
    FROM moved AS m
    LEFT JOIN accounts AS a
        ON a.tenant = m.tenant AND a.company = m.company AND a.division = m.division
        AND a.account_id = m.account_id
    {
    "".join(
        f'''
    LEFT JOIN named AS n{n}
        ON n{n}.tenant = m.tenant AND n{n}.company = m.company AND n{n}.division = m.division
        AND n{n}.dimension = {n} AND n{n}.dimension_value = m.dimension_{n}'''
        for n in _DIMENSIONS
    )
}
),
balanced AS (
    SELECT described.*,
        SUM(movement) OVER (
            PARTITION BY {_KEY}, CASE WHEN is_result = 1 THEN year ELSE 0 END
            ORDER BY year, period ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS balance
    FROM described
)
SELECT tenant, company, division, balance_key, value_type, year, period, account_id, account_name,
    account_group, is_result = 1 AS is_profit_and_loss,
    {
    ", ".join(
        f"NULLIF(dimension_{n}, '') AS dimension_{n}, dimension_{n}_name" for n in _DIMENSIONS
    )
},
    debit, credit, movement, balance
FROM balanced
WHERE debit <> 0 OR credit <> 0 OR balance <> 0
"""

_PROOF = """
SELECT tenant, company, division, balance_key, value_type, account_id, SUM(movement) AS difference
FROM (
    SELECT tenant, company, division, balance_key, value_type, account_id, movement
    FROM gl_account_balances
    UNION ALL
    SELECT tenant, company, division, balance_key, value_type, account_id,
        COALESCE(credit, 0) - COALESCE(debit, 0) AS movement
    FROM gl_balances
    WHERE _deleted_at IS NULL
) AS everything
GROUP BY tenant, company, division, balance_key, value_type, account_id
HAVING SUM(movement) <> 0
"""

GL_ACCOUNT_BALANCES = Mart(
    name="gl_account_balances",
    label="GL account balances",
    description="Movement and balance of each account and dimension combination, in every period from its first "
    "movement on. In the division's local currency. A budget version (value_type) and a balance file (balance_key) "
    "each stand for themselves: filter on one of them before adding up.",
    grain=(
        "tenant",
        "company",
        "division",
        "balance_key",
        "value_type",
        "year",
        "period",
        "account_id",
        *(f"dimension_{n}" for n in _DIMENSIONS),
    ),
    entities=("gl_balances", "gl_accounts", "gl_dimensions"),
    columns=(
        *COMPANY,
        text("division", "division; its local currency is that of every amount in the row"),
        text("balance_key", "which balance file (M3 BAKY)"),
        text("value_type", "1 actual; others are budget versions"),
        integer("year", "fiscal year"),
        integer("period", "fiscal period"),
        text("account_id", "account number"),
        text("account_name", "account name"),
        text("account_group", "account group"),
        flag("is_profit_and_loss", "whether the balance begins again at zero each year"),
        *(
            column
            for n in _DIMENSIONS
            for column in (
                text(f"dimension_{n}", f"account string part {n}"),
                text(f"dimension_{n}_name", "its name"),
            )
        ),
        decimal("debit", "debit movement of the period"),
        decimal("credit", "credit movement of the period"),
        decimal("movement", "debit less credit"),
        decimal(
            "balance",
            "all movements up to this period: of this year for profit and loss accounts, of every year that the ERP "
            "sent for the others",
        ),
    ),
    query=_QUERY,
    proof=_PROOF,
    proves="Per account, the movements are all debits less all credits of the ledger.",
)
