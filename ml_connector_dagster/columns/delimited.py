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

    Answers the table of the readable rows (order kept), and ``(raw text, reason)`` of those with another number of
    parts. A missing value is an empty text.
    """
    if not header or not separator:
        raise ValueError("a header of at least one name and a separator are needed")
    rows = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    rows = pc.fill_null(rows.cast(pa.string()), "")
    width = len(header)
    parts = pc.split_pattern(rows, separator)
    counts = pc.list_value_length(parts).to_numpy(zero_copy_only=False)
    good = counts == width
    starts = (np.cumsum(counts, dtype=np.int64) - counts)[good]
    flat = parts.flatten()
    table = pa.Table.from_arrays(
        [flat.take(pa.array(starts + place)) for place in range(width)], names=list(header)
    )
    return table, tuple(
        (text, f"split at {separator!r} it has {found} parts, the header has {width}")
        for text, found in zip(
            rows.filter(pa.array(~good)).to_pylist(), counts[~good].tolist(), strict=True
        )
    )
