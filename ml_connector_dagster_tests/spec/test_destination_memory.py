"""The oracle keeps the contract itself, and stands for a table's constraint when a test asks for one."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ml_connector_dagster.destinations.contract import Destination, Scope
from ml_connector_dagster.destinations.memory import MemoryDestination
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.receipts import OutcomeCounts, RejectedRecord
from ml_connector_dagster_tests.contracts.destinations import SUPPLIERS, DestinationContract, Pair
from ml_connector_dagster_tests.contracts.staged import TENANT, row, staged_rows


#: By its home, as a file or a schema would be.
_OPENED: dict[Path, MemoryDestination] = {}


class TestMemoryDestination(DestinationContract):
    def open(
        self, home: Path, *, now: Callable[[], datetime], checkpoint: Callable[[str], None]
    ) -> Destination:
        return _OPENED.setdefault(home, MemoryDestination(now=now))

    def tamper(self, pair: Pair, record_id: str, name: str | None) -> None:
        values = None if name is None else {"name": name}
        pair.oracle.change_by_hand(SUPPLIERS, record_id, values)
        assert isinstance(pair.tested, MemoryDestination)
        pair.tested.change_by_hand(SUPPLIERS, record_id, values)


def test_a_refused_record_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    def refusal(candidate: Mapping[str, Any]) -> str | None:
        return "a supplier needs a name" if candidate["name"] is None else None

    destination = MemoryDestination(refusal=refusal)
    staged = staged_rows(
        tmp_path, SUPPLIERS, [row(SUPPLIERS, "1"), row(SUPPLIERS, "2", name="b")], batch_id="b1"
    )
    report = destination.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
    assert report.counts == OutcomeCounts(inserted=1, rejected=1)
    assert report.rejected == (
        RejectedRecord(record_id="ACME_TST/100/1", reason="a supplier needs a name"),
    )
    assert destination.rows(SUPPLIERS, Scope(tenant=TENANT))["name"].to_pylist() == ["b"]
    assert destination.audit(SUPPLIERS, "ACME_TST/100/1")["outcome"].to_pylist() == ["rejected"]
