"""What was learned about a tenant: asked once, kept for hours across processes, asked anew on demand."""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from ml_connector_dagster.cloudsuite.product_lines.knowledge import KnowledgeStore


T = TypeVar("T")

#: Programs and tables change with an upgrade or a project, not within a day.
KNOWN_FOR: Final = timedelta(hours=20)


class Learned:
    """Answers by question. Thread-safe: one question is asked by one thread.

    What is kept must be JSON, and not null: a null is a thing that was known once and has been taken back.
    """

    def __init__(self, store: KnowledgeStore, line: str) -> None:
        self._store = store
        self._line = line
        self._lock = threading.RLock()
        self._known: dict[str, object] = {}
        self._made: dict[str, object] = {}
        self._fresh = False

    def recall(self, question: str, ask: Callable[[], T]) -> T:
        """What is known of ``question``; ``ask`` finds it out."""
        with self._lock:
            if question not in self._known:
                self._known[question] = self._kept(question, ask)
            known: T = self._known[question]  # type: ignore[assignment]
            return known

    def once(self, name: str, make: Callable[[], T]) -> T:
        """``make`` it once in this process, and again after ``forget``; what is made is not kept."""
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            made: T = self._made[name]  # type: ignore[assignment]
            return made

    def forget(self) -> None:
        """Ask everything anew from now on."""
        with self._lock:
            self._fresh = True
            self._known.clear()
            self._made.clear()

    def take_back(self, question: str) -> None:
        """What was known of ``question`` has turned out wrong: it is asked again, by other processes too."""
        with self._lock:
            self._known.pop(question, None)
            self._store.save(self._key(question), "null")

    def _kept(self, question: str, ask: Callable[[], T]) -> T:
        key = self._key(question)
        text = None if self._fresh else self._store.load(key, younger_than=KNOWN_FOR)
        kept: T | None = json.loads(text or "null")
        if kept is not None:
            return kept
        answer = ask()
        self._store.save(key, json.dumps(answer, sort_keys=True))
        return answer

    def _key(self, question: str) -> str:
        return f"{self._line}/{question}"
