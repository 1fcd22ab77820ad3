"""Sockets below the session, and whether what came over them is whole."""

import json
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter


_CONNECT_SECONDS: Final = 10.0


class Wire(HTTPAdapter):
    """Sockets: no request without a timeout, and to ``base_url`` in place of the internet when one is given."""

    def __init__(self, base_url: str | None, seconds: float, connections: int) -> None:
        self._base = None if base_url is None else urlsplit(base_url)
        self._timeout = (_CONNECT_SECONDS, seconds)
        super().__init__(pool_connections=connections, pool_maxsize=connections)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        """One try of one request."""
        if self._base is not None:
            asked = urlsplit(str(request.url))
            request.headers["Host"] = asked.netloc
            request.url = urlunsplit(
                (self._base.scheme, self._base.netloc, asked.path, asked.query, "")
            )
        return super().send(request, stream, timeout or self._timeout, verify, cert, proxies)


def is_whole(response: requests.Response) -> bool:
    """Whether an answer is what it says it is: no page of a proxy, and no JSON that was cut on the way."""
    kind = response.headers.get("Content-Type", "").lower()
    if "json" not in kind:
        return "html" not in kind
    try:
        json.loads(response.content or b"null")
    except ValueError:
        return False
    return True
