"""What is on a board, counted. Monday's own ``aggregate`` answers floating-point numbers, so items are read."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

from ml_connector_dagster.destinations.applications.contract import (
    FieldKind,
    Placement,
    Totals,
)
from ml_connector_dagster.destinations.monday.api import MondayApi
from ml_connector_dagster.destinations.monday.boards import Boards
from ml_connector_dagster.destinations.monday.layouts import layout_of
from ml_connector_dagster.destinations.monday.reading import key_of, rows_of_board
from ml_connector_dagster.destinations.monday.values import as_value


class MondayCensus:
    """Implements ``Census``: 500 items a call, only the key and the numbers of each."""

    def __init__(self, api: MondayApi, boards: Boards) -> None:
        self._api = api
        self._boards = boards

    def count(
        self, placement: Placement, *, prefix: str, numbers: Sequence[str], deleted_field: str
    ) -> Totals:
        if self._boards.find(placement.object) is None:
            zero = dict.fromkeys(numbers, Decimal(0))
            return Totals(rows=0, deleted=0, duplicates=0, sums=zero)
        layout = layout_of(self._boards, placement)
        columns = {name: layout.fields[name].id for name in numbers}
        mark = layout.fields[deleted_field].id if deleted_field else ""
        read = [layout.key.id, *columns.values(), *([mark] if mark else [])]
        keys: Counter[str] = Counter()
        deleted, sums = 0, dict.fromkeys(numbers, Decimal(0))
        for row in rows_of_board(self._api, layout, read):
            key = key_of(layout, row)
            if not key or not key.startswith(prefix):
                continue
            keys[key] += 1
            shown = {one["id"]: one for one in row["column_values"]}
            if mark and shown[mark].get("text"):
                deleted += 1
                continue
            for name, column_id in columns.items():
                value = as_value(FieldKind.NUMBER, shown[column_id])
                sums[name] += value if isinstance(value, Decimal) else Decimal(0)
        return Totals(
            rows=keys.total(),
            deleted=deleted,
            duplicates=sum(number > 1 for number in keys.values()),
            sums=sums,
        )
