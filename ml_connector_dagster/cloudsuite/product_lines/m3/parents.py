"""Parents that several chains of a read have in common: the accounts of the blank division, the suppliers of a company.

Each division has chains of its own, and each of them goes through the same parents; asked for once, they serve all.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pyarrow as pa

from ml_connector_dagster.cloudsuite.product_lines.measures import Meter


class SharedPages:
    """Answers by question, for as long as one read takes. Thread-safe: who comes second waits for the first one's answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: dict[str, Future[tuple[pa.Table, Meter]]] = {}

    def begin(self) -> None:
        """Another read begins: what the last one found may be out of date."""
        with self._lock:
            self._pages.clear()

    def take(
        self, question: str, ask: Callable[[Meter], pa.Table], meter: Meter, *, anew: bool = False
    ) -> pa.Table:
        """The answer to ``question``; ``ask`` brings it when nobody has asked yet, or when it is wanted ``anew``.

        The requests count for who asks; the moment of asking holds for all.
        """
        with self._lock:
            known = None if anew else self._pages.get(question)
            mine: Future[tuple[pa.Table, Meter]] = Future()
            if known is None:
                self._pages[question] = mine
        if known is not None:
            rows, earlier = known.result()
            meter.add_all(Meter(requested_at=earlier.requested_at))
            return rows
        taken = Meter()
        try:
            rows = ask(taken)
        except BaseException as error:
            with self._lock:
                self._pages.pop(question, None)
            mine.set_exception(error)
            raise
        meter.add_all(taken)
        mine.set_result((rows, taken))
        return rows
