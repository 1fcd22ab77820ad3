"""The page that a product line hands out."""

from datetime import UTC, datetime

import pyarrow as pa

from ml_connector_dagster.cloudsuite.pages import Page
from ml_connector_dagster.cloudsuite.product_lines.m3.api import Meter


_NEVER_ASKED = datetime.min.replace(tzinfo=UTC)


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
