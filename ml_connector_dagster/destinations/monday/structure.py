"""Boards and columns: described in the words that all applications share, and made by ``ml-connector setup``."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from ml_connector_dagster.destinations.applications.contract import (
    FieldFacts,
    FieldKind,
    ObjectFacts,
)
from ml_connector_dagster.destinations.monday.api import MondayApi, whole
from ml_connector_dagster.destinations.monday.boards import (
    ITEM_NAME,
    PARENT_ITEM,
    SUBITEMS_OF,
    Board,
    Boards,
    Column,
)
from ml_connector_dagster.destinations.monday.values import COLUMN_TYPES, KINDS
from ml_connector_dagster.model.errors import ConfigError


LONGEST_NAME: Final = 255
LONGEST_LONG_TEXT: Final = 2_000
MOST_LABELS: Final = 40
_COLOR_NAMES: Final = (
    "done_green working_orange stuck_red dark_blue purple grass_green bright_blue egg_yolk american_gray "
    "explosive saladish blackish dark_red sofia_pink lipstick dark_purple bright_green chili_blue brown "
    "dark_orange sunset bubble peach berry winter river navy aquamarine indigo dark_indigo pecan lavender royal "
    "steel orchid lilac tan sky coffee teal"
)
COLORS: Final = tuple(_COLOR_NAMES.split())

_BOARD: Final = """
mutation ($name: String!, $workspace: ID) {
  made: create_board(board_kind: public, board_name: $name, workspace_id: $workspace, empty: true) { id }
}
"""
_COLUMN: Final = """
mutation ($board: ID!, $title: String!, $type: ColumnType!, $defaults: JSON) {
  made: create_column(board_id: $board, title: $title, column_type: $type, defaults: $defaults) { id }
}
"""
_GROUP: Final = """
mutation ($board: ID!, $name: String!) {
  made: create_group(board_id: $board, group_name: $name) { id }
}
"""
_STATUS: Final = """
mutation ($board: ID!, $title: String!, $defaults: CreateStatusColumnSettingsInput) {
  made: create_status_column(board_id: $board, title: $title, defaults: $defaults) { id }
}
"""
_LABELS: Final = """
mutation ($board: ID!, $id: String!, $revision: String!, $settings: UpdateStatusColumnSettingsInput) {
  made: update_status_column(board_id: $board, id: $id, revision: $revision, settings: $settings) { id }
}
"""


class MondayStructure:
    """Implements ``Structure``."""

    def __init__(self, api: MondayApi, boards: Boards, workspace_id: str) -> None:
        self._api = api
        self._boards = boards
        self._workspace_id = workspace_id

    def describe(self, objects: Iterable[str]) -> Mapping[str, ObjectFacts]:
        """Every board that is there, columns by their titles."""
        names = list(dict.fromkeys(objects))
        self._boards.load(names)
        found = {name: board for name in names if (board := self._boards.find(name)) is not None}
        return {name: self._facts(name, board) for name, board in found.items()}

    def _facts(self, name: str, board: Board) -> ObjectFacts:
        fields = {column.title: self._field(column) for column in board.columns}
        if board.parent is not None:
            # Not a column: it says under which item a subitem is made.
            fields[PARENT_ITEM] = FieldFacts(
                name=PARENT_ITEM,
                kind=FieldKind.LINK,
                required=True,
                links_to=(board.parent.name,),
            )
        return ObjectFacts(
            name=name, fields=fields, label=name, url=board.url, groups=tuple(board.groups)
        )

    def _field(self, column: Column) -> FieldFacts:
        kind = KINDS.get(column.type, FieldKind.OTHER)
        is_name = column.type == "name"
        length = {FieldKind.LONG_TEXT: LONGEST_LONG_TEXT}.get(kind)
        return FieldFacts(
            name=column.title,
            kind=kind,
            label=column.title,
            length=LONGEST_NAME if is_name else length,
            choices=column.choices,
            required=is_name,
            writable=kind is not FieldKind.OTHER,
            key=column.type == "text",  # any text column can be searched, to the letter
            links_to=tuple(self._boards.name_of(number) for number in column.board_ids)
            if kind is FieldKind.LINK
            else (),
        )

    def create(self, wanted: ObjectFacts) -> None:
        """Make the board, its columns, labels and groups, as far as they are not there."""
        board = self._boards.find(wanted.name) or self._make_board(wanted.name)
        for field in wanted.fields.values():
            if field.name == PARENT_ITEM and board.parent is not None:
                continue
            found = [column for column in board.columns if column.title == field.name]
            if not found:
                self._make_column(board, field)
            elif found and field.kind is FieldKind.CHOICE and found[0].type == "status":
                self._add_labels(board, found[0], field)
        for group in wanted.groups:
            if group not in board.groups:
                self._do(_GROUP, {"board": board.id, "name": group})
        self._boards.forget()

    def _make_board(self, name: str) -> Board:
        if name.startswith(SUBITEMS_OF):
            parent = self._boards.get(name.removeprefix(SUBITEMS_OF))
            self._do(
                _COLUMN,
                {"board": parent.id, "title": "Subitems", "type": "subtasks", "defaults": None},
            )
        else:
            self._do(_BOARD, {"name": name, "workspace": self._workspace_id or None})
        self._boards.forget()
        return self._boards.get(name)

    def _make_column(self, board: Board, field: FieldFacts) -> None:
        if field.kind is FieldKind.CHOICE:
            labels = [_label(text, n, COLORS[n]) for n, text in enumerate(_checked(board, field))]
            variables = {"board": board.id, "title": field.name, "defaults": {"labels": labels}}
            self._do(_STATUS, variables)
            return
        defaults = None
        if field.kind is FieldKind.LINK:
            numbers = [int(self._boards.get(name).id) for name in field.links_to]
            defaults = json.dumps({"boardIds": numbers})
        self._do(
            _COLUMN,
            {
                "board": board.id,
                "title": field.name,
                "type": COLUMN_TYPES[field.kind],
                "defaults": defaults,
            },
        )

    def _add_labels(self, board: Board, column: Column, field: FieldFacts) -> None:
        missing = [text for text in _checked(board, field) if text not in column.choices]
        if not missing:
            return
        kept = [_kept(label) for label in column.labels]
        if len(kept) + len(missing) > MOST_LABELS:
            raise ConfigError(_too_many(board, field, len(kept) + len(missing)))
        indexes = {label["index"] for label in kept}
        free = [number for number in range(2 * MOST_LABELS) if number not in indexes]
        used = {label["color"] for label in kept}
        colors = [color for color in COLORS if color not in used]
        added = [
            _label(text, index, color)
            for text, index, color in zip(missing, free, colors, strict=False)
        ]
        self._do(
            _LABELS,
            {
                "board": board.id,
                "id": column.id,
                "revision": column.revision,
                "settings": {"labels": [*kept, *added]},
            },
        )

    def _do(self, mutation: str, variables: Mapping[str, Any]) -> None:
        whole(self._api.change(mutation, variables))

    def by_hand(self, wanted: Sequence[ObjectFacts]) -> str:
        """Boards and columns as a person makes them."""
        return "\n".join(line for board in wanted for line in _described(board))


def _checked(board: Board, field: FieldFacts) -> Sequence[str]:
    if len(field.choices) > MOST_LABELS:
        raise ConfigError(_too_many(board, field, len(field.choices)))
    return field.choices


def _too_many(board: Board, field: FieldFacts, number: int) -> str:
    return (
        f"board {board.name!r}, column {field.name!r}: {number} labels, a status takes {MOST_LABELS}; give several "
        "values one label in the mapping, or make it kind: text"
    )


def _label(text: str, index: int, color: str) -> dict[str, Any]:
    return {"label": text, "index": index, "color": color}


def _kept(label: Mapping[str, Any]) -> dict[str, Any]:
    """A label as it stands, in the shape in which labels are written."""
    names = ("id", "label", "index", "color", "is_done", "is_deactivated")
    return {name: label[name] for name in names if label.get(name) is not None}


def _described(board: ObjectFacts) -> Iterator[str]:
    yield f"Board {board.name!r} with the columns:"
    for field in board.fields.values():
        kind = COLUMN_TYPES.get(field.kind, field.kind.value).replace("_", " ")
        more = ""
        if field.choices:
            more = f" with the labels {', '.join(field.choices)}"
        elif field.links_to:
            more = f" to the board {' or '.join(map(repr, field.links_to))}"
        if field.name not in (ITEM_NAME, PARENT_ITEM):
            yield f"  - {field.name} ({kind}{more})"
    for group in board.groups:
        yield f"  and the group {group!r}"
