"""Where a chain of pages of an OData set goes on: as text in a ``Page``, and back."""

import json
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.model.errors import ContractError


Key = tuple[str, ...]

#: Keys of a page's last rows that are remembered: the next page must begin at one of them.
TAIL: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """After ``skip`` rows; ``tail`` are the keys of the last rows before it.

    ``link`` is the server's own way on, ``left`` how many rows it will still bring for what was asked.
    """

    skip: int = 0
    tail: tuple[Key, ...] = ()
    link: str | None = None
    left: int = 0

    def text(self) -> str:
        """Compact JSON: equal places are equal texts."""
        parts: dict[str, object] = {"skip": self.skip, "tail": self.tail}
        if self.link is not None:
            parts |= {"link": self.link, "left": self.left}
        return json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def place_of(position: str | None) -> Place:
    """The inverse of ``Place.text``; the beginning for None."""
    if position is None:
        return Place()
    try:
        parts = json.loads(position)
        return Place(
            skip=int(parts["skip"]),
            tail=tuple(tuple(str(part) for part in key) for key in parts["tail"]),
            link=parts.get("link"),
            left=int(parts.get("left", 0)),
        )
    except (ValueError, TypeError, KeyError):
        raise ContractError(
            f"position {position[:80]!r} is not one of an LN chain; begin the read anew (--full)"
        ) from None
