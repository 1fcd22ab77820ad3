"""Names from outside become path parts that stay inside staging, and stay apart from each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector_dagster.staging.paths import LONGEST_PART, safe_part


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("acme", "acme"),
        ("ACME_TST", "ACME_TST"),
        ("warehouse.erp", "warehouse.erp"),
        ("20260118T120000000000-ab12", "20260118T120000000000-ab12"),
        ("", "%"),
        (".", "%2E"),
        ("..", "%2E."),
        (".tmp-b1", "%2Etmp-b1"),
        ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"),
        ("a b*?[x]", "a%20b%2A%3F%5Bx%5D"),
        ("a=b", "a%3Db"),  # not a partition
        ("100%", "100%25"),
        ("~", "%7E"),
        ("\0\n", "%00%0A"),
        ("Åre", "%C3%85re"),
    ],
)
def test_a_name_as_a_path_part(name: str, part: str) -> None:
    assert safe_part(name) == part


@given(st.lists(st.text(), min_size=2, max_size=2, unique=True))
def test_different_names_are_different_parts(names: list[str]) -> None:
    first, second = map(safe_part, names)
    assert first != second


@given(st.text() | st.text(min_size=100, max_size=400) | st.sampled_from(["\ud800", "x" * 300]))
def test_every_part_is_plain_short_and_visible(name: str) -> None:
    part = safe_part(name)
    assert 0 < len(part) <= LONGEST_PART
    assert part.isascii()
    assert part.isprintable()
    assert "/" not in part
    assert not part.startswith(".")


def test_long_names_that_begin_alike_stay_apart() -> None:
    assert safe_part("x" * 300 + "1") != safe_part("x" * 300 + "2")
