"""Several generators read side by side give every item once, in order per source, and end together."""

import threading
from collections.abc import Iterator

import pytest

from ml_connector_dagster.sync.streams import pages_side_by_side


def count_from(source: int, position: str | None) -> Iterator[int]:
    first = 0 if position is None else int(position)
    yield from range(first, source)


def test_every_page_of_every_source_comes_once_and_in_order() -> None:
    sources = [(length, count_from, None) for length in (3, 0, 7, 1, 50)]
    found: dict[int, list[int]] = {}
    for source, page in pages_side_by_side(sources, concurrency=3):
        found.setdefault(source, []).append(page)
    assert found == {3: [0, 1, 2], 7: list(range(7)), 1: [0], 50: list(range(50))}


def test_a_source_goes_on_after_its_position() -> None:
    assert list(pages_side_by_side([(5, count_from, "3")], concurrency=4)) == [(5, 3), (5, 4)]


def test_no_source_is_no_page() -> None:
    assert list(pages_side_by_side([], concurrency=4)) == []


def test_an_error_of_one_source_is_raised_and_ends_the_others() -> None:
    def fail(source: int, position: str | None) -> Iterator[int]:
        yield 1
        raise ValueError(f"source {source}")

    def endless(source: int, position: str | None) -> Iterator[int]:
        while True:
            yield 0

    with pytest.raises(ValueError, match="source 9"):
        for _ in pages_side_by_side([(9, fail, None), (1, endless, None)], concurrency=2):
            pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pages-")]


def test_at_most_the_given_number_of_sources_is_read_at_a_time() -> None:
    active, most, lock = 0, 0, threading.Lock()

    def watched(source: int, position: str | None) -> Iterator[int]:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        yield source
        with lock:
            active -= 1

    sources = [(number, watched, None) for number in range(20)]
    assert len(list(pages_side_by_side(sources, concurrency=3))) == 20
    assert most <= 3


def test_closing_the_stream_ends_its_threads() -> None:
    stream = pages_side_by_side([(10_000, count_from, None)], concurrency=1)
    assert next(stream) == (10_000, 0)
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pages-")]
