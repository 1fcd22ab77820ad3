"""The breaker of a tenant."""

from typing import Protocol

from ml_connector_dagster.model.breakers import BreakerState


class BreakerStore(Protocol):
    """Where the processes of one tenant share its breaker. The ledger implements it."""

    def load(self) -> BreakerState:
        """The stored state; ``BreakerState()`` when nothing is stored yet."""
        ...

    def swap(self, seen: BreakerState, new: BreakerState) -> bool:
        """Store ``new`` (its version is ``seen.version + 1``) if the stored version is still ``seen.version``.

        False, and nothing stored, when somebody else was faster.
        """
        ...
