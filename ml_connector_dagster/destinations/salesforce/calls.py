"""Writing by sObject Collections: 200 records a call, several calls at a time, never two on one parent's children.

What Salesforce refuses in passing is sent again here, exactly the records concerned: a locked row after a pause, the
victims of "too many batch retries" in halves (reference/saas-destinations.md §1.2, §1.3).
"""

import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.destinations.applications.contract import (
    Change,
    ChangeKind,
    Placement,
    Status,
    Written,
)
from ml_connector_dagster.destinations.salesforce.refusals import Refused, explained
from ml_connector_dagster.destinations.salesforce.shapes import KEYLESS, json_record, parent_key
from ml_connector_dagster.destinations.salesforce.transport import MOST_RECORDS, Saved, Transport
from ml_connector_dagster.model.errors import OutcomeUnknownError, TransientError


#: A call that is refused as a whole is cut in halves at most so often, before the cause is taken to be common.
_MOST_CUTS: Final = 24
#: Said of a record that is updated by its id and was deleted, or merged into another one.
_GONE: Final = ("ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY")
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 10.0

Chunk = tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Records that are sent together; ``attempt`` counts how often they found a lock."""

    changes: Chunk
    attempt: int = 0


class Calls:
    """Writes changes of one placement. ``allowed`` raises when the org's daily requests are used up to our share."""

    def __init__(
        self,
        transport: Transport,
        *,
        workers: int,
        patience: float,
        allow_duplicates: bool,
        allowed: Callable[[], None],
        elapsed: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._transport = transport
        self._workers = workers
        self._patience = patience
        self._allow_duplicates = allow_duplicates
        self._allowed = allowed
        self._elapsed = elapsed
        self._draw = draw

    def write(self, placement: Placement, changes: Sequence[Change]) -> Iterator[list[Written]]:
        """The answers, call by call, as they come. What was answered before an error is yielded before it is raised."""
        answers: queue.SimpleQueue[list[Written] | Exception | None] = queue.SimpleQueue()
        halt = threading.Event()

        def work(chain: Sequence[Chunk]) -> None:
            try:
                for chunk in chain:
                    if halt.is_set():
                        return
                    for answered in self._chunk(placement, chunk):
                        answers.put(answered)
            except Exception as error:  # carried to the caller's thread
                halt.set()
                answers.put(error)
            finally:
                answers.put(None)

        plan = chains(placement, changes)
        failure: Exception | None = None
        with ThreadPoolExecutor(self._workers, thread_name_prefix="salesforce") as pool:
            try:
                for chain in plan:
                    pool.submit(work, chain)
                left = len(plan)
                while left:
                    answer = answers.get()
                    if answer is None:
                        left -= 1
                    elif isinstance(answer, Exception):
                        failure = failure or answer
                    else:
                        yield answer
            finally:
                halt.set()
        if failure is not None:
            raise failure

    def _chunk(self, placement: Placement, chunk: Chunk) -> Iterator[list[Written]]:
        """One chunk, until every record has its answer."""
        started = self._elapsed()
        pieces = deque([_Piece(changes=chunk)])
        cuts = 0
        while pieces:
            piece = pieces.popleft()
            self._allowed()
            try:
                saved = self._send(placement, piece.changes)
            except OutcomeUnknownError as error:
                yield [
                    Written(external_id=one.external_id, status=Status.UNKNOWN, reason=str(error))
                    for one in piece.changes
                ]
                continue
            except Refused as refused:
                cuts += 1
                if refused.status != 400 or cuts > _MOST_CUTS:
                    raise explained(refused, f"{placement.entity} were not delivered") from refused
                if len(piece.changes) == 1:
                    yield [_rejected(piece.changes[0], str(refused.problem))]
                    continue
                pieces.extend(_halves(piece.changes))
                continue
            late = self._elapsed() - started > self._patience
            answered, locked, victims = _sorted(
                piece, saved, late=late, by_id=placement.object in KEYLESS
            )
            if answered:
                yield answered
            if victims:
                pieces.extend(_halves(victims))
            if locked:
                bound = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**piece.attempt)
                self._transport.pause(bound * (0.5 + self._draw() / 2))
                pieces.append(_Piece(changes=locked, attempt=piece.attempt + 1))

    def _send(self, placement: Placement, changes: Chunk) -> list[Saved]:
        records = [json_record(placement, one) for one in changes]
        allow = self._allow_duplicates
        if placement.object not in KEYLESS:
            return self._transport.upsert(
                placement.object, placement.key_field, records, allow_duplicates=allow
            )
        if changes[0].kind is ChangeKind.CREATE:
            return self._transport.create(placement.object, records, allow_duplicates=allow)
        return self._transport.update(placement.object, records, allow_duplicates=allow)


