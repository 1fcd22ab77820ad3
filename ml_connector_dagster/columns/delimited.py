"""Rows that come as one text with a separator (M3 EXPORTMI's ``REPL``) → columns.

EXPORTMI has no way to quote: a value that holds the separator gives a row with too many parts, and such a row is
handed back as unreadable instead of being guessed at.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def split(
    values: pa.Array | pa.ChunkedArray, *, header: Sequence[str], separator: str
) -> tuple[pa.Table, tuple[tuple[str, str], ...]]:
    """Cut every value at ``separator`` into the columns of ``header``.

    Answers the table of the readable rows (order kept), and ``(raw text, reason)`` of the others. A missing value
    is a row of no parts. One separator at the very end, after as many parts as the header has, is allowed.
    """
    if not header or not separator:
        raise ValueError("a header of at least one name and a separator are needed")
    rows = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    rows = pc.fill_null(rows.cast(pa.string()), "")
    width = len(header)
    parts = pc.split_pattern(rows, separator)
    counts = pc.list_value_length(parts).to_numpy(zero_copy_only=False)
    flat = parts.flatten()
    ends = np.cumsum(counts, dtype=np.int64)
    starts = ends - counts
    good = counts == width
    closed = counts == width + 1
    if bool(closed.any()):
        # A separator behind the last value leaves one more part, an empty one.
        lengths = pc.binary_length(flat).to_numpy(zero_copy_only=False)
        good |= closed & (lengths[np.maximum(ends, 1) - 1] == 0)
    first = starts[good]
    if bool(good.all()) and not bool(closed.any()):
        columns = [
            flat.take(pa.array(np.arange(place, len(flat), width))) for place in range(width)
        ]
    else:
        columns = [flat.take(pa.array(first + place)) for place in range(width)]
    table = pa.Table.from_arrays(columns, names=list(header))
    return table, tuple(
        (text, f"{found} parts where the header has {width}")
        for text, found in zip(
            rows.filter(pa.array(~good)).to_pylist(), counts[~good].tolist(), strict=True
        )
    )
