"""EXPORTMI's query text, and how long spans of change days are cut."""

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector_dagster.cloudsuite.catalog.fields import ErpType, FieldSpec
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import (
    Span,
    cut,
    parse_position,
    parse_spans,
    position_text,
    spans_text,
)
from ml_connector_dagster.cloudsuite.product_lines.m3.queries import (
    among,
    beyond,
    changed,
    literal,
    select,
)
from ml_connector_dagster.cloudsuite.product_lines.m3.selects import TableColumns, parts_of
from ml_connector_dagster.model.errors import ContractError


TYPES = {"SUNO": ErpType.TEXT, "PNLI": ErpType.NUMBER, "DIVI": ErpType.TEXT, "LMDT": ErpType.DATE}
DAY = date(2026, 1, 18)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("SUNO", "10001", "'10001'"),
        ("SUNO", "O'Brien", "'O''Brien'"),
        ("SUNO", "' or 1=1 --", "''' or 1=1 --'"),
        ("SUNO", "", "''"),
        ("PNLI", "10", "10"),
        ("PNLI", "-1.50", "-1.50"),
        ("PNLI", "", "0"),
        ("LMDT", "20260118", "20260118"),
        ("XXXX", "a", "'a'"),
    ],
)
def test_literals(field: str, value: str, expected: str) -> None:
    assert literal(field, value, TYPES) == expected


@pytest.mark.parametrize("value", ["1 or 1=1", "abc", "1;2", "0x1"])
def test_a_number_that_is_none_never_gets_into_a_query(value: str) -> None:
    with pytest.raises(ContractError, match="no number"):
        literal("PNLI", value, TYPES)


def test_a_composite_key_is_written_out_field_by_field() -> None:
    text = beyond("IB", ("DIVI", "SUNO", "PNLI"), ("A", "x", "3"), TYPES, sign=">", inclusive=False)
    assert text == (
        "((IBDIVI>'A') or (IBDIVI='A' and IBSUNO>'x') or (IBDIVI='A' and IBSUNO='x' and IBPNLI>3))"
    )


def test_only_the_last_field_of_an_inclusive_bound_is_inclusive() -> None:
    text = beyond("IB", ("SUNO", "PNLI"), ("x", "3"), TYPES, sign="<", inclusive=True)
    assert text == "((IBSUNO<'x') or (IBSUNO='x' and IBPNLI<=3))"


def test_some_keys() -> None:
    assert among("II", ("SUNO",), [("a",)], TYPES) == "IISUNO='a'"
    assert among("II", ("SUNO",), [("a",), ("b",)], TYPES) == "(IISUNO='a' or IISUNO='b')"
    assert (
        among("E5", ("DIVI", "PNLI"), [("A", "1"), ("B", "2")], TYPES)
        == "((E5DIVI='A' and E5PNLI=1) or (E5DIVI='B' and E5PNLI=2))"
    )


def test_windows_are_half_open_and_the_past_holds_records_without_a_date() -> None:
    assert changed("IA", "LMDT", Span(first=DAY, last=DAY)) == [
        "IALMDT>=20260118",
        "IALMDT<20260119",
    ]
    assert changed("IA", "LMDT", Span(first=None, last=DAY)) == ["IALMDT<20260119"]


def test_the_whole_query() -> None:
    text = select("MPHEAD", "IA", ("PUNO", "SUNO"), ("IACONO=100", "IALMDT<20260119"), ("PUNO",))
    assert text == (
        "IAPUNO,IASUNO from MPHEAD where IACONO=100 and IALMDT<20260119 order by IAPUNO"
    )


def test_a_row_that_may_be_too_long_is_read_in_parts_that_all_have_the_key() -> None:
    fields = [f"F{number:03d}" for number in range(20)]
    specs = {name: FieldSpec(source=name, length=90) for name in fields}
    parts = parts_of(
        "TABLE",
        "XX",
        ("SUNO",),
        fields,
        specs={**specs, "SUNO": FieldSpec(source="SUNO", length=10)},
        types={},
        columns=TableColumns(types={}, widths={}),
        reply_length=984,
    )
    assert len(parts) == 2
    assert [field for part in parts for field in part.fields if field != "SUNO"] == fields
    for part in parts:
        assert part.fields[0] == "SUNO"
        assert 11 + 91 * (len(part.fields) - 1) < 984


def test_columns_the_table_does_not_have_are_not_asked_for() -> None:
    columns = TableColumns(types={"SUNO": ErpType.TEXT, "SUNM": ErpType.TEXT}, widths={})
    (part,) = parts_of(
        "CIDMAS", "ID", ("SUNO",), ["SUNM", "GONE"], specs={}, types={}, columns=columns,
        reply_length=984,
    )  # fmt: skip
    assert part.fields == ("SUNO", "SUNM")


days = st.dates(date(1990, 1, 1), date(2040, 12, 31))


@given(first=st.none() | days, last=days, parts=st.integers(1, 40))
def test_the_pieces_of_a_span_cover_it_without_overlap(
    first: date | None, last: date, parts: int
) -> None:
    if first is not None and first > last:
        first, last = last, first
    span = Span(first=first, last=last)
    pieces = cut(span, parts)
    assert 1 <= len(pieces) <= parts
    assert pieces[0].first == first
    assert pieces[-1].last == last
    for before, after in itertools.pairwise(pieces):
        assert after.first == before.last + timedelta(1)
        assert after.first <= after.last


@given(first=st.none() | days, last=days)
def test_halving_ends_at_single_days_and_covers_the_span(first: date | None, last: date) -> None:
    if first is not None and first > last:
        first, last = last, first
    span = Span(first=first, last=last)
    steps = 0
    while (halves := span.halves()) is not None:
        low, high = halves
        assert (low.first, high.last) == (span.first, span.last)
        assert high.first == low.last + timedelta(1)
        span = high if steps % 2 else low
        steps += 1
    assert steps < 20


def test_positions_survive_being_text() -> None:
    spans = [Span(first=None, last=DAY), Span(first=DAY, last=DAY)]
    text = position_text(spans=spans_text(spans))
    assert parse_spans(parse_position(text)["spans"]) == spans
    assert parse_position(position_text(key=("O'Brien|~", "株式"))) == {
        "key": ["O'Brien|~", "株式"]
    }
    assert parse_position(None) == {}


@pytest.mark.parametrize("text", ["{", "7", "[]", "no"])
def test_a_position_of_somebody_else_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="position"):
        parse_position(text)
