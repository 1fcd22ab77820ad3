"""Parents that several chains of a read have in common: the accounts of the blank division, the suppliers of a company.

Each division has chains of its own, and each of them goes through the same parents; asked for once, they serve all.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pyarrow as pa


class SharedPages:
    """Answers by question, for as long as one read takes. Thread-safe: who comes second waits for the first one's answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: dict[str, Future[pa.Table]] = {}

    def begin(self) -> None:
        """Another read begins: what the last one found may be out of date."""
        with self._lock:
            self._pages.clear()

    def take(self, question: str, ask: Callable[[], pa.Table], *, anew: bool = False) -> pa.Table:
        """The answer to ``question``; ``ask`` brings it when nobody has asked yet, or when it is wanted ``anew``."""
        with self._lock:
            known = None if anew else self._pages.get(question)
            mine: Future[pa.Table] = Future()
            if known is None:
                self._pages[question] = mine
        if known is not None:
            return known.result()
        try:
            mine.set_result(ask())
        except BaseException as error:
            with self._lock:
                self._pages.pop(question, None)
            mine.set_exception(error)
            raise
        return mine.result()
