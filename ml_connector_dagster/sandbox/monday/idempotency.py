"""``Idempotency-Key``: the answer of a mutation is kept for thirty minutes and given again for the same key.

developer.monday.com, idempotency (2026-09-06). Nothing is published about the same key with another payload: here
the first answer is given, which is the unkindest that it can be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.sandbox.monday.refusals import CallRefused


KEPT_SECONDS: Final = 1_800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An answer. ``until`` is when it is forgotten."""

    status: int
    body: bytes
    until: float


class Idempotency:
    """Keys in use and answers that are kept. The caller holds the account's lock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: dict[str, Kept] = {}
        self._running: set[str] = set()

    def enter(self, key: str) -> Kept | None:
        """The kept answer; None when the mutation is to be done, and ``leave`` to follow. Raises CallRefused."""
        if key in self._running:
            raise CallRefused(
                409,
                "IDEMPOTENCY_CONFLICT",
                "A request with the same idempotency key is being processed",
                retry_after=1,
            )
        kept = self._kept.get(key)
        if kept is not None and self._now() < kept.until:
            return kept
        self._running.add(key)
        return None

    def leave(self, key: str, answer: tuple[int, bytes] | None) -> None:
        """The mutation has ended; without an answer it was not done and may be tried again."""
        self._running.discard(key)
        if answer is not None:
            status, body = answer
            self._kept[key] = Kept(status=status, body=body, until=self._now() + KEPT_SECONDS)
