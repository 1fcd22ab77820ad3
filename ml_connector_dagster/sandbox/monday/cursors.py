"""Pages of items: at most 500, and a cursor that is good for an hour from the first page on."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ml_connector_dagster.sandbox.monday.account import Account
from ml_connector_dagster.sandbox.monday.refusals import Refusal, invalid


LARGEST_PAGE: Final = 500
VALID_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is left of a result."""

    ids: tuple[int, ...]
    until: float


class Cursors:
    """Results that are being read page by page."""

    def __init__(self, account: Account, now: Callable[[], float]) -> None:
        self._account = account
        self.now = now
        self._positions: dict[str, Position] = {}

    def open(self, ids: list[int], limit: int) -> dict[str, Any]:
        """The first page."""
        return self._page(Position(ids=tuple(ids), until=self.now() + VALID_SECONDS), limit)

    def turn(self, cursor: str, limit: int) -> dict[str, Any]:
        """The next page."""
        position = self._positions.get(cursor)
        if position is None:
            raise Refusal("CursorException", "the cursor is not valid")
        if self.now() > position.until:
            raise Refusal("CursorExpiredError", "the cursor has expired, begin again")
        return self._page(position, limit)

    def _page(self, position: Position, limit: int) -> dict[str, Any]:
        if not 1 <= limit <= LARGEST_PAGE:
            raise invalid(f"limit is 1 to {LARGEST_PAGE}, not {limit}")
        shown, rest = position.ids[:limit], position.ids[limit:]
        cursor = None
        if rest:
            cursor = secrets.token_urlsafe(24)
            self._positions[cursor] = Position(ids=rest, until=position.until)
        items = [self._account.items[number] for number in shown]
        return {"cursor": cursor, "items": [item for item in items if item.state == "active"]}
