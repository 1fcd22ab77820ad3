"""What every destination must do. A destination's own test inherits ``DestinationContract`` and says how to open it.

The oracle is ``memory.py``: the same batches go to both, and every row, replaced version, audit row and fact must
be equal afterwards. What a destination's ``Capabilities`` do not claim is not asked of it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ml_connector_dagster.destinations.contract import Destination, Scope
from ml_connector_dagster.destinations.memory import MemoryDestination
from ml_connector_dagster.model.capabilities import Support, WriteMode
from ml_connector_dagster.model.entities import ENTITIES, Column, ColumnType, Entity
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts
from ml_connector_dagster_tests.contracts.staged import (
    COMPANY,
    DAYS,
    TENANT,
    StagedFiles,
    row,
    staged_rows,
    staged_table,
)


SUPPLIERS = ENTITIES["suppliers"]
ORDERS = ENTITIES["purchase_orders"]
LINES = ENTITIES["purchase_order_lines"]
ACCOUNTS = ENTITIES["gl_accounts"]

REGION = Column(name="sales region", type=ColumnType.STRING, description="a tenant's own field")
BONUS = Column(name="bonus", type=ColumnType.DECIMAL, description="another one")

#: (_modified_at, _extracted_at) of the stored and of the incoming version, and whether it is written.
LATE = (
    ((DAYS[2], DAYS[2]), (DAYS[1], DAYS[3]), False),
    ((DAYS[2], DAYS[2]), (DAYS[3], DAYS[1]), True),
    ((DAYS[2], DAYS[2]), (DAYS[2], DAYS[1]), False),
    ((DAYS[2], DAYS[2]), (DAYS[2], DAYS[2]), True),
    # Where a route gives no stamp, what was read later is newer.
    ((DAYS[2], DAYS[2]), (None, DAYS[3]), True),
    ((DAYS[2], DAYS[2]), (None, DAYS[1]), False),
    ((None, DAYS[2]), (DAYS[1], DAYS[1]), False),
    ((None, DAYS[2]), (DAYS[1], DAYS[3]), True),
    ((None, DAYS[2]), (None, DAYS[1]), False),
    ((None, DAYS[2]), (None, DAYS[3]), True),
)


class Clock:
    """Stands still until it is moved, so that two destinations write the same times."""

    def __init__(self) -> None:
        self.at = DAYS[0]

    def __call__(self) -> datetime:
        return self.at

    def tick(self) -> None:
        self.at += timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a user allows in a column of a table of his own. ``digits`` are all digits, and those after the point."""

    nullable: bool = True
    digits: tuple[int, int] | None = None


class Crash(Exception):
    """The process dies here."""


class Pair:
    """A destination and its oracle, fed with the same batches."""

    def __init__(self, folder: Path, clock: Clock, tested: Destination) -> None:
        self.folder = folder
        self.clock = clock
        self.tested = tested
        self.oracle = MemoryDestination(tested.name, now=clock)
        self.batches = 0

    def stage(self, entity: Entity, rows: Sequence[dict[str, Any]], **details: Any) -> StagedFiles:
        self.batches += 1
        return staged_rows(
            self.folder, entity, rows, batch_id=f"batch-{self.batches:03d}", **details
        )

    def deliver(
        self, entity: Entity, staged: StagedFiles, mode: WriteMode = WriteMode.UPSERT
    ) -> DeliveryReport:
        """Deliver to both, a moment later; the reports must agree."""
        self.clock.tick()
        return self.deliver_now(entity, staged, mode)

    def deliver_now(
        self, entity: Entity, staged: StagedFiles, mode: WriteMode = WriteMode.UPSERT
    ) -> DeliveryReport:
        """Deliver to both without moving the clock."""
        expected = self.oracle.deliver(entity, staged, mode)
        report = self.tested.deliver(entity, staged, mode)
        assert report.counts == expected.counts
        assert by_record(staged.receipts(report.receipts)) == by_record(
            staged.receipts(expected.receipts)
        )
        return report

    def send(self, entity: Entity, *rows: dict[str, Any], **details: Any) -> OutcomeCounts:
        """Stage and deliver ``rows``; answers the counts."""
        return self.deliver(entity, self.stage(entity, rows, **details)).counts

    def assert_equal(
        self, *entities: Entity, scopes: Iterable[Scope] = (Scope(tenant=TENANT),)
    ) -> None:
        """Nothing tells the destination from its oracle."""
        for entity in entities:
            records: set[str] = set()
            for scope in scopes:
                expected = self.oracle.rows(entity, scope).to_pylist()
                assert self.tested.rows(entity, scope).to_pylist() == expected
                assert self.tested.inspect(entity, scope) == self.oracle.inspect(entity, scope)
                records |= {one["record_id"] for one in expected}
            for record_id in sorted(records):
                self.assert_same_story(entity, record_id)

    def assert_same_story(self, entity: Entity, record_id: str) -> None:
        capabilities = self.tested.capabilities
        if capabilities.history is not Support.UNSUPPORTED:
            found = self.tested.history(entity, record_id)
            assert versions(found) == versions(self.oracle.history(entity, record_id))
        if capabilities.audit is not Support.UNSUPPORTED:
            found = self.tested.audit(entity, record_id)
            assert found.to_pylist() == self.oracle.audit(entity, record_id).to_pylist()


