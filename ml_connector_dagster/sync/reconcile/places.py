"""What reconciliation asks of a destination, whatever it is."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from ml_connector_dagster.model.reconciliations import Group, Side
from ml_connector_dagster.sync.reconcile.books import Shape


#: A record as the destination holds it: ``books.FOUND``, and each amount as text.
FoundRow = Mapping[str, object]


class Place(Protocol):
    """One entity of one company at one destination. Everything is asked of the destination itself, now."""

    @property
    def shape(self) -> Shape: ...

    def groups(self) -> dict[tuple[int, str], Side]:
        """(period, currency) → count and sums of the live records."""
        ...

    def has_doubles(self) -> bool:
        """Whether a record is there more than once; asked after ``groups``."""
        ...

    def records(self, groups: Sequence[Group]) -> Iterator[list[FoundRow]]:
        """The records of ``groups``, those marked deleted included."""
        ...

    def records_of(self, record_ids: Sequence[str]) -> Iterator[list[FoundRow]]:
        """Those of ``record_ids`` that are there."""
        ...
