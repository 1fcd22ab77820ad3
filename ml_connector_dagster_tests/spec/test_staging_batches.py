"""A batch in staging: what is written is what is read, its totals are right, and its memory is bounded."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_connector_dagster.model.errors import ConfigError, ConnectorError, ContractError
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.staging import Staging, writing
from ml_connector_dagster.staging.writing import ROW_GROUP
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


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(str(tmp_path / "staging"))


def test_rows_come_back_in_order_with_their_types(staging: Staging) -> None:
    tables = [payments([payment(1), payment(2, amount=None)]), payments([payment(3)])]
    batch = stage(staging, *tables)
    staged = staging.open(batch)
    assert staged.reader().read_all().equals(pa.concat_tables(tables))
    assert [pq.read_table(file).num_rows for file in staged.files] == [3]
    assert batch.rows == 3
    assert batch.bytes == sum(Path(file).stat().st_size for file in staged.files)
    assert batch.schema["amount"] == "decimal128(27, 6)"


def test_the_manifest_tells_all_of_the_batch(staging: Staging) -> None:
    batch = stage(staging, payments([payment(1)]), for_destination="warehouse.erp")
    assert staging.manifest(Path(staging.locate(batch))) == batch
    assert batch.window == DAY
    assert batch.path == "acme/payments/100/2026-01-18_2026-01-18/b1"
    assert Path(staging.locate(batch)).name == "b1"


def test_a_batch_of_no_rows_has_a_manifest_no_parts_and_zero_totals(staging: Staging) -> None:
    window = Window.of_days(None, date(2026, 1, 18), STOCKHOLM)
    with_schema = stage(staging, SCHEMA.empty_table(), window=window)
    without = stage(staging, batch_id="b2")
    assert with_schema.path == "acme/payments/100/beginning_2026-01-18/b1"
    for batch in (with_schema, without):
        assert (batch.parts, batch.rows, batch.bytes) == ((), 0, 0)
        assert batch.control_totals == {"amount": Decimal(0)}
        assert staging.open(batch).files == ()
        assert staging.open(batch).reader().read_all().num_rows == 0
        assert staging.find(batch, ["acme/100/0000001"]).num_rows == 0
        assert staging.manifest(Path(staging.locate(batch))) == batch
    assert staging.open(with_schema).reader().schema == SCHEMA


def test_control_totals_are_exact(staging: Staging) -> None:
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
        ("Europe/Stockholm", datetime(2026, 7, 18, 22, 0, tzinfo=UTC), "2026-07-19"),  # summer time
        ("America/New_York", datetime(2026, 1, 18, 4, 59, tzinfo=UTC), "2026-01-17"),
        ("Asia/Kolkata", datetime(2026, 1, 18, 18, 30, tzinfo=UTC), "2026-01-19"),
        ("UTC", datetime(1969, 12, 31, 23, 59, tzinfo=UTC), "1969-12-31"),
        ("UTC", None, ""),
    ],
)
def test_days_are_those_of_the_tenant(
    staging: Staging, zone: str, stamp: datetime | None, day: str
) -> None:
    batch = stage(staging, payments([payment(1, modified=stamp)]), timezone=ZoneInfo(zone))
    assert batch.rows_by_day == {day: 1}


@pytest.mark.parametrize("pages", [1, 9])
def test_a_large_batch_is_several_files_in_order(
    staging: Staging, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    monkeypatch.setattr(writing, "PART_ROWS", 2 * ROW_GROUP)
    total = 9 * 16_000
    with begin(staging) as writer:
        for number in range(pages):
            writer.append(many(total // pages, number * total // pages))
        batch = commit(writer)
    staged = staging.open(batch)
    assert batch.parts == ("part-0.parquet", "part-1.parquet", "part-2.parquet")
    sizes = [pq.read_metadata(file).num_rows for file in staged.files]
    assert sizes == [2 * ROW_GROUP, 2 * ROW_GROUP, total - 4 * ROW_GROUP]
    assert staged.reader().read_all().equals(many(total, 0))
    assert batch.bytes == sum(Path(file).stat().st_size for file in staged.files)


def test_small_pages_become_full_row_groups_without_waiting_for_the_end(staging: Staging) -> None:
    total, page = ROW_GROUP * 2 + 5000, 10_000
    with begin(staging) as writer:
        for first in range(0, total, page):
            writer.append(many(min(page, total - first), first))
        assert writer.rows == total
        batch = commit(writer)
    with pq.ParquetFile(staging.open(batch).files[0]) as file:
        groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [ROW_GROUP, ROW_GROUP, 5000]
    assert sum(batch.rows_by_day.values()) == total
    assert batch.control_totals["amount"] == Decimal("1.5") * total
    sizes = [part.num_rows for part in staging.open(batch).reader()]
    assert sum(sizes) == total
    assert max(sizes) <= ROW_GROUP


def test_a_page_larger_than_a_row_group_is_cut(staging: Staging) -> None:
    batch = stage(staging, many(ROW_GROUP + 1))
    with pq.ParquetFile(staging.open(batch).files[0]) as file:
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
    staging: Staging, table: pa.Table, message: str
) -> None:
    with begin(staging) as writer:
        writer.append(payments([payment(1)]))
        with pytest.raises(ValueError, match=message):
            writer.append(table)


def test_a_type_that_is_never_staged_is_refused(staging: Staging) -> None:
    with begin(staging) as writer, pytest.raises(ValueError, match="amount double"):
        writer.append(pa.table({"record_id": ["a"], "amount": [1.0]}))


def test_find_answers_exactly_these_records(staging: Staging) -> None:
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


def test_what_is_not_committed_leaves_nothing(staging: Staging, tmp_path: Path) -> None:
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
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert staging.orphans([]) == ()


def test_a_batch_is_staged_once(staging: Staging) -> None:
    first = stage(staging, payments([payment(1)]))
    with pytest.raises(ConnectorError, match="already there"):
        stage(staging, payments([payment(2)]))
    assert staging.open(first).reader().read_all()["record_id"].to_pylist() == ["acme/100/0000001"]
    assert staging.orphans(["b1"]) == ()


@pytest.mark.parametrize("damage", ["removed", "cut short"])
def test_a_damaged_batch_is_not_read(staging: Staging, damage: str) -> None:
    batch = stage(staging, payments([payment(1)]))
    file = Path(staging.open(batch).files[0])
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ContractError, match="read payments of company 100 again in full"):
        staging.open(batch).reader()


def test_receipts_are_added_never_replaced(staging: Staging) -> None:
    staged = staging.open(stage(staging, payments([payment(1)])))
    assert staging.receipts(staged.batch).num_rows == 0
    paths = [
        staged.write_receipts("warehouse.erp", receipts("r1", "r2")),
        staged.write_receipts("warehouse.erp", receipts("r3").to_reader()),
        staged.write_receipts("a/b ..", receipts("r4")),
    ]
    assert paths[:2] == [
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


def told(table: pa.Table) -> list[tuple[Any, Any]]:
    return list(zip(table["destination"].to_pylist(), table["record_id"].to_pylist(), strict=True))


def test_two_writers_of_receipts_never_take_one_name(tmp_path: Path) -> None:
    batch = stage(Staging(str(tmp_path)), payments([payment(1)]))
    rival = Staging(str(tmp_path)).open(batch)
    met: list[str] = []

    def meanwhile(name: str) -> None:
        if name == "staging: receipts written" and not met:
            met.append(rival.write_receipts("w", receipts("r1")))

    staging = Staging(str(tmp_path), step=meanwhile)
    assert staging.open(batch).write_receipts("w", receipts("r2")) == "receipts/w/1.parquet"
    assert met == ["receipts/w/0.parquet"]
    assert [record for _, record in told(staging.receipts(batch))] == ["r1", "r2"]


def test_only_local_folders_so_far() -> None:
    with pytest.raises(ConfigError, match="only local folders"):
        Staging("s3://bucket/staging")
