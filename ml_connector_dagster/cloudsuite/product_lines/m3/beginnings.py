"""The first page of a list that has several chains or several values of an input: by bulk POST, all values in one request.

Two lists of which nothing comes look the same, and are asked for twice (``product_lines/asking.py``), unless the answer
says which it belongs to; results of a bulk do (reference cloudsuite-api §2.4, ``parameters``). How many rows a result may
have is the page's number divided among the values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.product_lines.m3.api import BulkCall, M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import position_text
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.tables import key_at, with_column


#: The fewest rows of a result: a page that goes on from it begins with its last row, and must get further.
_FEWEST: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A list that goes on: the inputs that tell it from its siblings, and the key of its last row."""

    values: Mapping[str, str]
    key: tuple[str, ...]

    def at(self, key: Sequence[str]) -> "Unfinished":
        """The same list, further on."""
        return replace(self, key=tuple(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The rows of all lists together, and which of them go on."""

    rows: pa.Table
    unfinished: tuple[Unfinished, ...]


def share_of(page_rows: int, values: int) -> int:
    """Rows that each of ``values`` lists may bring to a page."""
    return max(_FEWEST, page_rows // max(1, values))


def unfinished_text(waiting: Sequence[Unfinished]) -> str | None:
    """The position of a chain of which these lists go on; None when it has come to its end."""
    if not waiting:
        return None
    return position_text(waiting=[[one.values, one.key] for one in waiting])


def unfinished_of(position: Mapping[str, Any]) -> tuple[Unfinished, ...]:
    """The inverse of ``unfinished_text``, of a position that was taken apart."""
    return tuple(
        Unfinished(values=values, key=tuple(key)) for values, key in position.get("waiting", ())
    )


def beginning_of(
    api: M3Api,
    call: BulkCall,
    values: Sequence[Mapping[str, str]],
    position: Sequence[str],
    keep: Sequence[str],
    meter: Meter,
) -> Beginning:
    """``call`` asks for ``values`` in their order. ``position``: the fields that a list goes on from; ``keep``: inputs that
    are put into every row, because the output lacks them."""
    answer = api.bulk(call, meter)
    rows = answer.rows
    for name in keep:
        if any(name in one for one in values):
            given = pa.array([one.get(name) for one in values], pa.string())
            rows = with_column(rows, name, pc.take(given, answer.index))
    unfinished = tuple(
        Unfinished(
            values=one,
            key=key_at(rows.filter(pc.equal(answer.index, place)), position, -1),
        )
        for place, one in enumerate(values)
        if api.is_cut(answer.counts[place], call.maxrecs)
    )
    return Beginning(rows=rows, unfinished=unfinished)
