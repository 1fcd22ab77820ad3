"""What every ledger must do with its own past: attempts, edits, and what a clean-up takes out. Inherit ``HistoryContract``."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from ml_connector_dagster.ledger import Forgetting, Ledger
from ml_connector_dagster.model.edits import EditEnd, NewEdit
from ml_connector_dagster.model.errors import TransientError
from ml_connector_dagster.model.receipts import DeliveryState, OutcomeCounts
from ml_connector_dagster_tests.contracts.ledger import (
    begin,
    commit,
    deliver,
    only,
    pending,
    report,
)
from ml_connector_dagster_tests.contracts.ledger_samples import (
    BOARD,
    COMPANY,
    ENTITY,
    NOON,
    TENANT,
    WAREHOUSE,
    Clock,
    batch,
    refused,
    stuck_source,
)


RECORD = f"{TENANT}/{COMPANY}/1"


def new_edit(column: str = "name", value: str | None = "x", base: str = "h1") -> NewEdit:
    return NewEdit(
        letter_id=1,
        tenant=TENANT,
        entity=ENTITY,
        company=COMPANY,
        destination=WAREHOUSE,
        record_id=RECORD,
        column=column,
        erp_value=None,
        new_value=value,
        base_hash=base,
        base_modified_at=None,
        base_extracted_at=NOON,
        edited_by="ana",
        reason="ticket 7",
    )


def counted(ledger: Ledger, destination: str = WAREHOUSE) -> OutcomeCounts:
    return ledger.delivered_counts(
        destination=destination, tenant=TENANT, entity=ENTITY, company=COMPANY
    )


def limits(now: datetime, **days: float) -> Forgetting:
    far = timedelta(days=10_000)
    ago = {name: now - timedelta(days=value) for name, value in days.items()}
    return Forgetting(
        letters=ago.get("letters", now - far),
        reads=ago.get("reads", now - far),
        sweeps=ago.get("sweeps", now - far),
        now=now,
    )


class HistoryContract:
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

    # Attempts

    def test_every_attempt_is_kept_with_its_end(self, ledger: Ledger, clock: Clock) -> None:
        commit(ledger, begin(ledger), "b1")
        ledger.start_delivery("b1", WAREHOUSE, "died")
        clock.advance(minutes=1)
        ledger.start_delivery("b1", WAREHOUSE, "failed")
        ledger.fail_delivery("b1", WAREHOUSE, "TransientError: out of reach")
        clock.advance(minutes=1)
        deliver(ledger, "b1")
        assert [
            (one.number, one.state, one.run_id, one.error, one.ended_at is None)
            for one in ledger.attempts(["b1"])
        ] == [
            (1, DeliveryState.STARTED, "died", None, True),
            (2, DeliveryState.FAILED, "failed", "TransientError: out of reach", False),
            (3, DeliveryState.DONE, "run-2", None, False),
        ]

    def test_a_letter_that_an_ordinary_run_meets_before_its_time_has_not_waited_in_vain(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        for number in range(6):
            commit(ledger, begin(ledger), f"b{number}")
        deliver(ledger, "b0", letters=[refused("1")])
        for number in range(1, 4):
            clock.advance(minutes=1)
            deliver(ledger, f"b{number}", letters=[refused("1")])
        letter = only(ledger.dead_letters())
        assert (letter.attempts, letter.waits, letter.due_at) == (4, 1, NOON + timedelta(minutes=5))
        clock.advance(minutes=2)
        deliver(ledger, "b4", letters=[refused("1")])
        letter = only(ledger.dead_letters())
        assert (letter.attempts, letter.waits) == (5, 2)
        assert letter.due_at == clock.at + timedelta(minutes=10)

    # Edits

    def test_an_edit_is_kept_with_both_values_and_who(self, ledger: Ledger) -> None:
        number = ledger.record_edit(new_edit())
        (edit,) = ledger.edits(destination=WAREHOUSE)
        assert (edit.id, edit.erp_value, edit.new_value, edit.edited_by) == (
            number,
            None,
            "x",
            "ana",
        )
        assert (edit.edited_at, edit.base_extracted_at, edit.ended_at) == (NOON, NOON, None)
        assert ledger.edits(destination=BOARD) == ()
        assert ledger.edits(letter_ids=[2]) == ()

    def test_one_edit_of_a_column_is_in_force(self, ledger: Ledger) -> None:
        ledger.record_edit(new_edit())
        ledger.record_edit(new_edit("country"))
        ledger.record_edit(new_edit(value="y"))
        assert [(one.column, one.new_value) for one in ledger.edits()] == [
            ("country", "x"),
            ("name", "y"),
        ]
        ended = ledger.edits(in_force_only=False)[0]
        assert ended.end_reason == EditEnd.EDITED_AGAIN

    def test_an_edit_of_a_newer_version_ends_those_of_the_older_one(self, ledger: Ledger) -> None:
        ledger.record_edit(new_edit())
        ledger.record_edit(new_edit("country", base="h2"))
        assert [one.column for one in ledger.edits()] == ["country"]

    def test_an_edit_ends_with_the_delivery_of_a_newer_version(self, ledger: Ledger) -> None:
        number = ledger.record_edit(new_edit())
        commit(ledger, begin(ledger), "b1")
        ledger.start_delivery("b1", WAREHOUSE, "run-2")
        ledger.finish_delivery(
            "b1", WAREHOUSE, report(), dead_letters=(), resolved=(), ended_edits=[number]
        )
        assert ledger.edits() == ()
        (ended,) = ledger.edits(in_force_only=False, record_id=RECORD)
        assert ended.end_reason == EditEnd.NEWER_VERSION

    # Clean-ups

    def test_a_kept_batch_takes_the_place_of_others_and_their_counts_still_count(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        for number in range(1, 4):
            commit(ledger, begin(ledger), f"b{number}")
            deliver(ledger, f"b{number}")
        deliver(ledger, "b1", BOARD)
        before = counted(ledger)
        removed = [batch("b1"), batch("b2")]
        ledger.cleaning.replace_batches(removed, batch("b2k"), needed_by=[WAREHOUSE])

        there = ledger.batches(tenant=TENANT, entity=ENTITY, company=COMPANY)
        assert [one.batch_id for one in there] == ["b2k", "b3"]
        assert counted(ledger) == before
        assert counted(ledger, BOARD) == OutcomeCounts(inserted=3)
        assert pending(ledger) == []
        assert pending(ledger, BOARD) == ["b2k", "b3"]  # it has not had all of them
        assert ledger.attempts(["b1", "b2"]) == ()
        assert ledger.cleaning.removed_batches(since=clock.at) == {"b1", "b2"}
        ledger.cleaning.forget_removed_batches(before=clock.at + timedelta(seconds=1))
        assert ledger.cleaning.removed_batches(since=NOON - timedelta(days=1)) == frozenset()

    def test_counts_add_up_over_several_clean_ups(self, ledger: Ledger) -> None:
        for number in range(1, 5):
            commit(ledger, begin(ledger), f"b{number}")
            deliver(ledger, f"b{number}")
        ledger.cleaning.replace_batches([batch("b1"), batch("b2")], batch("b2k"), needed_by=[])
        ledger.cleaning.replace_batches(
            [batch("b2k"), batch("b3")], batch("b3k"), needed_by=[WAREHOUSE]
        )
        assert counted(ledger) == OutcomeCounts(inserted=12)

    @pytest.mark.parametrize("why", ["not delivered", "a watermark's proof", "gone already"])
    def test_what_is_needed_after_all_is_not_replaced(self, ledger: Ledger, why: str) -> None:
        commit(ledger, begin(ledger), "b1")
        until = NOON if why == "a watermark's proof" else None
        commit(ledger, begin(ledger), "b2", finished=True, until=until)
        deliver(ledger, "b1")
        if why != "not delivered":
            deliver(ledger, "b2")
        removed = [batch("b1"), batch("b2")]
        if why == "gone already":
            removed = [batch("b0"), *removed]
        with pytest.raises(TransientError, match="nothing of them was removed"):
            ledger.cleaning.replace_batches(removed, batch("b2k"), needed_by=[WAREHOUSE])
        assert ledger.batch_ids() == {"b1", "b2"}

    def test_a_delivery_of_a_batch_that_is_gone_does_not_begin(self, ledger: Ledger) -> None:
        for number in range(1, 3):
            commit(ledger, begin(ledger), f"b{number}")
            deliver(ledger, f"b{number}")
        ledger.cleaning.replace_batches([batch("b1"), batch("b2")], batch("b2k"), needed_by=[])
        with pytest.raises(TransientError, match="replaced by a clean-up"):
            ledger.start_delivery("b1", BOARD, "run-3")

    def test_only_what_tells_of_the_past_alone_is_forgotten(
        self, ledger: Ledger, clock: Clock
    ) -> None:
        commit(ledger, begin(ledger), "b1", letters=[stuck_source("f1")], finished=True)
        deliver(ledger, "b1", letters=[refused("1"), refused("2")])
        first, *others = (one.id for one in ledger.dead_letters(destination=WAREHOUSE))
        ledger.resolve([first, *others])
        ledger.record_edit(replace(new_edit(), letter_id=first))
        clock.advance(days=3)
        counts = ledger.cleaning.forget(
            limits(clock.at, letters=2, reads=2, sweeps=2), dry_run=True
        )
        assert counts["dead letters"] == 1
        assert len(ledger.dead_letters(open_only=False)) == 3
        assert ledger.cleaning.forget(limits(clock.at, letters=2, reads=2, sweeps=2)) == counts
        kept = [one.id for one in ledger.dead_letters(open_only=False)]
        assert first in kept  # its edit is in force
        assert [one.fingerprint for one in ledger.dead_letters()] == ["f1"]
        assert len(kept) == 2
        assert (
            len(ledger.status(TENANT).reads) == 1
        )  # the newest stays, and so does one with a batch
