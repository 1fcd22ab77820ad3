"""What the doctor says: one line per thing that was looked at."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.model.errors import ConnectorError


class Verdict(StrEnum):
    """How bad it is. Only a problem makes the command fail."""

    OK = "ok"
    WARNING = "warning"  # works, but somebody should know
    PROBLEM = "problem"  # runs will fail, or a number may be wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One line. ``next_step`` says what to do about it; "" when it is fine."""

    area: str
    check: str
    verdict: Verdict
    detail: str
    next_step: str = ""


def fine(area: str, check: str, detail: str) -> Diagnosis:
    """Nothing to do."""
    return Diagnosis(area=area, check=check, verdict=Verdict.OK, detail=detail)


def warning(area: str, check: str, detail: str, next_step: str) -> Diagnosis:
    """Works, but somebody should know."""
    return Diagnosis(
        area=area, check=check, verdict=Verdict.WARNING, detail=detail, next_step=next_step
    )


def problem(area: str, check: str, detail: str, next_step: str) -> Diagnosis:
    """Does not work, or will not."""
    return Diagnosis(
        area=area, check=check, verdict=Verdict.PROBLEM, detail=detail, next_step=next_step
    )


def guarded(
    area: str, check: str, look: Callable[[], Iterable[Diagnosis]], next_step: str
) -> Iterator[Diagnosis]:
    """What ``look`` finds. An error of the systems below ends this look only and becomes its last line."""
    try:
        yield from look()
    except (ConnectorError, OSError) as error:
        yield problem(area, check, redact(str(error)), next_step)
