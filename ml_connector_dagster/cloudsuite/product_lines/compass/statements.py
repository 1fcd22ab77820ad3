"""The SELECT that reads one table of a route: what is asked, of which rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ml_connector_dagster.cloudsuite.catalog.lake import (
    CompassRoute,
    LakeJoin,
    LakeTable,
    LakeValue,
)
from ml_connector_dagster.cloudsuite.product_lines.compass.answers import END_COLUMN, END_VALUE
from ml_connector_dagster.model.windows import Window


_END = f"'{END_VALUE}' AS {END_COLUMN}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """A statement. ``columns``: those of its result, without the one that marks the end of a row."""

    table: str
    columns: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"compass {self.table}"

    def __post_init__(self) -> None:
        if not self.columns:
            raise ValueError("a select needs a column")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a column stands: ``t`` is the table, ``j1`` the first one joined to it."""

    alias: str
    column: str

    def __str__(self) -> str:
        return f"{self.alias}.{self.column}"


def header_select(table: str) -> Select:
    """No rows of ``table``: the header tells its columns."""
    return Select(
        table=table, columns=("*",), text=f"SELECT t.*, {_END} FROM {table} t WHERE 1 = 0"
    )


def value_select(table: str, column: str, value: LakeValue) -> Select:
    """The rows of ``table`` with this value."""
    text = f"SELECT t.{column}, {_END} FROM {table} t WHERE t.{column} = {literal(value)}"
    return Select(table=table, columns=(column,), text=text)


def rows_select(
    table: str,
    route: CompassRoute,
    part: LakeTable,
    places: Sequence[Place],
    *,
    company: LakeValue,
    stamps: Sequence[Place] = (),
    window: Window | None = None,
) -> Select:
    """The columns at ``places`` of the records of a company; with a ``window``, of those with a stamp in it."""
    asked = ", ".join(str(place) for place in places)
    wanted = {place.alias for place in (*places, *stamps)}
    joins = "".join(_joined(alias, join) for alias, join in aliased(route.joins) if alias in wanted)
    conditions = [f"t.{route.company} = {literal(company)}"] if route.company else []
    conditions += [_equal(column, values) for column, values in part.where.items()]
    conditions += [
        f"t.{column} BETWEEN {literal(first)} AND {literal(last)}"
        for column, (first, last) in part.between.items()
    ]
    if stamps and window is not None:
        conditions.append(f"({within(stamps, route, window)})")
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return Select(
        table=table,
        columns=tuple(place.column for place in places),
        text=f"SELECT {asked}, {_END} FROM {table} t{joins}{where}",
    )


def count_select(select: Select) -> Select:
    """How many rows ``select`` has."""
    _, _, rest = select.text.partition(" FROM ")
    text = f"SELECT COUNT(*) AS ml_rows, {_END} FROM {rest}"
    return replace(select, columns=("ml_rows",), text=text)


def aliased(joins: Sequence[LakeJoin]) -> list[tuple[str, LakeJoin]]:
    """The joins with what a statement calls them."""
    return [(f"j{number}", join) for number, join in enumerate(joins, 1)]


def within(places: Sequence[Place], route: CompassRoute, window: Window) -> str:
    """That a change stamp at one of ``places`` lies in ``window``; what has none belongs to what is open to the past."""
    first = None if window.start is None else _stamp(window.start, route)
    return " OR ".join(
        f"{place} < {_stamp(_ceiling(window.end, route), route)} OR {place} IS NULL"
        if first is None
        else f"({place} >= {first} AND {place} < {_stamp(_ceiling(window.end, route), route)})"
        for place in places
    )


def literal(value: LakeValue) -> str:
    """A value as it stands in a statement."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def _joined(alias: str, join: LakeJoin) -> str:
    on = " AND ".join(f"{alias}.{column} = t.{column}" for column in join.by)
    return f" LEFT JOIN {join.table} {alias} ON {on}"


def _equal(column: str, values: Sequence[LakeValue]) -> str:
    if len(values) == 1:
        return f"t.{column} = {literal(values[0])}"
    return f"t.{column} IN ({', '.join(literal(value) for value in values)})"


def _ceiling(moment: datetime, route: CompassRoute) -> datetime:
    """The end of a window as the stamp can tell it: never earlier."""
    if route.changed_as == "moment":
        return moment + timedelta(microseconds=999)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return moment if moment == midnight else midnight + timedelta(days=1)


def _stamp(moment: datetime, route: CompassRoute) -> str:
    if route.changed_as == "day":
        return f"{moment:%Y%m%d}"
    at = moment.astimezone(UTC)
    return f"'{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z'"
