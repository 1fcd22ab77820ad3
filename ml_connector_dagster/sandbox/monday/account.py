"""The account: what its boards hold, and what may be done to them. One lock around all of it is the caller's."""

import json
import re
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Final

from ml_connector_dagster.sandbox.monday import values
from ml_connector_dagster.sandbox.monday.boards import Board, Column, Group, Item, Label
from ml_connector_dagster.sandbox.monday.options import MondayOptions
from ml_connector_dagster.sandbox.monday.refusals import Refusal, invalid, not_found


LONGEST_NAME: Final = 255
MOST_IDS: Final = 100
#: A column id that is given: lowercase letters and underscores only.
_COLUMN_ID: Final = re.compile(r"[a-z_]{1,20}")
_DEFAULT_LABELS: Final = ("Working on it", "Done", "Stuck")


class Account:
    """Boards and their items."""

    def __init__(self, options: MondayOptions, now: Callable[[], float]) -> None:
        self.options = options
        self._now = now
        self._board_ids = count(4_000_000_001)
        self._item_ids = count(7_000_000_001)
        self._names = count(1)
        self.boards: dict[int, Board] = {}
        self.items: dict[int, Item] = {}

    # What is asked for

    def board(self, number: object) -> Board:
        """An active board by its id."""
        board = self.boards.get(_number(number, "board"))
        if board is None or board.state != "active":
            raise Refusal(
                "InvalidBoardIdException", f"board {number} is not there, or not for this token"
            )
        return board

    def item(self, number: object) -> Item:
        """An active item by its id."""
        item = self.items.get(_number(number, "item"))
        if item is None or item.state != "active":
            raise not_found("Item", number)
        return item

    def column(self, board: Board, column_id: str) -> Column:
        column = board.columns.get(column_id)
        if column is None or column.archived:
            raise Refusal(
                "InvalidColumnIdException",
                f"column {column_id!r} is not on board {board.id}",
                column_id=column_id,
                board_id=str(board.id),
            )
        return column

    def search(self, board: Board, wanted: Sequence[tuple[str, Sequence[str | None]]]) -> list[int]:
        """Ids of active items that have one of the values in every column; freshly made ones come late."""
        if board.holds_subitems:
            raise invalid("items of a subitems board cannot be searched by column values")
        for column_id, texts in wanted:
            if self.column(board, column_id).type not in _SEARCHED:
                raise invalid(f"column {column_id!r} cannot be searched")
            if len(texts) > MOST_IDS:
                raise invalid(f"{len(texts)} values are more than the {MOST_IDS} of a search")
        sets = [(column_id, set(texts)) for column_id, texts in wanted]
        now = self._now()
        return [
            item.id
            for item in board.active
            if item.seen_from <= now
            and all(text_of(item, column_id) in texts for column_id, texts in sets)
        ]

    # Structure

    def _check_structure(self) -> None:
        if not self.options.can_change_structure:
            raise Refusal(
                "UserUnauthorizedException", "User unauthorized to perform action", status=403
            )

    def create_board(
        self,
        name: str,
        *,
        kind: str = "public",
        description: str | None = None,
        workspace_id: str | None = None,
        empty: bool = False,
    ) -> Board:
        self._check_structure()
        if not name.strip():
            raise Refusal("CreateBoardException", "a board needs a name")
        board = self._new_board(name, kind=kind, description=description, workspace_id=workspace_id)
        if not empty:
            for number in (1, 2, 3):
                self.create_item(board, f"Item {number}", {})
        return board

    def _new_board(
        self,
        name: str,
        *,
        kind: str,
        description: str | None = None,
        workspace_id: str | None = None,
        holds_subitems: bool = False,
    ) -> Board:
        board = Board(
            id=next(self._board_ids),
            name=name,
            description=description,
            board_kind=kind,
            workspace_id=workspace_id,
            holds_subitems=holds_subitems,
        )
        board.columns["name"] = Column(id="name", title="Name", type="name")
        board.groups["topics"] = Group(id="topics", title="Group Title")
        self.boards[board.id] = board
        return board

    def create_group(self, board: Board, title: str) -> Group:
        self._check_structure()
        if not title.strip() or len(title) > LONGEST_NAME:
            raise invalid(f"a group's name has 1 to {LONGEST_NAME} characters")
        group = Group(id=f"group_mk{next(self._names):06x}", title=title)
        board.groups[group.id] = group
        return group

    def create_column(
        self,
        board: Board,
        title: str,
        kind: str,
        *,
        column_id: str | None = None,
        description: str | None = None,
        defaults: Any = None,
    ) -> Column:
        self._check_structure()
        if not title.strip() or len(title) > LONGEST_NAME:
            raise invalid(f"a column's title has 1 to {LONGEST_NAME} characters")
        if kind in ("name", "subtasks") and any(c.type == kind for c in board.columns.values()):
            raise invalid(f"board {board.id} has a {kind} column already")
        identity = column_id if column_id is not None else f"{kind}_mk{next(self._names):06x}"
        if column_id is not None and not _COLUMN_ID.fullmatch(column_id):
            raise invalid(f"column id {column_id!r}: 1 to 20 lowercase letters and underscores")
        if identity in board.columns:
            raise invalid(f"column id {identity!r} is taken on board {board.id}")
        column = Column(id=identity, title=title, type=kind, description=description)
        self._configure(board, column, _settings(defaults))
        board.columns[identity] = column
        return column

    def _configure(self, board: Board, column: Column, defaults: dict[str, Any]) -> None:
        if column.type == "status":
            self.set_labels(column, defaults.get("labels") or _default_labels())
        elif column.type == "board_relation":
            column.board_ids = [self.board(number).id for number in defaults.get("boardIds", [])]
        elif column.type == "subtasks":
            behind = self._new_board(
                f"Subitems of {board.name}", kind=board.board_kind, holds_subitems=True
            )
            behind.groups = {"subitems": Group(id="subitems", title="Subitems")}
            column.board_ids = [behind.id]

    def set_labels(self, column: Column, labels: Sequence[dict[str, Any]]) -> None:
        """Replace the labels. One that an item uses must stay."""
        if len(labels) > values.MOST_LABELS:
            raise invalid(f"a status column has at most {values.MOST_LABELS} labels")
        for name in ("label", "index", "color"):
            given = [label[name] for label in labels]
            if len(set(given)) != len(given):
                raise invalid(f"status labels need different values of {name}")
        following = count(max((label.id for label in column.labels), default=-1) + 1)
        known = {label.id for label in column.labels}
        made = []
        for label in labels:
            number = label.get("id")
            if number is not None and number not in known:
                raise invalid(f"status label {number} is not there")
            made.append(
                Label(
                    id=next(following) if number is None else number,
                    index=label["index"],
                    label=label["label"],
                    color=label["color"],
                    is_done=bool(label.get("is_done")),
                )
            )
        column.labels = made
        column.changes += 1

    def update_status_column(
        self, board: Board, column: Column, revision: str, labels: Sequence[dict[str, Any]] | None
    ) -> Column:
        self._check_structure()
        if column.type != "status":
            raise invalid(f"column {column.id!r} is no status column")
        if revision != column.revision:
            raise invalid(f"column {column.id!r} is at revision {column.revision}, not {revision}")
        if labels is not None:
            kept = {label["label"] for label in labels}
            used = {item.cells[column.id].text for item in board.active if column.id in item.cells}
            if used - kept:
                raise invalid(f"labels in use cannot be removed: {', '.join(sorted(used - kept))}")
            self.set_labels(column, labels)
        return column

    # Items

    def check_link(self, column: Column, number: int) -> str:
        """The name of the item that a relation may point at."""
        item = self.items.get(number)
        if item is None or item.state != "active" or item.board.id not in column.board_ids:
            raise values.bad(
                column,
                number,
                f"item {number} is not on a board that column {column.id!r} leads to",
            )
        return item.name

    def create_item(
        self,
        board: Board,
        name: str,
        column_values: Any,
        *,
        group_id: str | None = None,
        parent: Item | None = None,
        add_labels: bool = False,
    ) -> Item:
        _check_name(name)
        if len(board.active) >= self.options.items_per_board:
            raise Refusal(
                "ItemsLimitationException",
                f"board {board.id} has {self.options.items_per_board} items, which is all that it takes",
            )
        group = next(iter(board.groups.values()))
        if group_id is not None:
            if group_id not in board.groups:
                raise not_found("Group", group_id)
            group = board.groups[group_id]
        item = Item(
            id=0,
            name=name,
            board=board,
            group=group,
            parent=parent,
            seen_from=self._now() + self.options.search_lag,
        )
        self._fill(item, column_values, add_labels=add_labels)
        item.id = next(self._item_ids)
        board.items[item.id] = item
        self.items[item.id] = item
        return item

    def create_subitem(
        self, parent: Item, name: str, column_values: Any, *, add_labels: bool = False
    ) -> Item:
        """A subitem. The first one of a board makes the column and the board behind it."""
        if parent.parent is not None:
            raise invalid("a subitem of a subitem is not possible on a classic board")
        column = next((c for c in parent.board.columns.values() if c.type == "subtasks"), None)
        if column is None:
            column = self.create_column(parent.board, "Subitems", "subtasks")
        behind = self.boards[column.board_ids[0]]
        return self.create_item(behind, name, column_values, parent=parent, add_labels=add_labels)

    def change(self, item: Item, column_values: Any, *, add_labels: bool = False) -> Item:
        """All of the values or none."""
        self._fill(item, column_values, add_labels=add_labels)
        return item

    def _fill(self, item: Item, column_values: Any, *, add_labels: bool) -> None:
        if add_labels:
            self._check_structure()
        given = _object(column_values)
        name, cells = item.name, dict(item.cells)
        for column_id, value in given.items():
            column = self.column(item.board, column_id)
            if column.type == "name":
                _check_name(value)
                name = value
                continue
            cell = values.parse(column, value, self.check_link, add_labels=add_labels)
            if cell is None:
                cells.pop(column_id, None)
            else:
                cells[column_id] = cell
        item.name, item.cells = name, cells

    def subitems(self, item: Item) -> list[Item]:
        """The item's active subitems, oldest first."""
        for column in item.board.columns.values():
            if column.type == "subtasks":
                behind = self.boards[column.board_ids[0]]
                return [sub for sub in behind.active if sub.parent is item]
        return []

    def archive(self, item: Item) -> Item:
        """Archive the item, and its subitems with it."""
        for sub in self.subitems(item):
            sub.state = "archived"
        item.state = "archived"
        return item

    def delete(self, item: Item) -> Item:
        for sub in self.subitems(item):
            sub.state = "deleted"
        item.state = "deleted"
        return item


