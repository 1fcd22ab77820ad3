"""Which fields of LookML a column becomes: a dimension, or the timeframes of a dimension group."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.lookml.names import identifier
from ml_connector_dagster.lookml.tables import Table, TableColumn
from ml_connector_dagster.model.entities import ColumnType


_TIMEFRAMES: Final = {
    ColumnType.DATE: ("raw", "date", "week", "month", "quarter", "year"),
    ColumnType.TIMESTAMP: ("raw", "time", "date", "week", "month", "quarter", "year"),
}
_MONTHS: Final = ("raw", "month", "quarter", "year")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a column is in its view. ``timeframes`` are those of a dimension group; none for a dimension."""

    column: TableColumn
    name: str
    timeframes: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of its fields."""
        if not self.timeframes:
            return (self.name,)
        return tuple(f"{self.name}_{timeframe}" for timeframe in self.timeframes)

    @property
    def exact(self) -> str:
        """The field whose value is the column's own."""
        return f"{self.name}_raw" if self.timeframes else self.name


def places(table: Table) -> Mapping[str, Place]:
    """Column → its place. No two columns share a field."""
    found: dict[str, Place] = {}
    plain = [one for one in table.columns if one.type not in _TIMEFRAMES]
    taken: set[str] = set()
    for column in plain:
        found[column.name] = Place(column=column, name=_free(column.name, taken))
        taken.add(found[column.name].name)
    for column in table.columns:
        if column.type in _TIMEFRAMES:
            found[column.name] = _group(column, taken)
            taken.update(found[column.name].fields)
    return {column.name: found[column.name] for column in table.columns}


def _free(column: str, taken: set[str]) -> str:
    """``_extra`` is ``extra``, unless the ERP has a column of that name."""
    name = column.lstrip("_")
    return identifier(name if name not in taken else f"connector_{name}")


def _group(column: TableColumn, taken: set[str]) -> Place:
    """``invoice_date`` is the group ``invoice``; it has no ``invoice_year`` where the ERP has one of its own."""
    whole = column.name.lstrip("_")
    is_month = column.type is ColumnType.DATE and whole.endswith("_month")
    timeframes = _MONTHS if is_month else _TIMEFRAMES[column.type]
    needed = {"raw", "month"} if is_month else {"raw", "date"}
    for name in (_stem(whole), whole, f"connector_{whole}"):
        kept = tuple(one for one in timeframes if f"{name}_{one}" not in taken)
        if needed <= set(kept):
            return Place(column=column, name=identifier(name), timeframes=kept)
    raise ValueError(f"no field name is left for column {column.name!r}")


def _stem(name: str) -> str:
    for ending in ("_date", "_month", "_at"):
        if name.endswith(ending):
            return name.removesuffix(ending)
    return name
