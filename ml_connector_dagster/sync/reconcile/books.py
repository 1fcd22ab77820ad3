"""Both sides of one comparison, in a database file of its own: exact sums by group, in bounded memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from ml_connector_dagster.model.controls import Control
from ml_connector_dagster.model.entities import ColumnType
from ml_connector_dagster.model.reconciliations import Group, Side
from ml_connector_dagster.sync.scratch_databases import scratch_database


if TYPE_CHECKING:
    import duckdb


_TYPES: Final[Mapping[ColumnType, str]] = {
    ColumnType.INTEGER: "BIGINT",
    ColumnType.DECIMAL: "DECIMAL(27, 6)",
    ColumnType.DATE: "DATE",
    ColumnType.TIMESTAMP: "TIMESTAMPTZ",
    ColumnType.BOOLEAN: "BOOLEAN",
}

#: What stands in ``found`` besides the amounts, which follow as text.
FOUND: Final = ("record_id", "period", "currency", "deleted", "copies")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How a destination holds an entity, as far as it is compared.

    Attributes:
        amounts: the control totals that it has.
        grouped: it knows period and currency too; otherwise all is one group.
        decimals: of an amount that it keeps with fewer than six.
        marked: it can add up marks, too: what cancels out in the sums does not in these.
        archives: what does not belong there is archived, and a repair finds what somebody brought back.
        wanted: which of the flags of ``Books.enter`` says what belongs there; "" when all does.
    """

    amounts: tuple[str, ...]
    grouped: bool = True
    decimals: Mapping[str, int] = field(default_factory=dict)
    marked: bool = True
    archives: bool = False
    wanted: str = ""


