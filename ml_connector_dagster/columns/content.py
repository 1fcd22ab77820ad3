"""What a row is, as text: its ``record_id``, its ``_extra`` and the canonical text behind ``_row_hash``.

Canonical text. The values of ``record_id``, of the business columns in the order of the entity (then further columns
that a tenant's catalog maps, in the table's order), of ``_extra`` and of ``_deleted_at``, each written as below, joined with U+001F.

==========  ==============================================================================
null        U+001E alone
text, JSON  the text; inside it U+001E becomes U+001E "0", then U+001F becomes U+001E "1"
integer     decimal digits, "-" in front of a negative one
decimal     the value in millionths, as an integer: -0.5 is "-500000"
date        yyyy-MM-dd
timestamp   microseconds since 1970-01-01 UTC, as an integer
boolean     "true" or "false"
==========  ==============================================================================

``_row_hash`` is the MD5 of its UTF-8 bytes, in lower-case hexadecimal. It tells versions apart; it protects nothing.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import md5
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.columns.cells import Cells, cells_of, lowest_byte


SEPARATOR: Final = "\x1f"
NULL: Final = "\x1e"

_SPACE = 0x20


def id_part(text: str) -> str:
    """One part of a ``record_id``: "%" and "/" percent-encoded."""
    return text.replace("%", "%25").replace("/", "%2F")


def record_ids(tenant: str, company: str, key: Sequence[pa.Array], rows: int) -> pa.Array:
    """``tenant/company/key…`` for every row. ``key`` holds typed columns without nulls."""
    prefix = f"{id_part(tenant)}/{id_part(company)}"
    if not key:
        return pa.array([prefix] * rows, pa.string())
    parts = [pa.scalar(prefix), *(_id_parts(column) for column in key)]
    return pc.binary_join_element_wise(*parts, "/")


def _id_parts(column: pa.Array) -> pa.Array:
    text = column.cast(pa.string())
    cells = cells_of(text)
    if cells.holds("%") or cells.holds("/"):
        text = pc.replace_substring(pc.replace_substring(text, "%", "%25"), "/", "%2F")
    return text


def extra_json(fields: Mapping[str, Cells], rows: int) -> pa.Array:
    """A JSON object of the fields that are not blank, names sorted; null where all are."""
    members = [
        pc.binary_join_element_wise(
            pa.scalar(f',{json.dumps(name, ensure_ascii=False)}:"'),
            _escaped(cells),
            pa.scalar('"'),
            "",
        )
        for name, cells in sorted(fields.items())
        if cells.array.null_count < rows
    ]
    if not members:
        return pa.nulls(rows, pa.string())
    # The closing brace takes part: Arrow's "skip" drops rows in which there is nothing to join.
    joined = pc.binary_join_element_wise(*members, pa.scalar("}"), "", null_handling="skip")
    text = pc.binary_replace_slice(joined, 0, 1, "{").cast(pa.string())
    if not all(member.null_count for member in members):
        return text
    return pc.if_else(pc.equal(pc.binary_length(text), 1), pa.scalar(None, pa.string()), text)


def _escaped(cells: Cells) -> pa.Array:
    """The inside of JSON strings: as Python's ``json.dumps(…, ensure_ascii=False)`` writes it."""
    if cells.lowest >= _SPACE and not cells.holds('"') and not cells.holds("\\"):
        return cells.array
    escaped = [
        None if text is None else json.dumps(text, ensure_ascii=False)[1:-1]
        for text in cells.array.to_pylist()
    ]
    return pa.array(escaped, pa.string())


def canonical(column: pa.Array) -> pa.Array:
    """The canonical text of each value, nulls left null (see the module's table)."""
    kind = column.type
    if pa.types.is_string(kind):
        if lowest_byte(column) < _SPACE:
            column = pc.replace_substring(column, NULL, NULL + "0")
            column = pc.replace_substring(column, SEPARATOR, NULL + "1")
        return column
    if pa.types.is_timestamp(kind):
        return column.cast(pa.int64()).cast(pa.string())
    if pa.types.is_decimal(kind):
        return _millionths(column).cast(pa.string())
    return column.cast(pa.string())


def _millionths(column: pa.Array) -> pa.Array:
    """The unscaled integers of DECIMAL(27, 6): as 64-bit integers when all fit, since those are written much faster."""
    valid, values = column.buffers()
    whole = pa.Array.from_buffers(
        pa.decimal128(38, 0), len(column), [valid, values], offset=column.offset
    )
    if len(column) == 0:
        return whole
    halves = np.frombuffer(values, dtype="<i8").reshape(-1, 2)
    halves = halves[column.offset : column.offset + len(column)]
    low, high = halves[:, 0], halves[:, 1]
    fits = high == low >> 63
    if column.null_count:
        missing = column.is_null().to_numpy(zero_copy_only=False)
        return pa.array(low, mask=missing) if bool((fits | missing).all()) else whole
    return pa.array(low) if bool(fits.all()) else whole


def row_hashes(columns: Sequence[pa.Array]) -> pa.Array:
    """The MD5 of each row's canonical text; ``columns`` in canonical order."""
    joined = pc.binary_join_element_wise(
        *(canonical(column) for column in columns),
        SEPARATOR,
        null_handling="replace",
        null_replacement=NULL,
    )
    rows = len(joined)
    digests = b"".join(
        [md5(text, usedforsecurity=False).digest() for text in joined.cast(pa.binary()).to_pylist()]
    )
    offsets = np.arange(0, 32 * rows + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(
        rows, pa.py_buffer(offsets), pa.py_buffer(digests.hex().encode())
    )
