"""What a ledger keeps of reconciliations: how each ended, when all was well, and since when a record differs."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.reconciliations import (
    Difference,
    Finding,
    Reconciliation,
    ReconciliationState,
    Standing,
)
from ml_connector_dagster_tests.contracts.ledger_samples import (
    BOARD,
    COMPANY,
    ENTITY,
    NOON,
    TENANT,
    WAREHOUSE,
    Clock,
)


CLEAN, DIFFERENT = ReconciliationState.CLEAN, ReconciliationState.DIFFERENT
HOUR = timedelta(hours=1)


def reconciliation(hour: int, state: ReconciliationState = CLEAN, **changes: Any) -> Reconciliation:
    return replace(
        Reconciliation(
            tenant=TENANT,
            destination=WAREHOUSE,
            entity=ENTITY,
            company=COMPANY,
            run_id=f"run-{hour}",
            state=state,
            started_at=NOON + hour * HOUR,
            ended_at=NOON + hour * HOUR + timedelta(minutes=1),
            erp_rows=10,
            found_rows=10,
            requests=3,
        ),
        **changes,
    )


def difference(record_id: str, **changes: Any) -> Difference:
    return replace(
        Difference(
            record_id=record_id,
            finding=Finding.DIFFERENT,
            standing=Standing.WRONG,
            why="changed here since",
            erp={"amount": "1.000000"},
            found={"amount": "2.000000"},
        ),
        **changes,
    )


class ReconciliationLedgerContract:
    """Inherit, and give the fixture ``url``: a fresh, empty database."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, url: str) -> Iterator[Ledger]:
        with Ledger.open(url, now=Clock()) as opened:
            yield opened

    def differences(self, ledger: Ledger) -> dict[str, Difference]:
        found = ledger.differences(
            tenant=TENANT, destination=WAREHOUSE, entity=ENTITY, company=COMPANY
        )
        return {one.record_id: one for one in found}

    def test_the_last_of_each_scope_is_found_and_the_last_that_was_clean(
        self, ledger: Ledger
    ) -> None:
        clean, wrong = reconciliation(0), reconciliation(2, DIFFERENT, wrong=1)
        changes = reconciliation(1, since=NOON)
        elsewhere = reconciliation(3, destination=BOARD)
        for one in (clean, changes, wrong, elsewhere):
            ledger.record_reconciliation(one)
        assert ledger.last_reconciliations(TENANT, WAREHOUSE) == (wrong,)
        assert ledger.last_reconciliations(TENANT, WAREHOUSE, states=[CLEAN]) == (changes,)
        assert ledger.last_reconciliations(TENANT, WAREHOUSE, states=[CLEAN], whole=True) == (
            clean,
        )
        assert ledger.last_reconciliations(TENANT, BOARD) == (elsewhere,)

    def test_one_of_everything_replaces_what_differed(self, ledger: Ledger) -> None:
        first = reconciliation(0, DIFFERENT, wrong=2)
        ledger.record_reconciliation(first, [difference("a"), difference("b")])
        found = self.differences(ledger)
        assert found["a"] == difference("a", first_seen_at=first.started_at)
        since_then = [replace(found["b"], why="still")]
        ledger.record_reconciliation(reconciliation(1, DIFFERENT, wrong=1), since_then)
        assert self.differences(ledger) == {"b": since_then[0]}
        ledger.record_reconciliation(reconciliation(2))
        assert self.differences(ledger) == {}

    def test_one_of_changes_adds_to_what_differed(self, ledger: Ledger) -> None:
        ledger.record_reconciliation(reconciliation(0, DIFFERENT), [difference("a")])
        ledger.record_reconciliation(
            reconciliation(1, DIFFERENT, since=NOON), [difference("b"), difference("a", why="x")]
        )
        assert {key: one.why for key, one in self.differences(ledger).items()} == {
            "a": "x",
            "b": "changed here since",
        }

    def test_one_that_failed_knows_nothing_about_records(self, ledger: Ledger) -> None:
        ledger.record_reconciliation(reconciliation(0, DIFFERENT), [difference("a")])
        failed = reconciliation(1, ReconciliationState.FAILED, reason="away")
        ledger.record_reconciliation(failed)
        assert self.differences(ledger).keys() == {"a"}
        assert ledger.last_reconciliations(TENANT, WAREHOUSE) == (failed,)
