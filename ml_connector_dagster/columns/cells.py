"""Text cells as raw buffers: trimming, blanks and NUL characters of whole columns, without an object per value.

A column of text in Arrow is one long run of bytes plus the offsets where each value begins. Most questions
("does any value need trimming?", "is there a quote to escape?") are answered by one look over these bytes,
and the usual answer is "no": then the column is used as it is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

#: What counts as blank at either end of a value: ASCII white space. A no-break space is content.
BLANKS: Final = " \t\n\v\f\r"

#: Stands for characters that no warehouse stores (NUL; half a surrogate pair).
REPLACEMENT: Final = "\ufffd"

_SPACE = 0x20
_NO_BYTES = np.zeros(0, dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """A column of text in which null and "no bytes" are the same thing, with its bytes at hand.

    Attributes:
        array: the column; null where the value is missing or blank.
        starts: where each value begins in ``data``.
        lengths: bytes of each value; 0 for null.
        data: the bytes that ``starts`` points into.
        used: exactly the bytes of all values, one after the other.
        lowest: the smallest byte in ``used``, 255 when there is none; above 0x1F there are no control characters.
    """

    array: pa.Array
    starts: Offsets
    lengths: Offsets
    data: Bytes
    used: Bytes
    lowest: int

    def __len__(self) -> int:
        return len(self.lengths)

    def holds(self, character: str) -> bool:
        """Whether some value has this ASCII character in it."""
        byte = ord(character)
        return self.lowest <= byte and bool((self.used == byte).any())

    @property
    def is_numeric(self) -> bool:
        """Whether every byte of every value is one of ``0123456789-.``."""
        if self.lowest < ord("-"):
            return False
        return len(self.used) == 0 or (int(self.used.max()) <= ord("9") and not self.holds("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A typed column, and why some of its cells are null: row → reason."""

    values: pa.Array
    problems: dict[int, str]


def clean(column: pa.Array, *, keep_leading: bool = False) -> tuple[Cells, frozenset[int]]:
    """Trim both ends (only the right one with ``keep_leading``), blank → null, NUL → U+FFFD.

    Answers the cells and the rows in which NUL characters were replaced. A NUL is no blank: it stops the trimming.
    """
    cells = cells_of(column)
    if cells.lowest > _SPACE:
        return cells, frozenset()
    if _needs_trimming(cells, keep_leading=keep_leading):
        trim = pc.ascii_rtrim if keep_leading else pc.ascii_trim
        cells = cells_of(trim(cells.array, characters=BLANKS))
    if cells.lowest > 0:
        return cells, frozenset()
    rows = pc.match_substring(cells.array, "\0").fill_null(False)
    nul = frozenset(np.flatnonzero(rows.to_numpy(zero_copy_only=False)).tolist())
    return cells_of(pc.replace_substring(cells.array, "\0", REPLACEMENT)), nul


def cells_of(column: pa.Array) -> Cells:
    """The cells of a text column as it is; only the empty string becomes null."""
    starts, lengths, data = _buffers(column)
    if column.null_count and lengths[_is_null(column)].any():
        return cells_of(pc.fill_null(column, ""))  # there were bytes behind a null
    blank = len(lengths) - int(np.count_nonzero(lengths))
    if blank > column.null_count:
        column = _with_nulls(column, starts, lengths, blank)
    used = data[starts[0] : starts[-1] + lengths[-1]] if len(starts) else _NO_BYTES
    return Cells(
        array=column,
        starts=starts,
        lengths=lengths,
        data=data,
        used=used,
        lowest=int(used.min()) if len(used) else 255,
    )


def lowest_byte(column: pa.Array) -> int:
    """``Cells.lowest`` of a text column, without the rest."""
    _, offset_buffer, data_buffer = column.buffers()
    if len(column) == 0 or data_buffer is None:
        return 255
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)
    first, last = int(offsets[column.offset]), int(offsets[column.offset + len(column)])
    data = np.frombuffer(data_buffer, dtype=np.uint8)
    return int(data[first:last].min(initial=255))


def nulls(rows: int) -> Cells:
    """A column of ``rows`` nulls."""
    return cells_of(pa.nulls(rows, pa.string()))


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


def without_surrogates(text: str) -> str:
    """The text with U+FFFD instead of every half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(REPLACEMENT if "\ud800" <= one <= "\udfff" else one for one in text)
    return text


def words(data: Bytes) -> npt.NDArray[np.uint64]:
    """The eight bytes that begin at each position of ``data``, as one number each; no copy."""
    return np.ndarray((max(len(data) - 7, 0),), dtype="<u8", buffer=data, strides=(1,))


def _buffers(column: pa.Array) -> tuple[Offsets, Offsets, Bytes]:
    _, offset_buffer, data_buffer = column.buffers()
    if len(column) == 0 or offset_buffer is None:
        none = np.zeros(0, dtype=np.int32)
        return none, none, _NO_BYTES
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    data = _NO_BYTES if data_buffer is None else np.frombuffer(data_buffer, dtype=np.uint8)
    return offsets[:-1], offsets[1:] - offsets[:-1], data


def _is_null(column: pa.Array) -> Mask:
    mask: Mask = column.is_null().to_numpy(zero_copy_only=False)
    return mask


def _with_nulls(column: pa.Array, starts: Offsets, lengths: Offsets, blank: int) -> pa.Array:
    offsets = np.empty(len(lengths) + 1, dtype=np.int32)
    offsets[:-1] = starts
    offsets[-1] = starts[-1] + lengths[-1]
    return pa.StringArray.from_buffers(
        len(lengths),
        pa.py_buffer(offsets),
        column.buffers()[2],
        pa.py_buffer(np.packbits(lengths > 0, bitorder="little")),
        blank,
    )


def _needs_trimming(cells: Cells, *, keep_leading: bool) -> bool:
    held = cells.lengths > 0
    first = cells.starts[held]
    last = first + cells.lengths[held] - 1
    if _is_blank(cells.data[last]):
        return True
    return not keep_leading and _is_blank(cells.data[first])


def _is_blank(edge: Bytes) -> bool:
    return bool(((edge == _SPACE) | ((edge >= 0x09) & (edge <= 0x0D))).any())
