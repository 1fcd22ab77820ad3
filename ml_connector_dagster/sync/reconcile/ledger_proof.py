"""The general ledger adds up: debits and credits, movements and balances, in the ERP and at the destination.

``gl_balances`` holds movements: what an account stands at follows from them, as opening + movement = closing. Three
things are looked at, by account and period. In the ERP, debits are credits in each period. Closing balances from the
ERP's movements are those from the destination's. And what the destination shows as balance (its mart) is what its own
movements add up to: opening + movement = closing, so that nobody has put another number into a report.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from ml_connector_dagster.destinations.contract import Scope, Warehouse
from ml_connector_dagster.destinations.identifiers import literal
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, CredentialError
from ml_connector_dagster.sync.reconcile.books import Books
from ml_connector_dagster.sync.reconcile.warehouses import asked


#: The mart that shows balances.
BALANCES_MART: Final = "gl_account_balances"

#: Accounts that are listed.
LISTED: Final = 200

_BOOK: Final = "division, balance_key, value_type"
_ACCOUNT: Final = f"{_BOOK}, account_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPeriod:
    """One period of one set of books. ``accounts``: with a movement; ``off``: whose closing balance differs."""

    division: str
    balance_key: str
    value_type: str
    year: int
    period: int
    accounts: int
    erp_debit: Decimal
    erp_credit: Decimal
    found_debit: Decimal
    found_credit: Decimal
    off: int

    @property
    def book(self) -> str:
        """The set of books in words."""
        return f"{self.division or '(all)'} / {self.balance_key} / {self.value_type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerAccount:
    """An account whose closing balance differs. ``shown``: by the mart; None when there is none."""

    division: str
    balance_key: str
    value_type: str
    account_id: str
    year: int
    period: int
    opening: Decimal
    movement: Decimal
    closing: Decimal
    found: Decimal
    shown: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerProof:
    """Attributes:
    periods: side by side.
    accounts: first those where the balance that is shown is not what the movements add up to.
    unbalanced: how many periods of the ERP have other debits than credits. That is the ERP's own matter.
    misstated: how many balances at the destination are not what its movements add up to.
    """

    periods: tuple[LedgerPeriod, ...]
    accounts: tuple[LedgerAccount, ...]
    unbalanced: int
    misstated: int
    with_mart: bool

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong beyond the records that differ."""
        if not self.misstated:
            return ()
        return (
            f"{self.misstated:,} balances that {BALANCES_MART} shows are not what the movements add up to",
        )


def prove_ledger(
    warehouse: Warehouse, books: Books, scope: Scope, *, with_mart: bool
) -> LedgerProof:
    """Add up both sides. ``books`` holds the ERP's ``gl_balances``; ``with_mart``: the destination shows balances."""
    there = warehouse.inspect(ENTITIES["gl_balances"], scope).rows > 0
    shown = _shown(warehouse, scope) if there and with_mart else None
    _bring(books, "gl_found", _movements(warehouse, scope) if there else [])
    _bring(books, "gl_shown", shown or [])
    misstated = "FALSE" if shown is None else "shown <> found"
    connection = books.connection
    connection.execute(
        f"""CREATE OR REPLACE TABLE gl_erp AS
        SELECT {_ACCOUNT}, year, period, coalesce(sum(debit), 0) AS debit, coalesce(sum(credit), 0) AS credit
        FROM erp GROUP BY ALL"""
    )
    connection.execute(f"CREATE OR REPLACE TABLE gl_closings AS {_CLOSINGS}")
    connection.execute(
        f"CREATE OR REPLACE TABLE gl_off AS SELECT *, {misstated} AS is_misstated"
        f" FROM gl_closings WHERE closing <> found OR {misstated}"
    )
    return LedgerProof(
        periods=tuple(_periods(books)),
        accounts=tuple(_accounts(books, with_mart=shown is not None)),
        unbalanced=_number(
            books,
            f"SELECT count(*) FROM (SELECT 1 FROM gl_erp GROUP BY {_BOOK}, year, period HAVING sum(debit) <> sum(credit))",
        ),
        misstated=_number(books, "SELECT count(*) FROM gl_off WHERE is_misstated"),
        with_mart=shown is not None,
    )


#: Running sums, anew each year for accounts of profit and loss; a period without a movement carries the balance on.
_CLOSINGS: Final = f"""
    WITH kinds AS (
        SELECT {_ACCOUNT}, bool_or(is_result) AS is_result FROM gl_shown GROUP BY ALL
    ),
    cells AS (
        SELECT {_ACCOUNT}, year, period, sum(erp) AS erp, sum(found) AS found,
            sum(shown) AS shown
        FROM (
            SELECT {_ACCOUNT}, year, period, debit - credit AS erp, 0 AS found, 0 AS shown FROM gl_erp
            UNION ALL BY NAME
            SELECT {_ACCOUNT}, year, period, 0 AS erp, debit - credit AS found, 0 AS shown FROM gl_found
            UNION ALL BY NAME
            SELECT {_ACCOUNT}, year, period, 0 AS erp, 0 AS found, balance AS shown FROM gl_shown
        ) GROUP BY ALL
    )
    SELECT {_ACCOUNT}, year, period, erp AS movement,
        sum(erp) OVER running AS closing, sum(found) OVER running AS found, shown
    FROM cells LEFT JOIN kinds USING ({_ACCOUNT})
    WINDOW running AS (
        PARTITION BY {_ACCOUNT}, CASE WHEN is_result THEN year ELSE 0 END ORDER BY year, period
    )"""


