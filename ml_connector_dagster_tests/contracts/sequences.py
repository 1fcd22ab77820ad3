"""Any sequence of batches, crashes and repetitions leaves a warehouse equal to the oracle.

Several processes deliver in turn, each with what it believes to know of the tables; a warehouse with two ways in has
one for each. Which of them comes next, and where it dies on the way, is drawn.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st

from ml_connector_dagster.destinations.contract import Destination, Scope
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster_tests.contracts.destinations import (
    REGION,
    SUPPLIERS,
    Clock,
    Crash,
    Pair,
)
from ml_connector_dagster_tests.contracts.staged import DAYS, TENANT, StagedFiles, row


COMPANIES = ("100", "200")
MOMENTS = st.sampled_from(DAYS[:4])

#: One row: few keys, few contents, few moments, so that everything meets everything.
ROWS = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["1", "2", "3", "ä/%"]),
        "name": st.sampled_from([None, "a", "b", "'\n\u2028"]),
        "modified": st.none() | MOMENTS,
        "extracted": MOMENTS,
        "deleted": st.none() | st.just(DAYS[5]),
    }
)

Step = dict[str, Any]
#: Opens one process's destination, given the clock and the checkpoint that may kill it.
Open = Callable[[Callable[[], datetime], Callable[[str], None]], Destination]


def steps(checkpoints: Sequence[str], *, at_most: int = 6) -> st.SearchStrategy[list[Step]]:
    """Deliveries: of new rows, or of an earlier batch again; perhaps with a crash on the way."""
    step = st.fixed_dictionaries(
        {
            "rows": st.lists(ROWS, max_size=6),
            "company": st.sampled_from(COMPANIES),
            "wider": st.booleans(),
            "parts": st.integers(1, 2),
            "again": st.none() | st.integers(0, 5),
            "crash": st.none() | st.sampled_from(checkpoints),
            "process": st.integers(0, 1),
        }
    )
    return st.lists(step, min_size=2, max_size=at_most)


class CrashingPair(Pair):
    """Two processes on one side, the oracle on the other. A process dies where it is told to."""

    def __init__(self, folder: Path, processes: Sequence[Open]) -> None:
        self.crash_at: str | None = None
        clock = Clock()
        self.processes = [open_(clock, self._checkpoint) for open_ in processes]
        super().__init__(folder, clock, self.processes[0])

    def _checkpoint(self, point: str) -> None:
        if point == self.crash_at:
            self.crash_at = None
            raise Crash(point)

    def run(self, sequence: Sequence[Step]) -> None:
        """Take the steps, and look from every process at what became of it."""
        delivered: list[StagedFiles] = []
        for step in sequence:
            again = step["again"]
            if again is not None and again < len(delivered):
                staged = delivered[again]
            else:
                staged = self._stage(step)
                delivered.append(staged)
            self.clock.tick()
            self.tested = self.processes[step["process"] % len(self.processes)]
            if step["crash"] is not None:
                self.crash_at = step["crash"]
                with suppress(Crash):
                    self.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
                self.crash_at = None
            self.deliver_now(SUPPLIERS, staged)
        scopes = [Scope(tenant=TENANT), *(Scope(tenant=TENANT, company=one) for one in COMPANIES)]
        self.assert_equal(SUPPLIERS, scopes=scopes)
        rows = self.tested.rows(SUPPLIERS, scopes[0])
        for process in self.processes:
            assert process.rows(SUPPLIERS, scopes[0]) == rows
            process.close()

    def _stage(self, step: Step) -> StagedFiles:
        rows = [
            row(
                SUPPLIERS,
                one["key"],
                company=step["company"],
                modified=one["modified"],
                extracted=one["extracted"],
                deleted=one["deleted"],
                name=one["name"],
                **({REGION.name: one["name"]} if step["wider"] else {}),
            )
            for one in step["rows"]
        ]
        more = [REGION] if step["wider"] else []
        return self.stage(SUPPLIERS, rows, company=step["company"], more=more, parts=step["parts"])
