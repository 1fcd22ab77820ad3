"""Killed at any write point, staging holds a whole batch or none, and says what is left over."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_connector_dagster.staging import Staging
from ml_connector_dagster_tests.spec.staging_samples import (
    payment,
    payments,
    stage,
    stage_with_receipts,
)


#: Every write point in order, and whether the batch is whole when the process dies there.
STEPS = {
    "staging: part begun": False,
    "staging: rows written": False,
    "staging: manifest written": False,
    "staging: manifest.json synced": False,
    "staging: part-0.parquet synced": False,
    "staging: batch renamed": True,
    "staging: batch published": True,
    "staging: receipts written": True,
    "staging: receipts linked": True,
}


def test_the_list_of_write_points_is_complete(tmp_path: Path) -> None:
    met: list[str] = []
    stage_with_receipts(str(tmp_path), met.append)
    assert met == list(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_dies_leaves_a_whole_batch_or_none(tmp_path: Path, step: str) -> None:
    command = [sys.executable, "-m", "ml_connector_dagster_tests.spec.staging_samples"]
    assert subprocess.run([*command, str(tmp_path), step], check=False).returncode == 9
    staging = Staging(str(tmp_path))
    (left,) = staging.orphans([])
    visible = list(tmp_path.glob("*/*/*/*/[!.]*"))
    if STEPS[step]:
        assert visible == [left]
        batch = staging.manifest(left)
        assert staging.open(batch).reader().read_all().num_rows == batch.rows == 2
        assert staging.receipts(batch).num_rows == int(step == "staging: receipts linked")
        assert staging.orphans([batch.batch_id]) == ()
    else:
        assert visible == []
        assert left.name == ".tmp-b1"
        assert staging.orphans(["b1"]) == (left,)  # even when the ledger knows the name
    staging.discard(left)
    assert staging.orphans([]) == ()
    assert stage(staging, payments([payment(1)])).rows == 1  # and the name can be used again


def test_a_batch_that_is_being_written_can_be_told_by_its_age(tmp_path: Path) -> None:
    staging = Staging(str(tmp_path))
    stage(staging, payments([payment(1)]), batch_id="old")
    stage(staging, payments([payment(1)]), batch_id="new")
    old, new = (tmp_path / f"acme/payments/100/2026-01-18_2026-01-18/{n}" for n in ("old", "new"))
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    os.utime(old, times=(0, (hour_ago - timedelta(hours=1)).timestamp()))
    assert staging.orphans([], untouched_since=hour_ago) == (old,)
    assert set(staging.orphans([])) == {old, new}


def test_a_discard_that_dies_halfway_leaves_no_half_batch(tmp_path: Path) -> None:
    """Removing begins with the name: what is left of it is not a batch any more."""
    staging = Staging(str(tmp_path))
    batch = stage(staging, payments([payment(1)]))
    folder = Path(staging.locate(batch))
    folder.rename(folder.with_name(f".tmp-{folder.name}"))  # what discard does first
    (left,) = staging.orphans(["b1"])
    staging.discard(left)
    assert list(folder.parent.iterdir()) == []


@pytest.mark.parametrize("path", ["..", ".", "acme", "acme/../..", "acme/payments/100"])
def test_nothing_but_a_batch_is_removed(tmp_path: Path, path: str) -> None:
    staging = Staging(str(tmp_path / "staging"))
    stage(staging, payments([payment(1)]))
    (tmp_path / "precious").write_text("kept")
    with pytest.raises(ValueError, match="is not the folder of a batch"):
        staging.discard(tmp_path / "staging" / path)
    assert (tmp_path / "precious").exists()
    assert len(staging.orphans([])) == 1
