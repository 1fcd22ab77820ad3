"""New records: copies of existing ones under a new key, with what belongs to them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml_connector_dagster.sandbox.erp.database import Database
from ml_connector_dagster.sandbox.erp.tables import TABLES, Table


Record = dict[str, int | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copier:
    """Copies rows of a database and stamps the copies."""

    database: Database
    stamps: Mapping[str, int | str]  # by four-letter name

    def rows(self, table: Table, key: Mapping[str, int | str]) -> list[Record]:
        """The rows that match ``key`` (prefixed columns)."""
        condition = " AND ".join(f"{column} = ?" for column in key)
        return [
            dict(zip(table.columns, row, strict=True))
            for row in self.database.select(
                f"SELECT * FROM {table.name} WHERE {condition}", tuple(key.values())
            )
        ]

    def add(self, table: Table, row: Record, new: Mapping[str, int | str]) -> Record:
        """Insert a copy of ``row`` with the ``new`` values."""
        stamped = {table.prefix + field: value for field, value in self.stamps.items()}
        copy: Record = row | dict(new) | stamped
        self.database.insert(table, copy)
        return copy

    def next_number(self, table: Table, column: str, scope: Mapping[str, int | str]) -> int:
        """One more than the highest number of a column among rows of ``scope``."""
        condition = " AND ".join(f"{name} = ?" for name in scope)
        highest = self.database.number(
            f"SELECT max(CAST({column} AS INTEGER)) FROM {table.name} WHERE {condition}",
            tuple(scope.values()),
        )
        return highest + 1


def _scope(row: Record, *columns: str) -> Record:
    return {column: row[column] for column in columns}


def _supplier(copier: Copier, row: Record, serial: int) -> Record:
    number = f"N{serial:05d}"
    for terms in copier.rows(TABLES["CIDVEN"], {"IICONO": row["IDCONO"], "IISUNO": row["IDSUNO"]}):
        copier.add(TABLES["CIDVEN"], terms, {"IISUNO": number})
    return copier.add(TABLES["CIDMAS"], row, {"IDSUNO": number, "IDSUNM": f"New supplier {serial}"})


def _customer(copier: Copier, row: Record, serial: int) -> Record:
    return copier.add(
        TABLES["OCUSMA"], row, {"OKCUNO": f"N{serial:05d}", "OKCUNM": f"New customer {serial}"}
    )


def _item(copier: Copier, row: Record, serial: int) -> Record:
    return copier.add(
        TABLES["MITMAS"], row, {"MMITNO": f"NEW-{serial:05d}", "MMITDS": f"New item {serial}"}
    )


def _order(copier: Copier, row: Record, serial: int) -> Record:
    number = str(8_000_000 + serial)
    for line in copier.rows(TABLES["MPLINE"], {"IBCONO": row["IACONO"], "IBPUNO": row["IAPUNO"]}):
        copier.add(TABLES["MPLINE"], line, {"IBPUNO": number})
    return copier.add(TABLES["MPHEAD"], row, {"IAPUNO": number})


def _order_line(copier: Copier, row: Record, serial: int) -> Record:
    del serial
    table = TABLES["MPLINE"]
    number = copier.next_number(table, "IBPNLI", _scope(row, "IBCONO", "IBPUNO"))
    return copier.add(table, row, {"IBPNLI": number, "IBPNLS": 0})


def _invoice(copier: Copier, row: Record, serial: int) -> Record:
    ledger, heads, lines = TABLES["FPLEDG"], TABLES["FAPIBH"], TABLES["FAPIBL"]
    number = f"NEW-{serial}"
    batch = copier.next_number(heads, "E5INBN", {"E5CONO": row["EPCONO"]})
    old = row["EPINBN"]
    for head in copier.rows(heads, {"E5CONO": row["EPCONO"], "E5INBN": old}):
        copier.add(heads, head, {"E5INBN": batch, "E5SINO": number})
    for line in copier.rows(lines, {"E6CONO": row["EPCONO"], "E6INBN": old}):
        copier.add(lines, line, {"E6INBN": batch, "E6SINO": number})
    journal = copier.next_number(ledger, "EPJRNO", _scope(row, "EPCONO", "EPDIVI", "EPYEA4"))
    return copier.add(ledger, row, {"EPSINO": number, "EPJRNO": journal, "EPINBN": batch})


def _invoice_line(copier: Copier, row: Record, serial: int) -> Record:
    del serial
    table = TABLES["FAPIBL"]
    number = copier.next_number(table, "E6TRNO", _scope(row, "E6CONO", "E6DIVI", "E6INBN"))
    return copier.add(table, row, {"E6TRNO": number})


def _payment(copier: Copier, row: Record, serial: int) -> Record:
    del serial
    table = TABLES["FPLEDG"]
    number = copier.next_number(table, "EPJRNO", _scope(row, "EPCONO", "EPDIVI", "EPYEA4"))
    return copier.add(table, row, {"EPJRNO": number})


def _identity(copier: Copier, row: Record, serial: int) -> Record:
    return copier.add(
        TABLES["FCHACC"], row, {"EAAITM": f"9{serial:05d}", "EATX40": f"New identity {serial}"}
    )


#: Entity → how a record of it is copied. ``gl_balances`` come from vouchers instead.
INSERTS: dict[str, Callable[[Copier, Record, int], Record]] = {
    "suppliers": _supplier,
    "customers": _customer,
    "items": _item,
    "purchase_orders": _order,
    "purchase_order_lines": _order_line,
    "supplier_invoices": _invoice,
    "supplier_invoice_lines": _invoice_line,
    "payments": _payment,
    "gl_accounts": _identity,
    "gl_dimensions": _identity,
}
