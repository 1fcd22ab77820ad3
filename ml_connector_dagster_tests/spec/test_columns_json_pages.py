"""JSON answers → text columns, the short cut and the exact way always alike."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_connector_dagster.columns.json_pages import (
    EACH,
    Answer,
    Path,
    read_answer,
    read_exactly,
    read_members,
    read_members_exactly,
    read_records,
)
from ml_connector_dagster.columns.json_uniform import read_uniform
from ml_connector_dagster.model.errors import ContractError


M3: Path = ("results", EACH, "records")
FIRST: Path = ("results", 0, "records")


def m3_body(*lists: Any, **flags: Any) -> bytes:
    """M3's envelope (reference §2.3) around lists of records."""
    results = [{"transaction": "Lst", "records": one} for one in lists]
    return json.dumps(
        {"results": results, "wasTerminated": False, "nrOfFailedTransactions": 0, **flags},
        separators=(",", ":"),
    ).encode()


def rows(answer: Answer) -> list[dict[str, str | None]]:
    return answer.records.to_pylist()


def both_ways(body: bytes, path: Path) -> Answer:
    """Read it; the short cut, if it is taken, must have answered what the exact way answers."""
    answer, exact = read_answer(body, path), read_exactly(body, path)
    assert answer.records.equals(exact.records)
    assert answer.result.equals(exact.result)
    assert answer.envelope == exact.envelope
    assert answer.found == exact.found
    return answer


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('"plain"', "plain"),
        ('""', ""),
        ('"  kept  "', "  kept  "),
        ("null", None),
        ("true", "true"),
        ("false", "false"),
        ("0", "0"),
        ("-12.50", "-12.50"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        ("1E5", "1E5"),
        ("1" * 5000, "1" * 5000),
        ('{"b": [1.0, null, "x"], "a": true}', '{"b":[1.0,null,"x"],"a":true}'),
        ("[]", "[]"),
        (r'"say \"hi\", \\ \/ \b\f\n\r\t"', 'say "hi", \\ / \b\f\n\r\t'),
        (r'"\\"', "\\"),
        (r'"\\\""', '\\"'),
        (r'"\u00e5\u6771\ud83d\ude42"', "å東🙂"),
        (r'"half \ud83d of a pair"', "half \ufffd of a pair"),
        (r'"\u0000"', "\0"),
        ('"},{"', "},{"),
        ('"]}]"', "]}]"),
        ('"é東🙂"', "é東🙂"),
    ],
)
@pytest.mark.parametrize("other", ['"a"', "1"], ids=["between strings", "beside a number"])
def test_every_value_becomes_its_text(written: str, text: str | None, other: str) -> None:
    record = f'{{"K":{other},"V":{written},"L":"z"}}'
    body = f'{{"results":[{{"records":[{record},{record},{record}]}}]}}'.encode()
    assert rows(both_ways(body, M3)) == [{"K": other.strip('"'), "V": text, "L": "z"}] * 3


def test_a_missing_field_is_null_and_columns_stand_in_the_order_of_their_first_appearance() -> None:
    answer = both_ways(m3_body([{"A": "1"}, {}, {"B": "2", "A": "3"}]), M3)
    assert answer.records.column_names == ["A", "B"]
    assert rows(answer) == [{"A": "1", "B": None}, {"A": None, "B": None}, {"A": "3", "B": "2"}]


def test_of_a_field_that_is_written_twice_the_last_counts() -> None:
    record = '{"A":"1","B":"2","A":"3"}'
    body = f'{{"records":[{record},{record}]}}'.encode()
    assert rows(both_ways(body, ("records",))) == [{"A": "3", "B": "2"}] * 2


def test_records_that_differ_only_in_the_order_of_fields_are_not_mixed_up() -> None:
    body = b'{"records":[{"AB":"1","CD":"2"},{"CD":"3","AB":"4"},{"AB":"5","CD":"6"}]}'
    answer = both_ways(body, ("records",))
    assert rows(answer) == [
        {"AB": "1", "CD": "2"},
        {"AB": "4", "CD": "3"},
        {"AB": "5", "CD": "6"},
    ]


def test_names_may_be_anything() -> None:
    names = [
        "",
        "A",
        "a",
        "a,b",
        'q"',
        "back\\slash",
        "long" * 20,
        "é東",
        "1234567",
        "12345678",
        "123456789",
    ]
    record = {name: str(place) for place, name in enumerate(names)}
    assert rows(both_ways(m3_body([record] * 3), M3)) == [record] * 3


