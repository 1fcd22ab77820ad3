"""The ERP lives on meanwhile: people change, add, touch and delete records, whatever happens to the connector."""

import threading
from collections import Counter
from random import Random
from typing import Final

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.chaos.outside import ENTITIES


#: What people delete. A supplier stays: its orders would name nobody.
DELETED: Final = tuple(name for name in ENTITIES if name != "suppliers")


class Life:
    """Changes in the ERP on a thread of its own, from ``start`` to ``stop``; chosen by ``seed``."""

    def __init__(self, sandbox: Sandbox, seed: int) -> None:
        self._sandbox = sandbox
        self._random = Random(f"life/{seed}")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="erp", daemon=True)
        self.done: Counter[str] = Counter()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _live(self) -> None:
        while not self._stop.wait(self._random.uniform(0.5, 2.0)):
            self._act()

    def _act(self) -> None:
        random, erp = self._random, self._sandbox.erp
        seed = random.randrange(1_000_000)
        # Deletions are rare: even one sweep after a whole run misses less than 20 records of a company, and may not brake.
        names, weights = ("changed", "inserted", "touched", "deleted"), (24, 8, 4, 1)
        what = random.choices(names, weights=weights)[0]
        entity = random.choice(DELETED if what == "deleted" else ENTITIES)
        if what == "changed":
            keys = erp.change(entity, random.randint(1, 6), seed=seed)
        elif what == "inserted":
            keys = erp.insert(entity, random.randint(1, 2), seed=seed)
        elif what == "deleted":
            keys = erp.delete(entity, 1, seed=seed)
        else:
            keys = erp.touch(entity, random.randint(1, 6), seed=seed)
        self.done[what] += len(keys)
