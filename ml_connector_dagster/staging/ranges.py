"""A remote file as Parquet wants to read it: here a few bytes, there a few."""

import io
from collections.abc import Callable
from typing import Any, Final


#: Fetched of the end at once: what Parquet asks for first are the last eight bytes, then the footer before them.
_TAIL: Final = 64 * 1024


class RangedFile(io.RawIOBase):
    """Each read is one request for just these bytes: Arrow puts neighbouring ranges together before it asks."""

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._fetch = fetch
        self._size = size
        self._position = 0
        self._tail = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        left = max(self._size - self._position, 0)
        length = left if size < 0 else min(size, left)
        data = self._bytes(self._position, length) if length else b""
        self._position += length
        return data

    def readinto(self, buffer: Any, /) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _bytes(self, start: int, length: int) -> bytes:
        first = max(self._size - _TAIL, 0)
        if start < first:
            return self._fetch(start, length)
        if not self._tail:
            self._tail = self._fetch(first, self._size - first)
        return self._tail[start - first : start - first + length]