@pytest.mark.parametrize("count", [1, 2, 3, 1000])
@pytest.mark.parametrize("indent", [None, 2], ids=["one line", "pretty"])
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_the_layout_of_the_text_does_not_matter(
    count: int, indent: int | None, ensure_ascii: bool
) -> None:
    records = [{"NAME": f'Öl "{n}" \\', "NO": str(n), "X": ""} for n in range(count)]
    body = json.dumps(
        {"top": ["x"], "results": [{"records": records, "after": "y"}], "last": {"z": 1}},
        indent=indent,
        ensure_ascii=ensure_ascii,
    ).encode()
    answer = both_ways(body, M3)
    assert rows(answer) == records
    assert answer.envelope == {
        "top": ["x"],
        "results": [{"records": None, "after": "y"}],
        "last": {"z": "1"},
    }
    assert read_uniform(body, "records") is not None


# --- where records stand --------------------------------------------------------------------------


def test_everything_around_the_records_is_the_envelope() -> None:
    answer = both_ways(m3_body([{"A": "1"}], bulkJobId=None, nrOfSuccessfullTransactions=1), FIRST)
    assert answer.envelope == {
        "results": [{"transaction": "Lst", "records": None}],
        "wasTerminated": False,
        "nrOfFailedTransactions": "0",
        "bulkJobId": None,
        "nrOfSuccessfullTransactions": "1",
    }
    assert answer.found


def test_a_bulk_answer_is_one_table_with_the_index_of_each_rows_result() -> None:
    body = json.dumps(
        {
            "results": [
                {"records": [{"A": "1"}, {"A": "2"}]},
                {"errorMessage": "Record does not exist", "errorCode": "XRE0103"},
                {"records": []},
                {"records": [{"B": "3"}]},
            ]
        }
    ).encode()
    answer = both_ways(body, M3)
    assert rows(answer) == [{"A": "1", "B": None}, {"A": "2", "B": None}, {"A": None, "B": "3"}]
    assert answer.result.to_pylist() == [0, 0, 3]
    assert answer.envelope["results"][1]["errorCode"] == "XRE0103"
    assert not answer.found  # the second result has no list


def test_a_single_list_knows_its_index_too() -> None:
    body = b'{"results":[{"errorCode":"X"},{"records":[{"A":"1"},{"A":"2"}]}]}'
    assert read_uniform(body, "records") is not None
    assert both_ways(body, M3).result.to_pylist() == [1, 1]


@pytest.mark.parametrize(
    ("body", "envelope"),
    [
        (b'{"errorMessage":"no","errorType":"TransactionNotFound"}', {"errorMessage": "no", "errorType": "TransactionNotFound"}),
        (b'{"results":[]}', {"results": []}),
        (b'{"results":null}', {"results": None}),
        (b'{"results":[{"errorCode":"X"}]}', {"results": [{"errorCode": "X"}]}),
        (b'{"results":[{"records":null}]}', {"results": [{"records": None}]}),
    ],
)  # fmt: skip
def test_an_answer_without_records_has_its_envelope(body: bytes, envelope: Any) -> None:
    answer = both_ways(body, FIRST)
    assert (answer.records.num_rows, answer.found, answer.envelope) == (0, False, envelope)
    with pytest.raises(ContractError, match=r"no list of records at results\[0\].records"):
        read_records(body, FIRST)


def test_an_empty_list_is_an_answer() -> None:
    assert read_records(m3_body([]), FIRST).num_rows == 0
    assert both_ways(m3_body([]), M3).found


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'[{"A":"1"}]', ()),
        (b'{"value":[{"A":"1"}],"@odata.nextLink":"x"}', ("value",)),
        (b'[{"_fields":[{"A":"1"}]}]', (0, "_fields")),
        (b'{"d":{"l":[[{"A":"1"}]]}}', ("d", "l", 0)),
    ],
)
def test_a_path_leads_anywhere(body: bytes, path: Path) -> None:
    assert read_records(body, path).to_pylist() == [{"A": "1"}]


@pytest.mark.parametrize(
    "body",
    [
        b'{"parameters":{"records":[{"A":"1"},{"A":"2"}]},"results":[{"records":[{"B":"3"}]}]}',
        b'{"note":"\\"records\\":[{","results":[{"records":[{"B":"3"}]}]}',
        b'{"note":"a \\"records\\":[{\\"B\\":\\"9\\"}] b","results":[{"records":[{"B":"3"}]}]}',
        b'{"results":[{"records":[{"B":"3"}]}],"other":{"records":[{"A":"1"}]}}',
    ],
)
def test_a_list_of_the_same_name_elsewhere_does_not_mislead(body: bytes) -> None:
    assert rows(both_ways(body, M3)) == [{"B": "3"}]


