"""Texts with a separator → columns; what does not fit the header is handed back."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_connector_dagster.columns.delimited import split


def test_each_part_becomes_the_value_of_its_column() -> None:
    values = pa.array(["1000001|10001|20260110", " 1000002||0"])
    table, unreadable = split(values, header=["IAPUNO", "IASUNO", "IAPUDT"], separator="|")
    assert table.to_pylist() == [
        {"IAPUNO": "1000001", "IASUNO": "10001", "IAPUDT": "20260110"},
        {"IAPUNO": " 1000002", "IASUNO": "", "IAPUDT": "0"},
    ]
    assert unreadable == ()


def test_a_row_with_another_number_of_parts_is_unreadable_and_the_others_go_on() -> None:
    values = pa.array(["a|b", "c", "d|e|f", None, "g|h"])
    table, unreadable = split(values, header=["A", "B"], separator="|")
    assert table.to_pylist() == [{"A": "a", "B": "b"}, {"A": "g", "B": "h"}]
    assert unreadable == (
        ("c", "split at '|' it has 1 parts, the header has 2"),
        ("d|e|f", "split at '|' it has 3 parts, the header has 2"),
        ("", "split at '|' it has 1 parts, the header has 2"),
    )


@pytest.mark.parametrize("values", [pa.array([], pa.string()), pa.chunked_array([], pa.string())])
def test_no_rows_give_a_table_of_the_header(values: pa.Array) -> None:
    table, unreadable = split(values, header=["A", "B"], separator="|")
    assert table.schema.equals(pa.schema([("A", pa.string()), ("B", pa.string())]))
    assert (table.num_rows, unreadable) == (0, ())


def test_a_header_and_a_separator_are_needed() -> None:
    with pytest.raises(ValueError, match="header"):
        split(pa.array(["a"]), header=[], separator="|")
    with pytest.raises(ValueError, match="separator"):
        split(pa.array(["a"]), header=["A"], separator="")


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.text("ab|;é\n\0", max_size=8), max_size=8),
    width=st.integers(1, 4),
    separator=st.sampled_from(["|", ";", "||"]),
    cut=st.integers(0, 8),
)
def test_split_equals_python_row_by_row(
    rows: list[str], width: int, separator: str, cut: int
) -> None:
    header = [f"C{place}" for place in range(width)]
    split_rows = [text.split(separator) for text in rows]
    whole = pa.array(rows, pa.string())
    for values in (whole, pa.chunked_array([whole[:cut], whole[cut:]])):
        table, unreadable = split(values, header=header, separator=separator)
        assert [list(row.values()) for row in table.to_pylist()] == [
            parts for parts in split_rows if len(parts) == width
        ]
        assert [text for text, _ in unreadable] == [
            text for text, parts in zip(rows, split_rows, strict=True) if len(parts) != width
        ]
