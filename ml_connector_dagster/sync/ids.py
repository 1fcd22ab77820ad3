"""Ids that sort by time: batches are delivered in the order of their ids."""

import secrets
from datetime import UTC, datetime


def new_id(now: datetime) -> str:
    """A batch or run id: UTC time to the microsecond, then 40 random bits."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(5)}"
