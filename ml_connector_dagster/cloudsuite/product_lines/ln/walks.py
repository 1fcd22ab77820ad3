"""A walk through an OData set, page by page, in key order: by the server's next links, or by ``$skip``.

``$skip`` counts rows, and rows come and go while a set is read. So each page asks for the last row of the one before
again: where a page does not begin at a row that is known, the walk goes back until it finds its place, and goes on from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa

from ml_connector_dagster.cloudsuite.product_lines.ln.answers import SetAnswer
from ml_connector_dagster.cloudsuite.product_lines.ln.places import TAIL, Key, Place
from ml_connector_dagster.cloudsuite.product_lines.ln.service import SetCall
from ml_connector_dagster.cloudsuite.product_lines.tables import column
from ml_connector_dagster.model.errors import ContractError


@dataclass(slots=True, kw_only=True)
class SetWalk:
    """One chain of pages; ``base`` is the call for its first page."""

    ask: Callable[[SetCall], SetAnswer]
    base: SetCall
    _shown: list[Key] = field(default_factory=list)

    def page(self, place: Place) -> tuple[pa.Table, Place | None]:
        """The rows after ``place`` (none where a page brought only known ones), and where to go on; None at the end."""
        if place.link is not None:
            answer, skip, met = self._answer(replace(self.base, link=place.link)), place.skip, None
        else:
            answer, skip, met = self._found_again(place)
        fresh = answer.records.slice(0 if met is None else met + 1)
        asked = self.base.top if place.link is None else place.left
        return fresh, self._after(replace(place, skip=skip), answer, fresh, asked)

    def _found_again(self, place: Place) -> tuple[SetAnswer, int, int | None]:
        """The answer that joins what is known, how many rows it skipped, and which of its rows is the last known one."""
        skip, back = place.skip, 1
        while True:
            answer = self._answer(replace(self.base, skip=skip))
            met = _meeting(self._shown, place.tail)
            if met is not None or skip == 0:
                return answer, skip, met
            # Rows before this place have gone, or many have come: look for it ahead of where it was.
            back *= 2
            skip = max(0, skip - back * self.base.top)

    def _answer(self, call: SetCall) -> SetAnswer:
        answer = self.ask(call)
        keys = self._keys(answer.records)
        if keys and keys == self._shown:
            raise ContractError(
                f"{call}: two pages hold the same {len(keys):,} rows, so that others would be lost. The key in the "
                f"catalog ({', '.join(call.order_by)}) must tell rows apart, and pages must hold more than one row"
            )
        self._shown = keys
        return answer

    def _after(self, place: Place, answer: SetAnswer, fresh: pa.Table, asked: int) -> Place | None:
        count = answer.records.num_rows
        reached = place.skip + count
        tail = (*place.tail, *self._keys(fresh))[-TAIL:]
        if answer.link is not None:
            return Place(skip=reached, tail=tail, link=answer.link, left=asked - count)
        # A server may end a page early without a word; where it says how many rows there are, that decides.
        more = reached < answer.count if answer.count is not None else 0 < asked <= count
        if not more:
            return None
        if count == 0:
            raise ContractError(
                f"{self.base}: there are {answer.count:,} rows, but none comes after {reached:,}; what was read before "
                "is kept, the next run goes on from it"
            )
        return Place(skip=reached - 1, tail=tail)

    def _keys(self, rows: pa.Table) -> list[Key]:
        if rows.num_rows == 0:
            return []
        columns = [column(rows, name).to_pylist() for name in self.base.order_by]
        return [tuple(str(part) for part in key) for key in zip(*columns, strict=True)]


def _meeting(shown: Sequence[Key], tail: Sequence[Key]) -> int | None:
    """The row of a page that was the last one known before; None when the page has no such row."""
    places = {key: index for index, key in enumerate(shown)}
    return next((places[key] for key in reversed(tail) if key in places), None)
