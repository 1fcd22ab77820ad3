"""Where to cut a long list into chains that are read side by side. M3 tells neither how long a list is nor its last key.

A chain of pages goes no faster than one answer after the other, and leaves most of the request budget unused. So the
keys are looked for by a few questions for one row each: far beyond the first page, then further, until there are none.

A cut is only a key to start from. Each chain ends at the first key that the next one finds (``lists``), so a list that
is unevenly filled, or ordered otherwise than expected, is read whole all the same; the chains are then of unequal length.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Final


#: A list that ends within so many pages is read in one chain: cutting costs about 25 requests.
WORTH_PAGES: Final = 128
#: Chains per list: more than are read at a time, so that an uneven list keeps all of them busy.
CHAINS: Final = 8

_FURTHER: Final = 4
_LEAPS: Final = 6
_HALVINGS: Final = 4

_DIGITS: Final = "0123456789"
#: As most systems sort them; other characters count as the nearest one below.
_LETTERS: Final = " -./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def find_cuts(
    first: str, last: str, first_key_from: Callable[[str], str | None]
) -> tuple[str, ...]:
    """Keys that cut a list into about equal parts; none for a list that is not long.

    ``first`` and ``last`` are the keys of its first page. ``first_key_from`` asks for the first key at or after another.
    """
    scale = _Scale.of(first, last)
    start, page = scale.number(first), scale.number(last) - scale.number(first)
    if page <= 0:
        return ()

    def is_there(place: int) -> bool:
        return first_key_from(scale.key(place)) is not None

    there, beyond, leap = start, scale.size, page * WORTH_PAGES
    for _ in range(_LEAPS):
        if start + leap >= scale.size:
            break
        if not is_there(start + leap):
            beyond = start + leap
            break
        there, leap = start + leap, leap * _FURTHER
    if there == start:
        return ()
    for _ in range(_HALVINGS):
        middle = (there + beyond) // 2
        if is_there(middle):
            there = middle
        else:
            beyond = middle
    end = (there + beyond) // 2
    places = [start + (end - start) * part // CHAINS for part in range(1, CHAINS)]
    return tuple(scale.key(place) for place in dict.fromkeys(places))


@dataclass(frozen=True, slots=True)
class _Scale:
    """Keys as numbers, such that keys in order are numbers in order. ``letters``: what each place may hold."""

    letters: tuple[str, ...]

    @classmethod
    def of(cls, *keys: str) -> "_Scale":
        """A place that holds digits in all of ``keys`` is taken to hold digits everywhere: running numbers are the rule."""
        length = max(map(len, keys))
        places = zip(*(key.ljust(length) for key in keys), strict=True)
        return cls(tuple(_DIGITS if set(place) <= set(_DIGITS) else _LETTERS for place in places))

    @property
    def size(self) -> int:
        return prod(map(len, self.letters))

    def number(self, key: str) -> int:
        number = 0
        for letters, letter in zip(self.letters, key.ljust(len(self.letters)), strict=True):
            number = number * len(letters) + max(bisect_right(letters, letter) - 1, 0)
        return number

    def key(self, number: int) -> str:
        key = ""
        for letters in reversed(self.letters):
            number, place = divmod(number, len(letters))
            key = letters[place] + key
        return key.rstrip()
