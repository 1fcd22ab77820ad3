"""One question to an ERP until its answer is whole and its own: asked again when it was cut on the way, or is an old one."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import pyarrow as pa

from ml_connector_dagster.cloudsuite.gateway import Reply
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.model.errors import ContractError


#: So many answers of one kind are remembered, to tell an old one that comes again.
_RECENT_ANSWERS = 16
_COMPARED_BYTES = 16 * 1024
#: An answer that is no whole JSON is asked for again: a proxy on the way cut it.
_READS_OF_ONE_ANSWER = 3


class Calls(Protocol):
    """The part of ``Gateway`` that a product line uses."""

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Reply: ...

    def post(
        self, path: str, *, json: Mapping[str, object], headers: Mapping[str, str] | None = None
    ) -> Reply: ...


class Answered(Protocol):
    """An answer that was taken apart."""

    @property
    def records(self) -> pa.Table: ...


AnswerT = TypeVar("AnswerT", bound=Answered)


class Asking:
    """Asks one tenant. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Taking answers apart is work, not waiting: more threads at a time would only get into each other's way.
        self._reading = threading.Lock()
        self._recent: dict[str, deque[tuple[int, int]]] = defaultdict(
            lambda: deque(maxlen=_RECENT_ANSWERS)
        )

    def begin(self) -> None:
        """A read begins. What came before is no old answer to it: two companies often hold the same, two entities are often
        both without changes, and each is usually read by a process of its own anyway."""
        with self._lock:
            self._recent.clear()

    def ask(
        self,
        send: Callable[[], Reply],
        read: Callable[[int, bytes], AnswerT],
        *,
        what: str,
        kind: str,
        question: object,
        meter: Meter,
    ) -> AnswerT:
        """The answer to ``question``, taken apart by ``read`` (from status and body; ContractError: it is not whole).

        ``kind``: questions of one kind can get each other's answers from a cache on the way. ``what`` names the call.
        """
        repeated = False
        for left in reversed(range(_READS_OF_ONE_ANSWER)):
            reply = send()
            meter.add(reply)
            try:
                with self._reading:
                    answer = read(reply.status, reply.body)
            except ContractError as error:
                if left == 0:
                    raise ContractError(f"{what}: {error}") from error
                continue
            old = self._is_old(kind, question, reply.body, answer.records.num_rows)
            if repeated or not old:
                return answer
            repeated = True
        raise ContractError(f"{what}: no answer to it could be told from an old one")

    def _is_old(self, kind: str, question: object, body: bytes, rows: int) -> bool:
        """Whether another question got the same answer just now: perhaps a cache on the way gave an old one.

        "No rows" looks the same to every question: there only the answer right before counts, and being
        sure costs one more request.
        """
        # Both ends tell answers apart; a mistake costs one more request.
        answer = hash((len(body), body[:_COMPARED_BYTES], body[-_COMPARED_BYTES:]))
        asked = hash(question)
        with self._lock:
            recent = self._recent[kind]
            compared = list(recent) if rows else list(recent)[-1:]
            recent.append((answer, asked))
        return any(known == answer and other != asked for known, other in compared)
