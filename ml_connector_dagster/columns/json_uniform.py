"""The fast way through a JSON answer: a list whose records all have the same fields in the same order, all strings.

That is how a program writes a list, and it makes parsing a matter of cutting:

1. The first record tells the field names, and the exact bytes between one value and the next.
2. One pass finds the quotes (those behind a backslash left out). Between the end of a value and the start of the next
   there must be those bytes, in every record: compared, not assumed.
3. What stands between the quotes are the values; Arrow takes every n-th piece as a column. Values with a backslash are
   decoded afterwards, by the JSON decoder.
4. The answer without the list, with a placeholder in its place, must be JSON: so the list is all of a value, and its end
   was guessed right.

Whatever does not fit gives None, and ``json_pages`` reads the answer the exact way. So nothing here decides what is an
error, and both ways give the same table.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.columns.cells import Bytes, cells_of, without_surrogates, words


#: Stands for the list in the rest of the answer: Python's decoder reports this token, JSON does not have it.
PLACEHOLDER: Final = "-Infinity"

_QUOTE, _BACKSLASH, _SPACE = 34, 92, 32
_WORD = 8
_TRIES = 16
_BLOCK = 512  # records that are compared at a time: small enough for the processor's cache
_BLANKS = b" \t\r\n"
_BETWEEN_RECORDS = re.compile(rb"[ \t\r\n]*\}[ \t\r\n]*,[ \t\r\n]*")
_FIRST_RECORD_LIMIT = 256 * 1024
_BODY_LIMIT = 2**31 - 64  # Arrow's 32-bit offsets

_Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class UniformList:
    """The records as text columns, and the rest of the answer with ``PLACEHOLDER`` in the list's place."""

    records: pa.Table
    rest: bytes


def read_uniform(body: bytes, name: str) -> UniformList | None:
    """Cut the first list called ``name`` out of ``body``; None when it is not of this kind."""
    opening = re.search(
        rb'"%b"[ \t\r\n]*:[ \t\r\n]*\[[ \t\r\n]*(?=\{)' % re.escape(name.encode()), body
    )
    if opening is None or len(body) > _BODY_LIMIT:
        return None
    names = _names(body, opening.end())
    if names is None:
        return None
    before = body[: body.index(b"[", opening.start() + len(name.encode()) + 2)]
    for end in _ends_of_list(body, opening.end()):
        rest = before + PLACEHOLDER.encode() + body[end + 1 :]
        if _is_json(rest):
            columns = _cut(body, opening.end(), end, len(names))
            return (
                None
                if columns is None
                else UniformList(records=pa.Table.from_arrays(columns, names=names), rest=rest)
            )
    return None


def _ends_of_list(body: bytes, start: int) -> Iterator[int]:
    """Each "]" that follows a value's end and "}", a few of them, last one first: there is less behind a list than in it."""
    end = body.rfind(b"]", start)
    for _ in range(_TRIES):
        if end == -1:
            return
        before = body[max(start, end - 64) : end].rstrip(_BLANKS)
        if before.endswith(b"}") and before[:-1].rstrip(_BLANKS).endswith(b'"'):
            yield end
        end = body.rfind(b"]", start, end)


