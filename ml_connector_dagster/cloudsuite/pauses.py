"""Waiting, as one thing that can be called off."""

import threading

from ml_connector_dagster.model.errors import TransientError


class Pause:
    """Every wait of a gateway (for the budget, a retry, somebody else's login) is a call of one ``Pause``.

    A thread that waits a minute for its turn would hold up the end of a run; ``call_off`` wakes all of them.
    """

    def __init__(self) -> None:
        self._called_off = threading.Event()

    def __call__(self, seconds: float) -> None:
        """Wait. Raises TransientError at once when the waits were called off."""
        if self._called_off.wait(seconds):
            raise TransientError("the run is ending: waiting for CloudSuite was called off")

    def call_off(self) -> None:
        """End all waits, those to come included."""
        self._called_off.set()
