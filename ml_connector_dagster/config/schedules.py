"""When a flow runs by itself, in words that become cron expressions."""

import re
from datetime import UTC, datetime
from typing import Annotated, Self

from croniter import CroniterBadDateError, croniter
from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.problems import did_you_mean, shown
from ml_connector_dagster.config.values import Flag, Timezone


WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")

#: Hours that divide a day evenly: "every 5 hours" would pause for 4 at midnight.
EVEN_HOURS = (1, 2, 3, 4, 6, 8, 12)


def _every(value: object) -> object:
    """``day``, ``week``, ``month_end`` or ``N hours`` with an N that divides a day."""
    if not isinstance(value, str):
        return value
    hours = re.fullmatch(r"([0-9]{1,6}) hours?", value)
    if hours and int(hours[1]) in EVEN_HOURS:
        return f"{int(hours[1])} hours"
    if hours:
        even = ", ".join(str(one) for one in EVEN_HOURS)
        raise ValueError(
            f"{shown(value)} does not divide a day evenly; write {even} hours, day, or a cron:"
        )
    if value not in ("day", "week", "month_end"):
        hint = did_you_mean(value, ("day", "week", "month_end", "6 hours"))
        raise ValueError(f"unknown {shown(value)}{hint}")
    return value


def _weekday(value: object) -> object:
    if not isinstance(value, str):
        return value
    for day in WEEKDAYS:
        if value.casefold() in (day, day[:3]):
            return day
    raise ValueError(f"unknown weekday {shown(value)}{did_you_mean(value, WEEKDAYS)}")


def _time_of_day(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"([01]?[0-9]|2[0-3]):[0-5][0-9]", value):
        raise ValueError(f"{shown(value)} is not a time of day; write it like 06:00")
    return value.zfill(5)


def _cron(value: object) -> object:
    """Five fields, as Dagster takes them, with a day that comes."""
    if not isinstance(value, str):
        return value
    if len(value.split()) != 5:
        raise ValueError(
            f"{shown(value)} is not a cron expression: five fields, like */15 * * * * "
            "(minute hour day month weekday)"
        )
    if not croniter.is_valid(value):
        raise ValueError(
            f"{shown(value)} is not a cron expression: minute 0-59, hour 0-23, day 1-31, "
            "month 1-12, weekday 0-6"
        )
    try:
        croniter(value, datetime(2024, 1, 1, tzinfo=UTC)).get_next()
    except CroniterBadDateError as error:
        raise ValueError(f"{shown(value)} never comes: no month has that day") from error
    return " ".join(value.split())


class Schedule(StrictModel):
    """Either ``every`` or ``cron``. Whoever wants something else writes a cron."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["every"]}, {"required": ["cron"]}]},
    )

    every: Annotated[str, BeforeValidator(_every)] = Field(
        default="",
        description="day, week, N hours (1, 2, 3, 4, 6, 8 or 12), or month_end: each morning from the "
        "28th to the 5th, that is the run-up to the cut-off and the days on which the close is posted.",
        json_schema_extra={"pattern": r"^(day|week|month_end|(1|2|3|4|6|8|12) hours?)$"},
    )
    cron: Annotated[str, BeforeValidator(_cron)] = Field(
        default="",
        description="Five cron fields (minute hour day month weekday), instead of every.",
        json_schema_extra={"examples": ["*/15 * * * *"]},
    )
    at: Annotated[str, BeforeValidator(_time_of_day)] = Field(
        default="06:00",
        description='With every: the time of day, like "06:00"; with N hours, one of the times.',
    )
    on: Annotated[str, BeforeValidator(_weekday)] = Field(
        default="monday", description="With every: week, the weekday."
    )
    timezone: Timezone = Field(
        default="", description="IANA name; the source's timezone when left out."
    )
    enabled: Flag = Field(
        default=False,
        description="Whether the schedule is on when the flow is first seen; the Dagster UI can turn it on and off.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        given = self.model_fields_set
        if bool(self.every) == bool(self.cron):
            raise ValueError("give either every: or cron:")
        if self.cron and "at" in given:
            raise ValueError("at: goes with every:; a cron says its own time")
        if "on" in given and self.every != "week":
            raise ValueError("on: goes with every: week")
        return self

    @property
    def cron_expressions(self) -> tuple[str, ...]:
        """One or more cron expressions, to be read in ``timezone``; due when any of them is."""
        if self.cron:
            return (self.cron,)
        hour, minute = (int(part) for part in self.at.split(":"))
        if self.every == "day":
            return (f"{minute} {hour} * * *",)
        if self.every == "week":
            return (f"{minute} {hour} * * {WEEKDAYS.index(self.on)}",)
        if self.every == "month_end":
            # A cron day range cannot wrap around the month's end, and "last day" is no standard field.
            return (f"{minute} {hour} 28-31 * *", f"{minute} {hour} 1-5 * *")
        step = int(self.every.split()[0])
        hours = ",".join(str(one) for one in range(hour % step, 24, step))
        return (f"{minute} {hours} * * *",)
