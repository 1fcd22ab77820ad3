"""A warehouse adds up itself; of groups that differ it is asked for the records."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from ml_connector_dagster.destinations.contract import Scope, Warehouse
from ml_connector_dagster.destinations.identifiers import literal
from ml_connector_dagster.model.controls import Control
from ml_connector_dagster.model.reconciliations import Group, Side
from ml_connector_dagster.sync.reconcile.books import Shape
from ml_connector_dagster.sync.reconcile.places import FoundRow


#: Rows of one query; SQL Runner and the like have limits of their own.
PAGE_ROWS: Final = 5_000

#: Record ids of one query.
IDS: Final = 500

#: More groups than this are not named one by one: then all records are asked for.
NAMED_GROUPS: Final = 40


class WarehousePlace:
    """``Place`` of a table. Sums travel as text: not every client keeps the digits of a decimal."""

    def __init__(
        self, warehouse: Warehouse, control: Control, scope: Scope, period: int = 0
    ) -> None:
        self._warehouse = warehouse
        self._control = control
        self._scope = scope
        self._period = period if control.has_period else 0
        self._facts = warehouse.inspect(control.entity, scope)
        self.shape = Shape(amounts=control.totals)

    @property
    def _is_empty(self) -> bool:
        """Nothing there; perhaps not even the table, which no query may then name."""
        return self._facts.rows + self._facts.deleted == 0

    def groups(self) -> dict[tuple[int, str], Side]:
        if self._is_empty:
            return {}
        sums = "".join(
            f", CAST(COALESCE(SUM(g.{name}), 0) AS VARCHAR) AS total_{number}"
            for number, name in enumerate(self.shape.amounts)
        )
        mark = self._control.mark_sql(
            [f"g.{name}" for name in self.shape.amounts], record_id="g.record_id"
        )
        found = asked(
            self._warehouse,
            f"SELECT g.ml_period, g.ml_currency, COUNT(*) AS ml_rows, CAST(SUM({mark}) AS VARCHAR) AS ml_mark{sums}"
            f" FROM ({self._rows()}) AS g"
            " WHERE g.ml_deleted = 0 GROUP BY g.ml_period, g.ml_currency",
            order="g.ml_period, g.ml_currency",
        )
        return {
            (int(row["ml_period"]), str(row["ml_currency"] or "")): Side(
                rows=int(row["ml_rows"]),
                sums=tuple(
                    Decimal(str(row[f"total_{number}"]))
                    for number in range(len(self.shape.amounts))
                ),
                mark=Decimal(str(row["ml_mark"])),
            )
            for row in found
        }

    def has_doubles(self) -> bool:
        return self._facts.duplicates > 0

    def records(self, groups: Sequence[Group]) -> Iterator[list[FoundRow]]:
        if self._is_empty:
            return
        named = " OR ".join(
            f"(g.ml_period = {one.period} AND g.ml_currency = {literal(one.currency)})"
            for one in groups
        )
        condition = f"({named})" if 0 < len(groups) <= NAMED_GROUPS else "1 = 1"
        last = ""
        while True:
            after = f" AND g.record_id > {literal(last)}" if last else ""
            page = self._found(f"{condition}{after}", f" ORDER BY g.record_id LIMIT {PAGE_ROWS}")
            yield page
            if len(page) < PAGE_ROWS:
                return
            last = str(page[-1]["record_id"])

    def records_of(self, record_ids: Sequence[str]) -> Iterator[list[FoundRow]]:
        for first in range(0, 0 if self._is_empty else len(record_ids), IDS):
            some = ", ".join(literal(one) for one in record_ids[first : first + IDS])
            yield self._found(f"g.record_id IN ({some})", "")

    def _found(self, condition: str, rest: str) -> list[FoundRow]:
        """Records, each once, with how often it is there."""
        amounts = "".join(
            f", CAST(MAX(g.{name}) AS VARCHAR) AS amount_{number}"
            for number, name in enumerate(self.shape.amounts)
        )
        found = _page(
            self._warehouse,
            "SELECT g.record_id, MAX(g.ml_period) AS ml_period, MAX(g.ml_currency) AS ml_currency,"
            f" MIN(g.ml_deleted) AS ml_deleted, COUNT(*) AS ml_rows{amounts}"
            f" FROM ({self._rows()}) AS g WHERE {condition} GROUP BY g.record_id{rest}",
        )
        return [
            {
                "record_id": str(row["record_id"]),
                "period": int(row["ml_period"]),
                "currency": str(row["ml_currency"] or ""),
                "deleted": bool(int(row["ml_deleted"])),
                "copies": int(row["ml_rows"]),
                **{
                    name: None if row[f"amount_{number}"] is None else str(row[f"amount_{number}"])
                    for number, name in enumerate(self.shape.amounts)
                },
            }
            for row in found
        ]

    def _rows(self) -> str:
        """The records of the scope with period, currency, whether they are marked deleted, and amounts."""
        control, scope = self._control, self._scope
        amounts = "".join(f", {name}" for name in self.shape.amounts)
        company = "" if scope.company is None else f" AND company = {literal(scope.company)}"
        period = f" AND {control.period_sql()} = {self._period}" if self._period else ""
        return (
            f"SELECT record_id, {control.period_sql()} AS ml_period, {control.currency_sql()} AS ml_currency,"
            f" CASE WHEN _deleted_at IS NULL THEN 0 ELSE 1 END AS ml_deleted{amounts}"
            f" FROM {control.entity.name} WHERE tenant = {literal(scope.tenant)}{company}{period}"
        )


def asked(warehouse: Warehouse, query: str, order: str) -> list[dict[str, Any]]:
    """All rows of a query, page by page: what one answer may hold is limited in places. Names in small letters."""
    rows: list[dict[str, Any]] = []
    while True:
        page = _page(warehouse, f"{query} ORDER BY {order} LIMIT {PAGE_ROWS} OFFSET {len(rows)}")
        rows += page
        if len(page) < PAGE_ROWS:
            return rows


def _page(warehouse: Warehouse, query: str) -> list[dict[str, Any]]:
    found = warehouse.ask(query).to_pylist()
    return [{name.lower(): value for name, value in row.items()} for row in found]
