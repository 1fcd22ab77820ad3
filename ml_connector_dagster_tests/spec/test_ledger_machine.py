"""Any sequence of reads, commits, deliveries, failures and deaths leaves the ledger equal to a plain model of it."""

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ml_connector_dagster.ledger import Ledger, WindowRead
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts
from ml_connector_dagster.model.windows import Watermark
from ml_connector_dagster_tests.contracts.ledger_samples import (
    BOARD,
    COMPANY,
    ENTITY,
    TENANT,
    WAREHOUSE,
    Clock,
    batch,
    days,
    refused,
    stuck_source,
)


DESTINATIONS = (WAREHOUSE, BOARD)
WINDOWS = {"day": days(18, 18), "week": days(12, 18), "all": days(None, 18)}
#: window → the windows that lie inside it
INSIDE = {"day": {"day"}, "week": {"day", "week"}, "all": {"day", "week", "all"}}
RECORDS = ("1", "2", "3")
SLICES = ("s1", "s2")

windows = st.sampled_from(sorted(WINDOWS))
some_records = st.sets(st.sampled_from(RECORDS))


@dataclass
class Reading:
    """The model of an unfinished read."""

    read: WindowRead
    started_at: datetime
    progress: dict[str, str | None] = field(default_factory=dict)


@dataclass
class Stuck:
    """The model of an open letter of the extraction: where it was met last, by which read."""

    window: str
    read: int
    attempts: int


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.ledger = self.open()
        self.reading: dict[str, Reading] = {}
        self.batches: list[str] = []
        self.done: dict[str, set[str]] = {name: set() for name in DESTINATIONS}
        self.inserted = dict.fromkeys(DESTINATIONS, 0)
        self.until: datetime | None = None
        self.stuck: dict[str, Stuck] = {}
        #: (destination, record) → attempts
        self.refused: dict[tuple[str, str], int] = {}

    def open(self) -> Ledger:
        return Ledger.open(f"sqlite:///{self.folder}/ledger.db", now=self.clock)

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.folder)

    @rule()
    def the_process_dies_and_another_takes_over(self) -> None:
        self.ledger.close()
        self.ledger = self.open()

    @rule(hours=st.integers(1, 15))
    def time_passes(self, hours: int) -> None:
        self.clock.advance(hours=hours)

    @rule(window=windows)
    def begin(self, window: str) -> None:
        oldest = self.clock.at - timedelta(hours=20)
        self.reading = {name: one for name, one in self.reading.items() if one.started_at >= oldest}
        read = self.ledger.begin_read(
            tenant=TENANT,
            entity=ENTITY,
            company=COMPANY,
            window=WINDOWS[window],
            run_id="run-1",
            started_at=self.clock.at,
            resume_within=timedelta(hours=20),
        )
        known = self.reading.get(window)
        assert read.resumed is (known is not None)
        if known is None:
            self.reading[window] = Reading(read=read, started_at=self.clock.at)
            assert read.progress == {}
        else:
            assert read.id == known.read.id
            assert (read.started_at, dict(read.progress)) == (known.started_at, known.progress)

    @precondition(lambda self: self.reading)
    @rule(
        data=st.data(),
        met=some_records,
        positions=st.dictionaries(st.sampled_from(SLICES), st.none() | st.text(max_size=3)),
    )
    def commit_a_batch(
        self, data: st.DataObject, met: set[str], positions: dict[str, str | None]
    ) -> None:
        self.commit(data, met, positions, finished=False)

    @precondition(lambda self: self.reading)
    @rule(data=st.data(), met=some_records)
    def commit_the_last_batch(self, data: st.DataObject, met: set[str]) -> None:
        self.commit(data, met, {"s1": None, "s2": None}, finished=True)

    def commit(
        self,
        data: st.DataObject,
        met: set[str],
        positions: dict[str, str | None],
        *,
        finished: bool,
    ) -> None:
        window = data.draw(st.sampled_from(sorted(self.reading)))
        reading = self.reading[window]
        batch_id = f"b{len(self.batches):04}"
        mark = Watermark(
            tenant=TENANT, entity=ENTITY, company=COMPANY, complete_until=reading.started_at
        )
        self.ledger.commit_batch(
            batch(batch_id, window=WINDOWS[window]),
            read=reading.read,
            progress=positions,
            dead_letters=[stuck_source(one, window=WINDOWS[window]) for one in sorted(met)],
            finished=finished,
            watermark=mark if finished else None,
        )
        self.batches.append(batch_id)
        reading.progress |= positions
        for one in met:
            attempts = self.stuck[one].attempts + 1 if one in self.stuck else 1
            self.stuck[one] = Stuck(window=window, read=reading.read.id, attempts=attempts)
        if finished:
            del self.reading[window]
            self.until = max(self.until or reading.started_at, reading.started_at)
            self.stuck = {
                one: last
                for one, last in self.stuck.items()
                if last.window not in INSIDE[window] or last.read == reading.read.id
            }

    @precondition(lambda self: self.batches)
    @rule(
        data=st.data(),
        destination=st.sampled_from(DESTINATIONS),
        ending=st.sampled_from(["done", "failed", "died"]),
        bad=some_records,
    )
    def deliver(self, data: st.DataObject, destination: str, ending: str, bad: set[str]) -> None:
        batch_id = data.draw(st.sampled_from(self.batches))
        self.ledger.start_delivery(batch_id, destination, "run-2")
        if ending == "failed":
            self.ledger.fail_delivery(batch_id, destination, "out of reach")
        if ending != "done":
            return
        letters = self.ledger.dead_letters(destination=destination)
        self.ledger.finish_delivery(
            batch_id,
            destination,
            DeliveryReport(counts=OutcomeCounts(inserted=1)),
            dead_letters=[refused(one, destination=destination) for one in sorted(bad)],
            resolved=[letter.id for letter in letters],
        )
        if batch_id not in self.done[destination]:
            self.done[destination].add(batch_id)
            self.inserted[destination] += 1
        self.refused = {
            (where, one): attempts + (where == destination)
            for (where, one), attempts in self.refused.items()
            if where != destination or one in bad
        }
        for one in bad:
            self.refused.setdefault((destination, one), 1)

    @invariant()
    def pending_is_what_is_not_done(self) -> None:
        for destination in DESTINATIONS:
            pending = self.ledger.pending(
                destination=destination, tenant=TENANT, entity=ENTITY, companies=[COMPANY]
            )
            expected = [one for one in self.batches if one not in self.done[destination]]
            assert [one.batch_id for one in pending] == expected

    @invariant()
    def what_was_accepted_is_counted_once(self) -> None:
        for destination in DESTINATIONS:
            counts = self.ledger.delivered_counts(
                destination=destination, tenant=TENANT, entity=ENTITY, company=COMPANY
            )
            assert counts.inserted == self.inserted[destination]

    @invariant()
    def the_watermark_is_the_latest_that_was_proven(self) -> None:
        mark = self.ledger.watermark(TENANT, ENTITY, COMPANY)
        assert (None if mark is None else mark.complete_until) == self.until

    @invariant()
    def open_letters_are_those_not_yet_healed(self) -> None:
        letters = self.ledger.dead_letters()
        stuck = {one.fingerprint: one.attempts for one in letters if not one.destination}
        assert stuck == {one: last.attempts for one, last in self.stuck.items()}
        at_destinations = {
            (one.destination, one.record_id.rpartition("/")[2]): one.attempts
            for one in letters
            if one.destination
        }
        assert at_destinations == self.refused


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
