"""Partitions: company by day, and what a run makes of the keys it is given.

A day is a day of the ERP's modified stamp in the tenant's own time zone. With ``end_offset=1`` today is a
partition too: it is materialised again and again. A partition costs Dagster about 30 ms each time, so hours would
be too many.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

import dagster as dg

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.defs.names import PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG


def company_days(flow: Flow, timezone: str) -> dg.MultiPartitionsDefinition:
    """The partitions of everything that ``flow`` reads and delivers."""
    return dg.MultiPartitionsDefinition(
        {
            "company": dg.StaticPartitionsDefinition(list(flow.companies)),
            "day": dg.DailyPartitionsDefinition(
                start_date=flow.start_date.isoformat(), end_offset=1, timezone=timezone
            ),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRange:
    """Contiguous days of one company: one read of the ERP."""

    company: str
    first: date
    last: date

    @property
    def days(self) -> tuple[date, ...]:
        return tuple(
            self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)
        )


def partition_key(company: str, day: date) -> str:
    """The key of one partition, as Dagster spells it (dimensions in alphabetical order)."""
    return f"{company}|{day.isoformat()}"


def days_by_company(partition_keys: Iterable[str]) -> dict[str, tuple[date, ...]]:
    """Company → its days, sorted; companies in the order they first appear.

    Dagster hands the keys of an input in no particular order, and those of a ragged backfill in pieces.
    """
    days: dict[str, set[date]] = {}
    for key in partition_keys:
        company, _, day = str(key).rpartition("|")
        days.setdefault(company, set()).add(date.fromisoformat(day))
    return {company: tuple(sorted(found)) for company, found in days.items()}


def day_ranges(days: Mapping[str, tuple[date, ...]]) -> tuple[DayRange, ...]:
    """One range per company and contiguous run of days: each is asked for once."""
    ranges = []
    for company, found in days.items():
        # Consecutive days have the same distance to their position in the list.
        for _, run in groupby(enumerate(found), lambda pair: pair[1].toordinal() - pair[0]):
            block = [day for _, day in run]
            ranges.append(DayRange(company=company, first=block[0], last=block[-1]))
    return tuple(ranges)


def where_details_are(days: Mapping[str, tuple[date, ...]]) -> dict[str, str]:
    """Metadata for all partitions of a run that says which of them carry its tables; none when there is only one."""
    if sum(len(found) for found in days.values()) == 1:
        return {}
    newest = [partition_key(company, found[-1]) for company, found in days.items()]
    return {"details_on_partition": ", ".join(newest)}


def companies_of_run(tags: Mapping[str, str], companies: Iterable[str]) -> tuple[str, ...]:
    """The companies that a run with ``tags`` covers; all of ``companies`` when it has no partitions.

    A range over two dimensions is a rectangle: the companies between those of its two ends.
    """
    known = tuple(companies)
    single = tags.get(PARTITION_TAG)
    start, end = tags.get(RANGE_START_TAG, single), tags.get(RANGE_END_TAG, single)
    if start is None or end is None:
        return known
    first, last = start.rpartition("|")[0], end.rpartition("|")[0]
    if first not in known or last not in known:
        return known
    return known[known.index(first) : known.index(last) + 1]
