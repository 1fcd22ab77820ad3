"""What the endpoint is like at its start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options:
    """One endpoint, with the access key of one user.

    Attributes:
        region: of the endpoint; requests are signed for it.
        buckets: name → the region that the bucket is in; one of another region is redirected.
        session_token: what comes with a temporary key; "" for a lasting one.
        page_size: keys of one page of a list at most; the real limit is 1,000.
        smallest_part: bytes of every part of a multipart upload but the last.
    """

    region: str = "eu-north-1"
    buckets: Mapping[str, str] = field(default_factory=lambda: {"staging": "eu-north-1"})
    access_key_id: str = "AKIASANDBOX0EXAMPLE0"
    secret_access_key: str = "sandbox/secret+access/key0000000000EXAMPLE"
    session_token: str = ""
    page_size: int = 1000
    smallest_part: int = 5 * 1024 * 1024
    now: Callable[[], datetime] = _utc_now
