"""Pages of CSV: every value as it was written, and what is not whole is an error."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_connector_dagster.columns.csv_pages import header_of, read_csv
from ml_connector_dagster.model.errors import ContractError


NAMES = ("a", "b", "c")
VALUES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))


def _written(rows: list[tuple[str, ...]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(NAMES)
    writer.writerows(rows)
    return text.getvalue().encode()


@settings(deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES, st.just("."))))
def test_what_was_written_is_read(rows: list[tuple[str, ...]]) -> None:
    body = _written(rows)
    assert header_of(body) == NAMES
    table = read_csv(body, NAMES)
    assert [tuple(row.values()) for row in table.to_pylist()] == rows


@pytest.mark.parametrize("rows", [b"1,2\n", b"1,2,3,4\n", b'1,"2\n', b"1,2,3\n4\n", b"1,\xff,3\n"])
def test_a_row_of_another_shape_is_an_error(rows: bytes) -> None:
    with pytest.raises(ContractError):
        read_csv(b"a,b,c\n" + rows, NAMES)


def test_lines_may_end_in_either_way() -> None:
    for end in (b"\n", b"\r\n"):
        assert read_csv(b"a,b,c" + end + b"1,2,3" + end, NAMES).to_pylist() == [
            {"a": "1", "b": "2", "c": "3"}
        ]


def test_a_header_may_have_quotes_and_a_mark_of_its_encoding() -> None:
    assert header_of(b'\xef\xbb\xbf"a","b ""x"""\r\n1,2') == ("a", 'b "x"')
    assert header_of(b"") == ()
    with pytest.raises(ContractError):
        header_of(b"\xff\xfe")
