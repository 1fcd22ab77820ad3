"""Journal vouchers posted while the sandbox runs: the ledger and its balances move together."""

from collections.abc import Mapping
from decimal import Decimal

from ml_connector_dagster.sandbox.erp.database import Database
from ml_connector_dagster.sandbox.erp.generation.values import blank_row
from ml_connector_dagster.sandbox.erp.tables import TABLES


def reclassify(
    database: Database,
    balance: Mapping[str, int | str],
    identities: Mapping[str, int | str],
    amount: Decimal,
    stamps: Mapping[str, int | str],
) -> None:
    """Post a voucher that debits and credits one combination by ``amount`` in its own period.

    ``balance`` is a BALANCES row and ``identities`` its BALANCE_KEYS row, by prefixed column.
    """
    ledger, balances = TABLES["FGLEDG"], TABLES["BALANCES"]
    scope = (balance["X2CONO"], balance["X2DIVI"], balance["X2YEA4"])
    journal = 1 + database.number(
        "SELECT max(EGJRNO) FROM FGLEDG WHERE EGCONO = ? AND EGDIVI = ? AND EGYEA4 = ?", scope
    )
    period = int(balance["X2YEA4"]) * 100 + int(balance["X2PERI"])
    for sequence, sign in enumerate((1, -1), start=1):
        row = blank_row("FGLEDG") | {
            "CONO": balance["X2CONO"],
            "DIVI": balance["X2DIVI"],
            "YEA4": balance["X2YEA4"],
            "JRNO": journal,
            "JSNO": sequence,
            "FEID": "GL01",
            "FNCN": 1,
            "TRCD": 10,
            "VSER": "100",
            "VONO": 20_000_000 + journal,
            "VSNO": sequence,
            "ACDT": period * 100 + 1,
            "OCDT": period * 100 + 1,
            **{f"AIT{place}": identities[f"X1BIT{place}"] for place in range(1, 8)},
            "CUCD": "SEK",
            "CRTP": 1,
            "ARAT": "1.000000",
            "ACAM": str(sign * amount),
            "CUAM": str(sign * amount),
            "DBCR": "1" if sign > 0 else "2",
            "ACYP": period,
            "CYP6": period,
            "VTXT": "Reclassification",
            **stamps,
        }
        database.insert(ledger, {ledger.prefix + name: value for name, value in row.items()})
    key = {column: balance[column] for column in balances.key_columns}
    movements = {
        column: str(Decimal(str(balance[column])) + amount)
        for column in ("X2ACAD", "X2ACAC", "X2CUAD", "X2CUAC")
    }
    database.update(balances, key, movements)
