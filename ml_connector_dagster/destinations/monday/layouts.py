"""Where the fields of one placement stand on their board."""

from collections.abc import Mapping
from dataclasses import dataclass

from ml_connector_dagster.destinations.applications.contract import (
    Change,
    FieldKind,
    FieldValue,
    Placement,
)
from ml_connector_dagster.destinations.monday.boards import PARENT_ITEM, Board, Boards, Column
from ml_connector_dagster.destinations.monday.values import IMPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A board with the columns that a placement means.

    Attributes:
        title: the field that is the item's name.
        fields: the other fields → column.
        links: link fields → column; the parent of a subitem is none of them.
    """

    placement: Placement
    board: Board
    group_id: str
    key: Column
    title: str
    fields: Mapping[str, Column]
    links: Mapping[str, Column]

    @property
    def is_of_subitems(self) -> bool:
        return self.board.parent is not None

    @property
    def takes_files(self) -> bool:
        """Whether an import can fill every column."""
        used = (*self.fields.values(), *self.links.values())
        return not self.is_of_subitems and all(column.type in IMPORTED for column in used)

    def kind(self, name: str) -> FieldKind:
        return self.placement.fields[name]

    def name_of(self, change: Change) -> FieldValue:
        """The item's name."""
        return change.fields.get(self.title)

    def parent_of(self, change: Change) -> str:
        """The item under which a subitem stands; "" when the record names none."""
        link = change.links.get(PARENT_ITEM)
        return "" if link is None else link.remote_id


def layout_of(boards: Boards, placement: Placement) -> Layout:
    """Find board, group and columns; raises ConfigError for the first that is not there."""
    board = boards.get(placement.object)
    columns = {name: board.column(name) for name in placement.fields}
    title = next((name for name, column in columns.items() if column.type == "name"), "")
    return Layout(
        placement=placement,
        board=board,
        group_id=board.group_id(placement.group),
        key=board.column(placement.key_field),
        title=title,
        fields={name: column for name, column in columns.items() if name != title},
        links={name: board.column(name) for name in placement.links if name != PARENT_ITEM},
    )
