"""Where a long list is cut: whatever its keys look like, few questions, and keys in order."""

from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector_dagster.cloudsuite.product_lines.m3.cuts import (
    CHAINS,
    WORTH_PAGES,
    find_cuts,
)


PAGE = 10


def cuts_of(keys: list[str], page: int = PAGE) -> tuple[tuple[str, ...], int]:
    """The cuts of a list with these keys, and how many questions they took."""
    questions = 0

    def first_key_from(key: str) -> str | None:
        nonlocal questions
        questions += 1
        place = bisect_left(keys, key)
        return keys[place] if place < len(keys) else None

    return find_cuts(keys[0], keys[min(page, len(keys)) - 1], first_key_from), questions


def parts(keys: list[str], cuts: tuple[str, ...]) -> list[int]:
    places = [0, *(bisect_left(keys, cut) for cut in cuts), len(keys)]
    return [after - before for before, after in pairwise(places)]


@pytest.mark.parametrize(
    "keys",
    [
        [str(1_000_000_000 + number) for number in range(20_000)],
        [f"S{number:08}" for number in range(0, 200_000, 7)],
        [f"IT{number:06}" for number in range(100_000, 120_000)],
    ],
    ids=["running numbers", "a letter in front", "not from the beginning"],
)
def test_a_long_list_is_cut_into_parts_of_about_equal_length(keys: list[str]) -> None:
    cuts, questions = cuts_of(keys)
    assert len(cuts) == CHAINS - 1
    assert max(parts(keys, cuts)) < 2 * len(keys) / CHAINS
    assert questions <= 12


def test_a_list_that_is_not_long_costs_one_question_and_is_not_cut() -> None:
    keys = [f"{number:06}" for number in range(PAGE * WORTH_PAGES // 2)]
    assert cuts_of(keys) == ((), 1)


def test_a_page_of_one_key_tells_nothing() -> None:
    assert cuts_of(["A"] * 50) == ((), 0)


@given(st.sets(st.text("AZaz09 -_åÖ", max_size=6), min_size=1, max_size=200), st.integers(1, 9))
def test_any_keys_are_cut_in_order_or_not_at_all(found: set[str], page: int) -> None:
    keys = sorted(key.strip() for key in found)
    cuts, questions = cuts_of(keys, page)
    assert questions <= 12
    assert len(cuts) < CHAINS
    assert list(cuts) == sorted(set(cuts))
    assert sum(parts(keys, cuts)) == len(keys)