#: Column types that a search takes.
_SEARCHED: Final = frozenset(
    {"name", "text", "long_text", "numbers", "status", "date", "email", "phone", "link", "checkbox"}
)


def text_of(item: Item, column_id: str) -> str:
    """What the column shows."""
    if column_id == "name":
        return item.name
    cell = item.cells.get(column_id)
    return "" if cell is None else cell.text


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME:
        raise Refusal(
            "ItemNameTooLongException", f"an item's name has 1 to {LONGEST_NAME} characters"
        )


def _number(value: object, kind: str) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise not_found(kind.capitalize(), value) from None


def _object(column_values: Any) -> dict[str, Any]:
    """``column_values``: a JSON object, written as a string."""
    if column_values is None or column_values == {}:
        return {}
    if not isinstance(column_values, str):
        raise Refusal(
            "JsonParseException", "column_values is a JSON object written as a string", status=400
        )
    try:
        parsed = json.loads(column_values)
    except ValueError as error:
        raise Refusal(
            "JsonParseException", f"column_values is no JSON: {error}", status=400
        ) from None
    if not isinstance(parsed, dict):
        raise Refusal("JsonParseException", "column_values is no JSON object", status=400)
    return parsed


def _settings(defaults: Any) -> dict[str, Any]:
    if isinstance(defaults, str):
        try:
            defaults = json.loads(defaults)
        except ValueError as error:
            raise invalid(f"defaults are no JSON: {error}") from None
    if defaults is not None and not isinstance(defaults, dict):
        raise invalid("defaults are a JSON object")
    return defaults or {}


def _default_labels() -> list[dict[str, Any]]:
    return [
        {"label": label, "index": index, "color": values.COLORS[index], "is_done": label == "Done"}
        for index, label in enumerate(_DEFAULT_LABELS)
    ]
