"""A boundary: where work goes from one part of the house to another, or leaves it. One span, one log line at its end."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

from ml_connector_dagster.telemetry.listeners import Current, Fact, Facts, OpenSpan


#: Boundaries that are passed many times in a run are logged at DEBUG.
FREQUENT: Final = frozenset({"request", "statement"})

_LOG: Final = logging.getLogger("ml_connector_dagster.boundary")


class Boundary:
    """What is known of a boundary that is being passed."""

    __slots__ = ("_span", "facts")

    def __init__(self, facts: Facts, span: OpenSpan | None) -> None:
        self.facts: dict[str, Fact] = dict(facts)
        self._span = span

    def note(self, facts: Facts) -> None:
        """Add what has become known meanwhile."""
        self.facts.update(facts)
        if self._span is not None:
            self._span.note(facts)

    def fail(self, error: BaseException) -> None:
        """Say that it ended badly; the error itself goes on its own way."""
        self.note({"error": type(error).__name__})
        if self._span is not None:
            self._span.fail(type(error).__name__)


@contextmanager
def boundary(name: str, facts: Facts) -> Iterator[Boundary]:
    """Pass a boundary called ``name``: run, extract, batch, deliver, request or statement."""
    level = logging.DEBUG if name in FREQUENT else logging.INFO
    started = time.monotonic()
    listener = Current.listener
    with nullcontext() if listener is None else listener.span(name, facts) as span:
        passing = Boundary(facts, span)
        try:
            yield passing
        except BaseException as error:
            passing.fail(error)
            raise
        finally:
            _log(level, name, passing, started)


def verb_of(sql: str) -> str:
    """The first word of a statement: all of it that may be told."""
    return (sql.split(None, 1) or [""])[0][:20].upper()


def _log(level: int, name: str, passing: Boundary, started: float) -> None:
    if not _LOG.isEnabledFor(level):
        return
    facts = {**passing.facts, "seconds": round(time.monotonic() - started, 3)}
    words = " ".join(f"{key}={value}" for key, value in facts.items())
    _LOG.log(level, "%s %s", name, words, extra={"boundary": name, "facts": facts})
