"""A call and its reply, apart from HTTP."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, after login and version. ``parts`` is the decoded path behind the version."""

    method: str
    version: str
    parts: tuple[str, ...]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """``content``: JSON, or bytes of ``content_type``; None for no body."""

    status: int = 200
    content: object = None
    content_type: str = "application/json;charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)