def _movements(warehouse: Warehouse, scope: Scope) -> list[dict[str, Any]]:
    return asked(
        warehouse,
        f"SELECT {_ACCOUNT}, year, period, CAST(COALESCE(SUM(debit), 0) AS VARCHAR) AS debit_text,"
        " CAST(COALESCE(SUM(credit), 0) AS VARCHAR) AS credit_text FROM gl_balances"
        f" WHERE _deleted_at IS NULL AND {_in(scope)} GROUP BY {_ACCOUNT}, year, period",
        order=f"{_ACCOUNT}, year, period",
    )


def _shown(warehouse: Warehouse, scope: Scope) -> list[dict[str, Any]] | None:
    """The balances that the mart shows; None when it is not there (yet), or not for us to read."""
    query = (
        f"SELECT {_ACCOUNT}, year, period, CAST(SUM(balance) AS VARCHAR) AS balance_text,"
        " MAX(CASE WHEN is_profit_and_loss THEN 1 ELSE 0 END) AS is_result"
        f" FROM {BALANCES_MART} WHERE {_in(scope)} GROUP BY {_ACCOUNT}, year, period"
    )
    try:
        return asked(warehouse, query, order=f"{_ACCOUNT}, year, period")
    except (ConfigError, CredentialError):
        return None


def _in(scope: Scope) -> str:
    company = "" if scope.company is None else f" AND company = {literal(scope.company)}"
    return f"tenant = {literal(scope.tenant)}{company}"


def _bring(books: Books, table: str, rows: Sequence[dict[str, Any]]) -> None:
    names = ("division", "balance_key", "value_type", "account_id")
    columns: dict[str, pa.Array] = {
        name: pa.array(["" if row[name] is None else str(row[name]) for row in rows], pa.string())
        for name in names
    }
    for name in ("year", "period"):
        columns[name] = pa.array([int(row[name]) for row in rows], pa.int64())
    for name in ("debit", "credit", "balance"):
        texts = [str(row.get(f"{name}_text") or 0) for row in rows]
        columns[name] = pa.array(texts, pa.string())
    columns["is_result"] = pa.array([bool(int(row.get("is_result") or 0)) for row in rows])
    connection = books.connection
    connection.register("arriving", pa.table(columns))
    connection.execute(
        f"""CREATE OR REPLACE TABLE {table} AS SELECT * REPLACE (
            CAST(debit AS DECIMAL(38, 6)) AS debit, CAST(credit AS DECIMAL(38, 6)) AS credit,
            CAST(balance AS DECIMAL(38, 6)) AS balance, CAST(is_result AS BOOLEAN) AS is_result
        ) FROM arriving"""
    )
    connection.unregister("arriving")


def _periods(books: Books) -> list[LedgerPeriod]:
    found = books.connection.execute(
        f"""SELECT {_BOOK}, year, period, count(*), coalesce(sum(e.debit), 0), coalesce(sum(e.credit), 0),
            coalesce(sum(f.debit), 0), coalesce(sum(f.credit), 0), count(o.year)
        FROM gl_erp AS e
        FULL JOIN gl_found AS f USING ({_ACCOUNT}, year, period)
        LEFT JOIN gl_off AS o USING ({_ACCOUNT}, year, period)
        GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5"""
    ).fetchall()
    return [
        LedgerPeriod(
            division=division,
            balance_key=key,
            value_type=kind,
            year=year,
            period=period,
            accounts=accounts,
            erp_debit=Decimal(erp_debit),
            erp_credit=Decimal(erp_credit),
            found_debit=Decimal(found_debit),
            found_credit=Decimal(found_credit),
            off=off,
        )
        for division, key, kind, year, period, accounts, erp_debit, erp_credit, found_debit, found_credit, off in found
    ]  # fmt: skip


def _accounts(books: Books, *, with_mart: bool) -> list[LedgerAccount]:
    found = books.connection.execute(
        f"""SELECT {_ACCOUNT}, year, period, movement, closing, found, shown
        FROM gl_off ORDER BY NOT is_misstated, {_ACCOUNT}, year, period LIMIT {LISTED}"""
    ).fetchall()
    return [
        LedgerAccount(
            division=division,
            balance_key=key,
            value_type=kind,
            account_id=account,
            year=year,
            period=period,
            opening=Decimal(closing) - Decimal(movement),
            movement=Decimal(movement),
            closing=Decimal(closing),
            found=Decimal(held),
            shown=Decimal(shown) if with_mart else None,
        )
        for division, key, kind, account, year, period, movement, closing, held, shown in found
    ]


def _number(books: Books, query: str) -> int:
    return int(books.connection.execute(query).fetchall()[0][0])