class Books:
    """One entity and company. ``enter`` what the ERP has, ``close``, then look at one destination after the other.

    Use ``open_books``.
    """

    def __init__(
        self, connection: "duckdb.DuckDBPyConnection", control: Control, columns: Sequence[str]
    ) -> None:
        self.connection = connection
        self.control = control
        self.columns = tuple(columns)
        self._flags: tuple[str, ...] = ()
        self._period = 0
        self.has_open_groups = False

    def begin(self, flags: Sequence[str]) -> None:
        """Make the ERP's side; ``flags`` are columns that say for which destinations a record is meant."""
        self._flags = tuple(flags)
        columns = [f"{name} {self.sql_type(name)}" for name in self.columns]
        columns += [f"{name} BOOLEAN" for name in self._flags]
        self.connection.execute(
            "CREATE TABLE entered (position BIGINT, record_id VARCHAR, stamp TIMESTAMPTZ, "
            f"{', '.join(columns)})"
        )
        self.connection.execute("CREATE SEQUENCE positions")

    def sql_type(self, column: str) -> str:
        """DuckDB's type of a column of the ERP's side."""
        return _TYPES.get(self.control.entity.column(column).type, "VARCHAR")

    def enter(self, rows: pa.Table, flags: Mapping[str, pa.Array]) -> None:
        """Records of the ERP, as they are staged."""
        arriving = rows.select(["record_id", "_modified_at", *self.columns])
        for name in self._flags:
            arriving = arriving.append_column(name, flags[name])
        names = ", ".join((*self.columns, *self._flags))
        self.connection.register("arriving", arriving)
        self.connection.execute(
            f"INSERT INTO entered SELECT nextval('positions'), record_id, _modified_at, {names} FROM arriving"
        )
        self.connection.unregister("arriving")

    def close(self, period: int = 0) -> None:
        """Each record once (pages overlap): its newest version. ``period``: only this one is compared; 0: all."""
        self._period = period if self.control.has_period else 0
        self.connection.execute(
            f"""CREATE TABLE erp AS SELECT * EXCLUDE (turn) FROM (
                SELECT *, {self.control.period_sql()} AS period_of, {self.control.currency_sql()} AS currency_of,
                    row_number() OVER (PARTITION BY record_id ORDER BY stamp DESC NULLS LAST, position DESC) AS turn
                FROM entered
            ) WHERE turn = 1"""
        )

    def meant(self, shape: Shape) -> str:
        """The condition that a record of the ERP is to be compared with a destination."""
        only = f" AND period_of = {self._period}" if self._period else ""
        return (shape.wanted or "TRUE") + only

    def record_ids(self, shape: Shape) -> list[str]:
        """The records that belong to a destination."""
        query = f"SELECT record_id FROM erp WHERE {self.meant(shape)} ORDER BY 1"
        return [one for (one,) in self.connection.execute(query).fetchall()]

    def erp_groups(self, shape: Shape) -> dict[tuple[int, str], Side]:
        """The ERP's counts and sums, as a destination groups them."""
        group = "period_of, currency_of" if shape.grouped else "0, ''"
        return self._sides(f"SELECT {group}, {{}} FROM erp WHERE {self.meant(shape)}", shape, "")

    def found_groups(self, shape: Shape) -> dict[tuple[int, str], Side]:
        """The same of the records in ``found``."""
        return self._sides(
            "SELECT period, currency, {} FROM found WHERE NOT deleted", shape, "found_"
        )

    def _sides(self, query: str, shape: Shape, prefix: str) -> dict[tuple[int, str], Side]:
        columns = [prefix + name if prefix else rounded(name, shape) for name in shape.amounts]
        sums = "".join(f", coalesce(sum({column}), 0)" for column in columns)
        mark = f"sum({self.control.mark_sql(columns)})" if shape.marked else "0"
        found = self.connection.execute(query.format(f"count(*), {mark}{sums}") + " GROUP BY 1, 2")
        return {
            (int(period), str(currency)): Side(
                rows=rows, sums=tuple(map(Decimal, totals)), mark=Decimal(marked)
            )
            for period, currency, rows, marked, *totals in found.fetchall()
        }

    def open_groups(self, groups: Sequence[Group] | None) -> None:
        """The groups whose records are compared one by one; None: all."""
        self.has_open_groups = groups is not None
        self.connection.execute(
            "CREATE OR REPLACE TABLE open_groups (period BIGINT, currency VARCHAR)"
        )
        for group in groups or ():
            self.connection.execute(
                "INSERT INTO open_groups VALUES (?, ?)", [group.period, group.currency]
            )

    def forget_found(self, shape: Shape) -> None:
        """Make room for the records of another destination."""
        amounts = "".join(f", found_{name} DECIMAL(38, 6)" for name in shape.amounts)
        self.connection.execute(
            "CREATE OR REPLACE TABLE found (record_id VARCHAR, period BIGINT, currency VARCHAR,"
            f" deleted BOOLEAN, copies BIGINT{amounts})"
        )

    def find(self, shape: Shape, rows: Iterable[Mapping[str, object]]) -> None:
        """Records of the destination: ``FOUND``, and amounts as text."""
        names = (*FOUND, *shape.amounts)
        listed = [[row[name] for name in names] for row in rows]
        if not listed:
            return
        casts = "".join(f", CAST({name} AS DECIMAL(38, 6))" for name in shape.amounts)
        arriving = pa.table(
            {name: pa.array(column) for name, column in zip(names, zip(*listed, strict=True), strict=True)}
        )  # fmt: skip
        self.connection.register("arriving", arriving)
        self.connection.execute(f"INSERT INTO found SELECT {', '.join(FOUND)}{casts} FROM arriving")
        self.connection.unregister("arriving")


def rounded(name: str, shape: Shape, table: str = "") -> str:
    """An amount of the ERP as a destination keeps it."""
    decimals = shape.decimals.get(name)
    column = f"{table}.{name}" if table else name
    return column if decimals is None else f"round({column}, {decimals})"


def side_by_side(
    erp: Mapping[tuple[int, str], Side], found: Mapping[tuple[int, str], Side], amounts: int
) -> tuple[Group, ...]:
    """Every group that either side has, in order; a side that lacks it has nothing there."""
    nothing = Side(sums=(Decimal(0),) * amounts)
    return tuple(
        Group(
            period=period,
            currency=currency,
            erp=erp.get((period, currency), nothing),
            found=found.get((period, currency), nothing),
        )
        for period, currency in sorted({*erp, *found})
    )


@contextmanager
def open_books(folder: Path, control: Control, columns: Sequence[str]) -> Iterator[Books]:
    """A comparison in a database file of its own below ``folder``, gone at the end. ``columns``: those that are read."""
    with scratch_database(folder, "reconcile") as connection:
        yield Books(connection, control, columns)
