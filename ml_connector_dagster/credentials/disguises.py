"""The forms in which a known secret turns up in text: as it is, escaped, URL-encoded, inside base64.

Escapes are undone in the *text*, with a map back to where each byte came from: there are many ways to escape a
value (which characters, upper or lower case, inside which quotes) and one way to read it.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from ml_connector_dagster.model.secrets import MASK


_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_FORM = re.compile(rb"%[0-9A-Fa-f]{2}|\+")  # in a form body and a query, + is a space
_BACKSLASH = re.compile(
    rb"(?:\\u[0-9A-Fa-f]{4})+|\\U[0-9A-Fa-f]{8}|\\x[0-9A-Fa-f]{2}|\\[\\\"'/bfnrt0]"
)
_CONTROLS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"0": b"\0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Disguises:
    """What to look for, for one secret.

    Attributes:
        plain: the value and its escaped forms (for text that was escaped twice).
        base64: what every base64 text that holds the value contains, at each of the three alignments.
    """

    plain: tuple[bytes, ...]
    base64: tuple[bytes, ...]

    @classmethod
    def of(cls, value: str) -> "Disguises":
        """The disguises of ``value``."""
        data = _bytes(value)
        plain = [
            data,
            quote(data, safe="").encode(),
            json.dumps(value)[1:-1].encode(),
        ]
        encodings = [data]
        with suppress(UnicodeEncodeError):
            encodings.append(value.encode("latin-1"))  # how some clients encode Basic credentials
        cores = [core for one in encodings for core in _base64_cores(one)]
        return cls(plain=tuple(dict.fromkeys(plain)), base64=tuple(dict.fromkeys(cores)))


def masked(text: str, known: Iterable[Disguises]) -> str:
    """``text`` with each secret masked wherever it turns up; a base64 text that holds one is masked as a whole."""
    wanted = tuple(known)
    if not wanted:
        return text
    source = _bytes(text)
    spans: list[tuple[int, int]] = []
    for view in _views(source):
        for one in wanted:
            spans.extend(
                view.span(*hit) for needle in one.plain for hit in _hits(view.data, needle)
            )
            spans.extend(view.span(*run) for core in one.base64 for run in _runs(view.data, core))
    return _text(_with_mask(source, spans)) if spans else text


@dataclass(frozen=True, slots=True)
class _View:
    """A reading of the source; None for ``starts`` and ``ends`` when it is the source itself."""

    data: bytes
    starts: list[int] | None = None
    ends: list[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def _views(source: bytes) -> Iterator[_View]:
    yield _View(source)
    if b"%" in source:
        yield _unescaped(source, _PERCENT, _percent)
    if b"+" in source:
        yield _unescaped(source, _FORM, _percent)
    if b"\\" in source:
        yield _unescaped(source, _BACKSLASH, _backslash)
    if b"\\x" in source:
        yield _unescaped(source, _BACKSLASH, _backslash_of_bytes)


def _unescaped(
    source: bytes, escape: re.Pattern[bytes], meaning: Callable[[bytes], bytes]
) -> _View:
    data, starts, ends = bytearray(), list[int](), list[int]()
    at = 0

    def copy(until: int) -> None:
        data.extend(source[at:until])
        starts.extend(range(at, until))
        ends.extend(range(at + 1, until + 1))

    for found in escape.finditer(source):
        copy(found.start())
        piece = meaning(found.group())
        data.extend(piece)
        starts.extend([found.start()] * len(piece))
        ends.extend([found.end()] * len(piece))
        at = found.end()
    copy(len(source))
    return _View(bytes(data), starts, ends)


def _percent(escape: bytes) -> bytes:
    return b" " if escape == b"+" else unquote_to_bytes(escape)


def _backslash(escape: bytes) -> bytes:
    kind = escape[1:2]
    if kind == b"u":
        # A character beyond the first 65,536 is a pair of escapes: a run is read as UTF-16.
        units = bytes.fromhex(escape.replace(b"\\u", b"").decode())
        return _bytes(units.decode("utf-16-be", "surrogatepass"))
    if kind == b"U":
        number = int(escape[2:], 16)
        return _bytes(chr(number)) if number <= 0x10FFFF else escape
    if kind == b"x":
        return _bytes(chr(int(escape[2:], 16)))
    return _CONTROLS.get(kind, kind)


def _backslash_of_bytes(escape: bytes) -> bytes:
    """In the repr of bytes, \\xNN is a byte; in that of text it is a character."""
    return bytes.fromhex(escape[2:].decode()) if escape[1:2] == b"x" else _backslash(escape)


def _hits(data: bytes, needle: bytes) -> Iterator[tuple[int, int]]:
    """Every occurrence; of overlapping ones, enough that their union is covered."""
    at = data.find(needle)
    while at >= 0:
        yield at, at + len(needle)
        at = data.find(needle, at + 1)


def _runs(data: bytes, core: bytes) -> Iterator[tuple[int, int]]:
    """Every base64 text around ``core``, whole, each once."""
    at = data.find(core)
    while at >= 0:
        start, end = at, at + len(core)
        while start > 0 and _BASE64_RUN.match(data, start - 1):
            start -= 1
        while end < len(data) and _BASE64_RUN.match(data, end):
            end += 1
        while end < len(data) and data[end : end + 1] == b"=":
            end += 1
        yield start, end
        at = data.find(core, end)


def _with_mask(source: bytes, spans: list[tuple[int, int]]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for start, end in sorted(spans):
        if start >= at:
            parts += [source[at:start], MASK.encode()]
        at = max(at, end)
    return b"".join([*parts, source[at:]])


def _base64_cores(data: bytes) -> Iterator[bytes]:
    """The characters that depend on nothing but ``data``, for each place in a group of three it can begin at."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + data)
        core = encoded[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")
