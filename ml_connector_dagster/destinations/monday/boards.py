"""Boards as our login sees them: by name, with their columns by title. Read once, and again after a change.

People name boards and columns; the API wants numbers and ids. A mapping says what people say, so the names are
looked up here. ``Subitems of X`` is the board behind the subitems of board X, whatever monday calls it in the
account's language.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from ml_connector_dagster.config.problems import did_you_mean, shown
from ml_connector_dagster.destinations.monday.api import MondayApi
from ml_connector_dagster.model.errors import ConfigError, ContractError


SUBITEMS_OF: Final = "Subitems of "
#: The field that is the item itself.
ITEM_NAME: Final = "Name"
#: The field of a subitems board that says under which item a subitem stands.
PARENT_ITEM: Final = "Parent item"
_PAGE: Final = 100

_NAMES: Final = """
query ($page: Int!, $limit: Int!, $workspaces: [ID]) {
  boards(limit: $limit, page: $page, workspace_ids: $workspaces) { id name type }
}
"""
_NAMES_AND_USE: Final = """
query ($page: Int!, $limit: Int!, $workspaces: [ID]) {
  platform_api { daily_limit { total } daily_analytics { by_day { day usage } } }
  boards(limit: $limit, page: $page, workspace_ids: $workspaces) { id name type }
}
"""
_DETAILS: Final = """
query ($ids: [ID!], $limit: Int!) {
  boards(ids: $ids, limit: $limit) {
    id name url type
    groups { id title archived deleted }
    columns { id title type settings revision archived }
  }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a board. ``labels`` of a status as they stand in its settings; ``board_ids`` of a relation."""

    id: str
    title: str
    type: str
    revision: str = ""
    labels: tuple[Mapping[str, Any], ...] = ()
    board_ids: tuple[str, ...] = ()

    @property
    def choices(self) -> tuple[str, ...]:
        """The labels that can be chosen, in order."""
        shown_labels = sorted(self.labels, key=lambda label: int(label.get("index") or 0))
        return tuple(
            str(label["label"])
            for label in shown_labels
            if label.get("label") and not label.get("is_deactivated")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board. ``parent`` is the board under whose items this one's items stand; None for an ordinary board."""

    id: str
    name: str
    url: str
    groups: Mapping[str, str]  # title → id, in order
    columns: tuple[Column, ...]
    parent: "Board | None" = None

    def column(self, title: str) -> Column:
        """The column that people call ``title``; raises ConfigError."""
        found = [column for column in self.columns if column.title == title]
        if len(found) == 1:
            return found[0]
        if found:
            raise ConfigError(
                f"board {shown(self.name)} has {len(found)} columns called {shown(title)}; rename all but one"
            )
        titles = [column.title for column in self.columns]
        raise ConfigError(
            f"board {shown(self.name)} has no column {shown(title)}{did_you_mean(title, titles)}; make it with: "
            "ml-connector setup"
        )

    def by_id(self, column_id: str) -> Column | None:
        """The column with this id."""
        return next((column for column in self.columns if column.id == column_id), None)

    def group_id(self, title: str) -> str:
        """The group that people call ``title``, the first one for ""; raises ConfigError."""
        if not title and self.groups:
            return next(iter(self.groups.values()))
        if title not in self.groups:
            raise ConfigError(
                f"board {shown(self.name)} has no group {shown(title)}{did_you_mean(title, self.groups)}; make it with: "
                "ml-connector setup"
            )
        return self.groups[title]


def utc_today() -> date:
    """The day in which calls are counted."""
    return datetime.now(UTC).date()


class Boards:
    """All that is known of the account's boards. ``daily_limit`` and ``used_today`` come with the first look."""

    def __init__(
        self, api: MondayApi, workspace_id: str, *, today: Callable[[], date] = utc_today
    ) -> None:
        self._api = api
        self._today = today
        self._workspaces = [workspace_id] if workspace_id else None
        self._ids: dict[str, list[str]] | None = None  # name → ids
        self._boards: dict[str, Board] = {}
        self.daily_limit: int | None = None
        self.used_today: int | None = None

    def get(self, name: str) -> Board:
        """The board called ``name``; raises ConfigError when there is none."""
        board = self.find(name)
        if board is None:
            raise ConfigError(
                f"there is no board {shown(name)}, or our login may not see it"
                f"{did_you_mean(name, self.names())}; make it with: ml-connector setup"
            )
        return board

    def find(self, name: str) -> Board | None:
        """The board called ``name``, when there is one; raises ConfigError when there are several."""
        if name not in self._boards:
            self.load([name])
        return self._boards.get(name)

    def names(self) -> Iterable[str]:
        """Every board that our login sees."""
        return tuple(self._known())

    def forget(self) -> None:
        """Something was changed: look again."""
        self._ids = None
        self._boards.clear()

    def load(self, names: Iterable[str]) -> None:
        """Look at several boards at once."""
        wanted = [name for name in names if name not in self._boards]
        plain = [name.removeprefix(SUBITEMS_OF) if self._behind(name) else name for name in wanted]
        numbers = {name: number for name in plain if (number := self._number(name)) is not None}
        found = self._details(list(dict.fromkeys(numbers.values())))
        for name, number in numbers.items():
            if number in found:
                self._boards[name] = found[number]
        for name in wanted:
            if self._behind(name):
                self._load_subitems(name)

    def _behind(self, name: str) -> bool:
        """Whether the name means the subitems of another board."""
        return name.startswith(SUBITEMS_OF)

    def _load_subitems(self, name: str) -> None:
        parent = self._boards.get(name.removeprefix(SUBITEMS_OF))
        column = (
            next((one for one in parent.columns if one.type == "subtasks"), None)
            if parent is not None
            else None
        )
        if parent is None or column is None or not column.board_ids:
            return
        behind = self._details([column.board_ids[0]]).get(column.board_ids[0])
        if behind is not None:
            self._boards[name] = Board(
                id=behind.id,
                name=name,
                url=parent.url,
                groups=behind.groups,
                columns=behind.columns,
                parent=parent,
            )

    def _number(self, name: str) -> str | None:
        ids = self._known().get(name, [])
        if len(ids) > 1:
            raise ConfigError(
                f"there are {len(ids)} boards called {shown(name)} (numbers {', '.join(ids)}): rename one, or set "
                "workspace_id of the connection"
            )
        return ids[0] if ids else None

    def _known(self) -> dict[str, list[str]]:
        if self._ids is None:
            self._ids = {}
            page, full = 1, True
            while full:
                boards = self._page(page)
                for board in boards:
                    if board.get("type") in (None, "board"):
                        self._ids.setdefault(str(board["name"]), []).append(str(board["id"]))
                full, page = len(boards) == _PAGE, page + 1
        return self._ids

    def _page(self, page: int) -> list[Mapping[str, Any]]:
        variables = {"page": page, "limit": _PAGE, "workspaces": self._workspaces}
        if self.daily_limit is None and page == 1:
            # Not every login may see the use of the whole account; what it costs to ask is nothing more.
            answer = self._api.try_to_ask(_NAMES_AND_USE, variables)
            self._learn_use(answer.get("platform_api"))
            if answer.get("boards") is not None:
                return list(answer["boards"])
        return list(self._api.ask(_NAMES, variables).get("boards") or [])

    def _learn_use(self, platform: Any) -> None:
        if not isinstance(platform, Mapping):
            return
        limit = platform.get("daily_limit")
        if isinstance(limit, Mapping) and isinstance(limit.get("total"), int):
            self.daily_limit = limit["total"]
        analytics = platform.get("daily_analytics")
        days = analytics.get("by_day") if isinstance(analytics, Mapping) else None
        for day in days or []:
            if day.get("day", "")[:10] == self._today().isoformat():
                self.used_today = int(day["usage"])

    def _details(self, numbers: list[str]) -> dict[str, Board]:
        found: dict[str, Board] = {}
        for start in range(0, len(numbers), _PAGE):
            portion = numbers[start : start + _PAGE]
            variables = {"ids": portion, "limit": len(portion)}
            for one in self._api.ask(_DETAILS, variables).get("boards") or []:
                found[str(one["id"])] = _board(one)
        return found

    def name_of(self, number: str) -> str:
        """What the board with this number is called; "" when our login does not see it."""
        return next((name for name, ids in self._known().items() if number in ids), "")


def _board(one: Mapping[str, Any]) -> Board:
    try:
        return Board(
            id=str(one["id"]),
            name=str(one["name"]),
            url=str(one["url"]),
            groups={
                str(group["title"]): str(group["id"])
                for group in one["groups"]
                if not group.get("archived") and not group.get("deleted")
            },
            columns=tuple(
                _column(column) for column in one["columns"] if not column.get("archived")
            ),
        )
    except (KeyError, TypeError) as error:
        raise ContractError(f"Monday.com describes a board in another shape: {error!r}") from error


def _column(one: Mapping[str, Any]) -> Column:
    settings = one.get("settings")
    given: Mapping[str, Any] = settings if isinstance(settings, Mapping) else {}
    return Column(
        id=str(one["id"]),
        # The item itself: people may call its column what they like, and monday calls it by the account's language.
        title=ITEM_NAME if one["type"] == "name" else str(one["title"]),
        type=str(one["type"]),
        revision=str(one.get("revision") or ""),
        labels=tuple(given.get("labels") or ()) if one["type"] == "status" else (),
        board_ids=tuple(str(number) for number in given.get("boardIds") or ()),
    )
