"""The newest versions of records, out of however many batches hold them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from ml_connector_dagster.config.project import Project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.staging import Staging
from ml_connector_dagster.sync.versions import newest_rows
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.spec.staging_samples import NOON, many, stage


class Watched(Staging):
    """Notes how much memory tables take each time that a batch is searched."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.held: list[int] = []

    def find(self, batch: Batch, record_ids: Sequence[str]) -> pa.Table:
        self.held.append(pa.total_allocated_bytes())
        return super().find(batch, record_ids)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    settings = read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})
    settings.home.mkdir()
    with Ledger.open(settings.ledger_url) as ledger:
        yield Workspace(settings, Project(), ledger, Watched(settings.staging_url))


def keep(workspace: Workspace, batches: Sequence[Batch]) -> None:
    workspace.ledger.documents.record(
        "acme", batches=batches, variations={}, letters=[], resolved=[]
    )


def read_at(rows: pa.Table, when: datetime) -> pa.Table:
    stamps = pa.repeat(pa.scalar(when, rows.schema.field("_extracted_at").type), rows.num_rows)
    return rows.set_column(rows.schema.get_field_index("_extracted_at"), "_extracted_at", stamps)


def test_memory_does_not_grow_with_the_batches_that_hold_a_record(workspace: Workspace) -> None:
    staging = workspace.staging
    assert isinstance(staging, Watched)
    rows, count = many(500), 40
    keep(workspace, [stage(staging, rows, batch_id=f"b{number:02}") for number in range(count)])
    found, carrier = newest_rows(
        workspace, "acme", "payments", "100", rows["record_id"].to_pylist()
    )
    assert found.num_rows == rows.num_rows
    assert carrier is not None
    assert carrier.batch_id == "b39"
    once = staging.held[2] - staging.held[0]
    assert staging.held[-1] - staging.held[0] < 4 * once


def test_a_version_is_the_newest_by_its_stamps_and_not_by_its_batch(workspace: Workspace) -> None:
    newer = NOON.astimezone(UTC) + timedelta(days=1)
    first, second = read_at(many(2), newer), many(3, first=1)
    keep(
        workspace,
        [
            stage(workspace.staging, first, batch_id="b1"),
            stage(workspace.staging, second, batch_id="b2"),
        ],
    )
    ids = [f"acme/100/{number:07}" for number in range(4)]
    found, carrier = newest_rows(workspace, "acme", "payments", "100", ids)
    stamps = dict(
        zip(found["record_id"].to_pylist(), found["_extracted_at"].to_pylist(), strict=True)
    )
    assert sorted(stamps) == ids
    assert [one for one in ids if stamps[one] == newer] == ids[:2]
    assert carrier is not None
    assert carrier.batch_id == "b2"


def test_of_a_record_that_was_never_staged_there_is_none(workspace: Workspace) -> None:
    rows, carrier = newest_rows(workspace, "acme", "payments", "100", ["acme/100/none"])
    assert (rows.num_rows, carrier) == (0, None)