# --- what is not such an answer -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "0 bytes is not JSON.*begins with nothing"),
        (b"   ", "begins with blanks"),
        (b"Bad Request", "begins with plain text"),
        (b"<html><body>502</body></html>", "begins with markup"),
        (b"\x1f\x8b\x08\x00", "begins with gzip data that was not unpacked|is not UTF-8"),
        (b'{"a":"\xff"}', "is not UTF-8 at byte 6"),
        (b'{"a":"\x00"}', "is not JSON"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b'{"a":1}{"b":2}', "Extra data"),
        (b"[" * 200_000, "nested too deeply|cut short"),
    ],
)
def test_what_is_not_json_is_a_contract_error(body: bytes, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        read_answer(body, M3)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'"Bad Request"', "no object around 'results'"),
        (b"[1]", "no object around 'results'"),
        (b'{"results":{"records":[]}}', "no list where every element"),
        (b'{"results":["x"]}', "no object around 'records'"),
        (b'{"results":[{"records":{"A":"1"}}]}', "is not a list of objects"),
        (b'{"results":[{"records":["A"]}]}', "is not a list of objects"),
        (b'{"results":[{"records":[{"A":"1"},"B"]}]}', "is not a list of objects"),
        (b'{"results":[{"records":[{"A":"1"},null]}]}', "is not a list of objects"),
    ],
)
def test_another_shape_is_a_contract_error(body: bytes, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        read_answer(body, M3)


def test_a_message_never_shows_the_payload() -> None:
    for body in (m3_body([{"SECRET": "s3cret"}])[:-9], b'{"s3cret":1', b"s3cret", b'"s3cret"'):
        with pytest.raises(ContractError) as caught:
            read_answer(body, M3)
        assert "s3cret" not in str(caught.value)


def test_a_body_that_is_cut_anywhere_is_a_contract_error() -> None:
    body = m3_body([{"NAME": 'ä "q"', "NO": "1"}, {"NAME": "b", "NO": "2"}])
    for length in range(len(body)):
        with pytest.raises(ContractError):
            read_answer(body[:length], M3)


# --- the short cut equals the exact way -----------------------------------------------------------

texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.text('",:{}[]\\ /\n\0é🙂aA0', max_size=6),
)
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda inside: st.one_of(
        st.lists(inside, max_size=3), st.dictionaries(texts, inside, max_size=3)
    ),
    max_leaves=4,
)
separators = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: "), (",\r\n", ":")])


@st.composite
def uniform_bodies(draw: st.DrawFn) -> bytes:
    names = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    value_lists = st.lists(texts, min_size=len(names), max_size=len(names))
    records = [
        dict(zip(names, one, strict=True))
        for one in draw(st.lists(value_lists, min_size=1, max_size=4))
    ]
    return dumped(draw, records)


def dumped(draw: st.DrawFn, records: Sequence[Any]) -> bytes:
    envelope = {"a": draw(texts), "results": [{"n": 1, "records": records, "z": draw(texts)}]}
    text = json.dumps(envelope, ensure_ascii=draw(st.booleans()), separators=draw(separators))
    return text.encode("utf-8", "replace")


@st.composite
def mixed_bodies(draw: st.DrawFn) -> bytes:
    return dumped(draw, draw(st.lists(st.dictionaries(texts, values, max_size=4), max_size=4)))


@settings(max_examples=300, deadline=None)
@given(body=uniform_bodies())
def test_records_written_alike_take_the_short_cut(body: bytes) -> None:
    records = json.loads(body)["results"][0]["records"]
    assert rows(both_ways(body, M3)) == records
    assert read_uniform(body, "records") is not None


@settings(max_examples=200, deadline=None)
@given(body=mixed_bodies())
def test_any_records_are_read_like_the_json_module_reads_them(body: bytes) -> None:
    answer = both_ways(body, M3)
    records = json.loads(body)["results"][0]["records"]
    assert answer.records.num_rows == len(records)
    if answer.records.num_columns == 0:
        assert all(not record for record in records)
        return
    for row, record in zip(rows(answer), records, strict=True):
        for name, text in row.items():
            value = record.get(name)
            if value is None or isinstance(value, str):
                assert text == value
            else:
                assert text is not None
                assert json.loads(text) == value


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=uniform_bodies(),
    place=st.integers(0, 10_000),
    length=st.integers(0, 3),
    instead=st.one_of(
        st.binary(max_size=2),
        st.sampled_from(
            [
                b'"',
                b'""',
                b"\\",
                b'\\"',
                b"\\\\",
                b"}",
                b"]",
                b'"}]',
                b"},{",
                b",",
                b":",
                b"1",
                b"null",
                b" ",
                b"\n",
                b"-Infinity",
                b'","',
            ]
        ),
    ),
)
def test_the_short_cut_never_reads_what_the_exact_way_would_not(
    body: bytes, place: int, length: int, instead: bytes
) -> None:
    place %= len(body)
    broken = body[:place] + instead + body[place + length :]
    try:
        exact: Answer | None = read_exactly(broken, M3)
    except ContractError:
        exact = None
    try:
        answer: Answer | None = read_answer(broken, M3)
    except ContractError:
        answer = None
    assert (answer is None) == (exact is None)
    if answer is not None and exact is not None:
        assert answer.records.equals(exact.records)
        assert answer.envelope == exact.envelope
        answer.records.validate(full=True)


