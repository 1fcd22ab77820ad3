"""Queries: names come from metadata and placements, values are always quoted here.

developer.salesforce.com, soql-sosl: quoted string escape sequences. A query travels in the URL, and URL and headers
together may have 16,384 bytes: long lists of keys are cut.
"""

from collections.abc import Iterator, Sequence
from urllib.parse import quote


#: Encoded bytes of keys in one query; leaves room for the fields and the headers.
LONGEST_KEYS = 10_000


def text(value: str) -> str:
    """A text literal."""
    return f"'{_escaped(value)}'"


def beginning(prefix: str) -> str:
    """The pattern of LIKE for texts that begin with ``prefix``."""
    escaped = _escaped(prefix).replace("%", r"\%").replace("_", r"\_")
    return f"'{escaped}%'"


def key_lists(keys: Sequence[str]) -> Iterator[list[str]]:
    """``keys`` in lists that fit into a query."""
    chosen: list[str] = []
    size = 0
    for key in keys:
        length = len(quote(text(key), safe="")) + 3
        if chosen and (size + length > LONGEST_KEYS or len(chosen) >= 1000):
            yield chosen
            chosen, size = [], 0
        chosen.append(key)
        size += length
    if chosen:
        yield chosen


def _escaped(value: str) -> str:
    for plain, escape in (("\\", r"\\"), ("'", r"\'"), ("\n", r"\n"), ("\r", r"\r"), ("\t", r"\t")):
        value = value.replace(plain, escape)
    return value
