"""A request and an answer, apart from HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it came.

    Attributes:
        path: as sent, percent-encoded.
        query: decoded names and values in the order that they came.
        headers: names in lower case.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes

    @property
    def bucket(self) -> str:
        """The first part of the path."""
        return _decoded(self.path).lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        """What follows the bucket, decoded once; "" when the call is about the bucket."""
        return _decoded(self.path).lstrip("/").partition("/")[2]

    def asks(self, name: str) -> bool:
        """Whether the query has a parameter ``name``, with or without a value."""
        return any(one == name for one, _ in self.query)

    def parameter(self, name: str, default: str = "") -> str:
        return next((value for one, value in self.query if one == name), default)


def _decoded(path: str) -> str:
    return unquote_to_bytes(path).decode("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the endpoint remembers of a call. ``status`` is 0 when no answer was sent."""

    operation: str
    key: str
    status: int
    received: int
    sent: int
    conditional: bool
