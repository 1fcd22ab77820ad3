"""How much an org holds, by aggregates: two queries however many records there are."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ml_connector_dagster.destinations.applications.contract import Placement, Totals
from ml_connector_dagster.destinations.salesforce import soql
from ml_connector_dagster.destinations.salesforce.refusals import Refused, explained
from ml_connector_dagster.destinations.salesforce.transport import Transport


class SalesforceCensus:
    """``applications.contract.Census`` for Salesforce."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def count(
        self, placement: Placement, *, prefix: str, numbers: Sequence[str], deleted_field: str
    ) -> Totals:
        """An object that is not there, or not visible, counts as empty."""
        key = placement.key_field
        where = f"FROM {placement.object} WHERE {key} LIKE {soql.beginning(prefix)}"
        marked = f", COUNT({deleted_field}) marked" if deleted_field else ""
        try:
            row = self._transport.count(
                f"SELECT COUNT({key}) records, COUNT_DISTINCT({key}) different{marked} {where}"
            )
            alive = f"{where} AND {deleted_field} = null" if deleted_field else where
            summed = ", ".join(f"SUM({name}) sum{place}" for place, name in enumerate(numbers))
            sums = self._transport.count(f"SELECT {summed} {alive}") if numbers else {}
        except Refused as refused:
            if refused.problem.code == "INVALID_TYPE":
                return Totals(
                    rows=0, deleted=0, duplicates=0, sums=dict.fromkeys(numbers, Decimal(0))
                )
            raise explained(refused, f"{placement.object} was not counted") from refused
        records = int(row["records"])
        return Totals(
            rows=records,
            deleted=int(row["marked"]) if deleted_field else 0,
            duplicates=records - int(row["different"]),
            sums={name: _number(sums[f"sum{place}"]) for place, name in enumerate(numbers)},
        )


def _number(cell: Any) -> Decimal:
    return Decimal(0) if cell is None else Decimal(str(cell))
