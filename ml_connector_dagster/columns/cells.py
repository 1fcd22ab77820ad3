"""Text cells as raw buffers: trimming, blanks and NUL characters of whole columns, without an object per value.

A column of text in Arrow is one long run of bytes plus the offsets where each value begins. Most questions
("does any value need trimming?", "is there a quote to escape?") are answered by one look over these bytes,
and the usual answer is "no": then the column is used as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: What counts as blank at either end of a value: ASCII white space. A no-break space is content.
BLANKS = " \t\n\v\f\r"

#: Stands for characters that no warehouse stores (NUL; half a surrogate pair).
REPLACEMENT = "\ufffd"


def byte_class(characters: str | bytes) -> Mask:
    """A table of 256 flags: which bytes are among ``characters``."""
    table = np.zeros(256, dtype=np.bool_)
    raw = characters.encode("ascii") if isinstance(characters, str) else characters
    table[np.frombuffer(raw, dtype=np.uint8)] = True
    return table


_BLANK = byte_class(BLANKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A column of text in which null and "no bytes" are the same thing, with its bytes at hand.

    Attributes:
        array: the column; null where the value is missing or blank.
        starts: where each value begins in ``data``.
        lengths: bytes of each value; 0 for null.
        data: the bytes that the offsets point into.
        first, last: the span of ``data`` that the column uses.
    """

    array: pa.Array
    starts: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    data: Bytes

    def __len__(self) -> int:
        return len(self.array)

    @property
    def present(self) -> Mask:
        """Where there is a value."""
        return self.lengths > 0

    @property
    def used(self) -> Bytes:
        """Exactly the bytes of all values, one after the other."""
        if len(self.array) == 0:
            return self.data[:0]
        return self.data[self.starts[0] : self.starts[-1] + self.lengths[-1]]

    def holds_only(self, allowed: Mask) -> bool:
        """Whether every byte of every value is in the class ``allowed``."""
        return bool(allowed[self.used].all())

    def holds_any(self, unwanted: Mask) -> bool:
        """Whether some byte of some value is in the class ``unwanted``."""
        return bool(unwanted[self.used].any())


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What ``clean`` answers. ``nul`` are the rows in which NUL characters were replaced."""

    cells: Cells
    nul: Positions


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A typed column, and why some of its cells are null: row → reason."""

    values: pa.Array
    problems: dict[int, str]


def parse_distinct(cells: Cells, kind: pa.DataType, parse: Callable[[str], object]) -> Parsed:
    """Parse each distinct value once. ``parse`` raises ValueError with the reason."""
    encoded = cells.array.dictionary_encode()
    values: list[object] = []
    reasons: dict[int, str] = {}
    for index, text in enumerate(encoded.dictionary.to_pylist()):
        value = None
        try:
            value = parse(text)
        except ValueError as reason:
            reasons[index] = str(reason)
        values.append(value)
    problems: dict[int, str] = {}
    if reasons:
        indices = encoded.indices.fill_null(-1).to_numpy()
        for row in np.flatnonzero(np.isin(indices, list(reasons))).tolist():
            problems[row] = reasons[int(indices[row])]
    return Parsed(values=pa.array(values, kind).take(encoded.indices), problems=problems)


def clean(column: pa.Array, *, keep_leading: bool = False) -> Cleaned:
    """Trim both ends (only the right one with ``keep_leading``), blank → null, NUL → U+FFFD.

    Trimming comes first; a value that is blank with ``keep_leading`` is null all the same.
    """
    starts, lengths, data = _buffers(column)
    if column.null_count and bool(lengths[_null_mask(column)].any()):
        column = pc.fill_null(column, "")
        starts, lengths, data = _buffers(column)
    if _needs_trimming(starts, lengths, data, keep_leading=keep_leading):
        trim = pc.ascii_rtrim if keep_leading else pc.ascii_trim
        column = trim(column, characters=BLANKS)
        starts, lengths, data = _buffers(column)
    nul = np.zeros(0, dtype=np.int64)
    if bool((_used(starts, lengths, data) == 0).any()):
        nul = np.flatnonzero(
            pc.fill_null(pc.match_substring(column, "\0"), False).to_numpy(zero_copy_only=False)
        )
        column = pc.replace_substring(column, "\0", REPLACEMENT)
        starts, lengths, data = _buffers(column)
    return Cleaned(cells=_with_blanks_null(column, starts, lengths, data), nul=nul)


def cells_of(column: pa.Array) -> Cells:
    """The cells of an array that needs no cleaning; blank → null."""
    return _with_blanks_null(column, *_buffers(column))


def without_surrogates(text: str) -> str:
    """The text with U+FFFD instead of every half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(REPLACEMENT if "\ud800" <= one <= "\udfff" else one for one in text)
    return text


def nulls(rows: int) -> Cells:
    """A column of ``rows`` nulls."""
    return cells_of(pa.nulls(rows, pa.string()))


def _with_blanks_null(
    column: pa.Array,
    starts: npt.NDArray[np.int32],
    lengths: npt.NDArray[np.int32],
    data: Bytes,
) -> Cells:
    blank = int(len(lengths) - np.count_nonzero(lengths))
    if blank != column.null_count:
        valid = pa.py_buffer(np.packbits(lengths > 0, bitorder="little"))
        offsets = np.empty(len(lengths) + 1, dtype=np.int32)
        offsets[:-1] = starts
        offsets[-1] = starts[-1] + lengths[-1]
        column = pa.StringArray.from_buffers(
            len(lengths), pa.py_buffer(offsets), column.buffers()[2], valid, blank
        )
    return Cells(array=column, starts=starts, lengths=lengths, data=data)


def _buffers(
    column: pa.Array,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Bytes]:
    _, offset_buffer, data_buffer = column.buffers()
    if offset_buffer is None or offset_buffer.size == 0:
        empty = np.zeros(0, dtype=np.int32)
        return empty, empty, np.zeros(0, dtype=np.uint8)
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[
        column.offset : column.offset + len(column) + 1
    ]
    data = (
        np.zeros(0, dtype=np.uint8)
        if data_buffer is None
        else np.frombuffer(data_buffer, dtype=np.uint8)
    )
    return offsets[:-1], np.diff(offsets), data


def _used(starts: npt.NDArray[np.int32], lengths: npt.NDArray[np.int32], data: Bytes) -> Bytes:
    return data[:0] if len(starts) == 0 else data[starts[0] : starts[-1] + lengths[-1]]


def _null_mask(column: pa.Array) -> Mask:
    mask: Mask = column.is_null().to_numpy(zero_copy_only=False)
    return mask


def _needs_trimming(
    starts: npt.NDArray[np.int32],
    lengths: npt.NDArray[np.int32],
    data: Bytes,
    *,
    keep_leading: bool,
) -> bool:
    held = lengths > 0
    first = starts[held]
    if len(first) == 0:
        return False
    last = first + lengths[held] - 1
    if bool(_BLANK[data[last]].any()):
        return True
    return not keep_leading and bool(_BLANK[data[first]].any())
