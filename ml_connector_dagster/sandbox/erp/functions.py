"""SQL functions that other product lines' lists need: a row's own GUID, and the wall clock of a stamp."""

import hashlib
import sqlite3
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo


def add_functions(connection: sqlite3.Connection) -> None:
    """``row_guid(text)`` and ``wall_clock(epoch milliseconds, zone)``."""
    connection.create_function("row_guid", 1, row_guid, deterministic=True)
    connection.create_function("wall_clock", 2, wall_clock, deterministic=True)


def row_guid(key: str) -> str:
    """A GUID made of a key: no change of the row moves it."""
    digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))


def wall_clock(milliseconds: int, zone: str) -> str | None:
    """yyyyMMdd HH:mm:ss.fff as clocks in ``zone`` show it; nothing for a row that was never stamped."""
    if not milliseconds:
        return None
    local = datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone(_zone(zone))
    return f"{local:%Y%m%d %H:%M:%S}.{milliseconds % 1000:03d}"


@lru_cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
