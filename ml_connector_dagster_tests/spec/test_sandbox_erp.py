"""The generated ERP: deterministic, whole, adding up, and awkward where real data is."""

import time
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from ml_connector_dagster.model.entities import ENTITIES, ColumnType
from ml_connector_dagster.sandbox import ErpSize, Sandbox
from ml_connector_dagster.sandbox.erp.generation import build_database
from ml_connector_dagster.sandbox.erp.tables import TABLES


TODAY = date(2026, 3, 31)
ZONE = ZoneInfo("Europe/Stockholm")
TYPES = {
    ColumnType.STRING: str,
    ColumnType.INTEGER: int,
    ColumnType.DECIMAL: Decimal,
    ColumnType.DATE: date,
    ColumnType.BOOLEAN: bool,
}


def test_seed_size_and_today_determine_every_row() -> None:
    def dump(seed: int, today: date) -> list[object]:
        database = build_database(seed, ErpSize.tiny(), today, ZONE)
        rows = [database.select(f"SELECT * FROM {name}") for name in TABLES]
        database.close()
        return list(rows)

    assert dump(1, TODAY) == dump(1, TODAY)
    assert dump(1, TODAY) != dump(2, TODAY)
    assert dump(1, TODAY) != dump(1, TODAY + timedelta(days=1))


def test_sizes_are_met() -> None:
    size = ErpSize.tiny()
    started = time.process_time()
    database = build_database(1, size, TODAY, ZONE)
    seconds = time.process_time() - started
    counts = {name: database.number(f"SELECT count(*) FROM {name}") for name in TABLES}
    database.close()
    assert counts["CIDMAS"] == counts["CIDVEN"] == size.suppliers
    assert counts["OCUSMA"] == size.customers
    assert counts["MITMAS"] == size.items
    assert counts["MPHEAD"] == size.purchase_orders
    assert counts["MPLINE"] == size.purchase_order_lines
    assert counts["FAPIBH"] == size.supplier_invoices
    assert seconds < 1  # about 0.1 on an idle machine


@pytest.mark.parametrize("name", ENTITIES)
def test_the_truth_has_every_column_in_its_type(sandbox: Sandbox, name: str) -> None:
    entity = ENTITIES[name]
    rows = sandbox.erp.truth(name)
    assert rows
    for row in rows:
        assert list(row) == ["company", *(column.name for column in entity.columns)]
        for column in entity.columns:
            value = row[column.name]
            if column.name in entity.key:
                assert value is not None
            assert value is None or type(value) is TYPES[column.type], (column.name, value)
            if isinstance(value, str):
                assert value == value.strip()
                assert value or column.name in entity.blank_key


@pytest.mark.parametrize("name", ENTITIES)
def test_keys_are_unique_and_references_hold(sandbox: Sandbox, name: str) -> None:
    entity = ENTITIES[name]
    rows = sandbox.erp.truth(name)
    keys = [(row["company"], *(row[part] for part in entity.key)) for row in rows]
    assert len(set(keys)) == len(keys)
    relations = list(entity.references) + ([entity.parent] if entity.parent else [])
    for relation in relations:
        targets = {
            (row["company"], *(row[part] for part in relation.target))
            for row in sandbox.erp.truth(relation.entity)
        }
        for row in rows:
            assert (row["company"], *(row[part] for part in relation.columns)) in targets


def test_the_same_numbers_mean_different_things_in_two_companies(sandbox: Sandbox) -> None:
    first, second = (
        {row["supplier_id"]: row for row in sandbox.erp.truth("suppliers", company)}
        for company in ("100", "200")
    )
    shared = set(first) & set(second)
    assert shared
    assert any(first[number]["country"] != second[number]["country"] for number in shared)


def test_postings_add_up_to_the_balances(sandbox: Sandbox) -> None:
    movements: dict[tuple[object, ...], list[Decimal]] = defaultdict(lambda: [Decimal()] * 2)
    vouchers: dict[tuple[object, ...], Decimal] = defaultdict(Decimal)
    for row in sandbox.erp.database.select(
        "SELECT EGCONO, EGDIVI, EGAIT1, EGAIT2, EGAIT3, EGAIT4, EGACYP, EGACAM, EGYEA4, EGJRNO FROM FGLEDG"
    ):
        amount = Decimal(str(row[7]))
        debit, credit = movements[row[:7]]
        movements[row[:7]] = [debit + max(amount, Decimal()), credit - min(amount, Decimal())]
        vouchers[row[0], row[1], row[8], row[9]] += amount
    balances = {
        (
            int(str(row["company"])),
            row["division"],
            row["account_id"],
            *(row[f"dimension_{place}"] or "" for place in (2, 3, 4)),
            int(str(row["year"])) * 100 + int(str(row["period"])),
        ): [row["debit"], row["credit"]]
        for row in sandbox.erp.truth("gl_balances")
    }
    assert balances == movements
    assert set(vouchers.values()) == {Decimal()}


def test_order_totals_are_the_sums_of_their_lines(sandbox: Sandbox) -> None:
    sums: dict[tuple[object, object], Decimal] = defaultdict(Decimal)
    for line in sandbox.erp.truth("purchase_order_lines"):
        sums[line["company"], line["purchase_order_id"]] += Decimal(str(line["line_amount"]))
    for order in sandbox.erp.truth("purchase_orders"):
        assert order["net_amount"] == sums[order["company"], order["purchase_order_id"]]


def test_the_data_is_awkward_where_real_data_is(sandbox: Sandbox) -> None:
    erp = sandbox.erp
    names = [str(row["name"]) for row in erp.truth("suppliers")]
    assert "O'Brien & Sons Ltd" in names
    assert any(not name.isascii() for name in names)
    invoices = erp.truth("supplier_invoices")
    numbers = [str(row["invoice_number"]) for row in invoices]
    assert any("/" in number and "%" in number for number in numbers)
    assert any(isinstance(row["amount"], Decimal) and row["amount"] < 0 for row in invoices)
    assert any(row["due_date"] is None for row in invoices)
    lines = erp.truth("supplier_invoice_lines")
    assert Decimal("123456789012345.67") in [row["gross_amount"] for row in lines]
    raw_items = [str(row[0]) for row in erp.database.select("SELECT MMITNO FROM MITMAS")]
    assert any(number.startswith(" ") for number in raw_items)


def test_changes_spread_over_three_years_up_to_today(sandbox: Sandbox) -> None:
    today = sandbox.today
    for name in ("suppliers", "customers", "items", "purchase_orders", "purchase_order_lines"):
        everything = sandbox.erp.truth(name)
        on_today = sandbox.erp.truth(name, changed_from=today, changed_until=today)
        yesterday = today - timedelta(days=1)
        assert on_today
        assert sandbox.erp.truth(name, changed_from=yesterday, changed_until=yesterday)
        dated = sandbox.erp.truth(name, changed_from=date(1900, 1, 1))
        assert len(on_today) < len(dated) < len(everything)  # a few have no change date
        assert not sandbox.erp.truth(name, changed_from=today + timedelta(days=1))
        assert sandbox.erp.truth(name, changed_until=today - timedelta(days=400))


def test_totals(sandbox: Sandbox) -> None:
    totals = sandbox.erp.totals()
    assert set(totals) == set(ENTITIES)
    for name, entity in ENTITIES.items():
        for company in ("100", "200"):
            found = totals[name][company]
            assert set(found) == {"rows", *entity.control_totals}
            assert found["rows"] == len(sandbox.erp.truth(name, company))
    balances = totals["gl_balances"]["100"]
    assert balances["debit"] == balances["credit"] != 0
