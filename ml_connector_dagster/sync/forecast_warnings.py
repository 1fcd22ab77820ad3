"""What will not suffice, or is not known: said before a run starts."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import croniter

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.model.forecasts import ReadForecast
from ml_connector_dagster.sync.delivery_forecasts import Destined
from ml_connector_dagster.sync.extract import RESUME_WITHIN
from ml_connector_dagster.sync.flows import ReadMode


def warnings_of(
    flow: Flow,
    mode: ReadMode,
    timezone: ZoneInfo,
    reads: Sequence[ReadForecast],
    destined: Destined,
    seconds: float,
    now: datetime,
) -> Iterator[str]:
    """In the order of what one would do about it: quotas, limits of systems, what cannot be read or told, time."""
    yield from _of_quotas(destined)
    yield from _of_reads(reads)
    yield from (f"nothing is known of {problem}" for problem in destined.problems)
    yield from _of_time(flow, mode, timezone, seconds, now)


def _of_quotas(destined: Destined) -> Iterator[str]:
    for quota in destined.quotas:
        if not quota.suffices:
            left = max(0, quota.ceiling - (quota.used or 0))
            yield (
                f"{quota.system}: {quota.needed or 0:,} {quota.name} are needed and {left:,} are left of "
                f"{quota.limit:,}; cut the run into parts, or raise the limit"
            )
    for one in destined.deliveries:
        if one.seconds >= 60:
            yield (
                f"{one.destination}: {one.entity} takes at least {one.seconds / 60:.0f} minutes by the system's own "
                "limits a minute"
            )


def _of_reads(reads: Sequence[ReadForecast]) -> Iterator[str]:
    errors: dict[str, list[str]] = {}
    for one in reads:
        if one.error:
            errors.setdefault(one.error, []).append(f"{one.entity} of company {one.company}")
    for error, subjects in errors.items():
        yield f"{', '.join(subjects)} cannot be read: {error}"
    for one in reads:
        subject = f"{one.entity}, company {one.company}"
        if one.error:
            continue
        if one.basis == "unknown":
            yield (
                f"{subject}: how many rows come is not known, since {one.how} and nothing was read before; "
                f"{one.requests:,} requests are the least"
            )
        elif one.basis == "at least":
            yield (
                f"{subject}: counting stopped at {one.rows:,} rows, there are more; {one.requests:,} requests are the least"
            )


def _of_time(
    flow: Flow, mode: ReadMode, timezone: ZoneInfo, seconds: float, now: datetime
) -> Iterator[str]:
    if seconds > RESUME_WITHIN.total_seconds():
        yield (
            f"reading takes {seconds / 3600:.0f} hours: a read that is broken off is taken up again within "
            f"{RESUME_WITHIN.total_seconds() / 3600:.0f} hours; cut it into spans of days"
        )
    interval = _interval(flow, timezone, now)
    if mode is ReadMode.INCREMENTAL and interval is not None and seconds > interval.total_seconds():
        yield (
            f"reading takes {seconds / 60:.0f} minutes, and the schedule starts the next run after "
            f"{interval.total_seconds() / 60:.0f}"
        )


def _interval(flow: Flow, timezone: ZoneInfo, now: datetime) -> timedelta | None:
    """From the next tick of the flow's schedule to the one after it."""
    if flow.schedule is None:
        return None
    zone = ZoneInfo(flow.schedule.timezone) if flow.schedule.timezone else timezone
    local = now.astimezone(zone)
    gaps: list[timedelta] = []
    for expression in flow.schedule.cron_expressions:
        ticks = croniter(expression, local)
        first, second = ticks.get_next(datetime), ticks.get_next(datetime)
        gaps.append(second - first)
    return min(gaps)
