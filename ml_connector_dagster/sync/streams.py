"""Several generators consumed as one, each in its own thread, with bounded look-ahead.

The generators wait for the network; the consumer works. Nothing here knows what a page is.
"""

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar


S = TypeVar("S")
P = TypeVar("P")

#: Pages that may wait for the consumer, besides the one that each stream holds in its hand: enough to keep both
#: busy, few enough to bound memory.
LOOK_AHEAD = 1


@dataclass(frozen=True, slots=True)
class _Item(Generic[S, P]):
    source: S
    page: P


@dataclass(frozen=True, slots=True)
class _Failed:
    error: BaseException


class _Ended:
    pass


def pages_side_by_side(
    sources: Sequence[tuple[S, Callable[[S, str | None], Iterator[P]], str | None]],
    concurrency: int,
) -> Generator[tuple[S, P], None, None]:
    """Yield ``(source, page)`` of all ``sources`` as they come; pages of one source keep their order.

    Each source is ``(source, read, position)`` and is read by ``read(source, position)``. At most ``concurrency``
    are read at a time. The first error ends all of them and is raised here, after the pages that came before it.
    Closing the iterator ends the threads.
    """
    if not sources:
        return
    waiting: queue.SimpleQueue[tuple[S, Callable[[S, str | None], Iterator[P]], str | None]] = (
        queue.SimpleQueue()
    )
    for source in sources:
        waiting.put(source)
    workers = min(concurrency, len(sources))
    ready: queue.Queue[_Item[S, P] | _Failed | _Ended] = queue.Queue(maxsize=LOOK_AHEAD)
    stop = threading.Event()

    def put(item: _Item[S, P] | _Failed | _Ended) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            while not stop.is_set():
                try:
                    source, read, position = waiting.get_nowait()
                except queue.Empty:
                    break
                for page in read(source, position):
                    if not put(_Item(source, page)):
                        return
        except BaseException as error:
            put(_Failed(error))
        else:
            put(_Ended())

    threads = [
        threading.Thread(target=work, name=f"pages-{number}", daemon=True)
        for number in range(workers)
    ]
    for thread in threads:
        thread.start()
    ended = 0
    try:
        while ended < workers:
            item = ready.get()
            if isinstance(item, _Failed):
                raise item.error
            if isinstance(item, _Ended):
                ended += 1
            else:
                yield item.source, item.page
    finally:
        stop.set()
        for thread in threads:
            thread.join()
