"""Which day a row belongs to: numbers of reads and deliveries, split by the day of the ERP's modified stamp."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.receipts import DeliveryReport, Outcome
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.staging import Staging


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    """Rows of one day in a delivery: accepted in any way, changed at the destination, refused."""

    loaded: int = 0
    changed: int = 0
    rejected: int = 0

    def __add__(self, other: "DayCounts") -> "DayCounts":
        return DayCounts(
            loaded=self.loaded + other.loaded,
            changed=self.changed + other.changed,
            rejected=self.rejected + other.rejected,
        )


def nearest_day(stamp: str, days: Sequence[date]) -> date:
    """The one of ``days`` (sorted, not empty) that a row stamped ``stamp`` is counted on.

    Its own day, or the last one before it; a row that is older than all of them counts on the first, and one without
    a stamp ("") on the last: it came because it changed lately. So the parts always add up to the whole.
    """
    if not stamp:
        return days[-1]
    return days[max(bisect_right(days, date.fromisoformat(stamp)) - 1, 0)]


def rows_on_days(batches: Iterable[Batch], days: Sequence[date]) -> dict[date, int]:
    """Rows of ``batches`` on each of ``days``; days without rows are left out."""
    counted: dict[date, int] = {}
    for batch in batches:
        for stamp, rows in batch.rows_by_day.items():
            day = nearest_day(stamp, days)
            counted[day] = counted.get(day, 0) + rows
    return counted


def covers(window: Window, day: date) -> bool:
    """Whether everything of ``day`` is inside ``window``."""
    if day > window.last_day:
        return False
    start = window.start
    return start is None or start <= datetime.combine(day, time.min, start.tzinfo)


def delivered_by_day(
    staging: Staging, batch: Batch, report: DeliveryReport, destination: str, zone: ZoneInfo
) -> dict[str, DayCounts]:
    """Split ``report`` by the modified day of its records (ISO date, "" without a stamp).

    Only changed and refused records have receipts, so what is read back is bounded by them and by the batch.
    """
    touched: dict[str, DayCounts] = {}
    if len(batch.rows_by_day) > 1:
        touched = _from_receipts(staging, batch, destination, zone)
    elif batch.rows_by_day:
        counts = report.counts
        touched = {
            next(iter(batch.rows_by_day)): DayCounts(
                changed=counts.written, rejected=counts.rejected
            )
        }
    return {
        day: DayCounts(
            loaded=max(rows - touched.get(day, DayCounts()).rejected, 0),
            changed=touched.get(day, DayCounts()).changed,
            rejected=touched.get(day, DayCounts()).rejected,
        )
        for day, rows in batch.rows_by_day.items()
    }


def onto_days(
    counts: Mapping[str, DayCounts], days: Sequence[date], into: dict[date, DayCounts]
) -> None:
    """Add ``counts`` to ``into``, each on its nearest day."""
    for stamp, one in counts.items():
        day = nearest_day(stamp, days)
        into[day] = into.get(day, DayCounts()) + one


def _from_receipts(
    staging: Staging, batch: Batch, destination: str, zone: ZoneInfo
) -> dict[str, DayCounts]:
    receipts = staging.receipts(batch, destination)
    if not receipts.num_rows:
        return {}
    # A delivery that was done again has told the same story twice.
    outcomes = receipts.group_by("record_id").aggregate([("outcome", "max")])
    rows = staging.columns([batch], ["record_id", "_modified_at"]).read_all()
    stamps = rows.group_by("record_id").aggregate([("_modified_at", "max")])
    joined = outcomes.join(stamps, "record_id")
    local: Any = joined["_modified_at_max"].cast(pa.timestamp("us", zone.key))
    days: Any = pc.fill_null(pc.strftime(local, format="%Y-%m-%d"), "")
    counted = (
        pa.Table.from_arrays([days, joined["outcome_max"]], ["day", "outcome"])
        .group_by(["day", "outcome"])
        .aggregate([([], "count_all")])
    )
    split: dict[str, DayCounts] = {}
    for row in counted.to_pylist():
        rejected = row["outcome"] == Outcome.REJECTED.value
        rows_of = row["count_all"]
        one = DayCounts(rejected=rows_of) if rejected else DayCounts(changed=rows_of)
        split[row["day"]] = split.get(row["day"], DayCounts()) + one
    return split
