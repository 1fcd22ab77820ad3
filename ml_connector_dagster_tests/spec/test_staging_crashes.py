"""Killed at any write point, staging holds a whole batch or none, and says what is left over."""

import subprocess
import sys
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
    visible = [str(path) for path in tmp_path.glob("*/*/*/*/[!.]*")]
    if STEPS[step]:
        assert visible == [left]
        batch = staging.manifest(left)
        assert staging.open(batch).reader().read_all().num_rows == batch.rows == 2
        assert staging.receipts(batch).num_rows == int(step == "staging: receipts linked")
        assert staging.orphans([batch.batch_id]) == ()
    else:
        assert visible == []
        assert Path(left).name == ".tmp-b1"
        assert staging.orphans(["b1"]) == (left,)  # even when the ledger knows the name
    staging.discard(left)
    assert staging.orphans([]) == ()
    assert stage(staging, payments([payment(1)])).rows == 1  # and the name can be used again
