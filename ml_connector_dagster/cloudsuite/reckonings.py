"""How many requests a read will take, said before it is done: what a product line answers, and the arithmetic of pages.

How does one know without reading? Each line is asked in the cheapest way that its API has (reference cloudsuite-api):

| API | what is asked | requests | what it gives |
| --- | --- | --- | --- |
| Compass (§6.4) | ``SELECT COUNT(*)`` with the conditions of the read | 3 a table | exact, for the lake's state |
| LN OData (§4.1) | one row with ``$count=true`` | 1 | exact |
| Landmark (§4.2) | one row; its header carries ``_count`` | 1 a class | exact |
| IDO load (§3.2) | one property of up to ``COUNTED_ROWS`` rows | 1 an IDO | exact, or "at least" |
| M3 list (§2.8) | the key alone (``returncols``) of up to ``COUNTED_ROWS`` rows | 1 a chain | exact, or "at least" |
| EXPORTMI (§2.8) | key and change date alone of up to ``COUNTED_ROWS`` rows, for all chains of a read | 1 a table | exact, or "at least" |
| M3 lists below a list | the parents' keys, and the children of 40 of them | 3 a chain | sampled |
| SX.e FetchWhere (§4.3) | nothing: it has no count and always gives whole rows | 0 | the lake's count, else unknown |

No MI transaction counts: MRS001MI describes programs, EXPORTMI takes no ``count(*)`` that anybody has shown, Search
transactions are capped and lag. Where a count ends at ``COUNTED_ROWS``, the lake is asked; where there is no lake, the
answer is a lower bound and says so. A full read with a lake has counted the lake anyway when it chose its route, and that
count is remembered for hours: it costs nothing twice. What cannot be asked at all is left to the ledger's earlier reads
(``sync/read_forecasts.py``).

Answers that look like old ones are asked for again (``product_lines/asking.py``). They are compared within a read, so what
else a process reads does not matter; lists tell their answers apart (``m3/beginnings.py``). Exports do not, and there it is
foreseen, as far as it follows from what is counted.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


#: Rows of a counting answer: one column of them is about a megabyte, which a gateway gives within its time-out.
COUNTED_ROWS: Final = 50_000


class Basis(StrEnum):
    """How sure a number of rows and requests is."""

    COUNTED = "counted"  # the ERP or its lake was asked for exactly this
    SAMPLED = "sampled"  # counted in part; the rest is taken to be like it
    AT_LEAST = "at least"  # counting stopped at ``COUNTED_ROWS``
    UNKNOWN = "unknown"  # the API cannot be asked; one request per chain is the least


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoned:
    """The chains of one read. ``requests``: of each chain, in their order; ``how``: what was asked, for people."""

    rows: int | None
    requests: tuple[int, ...]
    basis: Basis
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """What a read of one entity and company will take, if nothing changes meanwhile and nothing fails.

    Attributes:
        route: as ``Slice.route``.
        rows: records that come, before unchanged ones fall out; None when it is not known.
        requests: to the ERP, for all pages and what completes them; those of ``Slice.setup`` are not among them.
        longest: requests of the longest chain: they follow one another, however many may be in flight.
    """

    route: str
    rows: int | None
    requests: int
    longest: int
    basis: Basis
    how: str


def page_sizes(
    rows: int,
    page: int,
    *,
    tells_end: bool = False,
    joined: bool = False,
    caps: Collection[int] = (),
) -> tuple[int, ...]:
    """Rows of each answer when ``rows`` are read ``page`` at a time; at least one answer.

    Args:
        tells_end: the server says whether there is more. Where it does not, a full last page costs another request.
        joined: a page begins with the last row of the one before.
        caps: an answer of exactly so many rows may have been cut, and is followed by another request.
    """
    sizes: list[int] = []
    left = rows
    while True:
        size = min(left, page)
        sizes.append(size)
        left -= size
        more = left > 0 if tells_end else size > 0 and (size >= page or size in caps)
        if not more:
            return tuple(sizes)
        left += joined


def asked_twice(empty: Sequence[bool]) -> tuple[int, ...]:
    """Further requests of each call: an empty answer that follows an empty one might be an old one, and is asked again.

    (``product_lines/asking.py``.) Read side by side, answers come in another order than chains stand in, and some of the
    pairs fall apart: every fourth is not counted, which is between what one and four at a time were seen to take.
    """
    pairs = [here and place > 0 and empty[place - 1] for place, here in enumerate(empty)]
    return tuple(int(here and sum(pairs[: place + 1]) % 4 != 0) for place, here in enumerate(pairs))


def portions(things: int, size: int) -> int:
    """Calls for ``things`` that go ``size`` at a time."""
    return -(-things // size)
