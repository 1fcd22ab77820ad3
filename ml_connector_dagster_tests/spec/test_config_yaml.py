"""YAML is read as plain values with their lines; what goes beyond that is refused, with the line."""

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from ml_connector_dagster.config.yaml_source import Document, parse_document, read_document


def problems(text: str) -> list[str]:
    return [str(problem) for problem in parse_document(text, "f.yaml").problems]


def line(document: Document, *path: str | int) -> int:
    return document.places[path].line


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("on: friday", {"on": "friday"}),  # YAML 1.1 would make the key True
        ("no: yes", {"no": "yes"}),
        ("at: 10:30", {"at": "10:30"}),  # YAML 1.1 would make it 630
        ("day: 2025-11-01", {"day": "2025-11-01"}),
        ("n: 42", {"n": 42}),
        ("n: -1.5e3", {"n": -1500.0}),
        ("company: 007", {"company": 7}),
        ('company: "007"', {"company": "007"}),
        ("flag: true", {"flag": True}),
        ("nothing:", {"nothing": None}),
        ("nothing: ~", {"nothing": None}),
        ("names: [a, b]", {"names": ["a", "b"]}),
        ("text: !!str 100", {"text": "100"}),
        ("a: &x 5\nb: *x", {"a": 5, "b": 5}),
        ("\ufeffa: ä", {"a": "ä"}),
        (r'a: "\ud83d\ude00"', {"a": "\U0001f600"}),  # as JSON writes it
    ],
)
def test_values_are_the_plain_types_of_yaml_1_2(
    written: str, read: dict[str, object], tmp_path
) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(written, encoding="utf-8")
    document = read_document(file)
    assert document.value == read
    assert document.problems == []


def test_each_key_and_list_item_knows_its_line() -> None:
    document = parse_document("a:\n  b:\n    - x\n    - y\n\n  c: 1\n", "f.yaml")
    assert [line(document, *path) for path in [("a",), ("a", "b"), ("a", "b", 1), ("a", "c")]] == [
        1,
        2,
        4,
        6,
    ]


def test_numbers_keep_how_they_were_written() -> None:
    assert parse_document("a: 007\nb: [1_0, 0.50]", "f.yaml").texts == {
        ("a",): "007",
        ("b", 1): "0.50",
    }


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", ["f.yaml:1: the file is empty; it needs connections: and flows: (see flows/sandbox.yaml)"]),
        ("# nothing\n", ["f.yaml:1: the file is empty; it needs connections: and flows: (see flows/sandbox.yaml)"]),
        ("a:\n\tb: 1\n", ["f.yaml:2: a tab; YAML takes only spaces for indentation"]),
        ("a: 1\nb: 2\na: 3\n", ["f.yaml:3: a: given twice; the first is in line 1"]),
        ("x:\n  a: 1\n  a: 2\n", ["f.yaml:3: x.a: given twice; the first is in line 2"]),
        ("a: 1\n---\nb: 2\n", ["f.yaml:2: a second document (---); one file holds one document"]),
        ("a: [1, 2\nb: 3\n", ["f.yaml:2: not valid YAML: expected ',' or ']', but got ':' (while parsing a flow sequence)"]),
        ("a: 'x\n", ["f.yaml:2: not valid YAML: found unexpected end of stream (while scanning a quoted scalar)"]),
        ("a: *b\n", ["f.yaml:1: found undefined alias 'b'"]),
        ("a: &x 1\nb: &x 2\n", ["f.yaml:2: an anchor (&) is used twice"]),
        ("a: 1\nb: \x07\n", ["f.yaml:2: the character U+0007 is not allowed"]),
        ("7: a\n", ['f.yaml:1: the key 7 must be text; write "7":']),
        ("? [a]\n: b\n", ["f.yaml:1: a key must be a single word"]),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", ["f.yaml:3: c: merge keys (<<) are not used here; put shared values in defaults:"]),
        ("a: !!python/object/apply:os.system [id]\n", ["f.yaml:1: a: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not used here; write a plain value"]),
        ("a: !secret x\n", ["f.yaml:1: a: the tag '!secret' is not used here; write a plain value"]),
        (r'a: "\ud83d"', [r"f.yaml:1: a: half a character (\uD800 to \uDFFF); write the character itself"]),
        (r'"\ud83d": a', [r"f.yaml:1: half a character (\uD800 to \uDFFF); write the character itself"]),
        ("a: !!int x\n", ["f.yaml:1: a: 'x' cannot be read as a number"]),
        ("a: " + "9" * 5000, [f"f.yaml:1: a: '{'9' * 59}… cannot be read as a number"]),
    ],
)  # fmt: skip
def test_what_is_refused_is_said_with_its_line(written: str, said: list[str]) -> None:
    assert problems(written) == said


@pytest.mark.parametrize(
    ("bomb", "said"),
    [
        ("[" * 5000, ["f.yaml:1: nested deeper than 24 levels"]),
        (
            "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)),
            ["f.yaml:1: its aliases (*) stand for too much; write the values out"],
        ),
        ("a: &a 1\nb: [" + "*a, " * 201 + "]", ["f.yaml:2: more than 200 aliases (*); write the values out"]),
        ("a: &a [*a]", ["f.yaml:1: its aliases (*) stand for too much; write the values out"]),
    ],
)  # fmt: skip
def test_bombs_are_refused_before_they_go_off(bomb: str, said: list[str]) -> None:
    assert problems(bomb) == said


def test_a_file_in_another_encoding_names_the_line_and_the_byte(tmp_path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes("a: 1\nb: Malmö\n".encode("latin-1"))
    assert [str(one) for one in read_document(file).problems] == [
        f"{file}:2: not UTF-8 (byte 0xF6); save the file as UTF-8"
    ]


def test_a_file_that_is_too_large_is_not_parsed(tmp_path) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(b"#" * 1_000_001)
    assert [str(one) for one in read_document(file).problems] == [
        f"{file}:1: 1,000,001 bytes; a configuration has at most 1,000,000: split it"
    ]


@examples(deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_a_value_or_a_problem_and_never_an_exception(text: str) -> None:
    document = parse_document(text, "f.yaml")
    assert document.value is not None or document.problems


@examples(deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@,? \n\t0", max_size=80))
def test_any_mess_of_yaml_signs_gives_a_value_or_a_problem(text: str) -> None:
    document = parse_document(text, "f.yaml")
    assert document.value is not None or document.problems