def by_record(receipts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Receipts in an order that can be compared."""
    return sorted(receipts, key=lambda receipt: str(receipt["record_id"]))


def versions(history: pa.Table) -> list[dict[str, Any]]:
    """History rows without the columns that were added after them (null there)."""
    return [
        {name: value for name, value in one.items() if value is not None}
        for one in history.to_pylist()
    ]


class DestinationContract:
    """Inherit, implement ``open``, and every test below holds the destination to the oracle."""

    #: The points at which ``checkpoint`` is called; empty when there are none (nothing to crash at).
    checkpoints: tuple[str, ...] = ()

    def open(
        self, home: Path, *, now: Callable[[], datetime], checkpoint: Callable[[str], None]
    ) -> Destination:
        """The destination over ``home``; opened again there, it finds what it held before."""
        raise NotImplementedError

    def make_own_table(self, home: Path, entity: Entity, limits: Mapping[str, Limit]) -> None:
        """Make the entity's table as a user would have, before the first delivery, with these limits on columns."""
        pytest.skip("nobody else can make a table there")

    def by_hand(self, pair: Pair, sql: str) -> None:
        """Run a statement at the destination past it; ``{table}`` in it is the table of suppliers."""
        raise NotImplementedError

    def tamper(self, pair: Pair, record_id: str, name: str | None) -> None:
        """Give a supplier another name behind the connector's back, here and in the oracle; None removes it."""
        pair.oracle.change_by_hand(SUPPLIERS, record_id, None if name is None else {"name": name})
        done = "DELETE" if name is None else f"UPDATE SET name = '{name}'"
        self.by_hand(
            pair,
            f"MERGE INTO {{table}} AS t USING (SELECT '{record_id}' AS id) AS s ON t.record_id = s.id"
            f" WHEN MATCHED THEN {done}",
        )

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def pair(self, tmp_path: Path, clock: Clock) -> Iterable[Pair]:
        destination = self.open(tmp_path / "home", now=clock, checkpoint=lambda point: None)
        yield Pair(tmp_path, clock, destination)
        destination.close()

    def test_new_records_are_inserted(self, pair: Pair) -> None:
        counts = pair.send(
            SUPPLIERS, row(SUPPLIERS, "1", name="Anker"), row(SUPPLIERS, "2", name="Bolt")
        )
        assert counts == OutcomeCounts(inserted=2)
        pair.assert_equal(SUPPLIERS)

    def test_equal_content_in_another_batch_writes_nothing(self, pair: Pair) -> None:
        pair.send(SUPPLIERS, row(SUPPLIERS, "1"))
        staged = pair.stage(SUPPLIERS, [row(SUPPLIERS, "1", modified=DAYS[3], extracted=DAYS[4])])
        report = pair.deliver(SUPPLIERS, staged)
        assert report == DeliveryReport(counts=OutcomeCounts(unchanged=1), receipts=None)
        pair.assert_equal(SUPPLIERS)

    def test_what_somebody_changed_or_removed_is_restored_and_their_version_is_kept(
        self, pair: Pair
    ) -> None:
        rows = [row(SUPPLIERS, str(n), name=f"supplier {n}") for n in range(4)]
        pair.send(SUPPLIERS, *rows)
        changed, removed = (one["record_id"] for one in rows[1:3])
        self.tamper(pair, changed, "Mallory")
        self.tamper(pair, removed, None)
        pair.assert_equal(SUPPLIERS)
        assert pair.send(SUPPLIERS, rows[1]) == OutcomeCounts(unchanged=1)  # its hash is intact

        restoring = pair.stage(SUPPLIERS, rows[1:3])
        report = pair.deliver(SUPPLIERS, restoring, WriteMode.RESTORE)
        assert report.counts == OutcomeCounts(inserted=1, updated=1)
        names = pair.tested.rows(SUPPLIERS, Scope(tenant=TENANT))["name"].to_pylist()
        assert names == [one["name"] for one in rows]
        if pair.tested.capabilities.history is not Support.UNSUPPORTED:
            assert pair.tested.history(SUPPLIERS, changed)["name"].to_pylist() == ["Mallory"]
        pair.assert_equal(SUPPLIERS)

        pair.clock.tick()
        assert pair.tested.deliver(SUPPLIERS, restoring, WriteMode.RESTORE) == report
        pair.assert_equal(SUPPLIERS)

        # And again, as often as somebody does it.
        self.tamper(pair, changed, "Mallory II")
        again = pair.deliver(SUPPLIERS, pair.stage(SUPPLIERS, [rows[1]]), WriteMode.RESTORE)
        assert again.counts == OutcomeCounts(updated=1)
        pair.assert_equal(SUPPLIERS)

    def test_an_older_version_is_not_restored(self, pair: Pair) -> None:
        old = row(SUPPLIERS, "1", name="old")
        pair.send(SUPPLIERS, old)
        new = row(SUPPLIERS, "1", name="new", modified=DAYS[1], extracted=DAYS[1])
        pair.send(SUPPLIERS, new)
        self.tamper(pair, new["record_id"], "Mallory")
        report = pair.deliver(SUPPLIERS, pair.stage(SUPPLIERS, [old]), WriteMode.RESTORE)
        assert report.counts == OutcomeCounts(unchanged=1)
        pair.assert_equal(SUPPLIERS)

    def test_a_crash_while_restoring_loses_and_doubles_nothing(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        crash_at: list[str] = []

        def checkpoint(point: str) -> None:
            if point in crash_at:
                raise Crash(point)

        home = tmp_path / "home"
        pair = Pair(tmp_path, clock, self.open(home, now=clock, checkpoint=checkpoint))
        rows = [row(SUPPLIERS, str(n), name=f"supplier {n}") for n in range(3)]
        pair.send(SUPPLIERS, *rows)
        for point in self.checkpoints:
            self.tamper(pair, rows[0]["record_id"], "Mallory")
            self.tamper(pair, rows[1]["record_id"], None)
            restoring = pair.stage(SUPPLIERS, rows[:2])
            clock.tick()
            pair.oracle.deliver(SUPPLIERS, restoring, WriteMode.RESTORE)
            crash_at[:] = [point]
            with pytest.raises(Crash):
                pair.tested.deliver(SUPPLIERS, restoring, WriteMode.RESTORE)
            crash_at.clear()
            pair.tested = self.open(home, now=clock, checkpoint=checkpoint)
            report = pair.tested.deliver(SUPPLIERS, restoring, WriteMode.RESTORE)
            assert report.counts == OutcomeCounts(inserted=1, updated=1)
        pair.assert_equal(SUPPLIERS)
        pair.tested.close()

    def test_a_column_that_another_process_added_is_kept_with_each_version(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        one, other = (
            self.open(tmp_path / "home", now=clock, checkpoint=lambda point: None) for _ in range(2)
        )
        if one.capabilities.schema_evolution is Support.UNSUPPORTED:
            pytest.skip("the destination's capabilities rule new columns out")
        pair = Pair(tmp_path, clock, one)
        pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="a"))
        pair.tested = other
        regional = row(SUPPLIERS, "1", name="b", modified=DAYS[1], **{REGION.name: "north"})
        pair.send(SUPPLIERS, regional, more=[REGION])
        pair.tested = one
        pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="c", modified=DAYS[2]))
        pair.assert_equal(SUPPLIERS)
        one.close()
        other.close()

    def test_the_same_batch_again_answers_the_same_report(self, pair: Pair) -> None:
        staged = pair.stage(SUPPLIERS, [row(SUPPLIERS, "1"), row(SUPPLIERS, "2")])
        first = pair.deliver(SUPPLIERS, staged)
        pair.clock.tick()
        assert pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT) == first
        pair.assert_equal(SUPPLIERS)

    def test_an_old_batch_again_does_not_bring_old_rows_back(self, pair: Pair) -> None:
        old = pair.stage(SUPPLIERS, [row(SUPPLIERS, "1", name="old", modified=None)])
        pair.deliver(SUPPLIERS, old)
        pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="new", modified=None, extracted=DAYS[1]))
        pair.deliver(SUPPLIERS, old)
        pair.assert_equal(SUPPLIERS)

    def test_a_changed_record_is_updated_and_its_old_version_kept(self, pair: Pair) -> None:
        pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="old"), row(SUPPLIERS, "2"))
        counts = pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="new", modified=DAYS[1]))
        assert counts == OutcomeCounts(updated=1)
        pair.assert_equal(SUPPLIERS)

    def test_new_changed_and_unchanged_records_come_in_one_batch(self, pair: Pair) -> None:
        pair.send(SUPPLIERS, *(row(SUPPLIERS, str(n)) for n in range(6)))
        counts = pair.send(
            SUPPLIERS,
            row(SUPPLIERS, "1", name="changed"),
            row(SUPPLIERS, "2"),
            row(SUPPLIERS, "8"),
            row(SUPPLIERS, "3", deleted=DAYS[1]),
            row(SUPPLIERS, "9"),
            parts=2,
        )
        assert counts == OutcomeCounts(inserted=2, updated=1, unchanged=1, deleted=1)
        pair.assert_equal(SUPPLIERS)

    def test_an_older_version_that_comes_late_changes_nothing(self, pair: Pair) -> None:
        pair.send(
            SUPPLIERS,
            *(
                row(SUPPLIERS, f"{n:02}", name="a", modified=modified, extracted=extracted)
                for n, ((modified, extracted), _, _) in enumerate(LATE)
            ),
        )
        counts = pair.send(
            SUPPLIERS,
            *(
                row(SUPPLIERS, f"{n:02}", name="b", modified=modified, extracted=extracted)
                for n, (_, (modified, extracted), _) in enumerate(LATE)
            ),
        )
        names = pair.tested.rows(SUPPLIERS, Scope(tenant=TENANT))["name"].to_pylist()
        assert names == ["b" if written else "a" for _, _, written in LATE]
        assert counts == OutcomeCounts(updated=names.count("b"), unchanged=names.count("a"))
        pair.assert_equal(SUPPLIERS)

    @pytest.mark.parametrize("parts", [1, 3])
    def test_of_several_rows_of_a_record_in_one_batch_the_newest_wins(
        self, pair: Pair, parts: int
    ) -> None:
        counts = pair.send(
            SUPPLIERS,
            row(SUPPLIERS, "1", name="first", modified=None),
            row(SUPPLIERS, "1", name="newest", modified=DAYS[3]),
            row(SUPPLIERS, "1", name="older", modified=DAYS[1]),
            row(SUPPLIERS, "2", name="first of equals"),
            row(SUPPLIERS, "2", name="last of equals"),
            row(SUPPLIERS, "3"),
            parts=parts,
        )
        assert counts == OutcomeCounts(inserted=3)
        names = pair.tested.rows(SUPPLIERS, Scope(tenant=TENANT))["name"].to_pylist()
        assert names == ["newest", "last of equals", None]
        pair.assert_equal(SUPPLIERS)

    def test_doubled_rows_update_a_stored_record_once(self, pair: Pair) -> None:
        pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="stored"))
        counts = pair.send(
            SUPPLIERS,
            row(SUPPLIERS, "1", name="a", modified=DAYS[1]),
            row(SUPPLIERS, "1", name="b", modified=DAYS[2]),
        )
        assert counts == OutcomeCounts(updated=1)
        pair.assert_equal(SUPPLIERS)

    def test_a_deleted_record_is_marked_and_may_come_back(self, pair: Pair) -> None:
        pair.send(SUPPLIERS, row(SUPPLIERS, "1"), row(SUPPLIERS, "2"))
        gone = row(SUPPLIERS, "1", deleted=DAYS[1], extracted=DAYS[1])
        assert pair.send(SUPPLIERS, gone) == OutcomeCounts(deleted=1)
        facts = pair.tested.inspect(SUPPLIERS, Scope(tenant=TENANT))
        assert (facts.rows, facts.deleted) == (1, 1)
        assert pair.send(SUPPLIERS, gone) == OutcomeCounts(unchanged=1)
        pair.assert_equal(SUPPLIERS)
        back = row(SUPPLIERS, "1", extracted=DAYS[2])
        assert pair.send(SUPPLIERS, back) == OutcomeCounts(updated=1)
        pair.assert_equal(SUPPLIERS)

    def test_a_record_that_was_never_there_can_be_marked_deleted(self, pair: Pair) -> None:
        counts = pair.send(SUPPLIERS, row(SUPPLIERS, "1", deleted=DAYS[1]), row(SUPPLIERS, "2"))
        assert counts == OutcomeCounts(deleted=1, inserted=1)
        pair.assert_equal(SUPPLIERS)

    def test_new_columns_appear_by_themselves(self, pair: Pair) -> None:
        if pair.tested.capabilities.schema_evolution is Support.UNSUPPORTED:
            pytest.skip("the destination's capabilities rule new columns out")
        pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="a"), row(SUPPLIERS, "2"))
        nord: dict[str, Any] = {"sales region": "Nord", "bonus": Decimal("1.5")}
        wider = row(SUPPLIERS, "1", name="b", **nord)
        assert pair.send(SUPPLIERS, wider, more=[REGION, BONUS]) == OutcomeCounts(updated=1)
        pair.assert_equal(SUPPLIERS)
        south: dict[str, Any] = {"sales region": "Süd"}
        widest = row(SUPPLIERS, "1", name="c", **south)
        pair.send(SUPPLIERS, widest, more=[REGION])
        pair.assert_equal(SUPPLIERS)

    def test_columns_of_a_tenant_may_have_any_name(self, pair: Pair) -> None:
        if pair.tested.capabilities.schema_evolution is Support.UNSUPPORTED:
            pytest.skip("the destination's capabilities rule new columns out")
        names = [
            'Größe "neu"',
            "a`b'c",
            "select",
            "x.y; -- z",
            "emoji 🏗️",
            "Mixed Case",
            "%s {0} :p ?",
        ]
        columns = [
            Column(name=name, type=ColumnType.STRING, description=f"it's {name}") for name in names
        ]
        for number, more in enumerate((columns[:4], columns)):
            values: dict[str, Any] = {one.name: f"{one.name} {number}" for one in more}
            pair.send(SUPPLIERS, row(SUPPLIERS, "1", **values), more=more)
            pair.assert_equal(SUPPLIERS)

    def test_a_column_that_a_batch_does_not_bring_keeps_its_value(self, pair: Pair) -> None:
        if pair.tested.capabilities.schema_evolution is Support.UNSUPPORTED:
            pytest.skip("the destination's capabilities rule new columns out")
        nord: dict[str, Any] = {"sales region": "Nord"}
        pair.send(SUPPLIERS, row(SUPPLIERS, "1", **nord), more=[REGION])
        pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="new"), row(SUPPLIERS, "2"))
        regions = pair.tested.rows(SUPPLIERS, Scope(tenant=TENANT))["sales region"].to_pylist()
        assert regions == ["Nord", None]
        pair.assert_equal(SUPPLIERS)

    def test_hostile_values_arrive_as_they_are(self, pair: Pair) -> None:
        texts = [
            'O\'Brien "& Sons"; DROP TABLE suppliers; --',
            "two\nlines\r\nand a\ttab",
            "separators \u2028\u2029 and zero width \u200b\ufeff",
            "emoji 🏗️ and null-like 'NULL' \\N {} [] %s $1 ?",
            "",
            " leading and trailing ",
            "x" * 70_000,
        ]
        pair.send(
            SUPPLIERS, *(row(SUPPLIERS, f"k/{n} %", name=text) for n, text in enumerate(texts))
        )
        pair.send(SUPPLIERS, *(row(SUPPLIERS, text[:50], name=text) for text in texts if text))
        pair.assert_equal(SUPPLIERS)

    def test_wide_decimals_and_old_dates_are_exact(self, pair: Pair) -> None:
        widest = Decimal("999999999999999999999.999999")
        pair.send(
            LINES,
            row(LINES, "PO1", 1, 0, line_amount=widest, received_date=date(1969, 12, 31)),
            row(LINES, "PO1", 2, 0, line_amount=-widest, received_date=date(1, 1, 1)),
            row(
                LINES,
                "PO1",
                3,
                0,
                line_amount=widest,
                modified=datetime.fromisoformat("1901-02-03T04:05:06.789012+00:00"),
            ),
            row(LINES, "PO1", 2**63 - 1, -(2**63), unit_price=Decimal("0.000001")),
            row(LINES, "PO1", 4, 0, received_date=date(9999, 12, 31)),
        )
        facts = pair.tested.inspect(LINES, Scope(tenant=TENANT))
        assert facts.control_totals == {"ordered_quantity": Decimal(0), "line_amount": widest}
        pair.assert_equal(LINES)

    def test_totals_wider_than_their_column_are_exact(self, pair: Pair) -> None:
        widest = Decimal("999999999999999999999.999999")
        pair.send(LINES, *(row(LINES, "PO", n, 0, line_amount=widest) for n in range(21)))
        facts = pair.tested.inspect(LINES, Scope(tenant=TENANT))
        assert facts.control_totals["line_amount"] == Decimal("20999999999999999999999.999979")

    def test_surplus_fields_keep_every_character_and_digit(self, pair: Pair) -> None:
        surplus = {
            "TEXT": "O'Brien \\\" \u2028 🏗️\n",
            "WIDE": "12345678901234567890123456789012.345678",
            "BLANK": "",
        }
        text = json.dumps(surplus, ensure_ascii=False, separators=(",", ":"))
        one, other = row(SUPPLIERS, "1"), row(SUPPLIERS, "2")
        pair.send(SUPPLIERS, one | {"_extra": text}, other | {"_extra": "{}"})
        found = pair.tested.rows(SUPPLIERS, Scope(tenant=TENANT))["_extra"].to_pylist()
        assert [json.loads(text) for text in found] == [surplus, {}]

    def test_blank_keys_are_keys(self, pair: Pair) -> None:
        pair.send(ACCOUNTS, row(ACCOUNTS, "", "4000", name="Sales"), row(ACCOUNTS, "D1", "4000"))
        counts = pair.send(ACCOUNTS, row(ACCOUNTS, "", "4000", name="Sales, home"))
        assert counts == OutcomeCounts(updated=1)
        pair.assert_equal(ACCOUNTS)

    def test_a_batch_of_no_rows_is_a_batch(self, pair: Pair) -> None:
        staged = pair.stage(SUPPLIERS, [])
        report = pair.deliver(SUPPLIERS, staged)
        assert report == DeliveryReport(counts=OutcomeCounts())
        assert pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT) == report
        assert pair.tested.inspect(SUPPLIERS, Scope(tenant=TENANT)).rows == 0

    def test_before_the_first_delivery_there_are_no_rows(self, pair: Pair) -> None:
        scope = Scope(tenant=TENANT)
        assert pair.tested.inspect(LINES, scope) == pair.oracle.inspect(LINES, scope)
        assert pair.tested.rows(LINES, scope).num_rows == 0
        assert pair.tested.history(LINES, "x").num_rows == 0
        assert pair.tested.audit(LINES, "x").num_rows == 0
        for destination in (pair.tested, pair.oracle):
            destination.prepare(ORDERS)
            destination.prepare(ORDERS)
        assert pair.tested.rows(ORDERS, scope).num_rows == 0

    def test_a_large_batch_and_its_change(self, pair: Pair) -> None:
        scope = Scope(tenant=TENANT)
        large = self._many(pair, 100_000, batch="large", amount=Decimal("1.10"))
        report = pair.tested.deliver(LINES, large, WriteMode.UPSERT)
        assert report.counts == OutcomeCounts(inserted=100_000)
        assert len(large.receipts(report.receipts)) == 100_000
        change = self._many(pair, 1_000, batch="change", amount=Decimal("2.20"))
        report = pair.tested.deliver(LINES, change, WriteMode.UPSERT)
        assert report.counts == OutcomeCounts(updated=1_000)
        facts = pair.tested.inspect(LINES, scope)
        assert (facts.rows, facts.duplicates) == (100_000, 0)
        assert facts.control_totals["line_amount"] == Decimal("111100.00")

    def _many(self, pair: Pair, count: int, *, batch: str, amount: Decimal) -> StagedFiles:
        one = staged_rows(
            pair.folder,
            LINES,
            [row(LINES, "PO", 1, 0, line_amount=amount)],
            batch_id=f"{batch}-one",
        )
        numbers = pa.array(range(count))
        table = one.reader().read_all().take(pa.array([0] * count))
        keys = pa.array([f"{TENANT}/{COMPANY}/PO/{number}/0" for number in range(count)])
        hashes = pa.array([f"{batch}{number}" for number in range(count)])
        ids = pa.array([batch] * count)
        for name, values in (
            ("record_id", keys),
            ("line_number", numbers),
            ("_row_hash", hashes),
            ("_batch_id", ids),
        ):
            table = table.set_column(table.schema.get_field_index(name), name, values)
        return staged_table(pair.folder, LINES, table, batch_id=batch, parts=2)

    def test_facts_are_of_one_scope(self, pair: Pair) -> None:
        amounts = {"100": "10.10", "200": "20.20", "Ünï/'\"": "30.30"}
        for company, amount in amounts.items():
            for tenant in (TENANT, "OTHER"):
                pair.send(
                    LINES,
                    row(
                        LINES,
                        "PO1",
                        1,
                        0,
                        company=company,
                        tenant=tenant,
                        line_amount=Decimal(amount),
                    ),
                    company=company,
                    tenant=tenant,
                )
        scopes = [Scope(tenant="nobody"), Scope(tenant=TENANT), Scope(tenant="OTHER")]
        scopes += [Scope(tenant=TENANT, company=company) for company in amounts]
        pair.assert_equal(LINES, scopes=scopes)
        facts = pair.tested.inspect(LINES, Scope(tenant=TENANT))
        assert (facts.rows, facts.control_totals["line_amount"]) == (3, Decimal("60.60"))

    def test_lines_without_a_live_header_are_orphans(self, pair: Pair) -> None:
        scope = Scope(tenant=TENANT)
        pair.send(LINES, *(row(LINES, order, 1, 0) for order in ("PO1", "PO2", "PO3")))
        assert pair.tested.inspect(LINES, scope).orphans is None
        pair.send(ORDERS, row(ORDERS, "PO1"), row(ORDERS, "PO2", deleted=DAYS[1]))
        pair.send(ORDERS, row(ORDERS, "PO3", company="200"), company="200")
        assert pair.tested.inspect(LINES, scope).orphans == 2
        assert pair.tested.inspect(ORDERS, scope).orphans is None
        pair.assert_equal(LINES, ORDERS, scopes=[scope, Scope(tenant=TENANT, company=COMPANY)])

    def test_what_an_own_table_refuses_is_rejected_and_the_rest_goes_on(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        home, scope = tmp_path / "home", Scope(tenant=TENANT)
        limits = {"buyer": Limit(nullable=False), "net_amount": Limit(digits=(10, 2))}
        self.make_own_table(home, ORDERS, limits)
        destination = self.open(home, now=clock, checkpoint=lambda point: None)
        fits: dict[str, Any] = {"buyer": "Eve", "net_amount": Decimal("10.25")}
        misfits: list[dict[str, Any]] = [
            {"buyer": None, "net_amount": Decimal(1)},
            {"buyer": "Eve", "net_amount": Decimal("123456789.5")},  # too large
            {"buyer": "Eve", "net_amount": Decimal("1.005")},  # would be rounded
        ]
        rows = [row(ORDERS, f"bad {n}", **values) for n, values in enumerate(misfits)]
        staged = staged_rows(
            tmp_path,
            ORDERS,
            [*rows, row(ORDERS, "good", **fits), row(ORDERS, "later", **fits)],
            batch_id="batch-1",
        )
        report = destination.deliver(ORDERS, staged, WriteMode.UPSERT)
        assert report.counts == OutcomeCounts(inserted=2, rejected=3)
        ids = [f"{TENANT}/{COMPANY}/bad {n}" for n in range(3)]
        assert [one.record_id for one in report.rejected] == ids
        columns = ("buyer", "net_amount", "net_amount")
        for column, one in zip(columns, report.rejected, strict=True):
            assert column in one.reason.lower()
            audited = destination.audit(ORDERS, one.record_id).to_pylist()
            assert [(a["outcome"], a["reason"]) for a in audited] == [("rejected", one.reason)]
        receipts = staged.receipts(report.receipts)
        assert sorted(one["record_id"] for one in receipts if one["reason"]) == ids
        assert destination.deliver(ORDERS, staged, WriteMode.UPSERT) == report

        clock.tick()
        changed = [
            row(ORDERS, "later", **misfits[0], extracted=DAYS[1]),
            row(ORDERS, "bad 1", **fits),
        ]
        staged = staged_rows(tmp_path, ORDERS, changed, batch_id="batch-2")
        report = destination.deliver(ORDERS, staged, WriteMode.UPSERT)
        assert report.counts == OutcomeCounts(inserted=1, rejected=1)
        stored = destination.rows(ORDERS, scope).to_pylist()
        assert [one["purchase_order_id"] for one in stored] == ["bad 1", "good", "later"]
        assert {one["buyer"] for one in stored} == {"Eve"}
        assert {one["net_amount"] for one in stored} == {Decimal("10.25")}
        assert destination.history(ORDERS, f"{TENANT}/{COMPANY}/later").num_rows == 0
        destination.close()

    def test_rows_can_be_limited(self, pair: Pair) -> None:
        pair.send(SUPPLIERS, *(row(SUPPLIERS, str(n)) for n in range(5)))
        scope = Scope(tenant=TENANT)
        assert pair.tested.rows(SUPPLIERS, scope, 2).equals(
            pair.tested.rows(SUPPLIERS, scope).slice(0, 2)
        )

    def test_equal_record_ids_of_two_entities_are_two_records(self, pair: Pair) -> None:
        pair.send(SUPPLIERS, row(SUPPLIERS, "1"))
        pair.send(ORDERS, row(ORDERS, "1"))
        pair.assert_equal(SUPPLIERS, ORDERS)

    def test_a_crash_at_any_point_loses_and_doubles_nothing(
        self, tmp_path: Path, clock: Clock
    ) -> None:
        crash_at: list[str] = []

        def checkpoint(point: str) -> None:
            if point in crash_at:
                raise Crash(point)

        home = tmp_path / "home"
        destination = self.open(home, now=clock, checkpoint=checkpoint)
        pair = Pair(tmp_path, clock, destination)
        pair.send(SUPPLIERS, *(row(SUPPLIERS, str(n)) for n in range(3)))
        for number, point in enumerate(self.checkpoints):
            staged = pair.stage(
                SUPPLIERS,
                [
                    row(SUPPLIERS, "1", name=point, extracted=DAYS[number + 1]),
                    row(SUPPLIERS, "2"),
                    row(SUPPLIERS, point),
                ],
            )
            clock.tick()
            pair.oracle.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
            crash_at[:] = [point]
            with pytest.raises(Crash):
                destination.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
            crash_at.clear()
            destination = pair.tested = self.open(home, now=clock, checkpoint=checkpoint)
            report = destination.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
            assert report.counts == OutcomeCounts(inserted=1, updated=1, unchanged=1)
            outcomes = {one["outcome"] for one in staged.receipts(report.receipts)}
            assert outcomes == {"inserted", "updated"}
        pair.assert_equal(SUPPLIERS)
