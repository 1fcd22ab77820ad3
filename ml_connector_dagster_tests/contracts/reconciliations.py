"""What reconciliation must find at every warehouse: a changed amount, a row that is gone, one that was added; and nothing else."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow.dataset import dataset

from ml_connector_dagster.destinations.contract import Scope, Warehouse
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.controls import CONTROLS
from ml_connector_dagster.model.reconciliations import Finding, Group, Standing
from ml_connector_dagster.sync.reconcile.books import Books, open_books
from ml_connector_dagster.sync.reconcile.comparing import compare
from ml_connector_dagster.sync.reconcile.judging import Evidence, Judgement
from ml_connector_dagster.sync.reconcile.warehouses import WarehousePlace
from ml_connector_dagster_tests.contracts.staged import (
    COMPANY,
    DAYS,
    TENANT,
    row,
    schema_of,
    staged_rows,
)


INVOICES = CONTROLS["supplier_invoices"]

Row = dict[str, Any]

#: Amounts with every digit that there can be, signs, nulls; dates and currencies that are missing or odd.
ODD: tuple[dict[str, Any], ...] = (
    {"amount": Decimal("123456789012345678901.123456"), "currency": "SEK"},
    {"amount": Decimal("-0.000001"), "currency": "SEK"},
    {"amount": None, "currency": "SEK"},
    {"amount": Decimal("10.10"), "currency": "O'R"},
    {"amount": Decimal("10.15"), "currency": "\\'"},
    {"amount": Decimal("10.20"), "currency": None, "accounting_date": None},
    {"amount": Decimal(0), "currency": "EUR", "accounting_date": date(1999, 12, 31)},
)


def invoices() -> list[Row]:
    """Odd ones, and some of everyday."""
    rows = [
        row(INVOICES.entity, "AAA", "S'1", f"odd {number}", 2026, **{"accounting_date": date(2026, 1, 31)} | one)
        for number, one in enumerate(ODD)
    ]  # fmt: skip
    rows += [
        row(
            INVOICES.entity,
            "AAA",
            "S2",
            f"invoice {number}",
            2026,
            accounting_date=date(2026, 1 + number % 3, 1),
            currency=("EUR", "SEK")[number % 2],
            amount=Decimal(number) + Decimal("0.01"),
            vat_amount=Decimal(number),
        )
        for number in range(30)
    ]
    return rows


class ReconciliationContract:
    """Subclasses give ``warehouse`` (for the class, with nothing in it) and ``change``, which runs SQL with MERGE."""

    @pytest.fixture(scope="class")
    @classmethod
    def warehouse(cls) -> Warehouse | Iterator[Warehouse]:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def change(cls) -> Callable[[str], object]:
        """Run a statement; ``{table}`` in it is the table of supplier_invoices."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def staged(
        cls, warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory
    ) -> Sequence[str]:
        """The files of what was delivered; another company's records are there too."""
        folder = tmp_path_factory.mktemp("staged")
        other = [row(INVOICES.entity, "AAA", "S1", "x", 2026, company="200", amount=Decimal(5))]
        warehouse.deliver(
            INVOICES.entity,
            staged_rows(folder, INVOICES.entity, other, batch_id="b0", company="200"),
            WriteMode.UPSERT,
        )
        batch = staged_rows(folder, INVOICES.entity, invoices(), batch_id="b1")
        warehouse.deliver(INVOICES.entity, batch, WriteMode.UPSERT)
        return batch.files

    def compared(
        self, warehouse: Warehouse, staged: Sequence[str], folder: Path, *, ids: Sequence[str] = ()
    ) -> tuple[tuple[Group, ...], Judgement]:
        """Against the ERP's ``invoices``; with ``ids`` only these."""
        rows = [one for one in invoices() if not ids or one["record_id"] in ids]
        with open_books(folder, INVOICES, INVOICES.columns) as books:
            self.enter(books, rows)
            scope = Scope(tenant=TENANT, company=COMPANY)
            place = WarehousePlace(warehouse, INVOICES, scope)
            return compare(books, place, lambda: evidence(staged), changes_only=bool(ids))

    def enter(self, books: Books, rows: Sequence[Row]) -> None:
        books.begin(())
        books.enter(pa.Table.from_pylist(list(rows), schema=schema_of(INVOICES.entity)), {})
        books.close()

    def test_what_is_alike_to_the_last_digit_is_clean(
        self, warehouse: Warehouse, staged: Sequence[str], tmp_path: Path
    ) -> None:
        groups, judgement = self.compared(warehouse, staged, tmp_path)
        assert not [group for group in groups if group.is_suspect]
        assert sum(group.found.rows for group in groups) == len(invoices())
        assert (202601, "O'R") in {(group.period, group.currency) for group in groups}
        assert (0, "") in {(group.period, group.currency) for group in groups}
        huge = next(group for group in groups if (group.period, group.currency) == (202601, "SEK"))
        assert huge.found.sums[0] > Decimal("123456789012345678901.12")
        assert judgement.differences == ()

    @pytest.mark.parametrize("position", [4, 8], ids=["odd", "usual"])
    @pytest.mark.parametrize(
        ("then", "finding"),
        [
            ("UPDATE SET amount = t.amount + 0.000001", Finding.DIFFERENT),
            ("UPDATE SET currency = 'GBP'", Finding.DIFFERENT),
            ("DELETE", Finding.MISSING),
        ],
        ids=["amount", "currency", "deleted"],
    )
    def test_a_record_that_was_tampered_with_is_found_by_its_key(
        self,
        warehouse: Warehouse,
        staged: Sequence[str],
        change: Callable[[str], object],
        tmp_path: Path,
        then: str,
        finding: Finding,
        position: int,
    ) -> None:
        record = invoices()[position]["record_id"]
        change(
            f"MERGE INTO {{table}} AS t USING (SELECT '{record}' AS id) AS s ON t.record_id = s.id"
            f" WHEN MATCHED THEN {then}"
        )
        try:
            _, judgement = self.compared(warehouse, staged, tmp_path)
            (one,) = judgement.differences
            assert (one.record_id, one.finding, one.standing) == (record, finding, Standing.WRONG)
            _, again = self.compared(warehouse, staged, tmp_path, ids=[record])
            assert again.differences == judgement.differences
        finally:
            self.restore(warehouse, change, tmp_path, record)

    def test_changes_that_cancel_each_other_out_are_found_by_their_keys(
        self,
        warehouse: Warehouse,
        staged: Sequence[str],
        change: Callable[[str], object],
        tmp_path: Path,
    ) -> None:
        """One invoice more, another of the same month and currency as much less: every sum is what it was."""
        first, second = (invoices()[len(ODD) + number]["record_id"] for number in (0, 6))
        for record, by in ((first, "+ 5"), (second, "- 5")):
            change(
                f"MERGE INTO {{table}} AS t USING (SELECT '{record}' AS id) AS s ON t.record_id = s.id"
                f" WHEN MATCHED THEN UPDATE SET amount = t.amount {by}"
            )
        try:
            groups, judgement = self.compared(warehouse, staged, tmp_path)
            assert not [group for group in groups if group.differs]
            assert {one.record_id for one in judgement.differences} == {first, second}
            assert {one.finding for one in judgement.differences} == {Finding.DIFFERENT}
        finally:
            for number, record in enumerate((first, second)):
                folder = tmp_path / str(number)
                folder.mkdir()
                self.restore(warehouse, change, folder, record)

    def test_a_record_that_was_added_is_found_by_its_key(
        self,
        warehouse: Warehouse,
        staged: Sequence[str],
        change: Callable[[str], object],
        tmp_path: Path,
    ) -> None:
        record = f"{TENANT}/{COMPANY}/AAA/S''9/made up/2026"
        change(
            f"MERGE INTO {{table}} AS t USING (SELECT '{record}' AS id) AS s ON t.record_id = s.id WHEN NOT MATCHED"
            " THEN INSERT (record_id, tenant, company, division, supplier_id, invoice_number, invoice_year, _extracted_at)"
            f" VALUES (s.id, '{TENANT}', '{COMPANY}', 'AAA', 'S9', 'made up', 2026, CURRENT_TIMESTAMP)"
        )
        _, judgement = self.compared(warehouse, staged, tmp_path)
        (one,) = judgement.differences
        assert (one.record_id, one.finding) == (record.replace("''", "'"), Finding.UNKNOWN)
        assert one.standing is Standing.WRONG
        change(
            f"MERGE INTO {{table}} AS t USING (SELECT '{record}' AS id) AS s ON t.record_id = s.id"
            " WHEN MATCHED THEN DELETE"
        )
        assert self.compared(warehouse, staged, tmp_path)[1].differences == ()

    def restore(
        self, warehouse: Warehouse, change: Callable[[str], object], folder: Path, record: str
    ) -> None:
        """Put back what was changed, by delivering it anew."""
        change(
            f"MERGE INTO {{table}} AS t USING (SELECT '{record}' AS id) AS s ON t.record_id = s.id"
            " WHEN MATCHED THEN DELETE"
        )
        rows = [one for one in invoices() if one["record_id"] == record]
        batch = staged_rows(
            folder, INVOICES.entity, rows, batch_id=f"restore {folder.parent.name} {folder.name}"
        )
        warehouse.deliver(INVOICES.entity, batch, WriteMode.UPSERT)


def evidence(staged: Sequence[str]) -> Evidence:
    """Everything was read and delivered; nothing is under way."""
    return Evidence(
        staged=lambda columns: dataset(list(staged)).scanner(columns=list(columns)).to_reader(),
        pending=(),
        refused={},
        edits=(),
        sighted=(),
        earlier=(),
        as_of=DAYS[20],
        watermark=DAYS[20],
        next_read=DAYS[20],
        last_sweep=None,
        sweeps=False,
    )
