"""What LookML is generated for: the tables and views of a flow's schema, in one shape."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.marts import Mart
from ml_connector_dagster.model.entities import (
    TRAILING_COLUMNS,
    Column,
    ColumnType,
    Entity,
)


#: Holds which sync the warehouse is at; the freshness proof asks for it through Looker.
MARKER_TABLE: Final = "_looker_sync"
MARKER_VIEW: Final = "sync_marker"
DELETED: Final = "_deleted_at"

_BOOKKEEPING: Final = frozenset(column.name for column in TRAILING_COLUMNS)
_REPLACED: Final = (
    Column(
        name="_replaced_at",
        type=ColumnType.TIMESTAMP,
        description="when a newer version took this one's place",
    ),
    Column(
        name="_replaced_by_batch",
        type=ColumnType.STRING,
        description="the batch that carried the newer version",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """A column. ``bookkeeping`` is the connector's, not the ERP's."""

    name: str
    type: ColumnType
    description: str
    bookkeeping: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table or view of the warehouse, and what a view of LookML is called over it.

    Attributes:
        view: the view's name; the explore's as well.
        table: in the warehouse.
        key: the columns that tell its rows apart.
        entity: whose rows it holds; None for a mart and the marker.
        mart: which mart it is, if it is one.
    """

    view: str
    table: str
    label: str
    group: str
    description: str
    columns: tuple[TableColumn, ...]
    key: tuple[str, ...]
    entity: Entity | None = None
    mart: Mart | None = None
    is_history: bool = False

    def has(self, column: str) -> bool:
        """Whether there is such a column."""
        return any(one.name == column for one in self.columns)

    @property
    def hides_deleted(self) -> bool:
        """Whether rows of records that the ERP has no longer must stay out of every question."""
        return self.entity is not None and not self.is_history


def tables_of(entities: Sequence[Entity], marts: Iterable[Mart]) -> tuple[Table, ...]:
    """The marker, the entities with their histories, and the marts."""
    found = [_MARKER]
    for entity in entities:
        found += [_current(entity), _history(entity)]
    return (*found, *(_mart(mart) for mart in marts))


_MARKER: Final = Table(
    view=MARKER_VIEW,
    table=MARKER_TABLE,
    label="Sync marker",
    group="Connector",
    description="Which sync the warehouse is at: asked after each load, before any schedule runs.",
    columns=(
        TableColumn(name="sync_id", type=ColumnType.STRING, description="id of the sync"),
        TableColumn(
            name="finished_at",
            type=ColumnType.TIMESTAMP,
            description="when everything of the sync was in the warehouse",
        ),
    ),
    key=("sync_id",),
)


def _current(entity: Entity) -> Table:
    return Table(
        view=entity.name,
        table=entity.name,
        label=entity.label,
        group="ERP records",
        description=f"{entity.description} Without the records that the ERP has no longer.",
        columns=_columns(entity.all_columns),
        key=("record_id",),
        entity=entity,
    )


def _history(entity: Entity) -> Table:
    return Table(
        view=f"{entity.name}_history",
        table=f"{entity.name}_history",
        label=f"{entity.label}: older versions",
        group="History",
        description=f"Replaced versions of records ({entity.label}): with the records there, every version ever loaded.",
        columns=_columns((*entity.all_columns, *_REPLACED)),
        # A batch replaces a record's version once.
        key=("record_id", "_replaced_by_batch"),
        entity=entity,
        is_history=True,
    )


def _mart(mart: Mart) -> Table:
    return Table(
        view=mart.name,
        table=mart.name,
        label=mart.label,
        group="Marts",
        description=mart.description,
        columns=tuple(
            TableColumn(name=one.name, type=one.type, description=one.description)
            for one in mart.columns
        ),
        key=mart.grain,
        mart=mart,
    )


def _columns(columns: Iterable[Column]) -> tuple[TableColumn, ...]:
    own = _BOOKKEEPING | {column.name for column in _REPLACED}
    return tuple(
        TableColumn(
            name=one.name,
            type=one.type,
            description=one.description,
            bookkeeping=one.name in own,
        )
        for one in columns
    )