def chains(placement: Placement, changes: Sequence[Change]) -> list[list[Chunk]]:
    """Chunks of at most 200; those of one chain go one after the other, chains at the same time.

    Children of one parent are in one chunk, or in one chain when they are too many.
    """
    families: dict[tuple[str, str], list[Change]] = {}
    for change in sorted(changes, key=lambda one: (parent_key(one), one.external_id)):
        # Objects without an external id are created and updated by different calls.
        kind = str(change.kind is ChangeKind.CREATE) if placement.object in KEYLESS else ""
        families.setdefault((kind, parent_key(change) or change.external_id), []).append(change)
    found: list[list[Chunk]] = []
    filling: list[Change] = []
    last_kind = ""
    for (kind, _), family in families.items():
        if filling and (len(filling) + len(family) > MOST_RECORDS or kind != last_kind):
            found.append([tuple(filling)])
            filling = []
        last_kind = kind
        if len(family) > MOST_RECORDS:
            starts = range(0, len(family), MOST_RECORDS)
            found.append([tuple(family[start : start + MOST_RECORDS]) for start in starts])
        else:
            filling += family
    if filling:
        found.append([tuple(filling)])
    return found


def _sorted(
    piece: _Piece, saved: Sequence[Saved], *, late: bool, by_id: bool
) -> tuple[list[Written], Chunk, Chunk]:
    """(answers, records that met a lock, victims of others in the same call)."""
    answered: list[Written] = []
    locked: list[Change] = []
    victims: list[Change] = []
    for change, one in zip(piece.changes, saved, strict=True):
        problem = one.problem
        if problem is None:
            answered.append(
                Written(external_id=change.external_id, status=Status.ACCEPTED, remote_id=one.id)
            )
        elif by_id and problem.code in _GONE and change.remote_id:
            answered.append(
                Written(external_id=change.external_id, status=Status.GONE, reason=str(problem))
            )
        elif problem.fails_the_call and len(piece.changes) > 1:
            victims.append(change)
        elif problem.is_passing and not problem.fails_the_call and not late:
            locked.append(change)
        else:
            answered.append(_rejected(change, str(problem)))
    return answered, tuple(locked), tuple(victims)


def _halves(changes: Chunk) -> list[_Piece]:
    if len(changes) == 1:
        return [_Piece(changes=changes)]
    middle = len(changes) // 2
    return [_Piece(changes=changes[:middle]), _Piece(changes=changes[middle:])]


def _rejected(change: Change, reason: str) -> Written:
    return Written(external_id=change.external_id, status=Status.REJECTED, reason=reason)


def stop_at(transport: Transport, ceiling: float) -> Callable[[], None]:
    """Raises TransientError when the org has used more than ``ceiling`` of its daily requests."""

    def check() -> None:
        usage = transport.usage
        if usage is not None and usage.used >= usage.limit * ceiling:
            raise TransientError(
                f"the org has used {usage.used:,} of its {usage.limit:,} API requests of 24 hours, and usage_ceiling "
                f"leaves {1 - ceiling:.0%} of them to others; the rest is delivered later"
            )

    return check
