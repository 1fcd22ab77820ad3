"""Records → rows: by example, and against the reference in ``columns_reference`` for anything Hypothesis can think of."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_connector_dagster.columns.layouts import (
    Field,
    Layout,
    ModifiedStamp,
    StampFormat,
    ValueFormat,
)
from ml_connector_dagster.columns.moments import to_utc
from ml_connector_dagster.columns.shaping import Shaped, arrow_schema, rejected_text, shape
from ml_connector_dagster.model.entities import ENTITIES, Column, ColumnType, Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster_tests.spec.columns_reference import Record, expected


READ_AT = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


def column(name: str, kind: ColumnType) -> Column:
    return Column(name=name, type=kind, description=name)


THINGS = Entity(
    name="things",
    label="Things",
    description="One column of every type.",
    key=("division", "code", "line"),
    blank_key=("division",),
    columns=(
        column("division", ColumnType.STRING),
        column("code", ColumnType.STRING),
        column("line", ColumnType.INTEGER),
        column("text", ColumnType.STRING),
        column("indented", ColumnType.STRING),
        column("amount", ColumnType.DECIMAL),
        column("reversed_amount", ColumnType.DECIMAL),
        column("count", ColumnType.INTEGER),
        column("reversed_count", ColumnType.INTEGER),
        column("day", ColumnType.DATE),
        column("day_of_stamp", ColumnType.DATE),
        column("moment", ColumnType.TIMESTAMP),
        column("is_on", ColumnType.BOOLEAN),
        column("is_off", ColumnType.BOOLEAN),
        column("never_mapped", ColumnType.DECIMAL),
    ),
)

FIELDS = (
    Field(column="division", source="DIVI", format=ValueFormat.TEXT),
    Field(column="code", source="CODE", format=ValueFormat.TEXT),
    Field(column="line", source="LINE", format=ValueFormat.INTEGER),
    Field(column="text", source="TEXT", format=ValueFormat.TEXT),
    Field(column="indented", source="TEXT", format=ValueFormat.TEXT_RIGHT_TRIMMED),
    Field(column="amount", source="AMNT", format=ValueFormat.NUMBER),
    Field(column="reversed_amount", source="AMNT", format=ValueFormat.NUMBER, negate=True),
    Field(column="count", source="CONT", format=ValueFormat.INTEGER),
    Field(column="reversed_count", source="CONT", format=ValueFormat.INTEGER, negate=True),
    Field(column="day", source="DAYS", format=ValueFormat.DATE),
    Field(column="day_of_stamp", source="MOMT", format=ValueFormat.TIMESTAMP),
    Field(column="moment", source="MOMT", format=ValueFormat.TIMESTAMP),
    Field(column="is_on", source="FLAG", format=ValueFormat.FLAG),
    Field(column="is_off", source="FLAG", format=ValueFormat.FLAG, negate=True),
    Field(column="own_rating", source="RATE", format=ValueFormat.NUMBER),  # a tenant's own column
)

BY_DATE = ModifiedStamp(source="LMDT", format=StampFormat.DATE, time_source="LMTM")

LAYOUT = Layout(
    entity=THINGS,
    fields=FIELDS,
    modified=BY_DATE,
    ignored=frozenset({"CONO"}),
    timezone="Europe/Stockholm",
    source_system="m3",
)


def run(records: pa.Table, layout: Layout = LAYOUT, **changes: Any) -> Shaped:
    arguments: dict[str, Any] = {
        "tenant": "acme",
        "company": "790",
        "batch_id": "batch-1",
        "run_id": "run-1",
        "extracted_at": READ_AT,
    }
    return shape(records, layout, **arguments | changes)


def table_of(records: Sequence[Record]) -> pa.Table:
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = [pa.array([record.get(name) for record in records], pa.string()) for name in names]
    return pa.Table.from_arrays(columns, names=names)


def one_row(**values: str | None) -> dict[str, Any]:
    """The row of a record with a good key and these fields."""
    record = {"CODE": "c", "LINE": "1", **values}
    (row,) = run(table_of([record])).table.to_pylist()
    return dict(row)


def problems_of(row: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = json.loads(row["_problems"] or "{}")
    return found


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.50", "12.5"),
        ("-0.000001", "-0.000001"),
        ("12345678901234567.89", "12345678901234567.89"),  # 17 digits and more stay exact
        ("123456789012345678901.123456", "123456789012345678901.123456"),
        ("000000000000000000000000000000000000000012.5", "12.5"),
        ("1.50000000000000000000000000000000000000000", "1.5"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("5.", "5"),
        ("-0", "0"),
        ("  7 ", "7"),
    ],
)
def test_a_number_is_exact(text: str, value: str) -> None:
    row = one_row(AMNT=text)
    assert row["amount"] == Decimal(value)
    assert row["reversed_amount"] == -Decimal(value)
    assert row["_problems"] is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1,5", "not a number: 1,5"),
        ("1E5", "not a number: 1E5"),
        ("+1", "not a number: +1"),
        ("--1", "not a number: --1"),
        ("12-", "not a number: 12-"),
        ("1 000", "not a number: 1 000"),
        ("NaN", "not a number: NaN"),
        ("0x10", "not a number: 0x10"),
        (".", "not a number: ."),
        ("-", "not a number: -"),
        ("1/2", "not a number: 1/2"),
        ("\u0661\u0662", "not a number: \u0661\u0662"),  # Arabic digits
        ("1.0000001", "more than 6 decimals: 1.0000001"),
        ("1234567890123456789012", "more than 21 digits before the point: 1234567890123456789012"),
        ("x" * 200, "not a number: " + "x" * 100 + "…"),
    ],
)
def test_what_is_no_number_is_a_problem_and_never_rounded(text: str, reason: str) -> None:
    row = one_row(AMNT=text)
    assert row["amount"] is None
    assert problems_of(row) == {"amount": reason, "reversed_amount": reason}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("-10", -10),
        ("007", 7),
        ("10.0", 10),
        ("10.", 10),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775807", -(2**63) + 1),
    ],
)
def test_an_integer_is_exact(text: str, value: int) -> None:
    row = one_row(CONT=text)
    assert row["count"] == value
    assert row["reversed_count"] == -value
    assert row["_problems"] is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10.5", "not a whole number"),
        ("ten", "not a number"),
        ("0x10", "not a number"),
        ("9223372036854775808", "does not fit into 64 bits"),
        ("-9223372036854775808", "does not fit into 64 bits"),
        ("1" * 5000, "does not fit into 64 bits"),
    ],
)
def test_what_is_no_integer_is_a_problem(text: str, reason: str) -> None:
    row = one_row(CONT=text)
    assert row["count"] is None
    assert problems_of(row)["count"].startswith(f"{reason}: {text[:100]}")


def test_one_bad_number_does_not_harm_its_neighbours() -> None:
    records = [{"CODE": str(n), "LINE": "1", "AMNT": f"{n}.5"} for n in range(100)]
    records[57]["AMNT"] = "n/a"
    shaped = run(table_of(records))
    amounts = shaped.table["amount"].to_pylist()
    assert amounts[57] is None
    assert [one for n, one in enumerate(amounts) if n != 57] == [
        Decimal(f"{n}.5") for n in range(100) if n != 57
    ]
    assert shaped.rejected_cells == 2  # amount and reversed_amount


# --- dates and stamps -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20240229", date(2024, 2, 29)),
        ("2024-02-29", date(2024, 2, 29)),
        ("00010101", date(1, 1, 1)),
        ("99991231", date(9999, 12, 31)),
        ("99999999", date(9999, 12, 31)),  # M3's open end
        ("0", None),
        ("00000000", None),
        ("0000-00-00", None),
        ("   ", None),
    ],
)
def test_a_date_is_a_day_of_the_calendar(text: str, value: date | None) -> None:
    row = one_row(DAYS=text)
    assert row["day"] == value
    assert row["_problems"] is None


@pytest.mark.parametrize(
    "text",
    [
        "20250230",
        "20241301",
        "20240100",
        "00000101",
        "2024-0229",
        "29.02.2024",
        "240229",
        "2024022",
        "2024/02/29",
        "20240229 ",
        "2O240229",
        "000000",
        "9",
        "1234567890",
    ],
)
def test_what_is_no_date_is_a_problem(text: str) -> None:
    row = one_row(DAYS=text)
    if text == "20240229 ":  # only its blank is too much
        assert row["day"] == date(2024, 2, 29)
    else:
        assert row["day"] is None
        assert problems_of(row) == {"day": f"not a date: {text}"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20240105 10:30:00.123", "2024-01-05T09:30:00.123"),
        ("2024-07-05T10:30:00", "2024-07-05T08:30:00"),
        ("2024-07-05T10:30", "2024-07-05T08:30:00"),
        ("20240705T103000", "2024-07-05T08:30:00"),
        ("2024-07-05", "2024-07-04T22:00:00"),
        ("2024-07-05T10:30:00Z", "2024-07-05T10:30:00"),
        ("2024-07-05T10:30:00+05:30", "2024-07-05T05:00:00"),
        ("2024-07-05 10:30:00 -0800", "2024-07-05T18:30:00"),
        ("2024-07-05T10:30:00.123456789Z", "2024-07-05T10:30:00.123456"),
        ("2024-03-31T02:30:00", "2024-03-31T01:00:00"),  # skipped: the moment of the change
        ("2024-10-27T01:59:59", "2024-10-26T23:59:59"),
        ("2024-10-27T02:00:00", "2024-10-27T01:00:00"),  # happens twice: the same
        ("2024-10-27T02:59:59.5", "2024-10-27T01:00:00"),
        ("2024-10-27T03:00:00", "2024-10-27T02:00:00"),
    ],
)
def test_a_timestamp_without_offset_is_local_time_of_the_tenant(text: str, value: str) -> None:
    row = one_row(MOMT=text)
    assert row["moment"] == datetime.fromisoformat(value).replace(tzinfo=UTC)
    assert row["_problems"] is None


def test_a_date_column_can_be_filled_by_a_timestamp_as_it_is_written() -> None:
    assert one_row(MOMT="2024-07-05T00:30:00Z")["day_of_stamp"] == date(2024, 7, 5)
    assert one_row(MOMT="20240705 00:30:00.000")["day_of_stamp"] == date(2024, 7, 5)


@pytest.mark.parametrize(
    "text",
    [
        "20240230 10:00:00",
        "2024-07-05T24:00:00",
        "2024-07-05T10:60",
        "2024-07-05T10:30:00+25:00",
        "yesterday",
        "2024-07-05T10:3000",
        "2024-07-05T10:30.5",
        "00010101",
    ],
)
def test_what_is_no_timestamp_is_a_problem(text: str) -> None:
    row = one_row(MOMT=text)
    assert row["moment"] is None
    assert problems_of(row)["moment"] == f"not a timestamp: {text}"


def test_a_change_in_the_second_of_two_equal_hours_is_never_older_than_one_in_the_first() -> None:
    """02:50 before the clocks go back, 02:10 after it: a warehouse would drop the second version for good."""
    zone = ZoneInfo("Europe/Stockholm")
    changes = [
        datetime(2024, 10, 26, 23, 40, tzinfo=UTC) + timedelta(minutes=10 * n) for n in range(18)
    ]
    stamps = [to_utc(one.astimezone(zone).replace(tzinfo=None), zone) for one in changes]
    assert stamps == sorted(stamps)
    assert len(set(stamps)) > 5


@pytest.mark.parametrize(
    ("lmdt", "lmtm", "value"),
    [
        ("20240105", "103000", "2024-01-05T09:30:00"),
        ("20240105", "93000", "2024-01-05T08:30:00"),  # M3 drops the leading zero
        ("20240105", "0", "2024-01-04T23:00:00"),
        ("20240105", "", "2024-01-04T23:00:00"),
        ("20240105", "246000", "2024-01-04T23:00:00"),  # no time of day: midnight
        ("20240105", "noon", "2024-01-04T23:00:00"),
        ("20240105", None, "2024-01-04T23:00:00"),
        ("20240331", "23000", "2024-03-31T01:00:00"),  # in the gap
        ("20241027", "23000", "2024-10-27T01:00:00"),  # twice
        ("", "103000", None),
        ("0", "103000", None),
    ],
)
def test_a_modified_date_has_an_optional_time(
    lmdt: str, lmtm: str | None, value: str | None
) -> None:
    row = one_row(LMDT=lmdt, LMTM=lmtm)
    stamp = None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)
    assert row["_modified_at"] == stamp
    assert row["_problems"] is None


@pytest.mark.parametrize(
    ("lmdt", "reason"),
    [
        ("19000101", "before 1970"),
        ("00010101", "before 1970"),
        ("20260403", "after it was read"),
        ("20990101", "after it was read"),
        ("99999999", "after it was read"),
        ("20240230", "not a date"),
        ("soon", "not a date"),
    ],
)
def test_a_stamp_that_would_break_the_order_of_versions_counts_as_not_given(
    lmdt: str, reason: str
) -> None:
    row = one_row(LMDT=lmdt, LMTM="235959")
    assert row["_modified_at"] is None
    assert problems_of(row) == {"_modified_at": f"{reason}: {lmdt}"}


def test_a_stamp_may_be_up_to_two_days_ahead_of_the_reading_clock() -> None:
    assert one_row(LMDT="20260402", LMTM="120000")["_modified_at"] == datetime(
        2026, 4, 2, 10, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("text", "value", "problems"),
    [
        ("1704447000123", "2024-01-05T09:30:00.123", {}),
        ("0", None, {}),
        ("", None, {}),
        ("-1", None, {"_modified_at": "before 1970: -1"}),
        ("4102444800000", None, {"_modified_at": "after it was read: 4102444800000"}),
        ("9223372036854775807", None, {"_modified_at": "not a timestamp: 9223372036854775807"}),
        ("now", None, {"_modified_at": "not a timestamp: now"}),
    ],
)
def test_a_stamp_can_be_milliseconds_since_1970(
    text: str, value: str | None, problems: dict[str, str]
) -> None:
    layout = replace(
        LAYOUT, modified=ModifiedStamp(source="lmts", format=StampFormat.EPOCH_MILLISECONDS)
    )
    (row,) = run(table_of([{"CODE": "c", "LINE": "1", "lmts": text}]), layout).table.to_pylist()
    stamp = None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)
    assert row["_modified_at"] == stamp
    assert problems_of(row) == problems


# --- text, flags, keys ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "text", "indented"),
    [
        ("plain", "plain", "plain"),
        ("  both ends \t\r\n", "both ends", "  both ends"),
        (" \t ", None, None),
        ("", None, None),
        (None, None, None),
        ("\u00a0kept\u00a0", "\u00a0kept\u00a0", "\u00a0kept\u00a0"),  # a no-break space is content
        ("Ångström 東京 🙂", "Ångström 東京 🙂", "Ångström 東京 🙂"),
    ],
)
def test_text_is_trimmed_and_blank_is_null(
    raw: str | None, text: str | None, indented: str | None
) -> None:
    row = one_row(TEXT=raw)
    assert (row["text"], row["indented"]) == (text, indented)
    assert row["_problems"] is None


def test_nul_characters_are_replaced_because_warehouses_refuse_them() -> None:
    row = one_row(TEXT="a\0b", FREE="c\0d")
    assert row["text"] == "a\ufffdb"
    assert row["_extra"] == '{"FREE":"c\ufffdd"}'
    assert problems_of(row) == {
        "text": "NUL characters replaced",
        "indented": "NUL characters replaced",
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", True),
        ("0", False),
        ("TRUE", True),
        ("no", False),
        ("Y", True),
        ("", None),
        ("2", None),
    ],
)
def test_flags(text: str, value: bool | None) -> None:
    row = one_row(FLAG=text)
    assert row["is_on"] is value
    assert row["is_off"] is (None if value is None else not value)
    assert ("is_on" in problems_of(row)) is (text == "2")


@pytest.mark.parametrize(
    ("divi", "code", "line", "record_id"),
    [
        ("A", "X1", "10", "acme/790/A/X1/10"),
        ("", "X1", "10", "acme/790//X1/10"),
        ("A", " X1 ", "010", "acme/790/A/X1/10"),
        ("A", "50%/2", "10.0", "acme/790/A/50%25%2F2/10"),
        ("A", "%2F", "-1", "acme/790/A/%252F/-1"),
        ("Å", "é", "1", "acme/790/Å/é/1"),
    ],
)
def test_the_record_id_says_who_a_row_is(divi: str, code: str, line: str, record_id: str) -> None:
    assert one_row(DIVI=divi, CODE=code, LINE=line)["record_id"] == record_id


def test_tenant_and_company_are_encoded_in_the_record_id() -> None:
    shaped = run(table_of([{"CODE": "c", "LINE": "1"}]), tenant="a/b", company="100%")
    assert shaped.table["record_id"].to_pylist() == ["a%2Fb/100%25//c/1"]


def test_a_record_without_a_key_is_rejected_whole_and_the_others_go_on() -> None:
    records = [
        {"CODE": "a", "LINE": "1", "AMNT": "x"},
        {"CODE": " ", "LINE": "1", "AMNT": "x", "TEXT": 'say "hi"', "FREE": None},
        {"CODE": "b", "LINE": "one"},
    ]
    shaped = run(table_of(records))
    assert shaped.table["code"].to_pylist() == ["a"]
    assert shaped.rejected_cells == 2  # of row a; rejected records do not count
    assert [(one.raw, one.reason) for one in shaped.rejected] == [
        (
            '{"AMNT":"x","CODE":" ","LINE":"1","TEXT":"say \\"hi\\""}',
            "no key: code is blank",
        ),
        ('{"CODE":"b","LINE":"one"}', "no key: line is not a number: one"),
    ]
    for one in shaped.rejected:
        assert one.fingerprint == hashlib.sha256(one.raw.encode()).hexdigest()
        assert rejected_text(one.raw, one.reason) == one


def test_records_without_any_field_are_rejected_one_by_one() -> None:
    records = pa.Table.from_struct_array(pa.array([{}, {}], pa.struct([])))
    shaped = run(records)
    assert [(one.raw, one.reason) for one in shaped.rejected] == [
        ("{}", "no key: code is blank, line is blank")
    ] * 2


# --- _extra and _row_hash -------------------------------------------------------------------------


def test_extra_keeps_every_field_that_is_not_mapped_not_ignored_and_not_blank() -> None:
    row = one_row(
        ZULU=" z ", ALFA='q"\\\n\x01é', BLAN="  ", CONO="790", AMNT="1", LMDT="20240101", LMTM="1"
    )
    assert row["_extra"] == '{"ALFA":"q\\"\\\\\\n\\u0001é","ZULU":"z"}'


def test_extra_is_null_when_nothing_is_left_over() -> None:
    assert one_row(BLAN="  ")["_extra"] is None


def test_the_row_hash_is_what_the_documentation_says() -> None:
    row = one_row(DIVI="D", TEXT="t\x1fu\x1e", AMNT="-0.5", DAYS="20240105", FLAG="1", FREE="f")
    canonical = "\x1f".join(
        [
            "acme/790/D/c/1",
            *("D", "c", "1"),
            *("t\x1e1u\x1e0", "t\x1e1u\x1e0"),
            *("-500000", "500000"),
            *("\x1e", "\x1e"),
            *("2024-01-05", "\x1e", "\x1e"),
            *("true", "false"),
            "\x1e",  # a column that no field fills
            "\x1e",  # the tenant's own column
            '{"FREE":"f"}',
            "\x1e",
        ]
    )
    assert row["_row_hash"] == hashlib.md5(canonical.encode(), usedforsecurity=False).hexdigest()


def test_the_row_hash_is_the_same_in_every_version() -> None:
    # Not recomputed on purpose: another value here would make every row of every destination look changed.
    row = one_row(DIVI="D", TEXT="Ångström", AMNT="12.50", CONT="7", DAYS="20240105", FREE="f")
    assert row["_row_hash"] == "a682b66de94d3229fa24a0a6dc9864cf"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"AMNT": "12.5"}, {"AMNT": "0012.500"}),
        ({"TEXT": "x "}, {"TEXT": "x"}),
        ({"DAYS": "20240105"}, {"DAYS": "2024-01-05"}),
        ({"DAYS": "0"}, {"DAYS": ""}),
        ({"LMDT": "20240105"}, {"LMDT": "20240106"}),  # when it changed is not what it says
        ({"CONO": "1"}, {"CONO": "2"}),
    ],
)
def test_the_same_content_has_the_same_hash(one: dict[str, str], other: dict[str, str]) -> None:
    assert one_row(**one)["_row_hash"] == one_row(**other)["_row_hash"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"TEXT": "x"}, {"TEXT": "y"}),
        ({"TEXT": "x"}, {"FREE": "x"}),
        ({"FREE": "x"}, {"FREF": "x"}),
        ({"TEXT": "\x1e"}, {}),
        ({"AMNT": "1"}, {"AMNT": "1.000001"}),
    ],
)
def test_other_content_has_another_hash(one: dict[str, str], other: dict[str, str]) -> None:
    assert one_row(**one)["_row_hash"] != one_row(**other)["_row_hash"]


def test_shape_can_run_side_by_side() -> None:
    tables = [
        table_of([{"CODE": str(n), "LINE": str(row), "LMDT": "20240331"} for row in range(200)])
        for n in range(16)
    ]
    alone = [run(table).table for table in tables]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda table: run(table).table, tables)) == alone


# --- the shape of the answer ----------------------------------------------------------------------


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=lambda entity: entity.name)
def test_every_entity_has_its_staged_schema(entity: Entity) -> None:
    formats = {
        ColumnType.STRING: ValueFormat.TEXT,
        ColumnType.INTEGER: ValueFormat.INTEGER,
        ColumnType.DECIMAL: ValueFormat.NUMBER,
        ColumnType.DATE: ValueFormat.DATE,
        ColumnType.TIMESTAMP: ValueFormat.TIMESTAMP,
        ColumnType.BOOLEAN: ValueFormat.FLAG,
    }
    layout = replace(
        LAYOUT,
        entity=entity,
        fields=tuple(
            Field(column=one.name, source=one.name.upper(), format=formats[one.type])
            for one in entity.columns
        ),
    )
    for records in (pa.table({}), table_of([{one.name.upper(): "1" for one in entity.columns}])):
        table = run(records, layout).table
        assert table.schema.equals(arrow_schema(entity))
        assert table.num_rows == records.num_rows


def test_a_further_column_of_the_tenant_comes_last_with_the_type_of_its_format() -> None:
    table = run(table_of([{"CODE": "c", "LINE": "1", "RATE": "4.5"}])).table
    assert table.column_names == [one.name for one in THINGS.all_columns] + ["own_rating"]
    assert table["own_rating"].to_pylist() == [Decimal("4.5")]


def test_a_wide_record_of_300_fields_works() -> None:
    record = {"CODE": "c", "LINE": "1"} | {f"F{n:03}": str(n) for n in range(300)}
    (extra,) = run(table_of([record])).table["_extra"].to_pylist()
    assert json.loads(extra) == {f"F{n:03}": str(n) for n in range(300)}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (FIELDS[:1], "no field fills the key column"),
        ((*FIELDS, FIELDS[3]), "map each column once"),
        ((*FIELDS[:3], replace(FIELDS[3], column="record_id")), "map each column once"),
        (
            (*FIELDS[:3], replace(FIELDS[3], format=ValueFormat.DATE)),
            "format date cannot fill a string",
        ),
        ((*FIELDS[:3], replace(FIELDS[3], negate=True)), "cannot be negated"),
    ],
)
def test_a_layout_that_cannot_work_is_a_config_error(
    fields: tuple[Field, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run(pa.table({}), replace(LAYOUT, fields=fields))


# --- against the reference ------------------------------------------------------------------------

blanks = st.sampled_from(["", " ", "\t\n", "  \r"])
hostile = st.text(
    st.one_of(
        st.sampled_from('\0\x01\x1e\x1f"\\/%,:{}[] \t\n\v\x7f\u00a0\u2028é東🙂0N~'),
        st.characters(codec="utf-8"),
    ),
    max_size=12,
)
numbers = st.one_of(
    st.from_regex(r"-?[0-9]{0,24}(\.[0-9]{0,9})?", fullmatch=True),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.integers(-(2**64), 2**64).map(str),
    st.sampled_from(["1,5", "1E5", "+1", "--1", "1-", "NaN", "-0", "-0.0", ".", "-", "1.0000000"]),
)
days = st.one_of(
    st.dates().map(lambda one: one.strftime("%Y%m%d").zfill(8)),
    st.dates(date(1969, 12, 28), date(2026, 4, 5)).map(date.isoformat),
    st.from_regex("[0-9]{4}-?[0-9]{2}-?[0-9]{2}", fullmatch=True),
    st.sampled_from(["0", "00000000", "0000-00-00", "99999999", "20250230", "19000101"]),
    # Days on which the clocks change somewhere.
    st.sampled_from(["20240331", "20241027", "20240310", "20241103", "20180218", "20241006"]),
)
clocks = st.one_of(
    st.times().map(lambda one: str(int(one.strftime("%H%M%S")))),
    st.from_regex("[0-9]{0,7}", fullmatch=True),
    st.sampled_from(["23000", "13000", "15959", "20000", "noon", "-1", "1.5"]),
)
moments = st.builds(
    lambda day, separator, clock, offset: f"{day}{separator}{clock}{offset}",
    days,
    st.sampled_from([" ", "T", ""]),
    st.one_of(
        st.times().map(str),
        st.sampled_from(
            ["", "02:30", "0230", "023000", "02:30:00.5", "24:00:00", "10:3000", "0230.5"]
        ),
    ),
    st.sampled_from(["", "", "Z", "+02:00", " -0330", "+14", "-24:00", "+0", "z"]),
)
any_value = st.one_of(st.none(), blanks, hostile, numbers, days, clocks, moments)


def padded(values: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    return st.one_of(
        st.builds(lambda left, value, right: left + value + right, blanks, values, blanks),
        any_value,
    )


records_of_things = st.lists(
    st.fixed_dictionaries(
        {
            "CODE": st.one_of(hostile, st.just("c"), blanks),
            "LINE": st.one_of(st.integers(0, 99).map(str), any_value),
        },
        optional={
            "DIVI": padded(hostile),
            "TEXT": padded(hostile),
            "AMNT": padded(numbers),
            "CONT": padded(numbers),
            "DAYS": padded(days),
            "MOMT": padded(moments),
            "FLAG": padded(st.sampled_from(["1", "0", "true", "False", "YES", "n", "2"])),
            "RATE": padded(numbers),
            "LMDT": padded(st.one_of(days, moments)),
            "LMTM": padded(clocks),
            "CONO": any_value,
            "FREE": any_value,
            'h"\\é\x01': any_value,
            "ALFA": any_value,
        },
    ),
    max_size=6,
)
stamps = st.sampled_from(
    [
        None,
        BY_DATE,
        ModifiedStamp(source="LMDT", format=StampFormat.DATE),
        ModifiedStamp(source="LMDT", format=StampFormat.TIMESTAMP),
        ModifiedStamp(source="CONT", format=StampFormat.EPOCH_MILLISECONDS),
        ModifiedStamp(source="MISS", format=StampFormat.DATE, time_source="LMTM"),
    ]
)
zones = st.sampled_from(
    [
        "Europe/Stockholm",
        "America/New_York",
        "America/Sao_Paulo",
        "Asia/Kolkata",
        "Australia/Lord_Howe",
        "Pacific/Kiritimati",
        "UTC",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    records=records_of_things,
    modified=stamps,
    zone=zones,
    cut=st.integers(0, 6),
    tenant=st.sampled_from(["acme", "a/b%"]),
)
def test_shape_equals_the_reference(
    records: list[Record], modified: ModifiedStamp | None, zone: str, cut: int, tenant: str
) -> None:
    layout = replace(LAYOUT, modified=modified, timezone=zone)
    want = expected(
        records,
        layout,
        tenant=tenant,
        company="7/9",
        batch_id="batch-1",
        run_id="run-1",
        extracted_at=READ_AT,
    )
    whole = table_of(records)
    # The same records in one piece, in two, and as a view into a longer table.
    in_two = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])
    longer = pa.concat_tables([whole, whole, whole]).combine_chunks()
    view = longer.slice(len(records), len(records))
    for table in (whole, in_two, view):
        shaped = run(table, layout, tenant=tenant, company="7/9")
        assert shaped.table.to_pylist() == want.rows
        assert [(one.raw, one.reason, one.fingerprint) for one in shaped.rejected] == want.rejected
        assert shaped.rejected_cells == want.rejected_cells
        assert shaped.table.schema.names[:3] == ["record_id", "tenant", "company"]
        shaped.table.validate(full=True)