def _is_json(rest: bytes) -> bool:
    try:
        json.loads(rest.decode("utf-8"), parse_constant=str, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return False
    return True


def _names(body: bytes, start: int) -> list[str] | None:
    """The fields of the first record; None unless all its values are strings and no name comes twice."""
    text = body[start : start + _FIRST_RECORD_LIMIT]
    try:
        # In Latin-1 every byte is one character, so the end of the record is a position in bytes.
        _, end = json.JSONDecoder().raw_decode(text.decode("latin-1"))
        pairs: list[tuple[str, Any]] = json.loads(text[:end], object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    names = [without_surrogates(name) for name, _ in pairs]
    if not names or len(set(names)) < len(names):
        return None
    return names if all(isinstance(value, str) for _, value in pairs) else None


def _cut(body: bytes, start: int, end: int, fields: int) -> list[pa.Array] | None:
    data = np.frombuffer(body, dtype=np.uint8)
    quotes = _quotes(data[start:end])
    if quotes is None or len(quotes) % (4 * fields):
        return None
    if not body.isascii() and not _is_utf8(body):
        return None
    # Of four quotes, the first two hold the name and the last two the value; a row of these is a record.
    openings = quotes[2::4].reshape(-1, fields) + start
    closings = quotes[3::4].reshape(-1, fields) + start
    if not _is_uniform(body, data, start, end, openings, closings):
        return None
    bounds = np.empty((openings.size, 2), dtype=np.int32)
    bounds[:, 0] = openings.ravel()
    bounds[:, 0] += 1
    bounds[:, 1] = closings.ravel()
    pieces = pa.StringArray.from_buffers(
        bounds.size - 1, pa.py_buffer(bounds), pa.py_buffer(body)
    )  # value, what is between, value, …
    columns = [
        pieces.take(pa.array(np.arange(2 * place, bounds.size - 1, 2 * fields, dtype=np.int32)))
        for place in range(fields)
    ]
    if body.find(b"\\", start, end) != -1:
        try:
            columns = [_decoded(column) for column in columns]
        except ValueError:
            return None
    return columns


def _quotes(data: Bytes) -> _Positions | None:
    """Where the quotes are that begin or end a string."""
    quotes = np.flatnonzero(data == _QUOTE)
    backslashes = np.flatnonzero(data == _BACKSLASH)
    if len(backslashes) == 0:
        return quotes
    # In a run of backslashes the first, third, … begins an escape; only the last of a run can meet a quote.
    first = np.r_[True, np.diff(backslashes) > 1]
    run_starts = np.maximum.accumulate(np.where(first, backslashes, 0))
    escaped = backslashes[(backslashes - run_starts) % 2 == 0] + 1
    if escaped[-1] >= len(data):
        return None
    escaped = escaped[data[escaped] == _QUOTE]
    return np.delete(quotes, np.searchsorted(quotes, escaped))


def _is_uniform(
    body: bytes, data: Bytes, start: int, end: int, openings: _Positions, closings: _Positions
) -> bool:
    """Whether between all values there is what is between those of the first record and the second."""
    records, fields = openings.shape
    head = body[start : int(openings[0, 0])]
    tail = body[int(closings[-1, -1]) + 1 : end]
    if tail.strip(_BLANKS) != b"}":
        return False
    literals = [
        body[int(closings[0, place]) + 1 : int(openings[0, place + 1])]
        for place in range(fields - 1)
    ]
    join = b""
    if records > 1:
        join = body[int(closings[0, -1]) + 1 : int(openings[1, 0])]
        if not join.endswith(head) or not _BETWEEN_RECORDS.fullmatch(join[: -len(head)]):
            return False
    for first in range(0, records - 1, _BLOCK):
        last = min(first + _BLOCK, records - 1)
        following = openings[first : last + 1].ravel()[1 : (last - first) * fields + 1]
        gaps = following.reshape(-1, fields)
        if not _all_between(data, closings[first:last], gaps, [*literals, join]):
            return False
    # The last record has nothing behind it to be joined to.
    if literals and not _all_between(data, closings[-1:, :-1], openings[-1:, 1:], literals):
        return False
    controls = records * _controls(*literals) + (records - 1) * _controls(join)
    controls += _controls(head, tail)
    return bool(np.count_nonzero(data[start:end] < _SPACE) == controls)


def _all_between(
    data: Bytes, closings: _Positions, openings: _Positions, literals: list[bytes]
) -> bool:
    """Whether behind each closing quote stands its column's literal, up to the opening quote of the next value."""
    sizes = np.array([len(literal) for literal in literals])
    begin = closings + 1
    if not bool((openings - begin == sizes).all()):
        return False
    eights = words(data)
    firsts = np.array([int.from_bytes(one[:_WORD], "little") for one in literals], dtype=np.uint64)
    masks = np.array([(1 << 8 * min(len(one), _WORD)) - 1 for one in literals], dtype=np.uint64)
    read = eights[begin]
    if int(sizes.min()) < _WORD:
        read &= masks
    if not bool((read == firsts).all()):
        return False
    for place in np.flatnonzero(sizes > _WORD).tolist():
        literal = literals[place]
        for offset in range(_WORD, len(literal), _WORD):
            at = min(offset, len(literal) - _WORD)  # the last word overlaps the one before
            expected = np.uint64(int.from_bytes(literal[at : at + _WORD], "little"))
            if not bool((eights[begin[:, place] + at] == expected).all()):
                return False
    return True


def _controls(*texts: bytes) -> int:
    return sum(one < _SPACE for text in texts for one in text)


def _is_utf8(body: bytes) -> bool:
    whole = [None, pa.py_buffer(np.array([0, len(body)], dtype=np.int32)), pa.py_buffer(body)]
    try:
        pa.Array.from_buffers(pa.binary(), 1, whole).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _decoded(column: pa.Array) -> pa.Array:
    """Resolve the escapes of a column; raises ValueError for one that JSON does not know."""
    if not cells_of(column).holds("\\"):
        return column
    mask = pc.match_substring(column, "\\")
    raw = column.filter(mask).to_pylist()
    texts = json.loads('["' + '","'.join(raw) + '"]')
    if len(texts) != len(raw):
        raise ValueError("an escape that is none")
    clean = pa.array([without_surrogates(text) for text in texts], pa.string())
    return pc.replace_with_mask(column, mask, clean)
