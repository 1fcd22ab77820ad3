"""What staging promises, wherever it is: what is written is what is read, whole or not at all, in bounded memory.

A place inherits ``StagingContract`` and gives a ``place`` fixture.
"""

import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.errors import ConnectorError, ContractError
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.staging import Staging, writing
from ml_connector_dagster.staging.writing import ROW_GROUP
from ml_connector_dagster_tests.spec.staging_places import Place
from ml_connector_dagster_tests.spec.staging_samples import (
    DAY,
    SCHEMA,
    STOCKHOLM,
    begin,
    commit,
    many,
    payment,
    payments,
    receipts,
    stage,
)


#: Of a file's name, what every place gives it: no place's own marks of attempts and processes.
_STEM = re.compile(r"(part-\d+|\d+)[^/]*\.parquet$")


def stem(name: str) -> str:
    """``receipts/warehouse.erp/0-1f3a.parquet`` → ``receipts/warehouse.erp/0.parquet``."""
    return _STEM.sub(r"\1.parquet", name)


def told(table: pa.Table) -> list[tuple[Any, Any]]:
    return list(zip(table["destination"].to_pylist(), table["record_id"].to_pylist(), strict=True))


class StagingContract:
    """Inherit it, and give ``place``: empty at the start of each test."""

    @pytest.fixture(autouse=True)
    def scratch(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Where files are for a moment; no other test's."""
        folder = tmp_path / "scratch"
        folder.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        return folder

    @pytest.fixture
    def staging(self, place: Place) -> Staging:
        return place.staging()

    def test_rows_come_back_in_order_with_their_types(self, staging: Staging) -> None:
        tables = [payments([payment(1), payment(2, amount=None)]), payments([payment(3)])]
        batch = stage(staging, *tables)
        with staging.open(batch) as staged:
            assert staged.reader().read_all().equals(pa.concat_tables(tables))
            assert [pq.read_table(file).num_rows for file in staged.files] == [3]
            assert batch.bytes == sum(Path(file).stat().st_size for file in staged.files)
        assert batch.rows == 3
        assert batch.schema["amount"] == "decimal128(27, 6)"

    def test_files_are_there_inside_the_block_only(self, staging: Staging, scratch: Path) -> None:
        batch = stage(staging, payments([payment(1)]))
        with pytest.raises(RuntimeError, match="inside its with block only"):
            _ = staging.open(batch).files
        with staging.open(batch) as staged:
            files = staged.files
            assert staged.files == files  # fetched once
            assert all(Path(file).is_absolute() for file in files)
        with pytest.raises(RuntimeError, match="inside its with block only"):
            _ = staged.files
        assert list(scratch.iterdir()) == []

    def test_some_columns_of_several_batches_are_one_stream(self, staging: Staging) -> None:
        batches = [stage(staging, many(3, first), batch_id=f"b{first}") for first in (0, 10, 20)]
        rows = staging.columns(batches, ["_modified_at", "record_id"]).read_all()
        assert sorted(rows.column_names) == ["_modified_at", "record_id"]
        numbers = [int(one[-7:]) for one in rows["record_id"].to_pylist()]
        assert numbers == [0, 1, 2, 10, 11, 12, 20, 21, 22]

    def test_a_batch_from_before_a_column_has_nulls_in_the_stream(self, staging: Staging) -> None:
        new = many(2).append_column("region", pa.array(["n", "s"]))
        batches = [stage(staging, many(1), batch_id="b1"), stage(staging, new, batch_id="b2")]
        rows = staging.columns(batches, ["record_id", "region"]).read_all()
        assert rows["region"].to_pylist() == [None, "n", "s"]

    def test_the_manifest_tells_all_of_the_batch(self, place: Place, staging: Staging) -> None:
        batch = stage(staging, payments([payment(1)]), for_destination="warehouse.erp")
        assert staging.manifest(staging.locate(batch)) == batch
        assert batch.window == DAY
        assert batch.path == "acme/payments/100/2026-01-18_2026-01-18/b1"
        assert staging.locate(batch) == f"{place.url.partition('?')[0]}/{batch.path}"

    def test_a_batch_of_no_rows_has_a_manifest_no_parts_and_zero_totals(
        self, staging: Staging
    ) -> None:
        window = Window.of_days(None, date(2026, 1, 18), STOCKHOLM)
        with_schema = stage(staging, SCHEMA.empty_table(), window=window)
        without = stage(staging, batch_id="b2")
        assert with_schema.path == "acme/payments/100/beginning_2026-01-18/b1"
        for batch in (with_schema, without):
            assert (batch.parts, batch.rows, batch.bytes) == ((), 0, 0)
            assert batch.control_totals == {"amount": Decimal(0)}
            with staging.open(batch) as staged:
                assert staged.files == ()
                assert staged.reader().read_all().num_rows == 0
            assert staging.find(batch, ["acme/100/0000001"]).num_rows == 0
            assert staging.manifest(staging.locate(batch)) == batch
        assert staging.open(with_schema).reader().schema == SCHEMA

    def test_control_totals_are_exact(self, staging: Staging) -> None:
        """27 digits a value; neither Arrow's sum nor Python's usual 28 digits may round."""
        largest = "999999999999999999999.999999"
        rows = [payment(number, amount=largest) for number in range(300)]
        batch = stage(staging, payments(rows), payments([payment(0, amount="0.000001")]))
        assert str(batch.control_totals["amount"]) == "299999999999999999999999.999701"

    @pytest.mark.parametrize(
        ("zone", "stamp", "day"),
        [
            ("Europe/Stockholm", datetime(2026, 1, 18, 22, 59, 59, tzinfo=UTC), "2026-01-18"),
            ("Europe/Stockholm", datetime(2026, 1, 18, 23, 0, tzinfo=UTC), "2026-01-19"),
            ("Europe/Stockholm", datetime(2026, 7, 18, 22, 0, tzinfo=UTC), "2026-07-19"),  # summer
            ("America/New_York", datetime(2026, 1, 18, 4, 59, tzinfo=UTC), "2026-01-17"),
            ("Asia/Kolkata", datetime(2026, 1, 18, 18, 30, tzinfo=UTC), "2026-01-19"),
            ("UTC", datetime(1969, 12, 31, 23, 59, tzinfo=UTC), "1969-12-31"),
            ("UTC", None, ""),
        ],
    )
    def test_days_are_those_of_the_tenant(
        self, staging: Staging, zone: str, stamp: datetime | None, day: str
    ) -> None:
        batch = stage(staging, payments([payment(1, modified=stamp)]), timezone=ZoneInfo(zone))
        assert batch.rows_by_day == {day: 1}

    @pytest.mark.parametrize("pages", [1, 9])
    def test_a_large_batch_is_several_files_in_order(
        self, staging: Staging, monkeypatch: pytest.MonkeyPatch, pages: int
    ) -> None:
        monkeypatch.setattr(writing, "PART_ROWS", 2 * ROW_GROUP)
        total = 9 * 16_000
        with begin(staging) as writer:
            for number in range(pages):
                writer.append(many(total // pages, number * total // pages))
            batch = commit(writer)
        expected = ["part-0.parquet", "part-1.parquet", "part-2.parquet"]
        assert [stem(part) for part in batch.parts] == expected
        with staging.open(batch) as staged:
            sizes = [pq.read_metadata(file).num_rows for file in staged.files]
            assert sizes == [2 * ROW_GROUP, 2 * ROW_GROUP, total - 4 * ROW_GROUP]
            assert sorted(staged.files) == list(staged.files)
            assert batch.bytes == sum(Path(file).stat().st_size for file in staged.files)
        assert staging.open(batch).reader().read_all().equals(many(total, 0))

    def test_small_pages_become_full_row_groups_without_waiting_for_the_end(
        self, staging: Staging
    ) -> None:
        total, page = ROW_GROUP * 2 + 5000, 10_000
        with begin(staging) as writer:
            for first in range(0, total, page):
                writer.append(many(min(page, total - first), first))
            assert writer.rows == total
            batch = commit(writer)
        with staging.open(batch) as staged, pq.ParquetFile(staged.files[0]) as file:
            groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
        assert groups == [ROW_GROUP, ROW_GROUP, 5000]
        assert sum(batch.rows_by_day.values()) == total
        assert batch.control_totals["amount"] == Decimal("1.5") * total
        sizes = [part.num_rows for part in staging.open(batch).reader()]
        assert sum(sizes) == total
        assert max(sizes) <= ROW_GROUP

    def test_a_page_larger_than_a_row_group_is_cut(self, staging: Staging) -> None:
        batch = stage(staging, many(ROW_GROUP + 1))
        with staging.open(batch) as staged, pq.ParquetFile(staged.files[0]) as file:
            assert file.num_row_groups == 2

    @pytest.mark.parametrize(
        ("table", "message"),
        [
            (payments([payment(2)]).drop_columns(["amount"]), "other columns: amount decimal"),
            (
                SCHEMA.empty_table().append_column("more", pa.array([], pa.string())),
                "other columns: more string",
            ),
        ],
    )
    def test_a_page_of_other_columns_is_refused(
        self, staging: Staging, table: pa.Table, message: str
    ) -> None:
        with begin(staging) as writer:
            writer.append(payments([payment(1)]))
            with pytest.raises(ValueError, match=message):
                writer.append(table)

    def test_a_type_that_is_never_staged_is_refused(self, staging: Staging) -> None:
        with begin(staging) as writer, pytest.raises(ValueError, match="amount double"):
            writer.append(pa.table({"record_id": ["a"], "amount": [1.0]}))

    def test_find_answers_exactly_these_records(self, staging: Staging) -> None:
        batch = stage(staging, many(ROW_GROUP), many(3, first=9_000_000), payments([payment(7)]))
        wanted = ["acme/100/0000007", "acme/100/9000001", "acme/100/9999999", "acme/100/0000007"]
        found = staging.find(batch, wanted)
        assert found["record_id"].to_pylist() == [
            "acme/100/0000007",
            "acme/100/9000001",
            "acme/100/0000007",
        ]
        assert found.schema == SCHEMA
        assert staging.find(batch, ["nobody"]).num_rows == 0
        assert staging.find(batch, []).num_rows == 0

    def test_what_is_not_committed_leaves_nothing(
        self, place: Place, staging: Staging, scratch: Path
    ) -> None:
        class Broken(Exception):
            pass

        def break_off() -> None:
            with begin(staging) as writer:
                writer.append(many(ROW_GROUP))
                raise Broken

        with pytest.raises(Broken):
            break_off()
        writer = begin(staging, "b2")
        writer.append(many(ROW_GROUP))
        writer.abort()
        writer.abort()
        assert place.paths() == set()
        assert staging.orphans([]) == ()
        assert list(scratch.iterdir()) == []

    def test_a_batch_is_staged_once(self, staging: Staging) -> None:
        first = stage(staging, payments([payment(1)]))
        with pytest.raises(ConnectorError, match="already there"):
            stage(staging, payments([payment(2)]))
        rows = staging.open(first).reader().read_all()
        assert rows["record_id"].to_pylist() == ["acme/100/0000001"]
        assert staging.orphans(["b1"]) == ()

    @pytest.mark.parametrize("damage", ["removed", "cut short"])
    def test_a_damaged_batch_is_not_read(self, place: Place, staging: Staging, damage: str) -> None:
        batch = stage(staging, payments([payment(1)]))
        part = f"{batch.path}/{batch.parts[0]}"
        if damage == "removed":
            place.remove(part)
        else:
            place.cut(part)
        with pytest.raises(ContractError, match="read payments of company 100 again in full"):
            staging.open(batch).reader()
        with (
            pytest.raises(ContractError, match="read payments of company 100 again in full"),
            staging.open(batch) as staged,
        ):
            _ = staged.files

    def test_a_batch_without_its_manifest_is_not_read(self, place: Place, staging: Staging) -> None:
        batch = stage(staging, payments([payment(1)]))
        place.remove(f"{batch.path}/manifest.json")
        with pytest.raises(ContractError, match=r"is gone: .*manifest.json"):
            staging.find(batch, ["acme/100/0000001"])

    def test_receipts_are_added_never_replaced(self, staging: Staging) -> None:
        staged = staging.open(stage(staging, payments([payment(1)])))
        assert staging.receipts(staged.batch).num_rows == 0
        paths = [
            staged.write_receipts("warehouse.erp", receipts("r1", "r2")),
            staged.write_receipts("warehouse.erp", receipts("r3").to_reader()),
            staged.write_receipts("a/b ..", receipts("r4")),
        ]
        assert [stem(path) for path in paths[:2]] == [
            "receipts/warehouse.erp/0.parquet",
            "receipts/warehouse.erp/1.parquet",
        ]
        assert told(staging.receipts(staged.batch, "warehouse.erp")) == [
            ("warehouse.erp", "r1"),
            ("warehouse.erp", "r2"),
            ("warehouse.erp", "r3"),
        ]
        assert told(staging.receipts(staged.batch))[0] == ("a/b ..", "r4")
        assert staging.receipts(staged.batch).num_rows == 4
        assert staging.receipts(staged.batch, "nobody").num_rows == 0

    def test_receipts_of_ten_and_more_are_in_order(self, staging: Staging) -> None:
        staged = staging.open(stage(staging, payments([payment(1)])))
        for number in range(11):
            staged.write_receipts("w", receipts(f"r{number}"))
        records = [record for _, record in told(staging.receipts(staged.batch))]
        assert records == [f"r{number}" for number in range(11)]

    def test_two_writers_of_receipts_never_take_one_name(self, place: Place) -> None:
        batch = stage(place.staging(), payments([payment(1)]))
        rival = place.staging().open(batch)
        met: list[str] = []

        def meanwhile(name: str) -> None:
            if name == "staging: receipts written" and not met:
                met.append(rival.write_receipts("w", receipts("r1")))

        staging = place.staging(meanwhile)
        mine = staging.open(batch).write_receipts("w", receipts("r2"))
        assert stem(met[0]) == "receipts/w/0.parquet"
        assert mine != met[0]
        assert {record for _, record in told(staging.receipts(batch))} == {"r1", "r2"}

    def test_of_many_that_stage_one_batch_at_once_one_succeeds_and_is_whole(
        self, place: Place
    ) -> None:
        def attempt(number: int) -> Batch | None:
            try:
                return stage(place.staging(), payments([payment(number)]))
            except ConnectorError:
                return None

        with ThreadPoolExecutor(4) as threads:
            staged = [one for one in threads.map(attempt, range(place.rivals)) if one]
        assert len(staged) == 1
        assert place.staging().manifest(place.staging().locate(staged[0])) == staged[0]
        assert place.staging().open(staged[0]).reader().read_all().num_rows == 1

    def test_a_batch_that_is_being_written_can_be_told_by_its_age(
        self, place: Place, staging: Staging
    ) -> None:
        old = stage(staging, payments([payment(1)]), batch_id="old")
        new = stage(staging, payments([payment(1)]), batch_id="new")
        hour_ago = datetime.now(UTC) - timedelta(hours=1)
        place.age(old.path, hour_ago - timedelta(hours=1))
        assert staging.orphans([], untouched_since=hour_ago) == (staging.locate(old),)
        assert set(staging.orphans([])) == {staging.locate(old), staging.locate(new)}
        assert staging.orphans(["old", "new"]) == ()

    @pytest.mark.parametrize(
        "path", ["..", ".", "acme", "acme/../..", "acme/payments/100", "a/b/../d/e"]
    )
    def test_nothing_but_a_batch_is_removed(
        self, place: Place, staging: Staging, path: str
    ) -> None:
        batch = stage(staging, payments([payment(1)]))
        before = place.paths()
        with pytest.raises(ValueError, match="is not the folder of a batch"):
            staging.discard(f"{place.url.partition('?')[0]}/{path}")
        with pytest.raises(ValueError, match="is not in"):
            staging.discard(f"elsewhere/{batch.path}")
        assert place.paths() == before

    @pytest.mark.parametrize(
        "name",
        ["..", "", ".", "a/b", "../../escape", "x" * 300, "Å" * 100, "a\0b", "C:\\x", "*[a]?"],
    )
    def test_a_batch_of_hostile_names_stays_in_its_place_and_is_read_back(
        self, place: Place, staging: Staging, name: str
    ) -> None:
        batch = stage(staging, payments([payment(1)]), tenant=name, company=name, batch_id=name)
        location = staging.locate(batch)
        assert len(batch.path.split("/")) == 5
        assert staging.manifest(location) == batch
        assert (batch.tenant, batch.company, batch.batch_id) == (name, name, name)
        with staging.open(batch) as staged:
            assert pq.read_table(staged.files[0]).num_rows == 1
        staging.open(batch).write_receipts(name, receipts("r1"))
        assert staging.receipts(batch, name)["destination"].to_pylist() == [name]
        assert len(place.paths()) == 3
        assert staging.orphans([name]) == ()
        assert staging.orphans([]) == (location,)
        staging.discard(location)
        assert place.paths() == set()
