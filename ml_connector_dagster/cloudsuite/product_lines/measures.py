"""What one page took, and the page that a product line hands out of it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from ml_connector_dagster.cloudsuite.gateway import Reply
from ml_connector_dagster.cloudsuite.pages import Page


_NEVER_ASKED = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Meter:
    """What one page took so far."""

    requests: int = 0
    bytes: int = 0
    requested_at: datetime | None = None

    def add(self, reply: Reply) -> None:
        """Count one answer."""
        self.requests += reply.attempts
        self.bytes += len(reply.body)
        if self.requested_at is None or reply.requested_at < self.requested_at:
            self.requested_at = reply.requested_at

    def add_all(self, earlier: "Meter") -> None:
        """Take over what was counted before."""
        self.requests += earlier.requests
        self.bytes += earlier.bytes
        moments = [at for at in (self.requested_at, earlier.requested_at) if at is not None]
        self.requested_at = min(moments, default=None)


def page_of(
    records: pa.Table,
    meter: Meter,
    position: str | None,
    unreadable: tuple[tuple[str, str], ...] = (),
) -> Page:
    """A page of what ``meter`` has counted."""
    return Page(
        records=records,
        unreadable=unreadable,
        requested_at=meter.requested_at or _NEVER_ASKED,
        requests=meter.requests,
        bytes=meter.bytes,
        position=position,
    )
