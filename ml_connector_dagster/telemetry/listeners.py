"""Who listens in this process: nobody, or an OpenTelemetry SDK (``exporting.py``). No SDK is imported here."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol


#: What may be said of something: never the content of a record, never a secret.
Fact = str | int | float | bool
Facts = Mapping[str, Fact]


class OpenSpan(Protocol):
    """A span that goes on."""

    def note(self, facts: Facts) -> None: ...

    def fail(self, kind: str) -> None:
        """It ends with an error of this class; the message stays out, since it may quote the other side."""
        ...


class Listener(Protocol):
    """What hears of spans and measurements."""

    def span(self, name: str, facts: Facts) -> AbstractContextManager[OpenSpan]: ...

    def add(self, name: str, amount: float, facts: Facts) -> None:
        """Add to a counter."""
        ...

    def set(self, name: str, value: float, facts: Facts) -> None:
        """Set a gauge."""
        ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class Current:
    """The one listener of this process."""

    listener: Listener | None = None
