"""Days as the ERP writes them, and the stamps of who changed a row when."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from ml_connector_dagster.sandbox.erp.names import USERS


def number_of(day: date | None) -> int:
    """yyyyMMdd as a number; a blank date is 0."""
    return 0 if day is None else day.year * 10_000 + day.month * 100 + day.day


def day_of(number: int | str) -> date | None:
    """The day that yyyyMMdd names; None for blank or for what is no date."""
    digits = str(number)
    if len(digits) != 8 or not digits.isdigit():
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


class Calendar:
    """The days of the generated years, counted 0 (oldest) to ``last`` (today)."""

    def __init__(self, today: date, years: int, timezone: ZoneInfo, random: Random) -> None:
        self.first = today - timedelta(days=365 * years)
        self.last = (today - self.first).days
        days = [self.first + timedelta(offset) for offset in range(self.last + 400)]
        self.number = [number_of(day) for day in days]
        self.year = [day.year for day in days]
        self.month = [day.month for day in days]
        midnight = datetime.min.time()
        self.epoch = [
            int(datetime.combine(day, midnight, timezone).timestamp()) * 1000 for day in days
        ]
        self._random: Callable[[], float] = random.random

    def stamps(self, made: int, serial: int) -> dict[str, int | str]:
        """RGDT, RGTM, LMDT, CHNO, CHID, LMTS of a row made on day ``made``, changed at some time since.

        Of every 200 rows one was changed today, one yesterday, and one has no change date at all.
        """
        random = self._random
        last = self.last
        turn = serial % 200
        if turn == 2:
            changed = last
        elif turn == 4:
            changed = max(made, last - 1)
        else:
            rest = last - made
            # Most rows are left alone soon after they were made.
            changed = made + int(rest * random() ** 3) if rest > 0 else made
        if turn == 6:
            return {
                "RGDT": self.number[made],
                "RGTM": 80_000,
                "LMDT": 0,
                "CHNO": 0,
                "CHID": USERS[0],
                "LMTS": 0,
            }
        # Rows of today were changed in its first minute: never in the future of the clock.
        seconds = int(random() * (60 if changed == last else 79_200))
        milliseconds = self.epoch[changed] + seconds * 1000 + turn
        return {
            "RGDT": self.number[made],
            "RGTM": 80_000 + turn,
            "LMDT": self.number[changed],
            "CHNO": 1 + int(random() * 5),
            "CHID": USERS[turn % len(USERS)],
            "LMTS": milliseconds,
        }
