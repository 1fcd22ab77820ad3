"""Requests as product lines see them, and their answers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A call that came through the gateway. ``path`` is raw (percent-encoded), below the suite."""

    tenant: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]  # names in lower case
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """An answer, with what the journal wants to know of it."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json;charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()
    rows: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a call is about, for the journal and for faults."""

    program: str = ""
    transaction: str = ""
    company: str = ""


def json_answer(
    content: Any,
    status: int = 200,
    *,
    rows: int = 0,
    error: str = "",
    headers: tuple[tuple[str, str], ...] = (),
    pretty: bool = False,
) -> ApiAnswer:
    """An answer with a JSON body."""
    text = json.dumps(
        content,
        ensure_ascii=False,
        indent=2 if pretty else None,
        separators=None if pretty else (",", ":"),
    )
    return ApiAnswer(
        status=status, body=text.encode("utf-8", "replace"), rows=rows, error=error, headers=headers
    )
