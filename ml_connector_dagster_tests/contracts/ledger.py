"""What every ledger must do, whichever database holds it. A database's test inherits ``LedgerContract``, gives ``url``.

The history: reads, batches, watermarks, deliveries and dead letters. What processes share is in ``ledger_shared``.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from ml_connector_dagster.ledger import Ledger, ReadState, RemoteRecord, WindowRead
from ml_connector_dagster.model.receipts import (
    DeadLetter,
    DeliveryReport,
    DeliveryState,
    NewDeadLetter,
    OutcomeCounts,
)
from ml_connector_dagster.model.remote_records import Intent, RemoteState
from ml_connector_dagster.model.windows import Watermark, Window
from ml_connector_dagster_tests.contracts.ledger_samples import (
    BOARD,
    COMPANY,
    ENTITY,
    NOON,
    TENANT,
    WAREHOUSE,
    Clock,
    batch,
    days,
    refused,
    stuck_source,
)


def begin(ledger: Ledger, window: Window | None = None, at: datetime = NOON) -> WindowRead:
    return ledger.begin_read(
        tenant=TENANT,
        entity=ENTITY,
        company=COMPANY,
        window=window or days(18, 18),
        run_id="run-1",
        started_at=at,
        resume_within=timedelta(hours=20),
    )


def commit(
    ledger: Ledger,
    read: WindowRead,
    batch_id: str,
    *,
    letters: Sequence[NewDeadLetter] = (),
    progress: dict[str, str | None] | None = None,
    finished: bool = False,
    until: datetime | None = None,
) -> None:
    mark = None
    if until is not None:
        mark = Watermark(tenant=TENANT, entity=ENTITY, company=COMPANY, complete_until=until)
    ledger.commit_batch(
        batch(batch_id, window=read.window),
        read=read,
        progress=progress or {},
        dead_letters=letters,
        finished=finished,
        watermark=mark,
    )


def pending(ledger: Ledger, destination: str = WAREHOUSE) -> list[str]:
    found = ledger.pending(
        destination=destination, tenant=TENANT, entity=ENTITY, companies=[COMPANY]
    )
    return [one.batch_id for one in found]


def report(inserted: int = 3, **counts: int) -> DeliveryReport:
    return DeliveryReport(
        counts=OutcomeCounts(inserted=inserted, **counts), receipts="receipts/w/0.parquet"
    )


def deliver(
    ledger: Ledger,
    batch_id: str,
    destination: str = WAREHOUSE,
    *,
    letters: Sequence[NewDeadLetter] = (),
    resolved: Sequence[int] = (),
    answer: DeliveryReport | None = None,
) -> None:
    ledger.start_delivery(batch_id, destination, "run-2")
    ledger.finish_delivery(
        batch_id, destination, answer or report(), dead_letters=letters, resolved=resolved
    )


def only(letters: tuple[DeadLetter, ...]) -> DeadLetter:
    assert len(letters) == 1
    return letters[0]


class LedgerContract:
    """Inherit, and give the fixture ``url``: a fresh, empty database."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def ledger(self, url: str, clock: Clock) -> Iterator[Ledger]:
        with Ledger.open(url, now=clock) as opened:
            yield opened

    # Reads

    def test_an_unfinished_read_of_the_same_window_goes_on_where_it_stopped(
        self, ledger: Ledger
    ) -> None:
        commit(ledger, begin(ledger), "b1", progress={"s1": "page 3", "s2": "page 1"})
        commit(ledger, begin(ledger), "b2", progress={"s1": None})
        again = begin(ledger, at=NOON + timedelta(hours=19))
        assert again.resumed
        assert again.progress == {"s1": None, "s2": "page 1"}
        assert again.started_at == NOON  # what changed after it first began is not promised

    @pytest.mark.parametrize(
        ("case", "window", "after"),
        [
            ("another window", days(17, 18), timedelta(0)),
            ("a window open to the past", days(None, 18), timedelta(0)),
            ("too late", days(18, 18), timedelta(hours=21)),
        ],
    )
    def test_what_cannot_be_resumed_begins_anew(
        self, ledger: Ledger, case: str, window: Window, after: timedelta
    ) -> None:
        commit(ledger, begin(ledger), "b1", progress={"s1": None})
        read = begin(ledger, window, NOON + after)
        assert not read.resumed, case
        assert read.progress == {}
        assert read.started_at == NOON + after

    def test_a_window_is_the_same_in_another_time_zone(self, ledger: Ledger) -> None:
        local = days(18, 18)
        assert local.start is not None
        first = begin(ledger, local)
        in_utc = Window(start=local.start.astimezone(UTC), end=local.end.astimezone(UTC))
        assert begin(ledger, in_utc).id == first.id

    def test_a_finished_read_is_not_resumed(self, ledger: Ledger) -> None:
        commit(ledger, begin(ledger), "b1", finished=True)
        assert not begin(ledger).resumed

    def test_a_read_too_old_to_resume_is_closed(self, ledger: Ledger) -> None:
        begin(ledger, days(17, 17))
        begin(ledger, days(18, 18), NOON + timedelta(hours=21))
        begin(ledger, days(17, 17), NOON + timedelta(hours=1))  # a clock that went back
        reads = ledger.status(TENANT).reads
        assert [read.state for read in reads] == [ReadState.OPEN]
        assert reads[0].window == days(17, 17)

    # Batches and watermarks

    def test_a_batch_comes_back_as_it_was(self, ledger: Ledger) -> None:
        commit(ledger, begin(ledger), "b1")
        (found,) = ledger.batches(tenant=TENANT)
        assert found == batch("b1")
        assert found.window.first_day == days(18, 18).first_day  # local dates survive

    def test_batches_are_found_by_scope_and_window_oldest_first(self, ledger: Ledger) -> None:
        for batch_id, window in (
            ("b3", days(18, 18)),
            ("b1", days(None, 10)),
            ("b2", days(11, 17)),
        ):
            commit(ledger, begin(ledger, window), batch_id, finished=True)

        def ids(**conditions: str | Window) -> list[str]:
            found = ledger.batches(tenant=TENANT, **conditions)  # type: ignore[arg-type]  # a table of cases
            return [one.batch_id for one in found]

        assert ids() == ["b1", "b2", "b3"]
        assert ids(entity="customers") == []
        assert ids(company="200") == []
        assert ids(window=days(17, 18)) == ["b2", "b3"]
        assert ids(window=days(1, 1)) == ["b1"]
        assert ids(window=days(None, 11)) == ["b1", "b2"]
        assert ids(window=days(19, 20)) == []
        assert ledger.batch_ids() == {"b1", "b2", "b3"}

    def test_a_watermark_moves_with_the_batch_that_proves_it_and_never_back(
        self, ledger: Ledger
    ) -> None:
        assert ledger.watermark(TENANT, ENTITY, COMPANY) is None
        for batch_id, until, expected in (
            ("b1", NOON, NOON),
            ("b2", NOON - timedelta(days=3), NOON),
            ("b3", NOON + timedelta(microseconds=1), NOON + timedelta(microseconds=1)),
        ):
            commit(ledger, begin(ledger), batch_id, finished=True, until=until)
            mark = ledger.watermark(TENANT, ENTITY, COMPANY)
            assert mark is not None
            assert mark.complete_until == expected
        assert ledger.watermark(TENANT, ENTITY, "200") is None

    def test_an_unfinished_read_cannot_move_the_watermark(self, ledger: Ledger) -> None:
        read = begin(ledger)
        with pytest.raises(ValueError, match="only a finished read"):
            commit(ledger, read, "b1", until=NOON)
        assert ledger.batches(tenant=TENANT) == ()

    def test_a_commit_that_fails_leaves_nothing(self, ledger: Ledger) -> None:
        read = begin(ledger)
        commit(ledger, read, "b1", progress={"s1": "page 1"})
        broken = replace(stuck_source("f1"), window_end=datetime(2026, 1, 1))  # noqa: DTZ001 -- what must fail
        with pytest.raises(Exception, match="needs a zone"):
            commit(
                ledger,
                read,
                "b2",
                letters=[broken],
                progress={"s1": None},
                finished=True,
                until=NOON,
            )
        assert ledger.batch_ids() == {"b1"}
        assert ledger.watermark(TENANT, ENTITY, COMPANY) is None
        assert ledger.dead_letters() == ()
        assert begin(ledger).progress == {"s1": "page 1"}

    def test_a_batch_is_written_down_once(self, ledger: Ledger) -> None:
        read = begin(ledger)
        commit(ledger, read, "b1", progress={"s1": "page 1"})
        with pytest.raises(IntegrityError):
            commit(ledger, read, "b1", progress={"s1": None})
        assert begin(ledger).progress == {"s1": "page 1"}

    # Deliveries

    def test_a_batch_is_pending_until_its_delivery_is_done(self, ledger: Ledger) -> None:
        commit(ledger, begin(ledger), "b1")
        assert pending(ledger) == ["b1"]
        ledger.start_delivery("b1", WAREHOUSE, "run-2")
        assert pending(ledger) == ["b1"]  # the process may have died
        ledger.fail_delivery("b1", WAREHOUSE, "TransientError: out of reach")
        assert pending(ledger) == ["b1"]
        deliver(ledger, "b1")
        assert pending(ledger) == []
        assert pending(ledger, BOARD) == ["b1"]
        (delivery,) = ledger.deliveries(batch_ids=["b1"])
        assert delivery.state is DeliveryState.DONE
        assert delivery.attempts == 2
        assert delivery.error is None
        assert delivery.counts.inserted == 3
        assert delivery.receipts == "receipts/w/0.parquet"

    def test_pending_batches_are_oldest_first_and_include_those_of_no_rows(
        self, ledger: Ledger
    ) -> None:
        read = begin(ledger)
        for batch_id in ("b3", "b1", "b2"):
            empty = replace(batch(batch_id, window=read.window), rows=0, parts=())
            ledger.commit_batch(
                empty, read=read, progress={}, dead_letters=(), finished=False, watermark=None
            )
        assert pending(ledger) == ["b1", "b2", "b3"]

    def test_a_replay_is_for_its_destination_only(self, ledger: Ledger) -> None:
        ledger.record_replay(batch("r1", for_destination=WAREHOUSE))
        assert pending(ledger) == ["r1"]
        assert pending(ledger, BOARD) == []
        with pytest.raises(ValueError, match="names no destination"):
            ledger.record_replay(batch("r2"))

    def test_once_done_stays_done_with_its_first_counts(self, ledger: Ledger) -> None:
        """Two processes may deliver one batch; what the second finds is its own first work, unchanged."""
        commit(ledger, begin(ledger), "b1")
        deliver(ledger, "b1")
        deliver(ledger, "b1", answer=report(inserted=0, unchanged=3))
        ledger.start_delivery("b1", WAREHOUSE, "run-3")
        ledger.fail_delivery("b1", WAREHOUSE, "too late to matter")
        (delivery,) = ledger.deliveries(destination=WAREHOUSE)
        assert delivery.state is DeliveryState.DONE
        assert delivery.counts == OutcomeCounts(inserted=3)
        assert delivery.error is None
        assert pending(ledger) == []

    def test_a_delivery_is_finished_only_after_it_began(self, ledger: Ledger) -> None:
        with pytest.raises(ValueError, match="never started"):
            ledger.finish_delivery("b1", WAREHOUSE, report(), dead_letters=(), resolved=())

    def test_deliveries_are_found_by_state(self, ledger: Ledger) -> None:
        for batch_id in ("b1", "b2", "b3"):
            commit(ledger, begin(ledger), batch_id)
            ledger.start_delivery(batch_id, WAREHOUSE, "run-2")
        ledger.fail_delivery("b2", WAREHOUSE, "no")
        ledger.finish_delivery("b3", WAREHOUSE, report(), dead_letters=(), resolved=())
        found = ledger.deliveries(states=[DeliveryState.STARTED, DeliveryState.FAILED])
        assert [(one.batch_id, one.error) for one in found] == [("b1", None), ("b2", "no")]

    def test_delivered_counts_add_up_what_is_done(self, ledger: Ledger) -> None:
        for batch_id in ("b1", "b2", "b3"):
            commit(ledger, begin(ledger), batch_id)
        deliver(ledger, "b1", answer=report(inserted=2, rejected=1))
        deliver(ledger, "b2", answer=report(inserted=1, updated=5))
        ledger.start_delivery("b3", WAREHOUSE, "run-2")
        deliver(ledger, "b3", BOARD)
        counts = ledger.delivered_counts(
            destination=WAREHOUSE, tenant=TENANT, entity=ENTITY, company=COMPANY
        )
        assert counts == OutcomeCounts(inserted=3, updated=5, rejected=1)
        nothing = ledger.delivered_counts(
            destination=WAREHOUSE, tenant=TENANT, entity=ENTITY, company="200"
        )
        assert nothing == OutcomeCounts()

    # Dead letters

    def test_a_record_that_is_refused_again_is_one_letter_with_one_more_attempt(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        for batch_id in ("b1", "b2"):
            commit(ledger, begin(ledger), batch_id)
        deliver(ledger, "b1", letters=[refused("1", reason="too long"), refused("2")])
        clock.advance(hours=1)
        deliver(ledger, "b2", letters=[refused("1", reason="still too long")])
        first, second = ledger.dead_letters()
        assert (first.attempts, first.reason) == (2, "still too long")
        assert first.created_at == NOON
        assert first.due_at == clock.at + timedelta(minutes=10)
        assert (second.attempts, second.due_at) == (1, NOON + timedelta(minutes=5))

    def test_the_same_record_id_is_another_letter_elsewhere(self, ledger: Ledger) -> None:
        commit(ledger, begin(ledger), "b1")
        letters = [
            refused("1"),
            refused("1", destination=BOARD),
            refused("1", entity="customers"),
        ]
        deliver(ledger, "b1", letters=letters)
        assert len(ledger.dead_letters()) == 3

    def test_what_is_accepted_is_resolved_and_what_is_refused_again_stays_open(
        self, ledger: Ledger
    ) -> None:
        for batch_id in ("b1", "b2"):
            commit(ledger, begin(ledger), batch_id)
        deliver(ledger, "b1", letters=[refused("1"), refused("2")])
        ids = [letter.id for letter in ledger.dead_letters()]
        deliver(ledger, "b2", letters=[refused("2")], resolved=ids)
        assert only(ledger.dead_letters()).record_id == "acme/100/2"
        closed, still_open = ledger.dead_letters(open_only=False)
        assert closed.resolved_at is not None
        assert still_open.attempts == 2

    def test_a_record_refused_after_it_was_resolved_is_a_new_letter(self, ledger: Ledger) -> None:
        for batch_id in ("b1", "b2"):
            commit(ledger, begin(ledger), batch_id)
        deliver(ledger, "b1", letters=[refused("1")])
        ledger.resolve([only(ledger.dead_letters()).id])
        deliver(ledger, "b2", letters=[refused("1")])
        assert only(ledger.dead_letters()).attempts == 1
        assert len(ledger.dead_letters(open_only=False)) == 2

    def test_pauses_double_up_to_six_hours(self, ledger: Ledger, clock: Clock) -> None:
        pauses = []
        for attempt in range(12):
            commit(ledger, begin(ledger), f"b{attempt:02}", letters=[stuck_source("f1")])
            pauses.append((only(ledger.dead_letters()).due_at - clock.at) / timedelta(minutes=1))
            clock.advance(days=1)
        assert pauses == [5, 10, 20, 40, 80, 160, 320, 360, 360, 360, 360, 360]

    def test_letters_in_vain_wait_longer_and_letters_put_off_wait_as_told(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        commit(ledger, begin(ledger), "b1", letters=[stuck_source("f1")])
        letter = only(ledger.dead_letters())
        ledger.postpone([letter.id])
        assert only(ledger.dead_letters()).due_at == clock.at + timedelta(minutes=10)
        assert only(ledger.dead_letters()).attempts == 2
        ledger.postpone([letter.id], NOON + timedelta(days=2))
        assert only(ledger.dead_letters()).due_at == NOON + timedelta(days=2)
        assert only(ledger.dead_letters()).attempts == 2

    @pytest.mark.parametrize(
        ("case", "window", "resolved"),
        [
            ("the same window", days(18, 18), True),
            ("a wider window", days(10, 20), True),
            ("everything", days(None, 18), True),
            ("a later window", days(19, 20), False),
            ("a window that only touches it", days(10, 17), False),
        ],
    )
    def test_a_window_read_again_without_meeting_the_record_resolves_it(
        self, ledger: Ledger, case: str, window: Window, resolved: bool
    ) -> None:
        commit(ledger, begin(ledger), "b1", letters=[stuck_source("f1")], finished=True)
        assert len(ledger.dead_letters()) == 1  # the read that met it does not resolve it
        commit(ledger, begin(ledger, window), "b2", finished=False)
        assert len(ledger.dead_letters()) == 1  # nor does one that is not finished
        commit(ledger, begin(ledger, window), "b3", finished=True)
        assert (ledger.dead_letters() == ()) is resolved, case

    def test_a_window_without_beginning_is_resolved_only_by_another_such(
        self, ledger: Ledger
    ) -> None:
        letter = stuck_source("f1", window=days(None, 18))
        commit(ledger, begin(ledger, days(None, 18)), "b1", letters=[letter], finished=True)
        commit(ledger, begin(ledger, days(1, 18)), "b2", finished=True)
        assert len(ledger.dead_letters()) == 1
        commit(ledger, begin(ledger, days(None, 19)), "b3", finished=True)
        assert ledger.dead_letters() == ()

    def test_a_record_met_again_in_a_later_batch_of_the_read_stays_open(
        self, ledger: Ledger
    ) -> None:
        commit(ledger, begin(ledger), "b1", letters=[stuck_source("f1")], finished=True)
        read = begin(ledger)
        commit(ledger, read, "b2", letters=[stuck_source("f1"), stuck_source("f2")])
        commit(ledger, begin(ledger), "b3", finished=True)  # resumed by another process
        assert [(one.fingerprint, one.attempts) for one in ledger.dead_letters()] == [
            ("f1", 2),
            ("f2", 1),
        ]

    def test_letters_are_found_by_every_condition(self, ledger: Ledger) -> None:
        commit(ledger, begin(ledger), "b1", letters=[stuck_source("f1")])
        deliver(ledger, "b1", letters=[refused("1"), refused("2", destination=BOARD)])

        def count(**conditions: object) -> int:
            return len(ledger.dead_letters(**conditions))  # type: ignore[arg-type]  # a table of cases

        ids = [letter.id for letter in ledger.dead_letters()]
        assert count() == 3
        assert count(tenant="other") == 0
        assert count(entity="customers") == 0
        assert count(company="200") == 0
        assert count(destination="") == 1
        assert count(destination=BOARD) == 1
        assert count(record_id="acme/100/1") == 1
        assert count(ids=ids[:2]) == 2
        assert count(ids=[]) == 0
        assert count(due_before=NOON) == 0
        assert count(due_before=NOON + timedelta(minutes=5)) == 3
        ledger.resolve(ids[:1])
        assert count() == 2
        assert count(open_only=False) == 3

    def test_thousands_of_letters_are_one_commit(self, ledger: Ledger) -> None:
        letters = [stuck_source(f"f{number}") for number in range(3000)]
        for batch_id in ("b1", "b2"):
            commit(ledger, begin(ledger), batch_id, letters=letters)
        found = ledger.dead_letters()
        assert len(found) == 3000
        assert {letter.attempts for letter in found} == {2}
        ledger.postpone([letter.id for letter in found])
        ledger.resolve([letter.id for letter in found])
        assert ledger.dead_letters() == ()

    # The rest

    def test_remote_records_are_replaced_and_found_in_bulk(self, ledger: Ledger) -> None:
        def remote(number: int, content: str) -> RemoteRecord:
            return RemoteRecord(
                record_id=f"r{number}", remote_id=f"x{number}", row_hash=content, batch_id="b1"
            )

        ledger.remote.put_remote_records(BOARD, ENTITY, [remote(n, "old") for n in range(1200)])
        ledger.remote.put_remote_records(BOARD, ENTITY, [remote(7, "new")])
        found = ledger.remote.remote_records(BOARD, ENTITY, [f"r{n}" for n in range(1300)])
        assert len(found) == 1200
        assert found["r7"] == remote(7, "new")
        assert found["r8"] == remote(8, "old")
        assert ledger.remote.remote_records(WAREHOUSE, ENTITY, ["r7"]) == {}

    def test_an_answer_ends_its_intent_in_the_same_step(self, ledger: Ledger) -> None:
        def intent(number: int, ticket: str) -> Intent:
            record = RemoteRecord(
                record_id=f"r{number}",
                remote_id="",
                row_hash="content",
                batch_id="b1",
                external_id=f"SUP-r{number}",
                version="v1",
                modified_at=NOON,
                outcome="inserted",
            )
            return Intent(ticket=ticket, position=number, accepted=record)

        sent = [intent(number, "t1") for number in (2, 0, 1)]
        ledger.remote.put_intents(BOARD, ENTITY, sent)
        ledger.remote.put_job(BOARD, ENTITY, "t1", "job-1")
        assert ledger.remote.intents(BOARD, ENTITY) == tuple(intent(n, "t1") for n in range(3))
        assert ledger.remote.intents(WAREHOUSE, ENTITY) == ()
        assert ledger.remote.jobs(BOARD, ENTITY) == {"t1": "job-1"}
        accepted = replace(sent[0].accepted, remote_id="x2")
        ledger.remote.put_remote_records(BOARD, ENTITY, [accepted], answered=["r2", "r1"])
        assert ledger.remote.intents(BOARD, ENTITY) == (intent(0, "t1"),)
        assert ledger.remote.remote_records(BOARD, ENTITY, ["r1", "r2"]) == {"r2": accepted}
        again = intent(0, "t2")
        ledger.remote.put_intents(BOARD, ENTITY, [again])
        assert ledger.remote.intents(BOARD, ENTITY) == (again,)
        ledger.remote.end_job(BOARD, ENTITY, "t1")
        assert ledger.remote.jobs(BOARD, ENTITY) == {}

    def test_remote_records_are_counted_by_state_and_prefix(self, ledger: Ledger) -> None:
        def remote(record_id: str, state: RemoteState) -> RemoteRecord:
            return RemoteRecord(
                record_id=record_id, remote_id="x", row_hash="h", batch_id="b1", state=state
            )

        ledger.remote.put_remote_records(
            BOARD,
            ENTITY,
            [
                remote("acme/100/1", RemoteState.LIVE),
                remote("acme/100/2", RemoteState.ARCHIVED),
                remote("acme/100/3", RemoteState.ARCHIVED),
                remote("acme/1000/4", RemoteState.ARCHIVED),
                remote("acme/200/5", RemoteState.ARCHIVED),
            ],
        )
        archived = RemoteState.ARCHIVED
        assert ledger.remote.count_remote_records(BOARD, ENTITY, "acme/100/", archived) == 2
        assert ledger.remote.count_remote_records(BOARD, ENTITY, "acme/", archived) == 4
        assert ledger.remote.count_remote_records(WAREHOUSE, ENTITY, "acme/", archived) == 0

    def test_one_delivery_of_an_entity_at_a_time(self, ledger: Ledger) -> None:
        order: list[str] = []

        def other() -> None:
            with ledger.remote.deliver_alone(BOARD, ENTITY):
                order.append("second")

        with (
            ledger.remote.deliver_alone(BOARD, ENTITY),
            ledger.remote.deliver_alone(BOARD, "customers"),
        ):
            waiting = threading.Thread(target=other)
            waiting.start()
            order.append("first")
        waiting.join(timeout=30)
        assert order == ["first", "second"]

    def test_status_tells_the_newest_of_each_and_what_is_stuck(self, ledger: Ledger) -> None:
        commit(ledger, begin(ledger, days(17, 17)), "b1", finished=True)
        commit(ledger, begin(ledger), "b2", letters=[stuck_source("f1")])
        commit(ledger, begin(ledger), "b3", finished=True, until=NOON)
        deliver(ledger, "b1", letters=[refused("1"), refused("2")])
        ledger.start_delivery("b2", WAREHOUSE, "run-3")
        ledger.fail_delivery("b2", WAREHOUSE, "out of reach")
        status = ledger.status(TENANT)
        (read,) = status.reads
        assert (read.state, read.batches, read.rows) == (ReadState.FINISHED, 2, 6)
        assert read.window == days(18, 18)
        assert [mark.complete_until for mark in status.watermarks] == [NOON]
        (last,) = status.deliveries
        assert (last.delivery.batch_id, last.delivery.error) == ("b2", "out of reach")
        assert [(one.destination, one.count) for one in status.dead_letters] == [
            ("", 1),
            (WAREHOUSE, 2),
        ]
        assert ledger.status("other").reads == ()
