"""Looker counts API calls by the month: calls that query the database, and all others (reference saas-destinations §3.2).

The count that matters is Looker's own, of everybody; we count ours, and stop before the share that we were given is gone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.model.errors import ConfigError


class CallKind(StrEnum):
    """What Looker's price list calls a call (``x-looker-activity-type`` in its OpenAPI file)."""

    QUERY = "query"  # db_query: inline queries, SQL Runner, all of scheduled plans
    ADMIN = "admin"  # non_query: everything else that is counted
    FREE = "free"  # login


#: Calls a month that each edition includes (cloud.google.com/terms/looker, 2026): (query, admin).
EDITIONS: Final = {
    "standard": (1_000, 1_000),
    "enterprise": (100_000, 10_000),
    "embed": (500_000, 100_000),
}


def limits_of(connection: LookerConnection) -> dict[CallKind, int]:
    """Kind → calls a month that the connection may make: its own share, else what its edition includes."""
    query, admin = EDITIONS[connection.edition]
    return {
        CallKind.QUERY: connection.monthly_query_calls or query,
        CallKind.ADMIN: connection.monthly_admin_calls or admin,
    }


#: As the OpenAPI file says. Reading the status of a plan is billed as a query, too.
_QUERIES: Final = re.compile(r"/(queries|query_tasks|sql_queries|scheduled_plans)(/|$)")


def kind_of(path: str) -> CallKind:
    """The kind of a call, by its path without the query string."""
    if path.endswith("/login"):
        return CallKind.FREE
    return CallKind.QUERY if _QUERIES.search(path) else CallKind.ADMIN


class CallCounts(Protocol):
    """Where our calls are counted; the ledger implements it."""

    def counted(self, month: str, kind: str) -> int:
        """Calls of ``kind`` that were made in ``month`` ("2026-11")."""
        ...

    def count(self, month: str, kind: str) -> int:
        """One more; answers how many there are now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaUse:
    """One kind of call in the month that runs."""

    kind: CallKind
    month: str
    used: int
    limit: int


class Quota:
    """The calls that one connection may make. Safe for several processes, as far as ``counts`` is.

    Args:
        limits: kind → calls a month.
    """

    def __init__(
        self,
        connection: str,
        limits: dict[CallKind, int],
        counts: CallCounts,
        now: Callable[[], datetime],
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._counts = counts
        self._now = now
        self.calls = 0

    def spend(self, kind: CallKind) -> None:
        """Count one call, before it is made. Raises ConfigError when the month's share is used up."""
        if kind is CallKind.FREE:
            return
        self.require({kind: 1})
        self._counts.count(self._month, kind)
        self.calls += 1

    def require(self, wanted: dict[CallKind, int]) -> None:
        """Raises ConfigError unless so many calls are left: asked before a sequence that should not stop half-way."""
        for kind, calls in wanted.items():
            used, limit = self._counts.counted(self._month, kind), self._limits[kind]
            if used + calls > limit:
                raise ConfigError(
                    f"connection {self._connection!r} has made {used:,} of the {limit:,} {kind} calls to Looker that it "
                    f"may make in {self._month}; {calls} more would be too many. Raise monthly_{kind}_calls if the "
                    "licence includes more, verify less often (verify: sampled), run fewer plans, or wait for the "
                    "next month (UTC)"
                )

    def use(self) -> tuple[QuotaUse, ...]:
        """How far the month is."""
        return tuple(
            QuotaUse(
                kind=kind,
                month=self._month,
                used=self._counts.counted(self._month, kind),
                limit=limit,
            )
            for kind, limit in self._limits.items()
        )

    @property
    def _month(self) -> str:
        return f"{self._now():%Y-%m}"
