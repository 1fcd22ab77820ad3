"""The one way to the ION API Gateway of a tenant (public signature; the body follows)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of the ERP: HTTP 2xx, or 400, which the product line reads.

    Attributes:
        status: 2xx or 400.
        body: the body, decoded from its transfer and content encodings, whole.
        requested_at: when the first request for it left (UTC).
        attempts: API requests that were sent for it, repeats included (logins are not).
        elapsed: seconds from asking to having it, waits included.
    """

    status: int
    body: bytes
    requested_at: datetime
    attempts: int
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a gateway has used so far, for metadata."""

    requests: int
    retries: int
    throttled: int
    logins: int
    response_bytes: int
    waited_seconds: float


class Gateway:
    """Reads from one suite (``M3``, …) of one tenant. Thread-safe. Close it, or use it as a context manager.

    ``path`` starts with "/" and is what follows ``{iu}/{ti}/{suite}``, percent-encoded, matrix options and query
    included: ``/m3api-rest/v2/execute/CRS620MI/LstSuppliers;maxrecs=0;cono=790?LMTS=0``.

    Raises, all naming tenant, program and status, never token or payload:
        ConfigError: the call is not a read (before any network traffic).
        CredentialError: 401 after one renewal; 403.
        TransientError: still failing after the retries; BreakerOpenError when the tenant is left alone for a while.
        ContractError: 404 and every other status. HTTP 400 is not raised: see ``Reply``.
    """

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Reply: ...  # type: ignore[empty-body]

    def post(  # type: ignore[empty-body]
        self, path: str, *, json: Mapping[str, object], headers: Mapping[str, str] | None = None
    ) -> Reply: ...

    @property
    def requests_made(self) -> int: ...  # type: ignore[empty-body]

    def usage(self) -> Usage: ...  # type: ignore[empty-body]

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
