"""What an account is made of: boards, groups, columns, labels, items."""

from dataclasses import dataclass, field
from typing import Literal


State = Literal["active", "archived", "deleted"]


@dataclass(slots=True, kw_only=True)
class Label:
    """One label of a status column."""

    id: int
    index: int
    label: str
    color: str
    is_done: bool = False

    def shown(self) -> dict[str, object]:
        """As it stands in a column's settings."""
        return {
            "id": self.id,
            "index": self.index,
            "label": self.label,
            "color": self.color,
            "is_done": self.is_done,
            "is_deactivated": False,
        }


@dataclass(slots=True, kw_only=True)
class Column:
    """A column. ``board_ids`` says where a relation may point, or which board holds the subitems."""

    id: str
    title: str
    type: str
    description: str | None = None
    labels: list[Label] = field(default_factory=list)
    board_ids: list[int] = field(default_factory=list)
    changes: int = 0
    archived: bool = False

    @property
    def settings(self) -> dict[str, object]:
        if self.type == "status":
            return {"type": "status", "labels": [label.shown() for label in self.labels]}
        if self.type in ("board_relation", "subtasks"):
            return {"boardIds": list(self.board_ids), "allowMultipleItems": True}
        return {}

    @property
    def revision(self) -> str:
        return f"{self.changes:08x}"

    def label(self, text: str) -> Label | None:
        """The label that reads exactly ``text``."""
        return next((label for label in self.labels if label.label == text), None)


@dataclass(slots=True, kw_only=True)
class Group:
    """A group of items."""

    id: str
    title: str
    color: str = "#037f4c"
    archived: bool = False
    deleted: bool = False
    position: str = "65536"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a cell holds: ``text`` as it is shown and searched, ``value`` as the raw JSON."""

    text: str
    value: dict[str, object] | str


@dataclass(slots=True, kw_only=True)
class Item:
    """A row of a board. ``seen_from`` is the moment from which a search finds it."""

    id: int
    name: str
    board: "Board"
    group: Group
    parent: "Item | None" = None
    cells: dict[str, Cell] = field(default_factory=dict)
    state: State = "active"
    seen_from: float = 0.0


@dataclass(slots=True, kw_only=True)
class Board:
    """A board with what is on it. ``holds_subitems`` marks the board behind another board's subitems."""

    id: int
    name: str
    description: str | None = None
    board_kind: str = "public"
    state: State = "active"
    holds_subitems: bool = False
    workspace_id: str | None = None
    columns: dict[str, Column] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    items: dict[int, Item] = field(default_factory=dict)

    @property
    def active(self) -> list[Item]:
        """Items that are neither archived nor deleted, oldest first."""
        return [item for item in self.items.values() if item.state == "active"]
