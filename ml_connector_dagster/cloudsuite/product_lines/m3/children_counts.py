"""What stands below the parents of a list: asked for 40 of them, from all over the list, and taken to be alike elsewhere.

Of a list that is no longer than that everything is known.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.routes import Children, ListRoute
from ml_connector_dagster.cloudsuite.product_lines.m3.api import M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.bulks import children_of
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.tables import column, keys_of, with_column


#: Parents of a level whose children are looked at: two bulk calls of the usual ``chunk``.
SAMPLED_PARENTS: Final = 40
#: The column that tells which of them a row stands below.
_PARENT: Final = "_parent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """What stands below the ``sample`` of ``parents``.

    Attributes:
        levels: for each level of children, their number below each parent of the sample.
        completed: for each Get, what it is asked for below each parent of the sample.
    """

    parents: int
    sample: int
    levels: tuple[tuple[float, ...], ...]
    completed: tuple[tuple[frozenset[str], ...], ...]

    def like(self, parent: int) -> int:
        """The parent of the sample that stands for the one at this place of the list."""
        return parent * self.sample // self.parents

    def keys_of(
        self, parent: int, completed: Sequence[frozenset[str]]
    ) -> Iterator[tuple[object, ...]]:
        """What a Get is asked for below a parent. One that was not looked at has things of its own below it."""
        looked_at = self.sample == self.parents
        for key in completed[self.like(parent)]:
            yield (key,) if looked_at else (parent, key)


def sampled(
    api: M3Api, route: ListRoute, parents: pa.Table, *, company: str, division: str | None
) -> Below:
    """Ask for the children of some ``parents``, and of some of those children, as many levels as there are."""
    sample = min(SAMPLED_PARENTS, parents.num_rows)
    places = [place * parents.num_rows // sample for place in range(sample)]
    rows = with_column(
        parents.take(places), _PARENT, pa.array(map(str, range(sample)), pa.string())
    )
    factor, levels = 1.0, []
    for spec in route.children:
        looked_at, part = _some(rows)
        factor /= part
        rows = children_of(
            api, _carrying(spec), looked_at, company=company, division=division, meter=Meter()
        )
        found = Counter(column(rows, _PARENT).to_pylist())
        levels.append(tuple(found[str(place)] * factor for place in range(sample)))
    return Below(
        parents=parents.num_rows,
        sample=sample,
        levels=tuple(levels),
        completed=tuple(
            _keys_below(rows, tuple(spec.key.values()), sample) for spec in route.complete
        ),
    )


def _some(rows: pa.Table) -> tuple[pa.Table, float]:
    """Rows from all over ``rows``, and the part of them that these are."""
    number = min(rows.num_rows, SAMPLED_PARENTS)
    if number == rows.num_rows:
        return rows, 1.0
    places = [place * rows.num_rows // number for place in range(number)]
    return rows.take(places), number / rows.num_rows


def _carrying(spec: Children) -> Children:
    return spec.model_copy(update={"carry": (*spec.carry, _PARENT)})


def _keys_below(rows: pa.Table, by: Sequence[str], sample: int) -> tuple[frozenset[str], ...]:
    below: list[set[str]] = [set() for _ in range(sample)]
    if rows.num_rows:
        parents = column(rows, _PARENT).to_pylist()
        for parent, key in zip(parents, keys_of(rows, by).to_pylist(), strict=True):
            below[int(parent)].add(key)
    return tuple(map(frozenset, below))
