"""What the faults of all stand-ins have in common: from which match on, how often, and which of several comes first."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar


@dataclass(slots=True, kw_only=True)
class Switch:
    """When a fault happens. A stand-in adds what happens, and what it happens to.

    Attributes:
        nth: the first match that it hits, counted from 1.
        times: how many matches it hits; None for all until it is cleared.
        seen: how often it has matched.
        fired: how often it has hit.
        released: set when the fault is cleared; what is slow or stuck waits for it.
    """

    KINDS: ClassVar[tuple[str, ...]] = ()

    kind: str
    nth: int = 1
    times: int | None = 1
    seen: int = 0
    fired: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if self.kind not in self.KINDS:
            raise ValueError(f"unknown fault {self.kind!r}; there are {', '.join(self.KINDS)}")
        if self.nth < 1:
            raise ValueError("nth counts from 1")

    @property
    def spent(self) -> bool:
        """Whether it will not hit again."""
        return self.times is not None and self.fired >= self.times


FaultT = TypeVar("FaultT", bound=Switch)


class FaultQueue(Generic[FaultT]):
    """Faults in the order in which they were armed. Of several that match, the oldest one hits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[FaultT] = []

    def add(self, fault: FaultT) -> FaultT:
        """Arm a fault; its ``fired`` tells later what became of it."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Disarm everything; what is slow or stuck goes on."""
        with self._lock:
            for fault in self._faults:
                fault.released.set()
            self._faults.clear()

    def __iter__(self) -> Iterator[FaultT]:
        with self._lock:
            return iter(tuple(self._faults))

    def first(
        self, matches: Callable[[FaultT], bool], able: Callable[[FaultT], bool] = lambda fault: True
    ) -> FaultT | None:
        """The fault that hits now. One that matches and is not ``able`` to hit counts the match and waits."""
        with self._lock:
            for fault in self._faults:
                if fault.spent or not matches(fault):
                    continue
                fault.seen += 1
                if fault.seen >= fault.nth and able(fault):
                    fault.fired += 1
                    return fault
        return None