def test_pages_can_be_read_side_by_side() -> None:
    bodies = [m3_body([{"A": f"{page}-{row} é"} for row in range(500)]) for page in range(16)]
    with ThreadPoolExecutor(4) as threads:
        tables = list(threads.map(lambda body: read_records(body, FIRST), bodies))
    for page, table in enumerate(tables):
        assert table["A"].to_pylist() == [f"{page}-{row} é" for row in range(500)]


def test_a_page_of_10000_rows_takes_the_short_cut() -> None:
    records = [{f"F{field:02}": f"{field}-{row}" for field in range(40)} for row in range(10_000)]
    body = m3_body(records)
    assert read_uniform(body, "records") is not None
    table = read_records(body, FIRST)
    assert table.equals(pa.Table.from_pylist(records))


# --- records that are wrapped one by one ----------------------------------------------------------


def members_both_ways(body: bytes) -> Answer | None:
    """Read it; the short cut must have answered, or refused, what the exact way answers."""
    answers: list[Answer | None] = []
    for read in (read_members, read_members_exactly):
        try:
            answers.append(read(body, "_fields"))
        except ContractError:
            answers.append(None)
    answer, exact = answers
    assert (answer is None) == (exact is None)
    if answer is not None and exact is not None:
        assert answer.records.equals(exact.records)
        assert answer.result.equals(exact.result)
        assert answer.envelope == exact.envelope
        assert answer.found == exact.found
    return answer


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\n", " :\t")])
@pytest.mark.parametrize("heads", [[], [{"_count": 2, "_links": [{"rel": "next", "href": "x"}]}]])
@pytest.mark.parametrize(
    "records",
    [
        [],
        [{}],
        [{"A": "1"}],
        [{"A": "1", "B": "é"}, {"A": "2", "B": '}},{"_fields":{'}],
        [{"A": 1.50, "B": None}, {"A": True, "B": {"_fields": {"C": "3"}}}],
        [{"A": [{"_fields": {"x": 1}}, {"_fields": {"x": 2}}]}, {"A": []}],
        [{"_fields": {"_fields": "1"}}, {"_around": "1", "_unwrapped": "2"}],
    ],
)
def test_wrapped_records(records: list[Any], heads: list[Any], separators: tuple[str, str]) -> None:
    content = [*heads, *({"_fields": record} for record in records)]
    answer = members_both_ways(json.dumps(content, separators=separators).encode())
    assert answer is not None
    assert answer.records.num_rows == len(records)
    assert answer.found


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[",
        b"[]",
        b"null",
        b'{"exception":{"message":"x"}}',
        b'[{"_fields":{"A":"1"}}',
        b'[{"_fields":{"A":"1"}},{"_fields":{"A":"2"',
        b'[{"_fields":{"A":"1"}},{"_fields":{"A":"2"}}}]',
        b'[{"_fields":{"A":"1"},"B":"2"}]',
        b'[{"B":"2","_fields":{"A":"1"}}]',
        b'[{"_fields":{"A":"1"}},{"B":"2"},{"_fields":{"A":"2"}}]',
        b'[{"_fields":{"A":"1"}},{"B":{"C":{}}}]',
        b'[{"_fields":[]}]',
        b'[{"_fields":"x"}]',
        b'[1,{"_fields":{"A":"1"}}]',
        b'{"_fields":{"A":"1"}}]',
        b'{"x":[{"_fields":{"A":"1"}}]}',
        b'[[{"_fields":{"A":"1"}}]]',
        b'"x",[{"_fields":{"A":"1"}}]',
        b'[{"_fields":{"A":"1"}},{"_fields":{"A":"2"}}] x',
        b'[{"a":"\\\\"},{"_fields":{"A":"\\\\"}},{"_fields":{"A":"\\""}}]',
    ],
)
def test_wrapped_records_of_every_other_shape(body: bytes) -> None:
    members_both_ways(body)


@given(
    place=st.integers(0, 10_000),
    length=st.integers(0, 4),
    instead=st.sampled_from([b"", b"}", b"{", b"]", b",", b'"', b"\\", b'{"_fields":{', b"}},"]),
)
def test_wrapped_records_with_a_broken_place(place: int, length: int, instead: bytes) -> None:
    content = [
        {"_count": 3},
        *({"_fields": {"A": f"{row}", "B": "x}},{y", "C": '"'}} for row in range(4)),
    ]
    body = json.dumps(content, separators=(",", ":")).encode()
    place %= len(body)
    members_both_ways(body[:place] + instead + body[place + length :])
