"""Staging on S3 keeps the contract of staging, whatever S3 and the line to it do."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_connector_dagster.model.errors import ConnectorError, TransientError
from ml_connector_dagster.sandbox.s3 import Fault, S3Options, S3Sandbox
from ml_connector_dagster.sandbox.s3.faults import FaultKind
from ml_connector_dagster.staging import clouds
from ml_connector_dagster_tests.contracts.staging import StagingContract, told
from ml_connector_dagster_tests.spec.staging_places import FolderPlace, S3Place
from ml_connector_dagster_tests.spec.staging_samples import (
    many,
    payment,
    payments,
    receipts,
    stage,
    stage_with_receipts,
)


#: Every write point in order, and whether the batch is whole when the process dies there.
STEPS = {
    "staging: part begun": False,
    "staging: part uploaded": False,
    "staging: rows written": False,
    "staging: manifest created": True,
    "staging: batch published": True,
    "staging: receipts written": True,
    "staging: receipts uploaded": True,
}

#: Large enough for an upload in three chunks of S3's own size, and not to be compressed away.
ROWS, WIDTH = 60_000, 360


@pytest.fixture(scope="module")
def running() -> Iterator[S3Sandbox]:
    # Pages of three keys: every list of more than a few files has several.
    with S3Sandbox.start(S3Options(page_size=3)) as s3:
        yield s3


@pytest.fixture
def s3(running: S3Sandbox) -> S3Sandbox:
    running.reset()
    return running


@pytest.fixture
def place(s3: S3Sandbox) -> S3Place:
    return S3Place(s3)


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clouds, "TRIES", 1)


class TestS3(StagingContract):
    """Signed requests over HTTP."""


@cache
def noise() -> pa.Table:
    """Rows that do not get smaller."""
    texts = [os.urandom(WIDTH // 2).hex() for _ in range(ROWS)]
    table = many(ROWS)
    return table.set_column(table.column_names.index("_extra"), "_extra", pa.array(texts))


def environment(s3: S3Sandbox) -> dict[str, str]:
    """What the cloud's own chain finds in a container: no stored credential is needed."""
    return os.environ | {
        "AWS_ACCESS_KEY_ID": s3.options.access_key_id,
        "AWS_SECRET_ACCESS_KEY": s3.options.secret_access_key,
    }


# --- Whole or not at all


def test_the_list_of_write_points_is_complete(
    place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(place.s3).items():
        monkeypatch.setenv(name, value)
    met: list[str] = []
    stage_with_receipts(place.url, met.append)
    assert met == list(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_process_that_dies_leaves_a_whole_batch_or_none(
    place: S3Place, step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "ml_connector_dagster_tests.spec.staging_samples"]
    told_to = environment(place.s3) | {"TMPDIR": str(tmp_path)}
    died = subprocess.run([*command, place.url, step], check=False, env=told_to)
    assert died.returncode == 9
    staging = place.staging()
    orphans = staging.orphans([])
    if STEPS[step]:
        batch = staging.manifest(orphans[0])
        assert staging.open(batch).reader().read_all().num_rows == batch.rows == 2
        assert staging.receipts(batch).num_rows == int(step == "staging: receipts uploaded")
        assert staging.orphans([batch.batch_id]) == ()
    else:
        assert not any(path.endswith("manifest.json") for path in place.paths())
    for left in orphans:
        staging.discard(left)
    assert place.paths() == set()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert stage(staging, payments([payment(1)])).rows == 1  # and the name can be used again
    assert list(tmp_path.iterdir()) == []  # what the dead process had on its disk is gone too


def test_a_discard_that_dies_halfway_leaves_no_half_batch(
    place: S3Place, no_patience: None
) -> None:
    """The manifest goes first: what is left is not a batch any more, and is found again."""
    batch = stage(place.staging(), payments([payment(1)]))
    staging = place.staging()
    place.s3.faults.add(Fault(kind="cut", operation="DeleteObjects", nth=2, times=2))
    with pytest.raises(TransientError):
        staging.discard(staging.locate(batch))
    assert place.paths() == {f"{batch.path}/{batch.parts[0]}"}
    assert staging.orphans([]) == (staging.locate(batch),)
    staging.discard(staging.locate(batch))
    assert place.paths() == set()


def test_the_manifest_is_created_on_condition_and_last(place: S3Place) -> None:
    stage(place.staging(), many(10))
    puts = place.s3.calls("PutObject")
    assert [one.key.rpartition("/")[2].partition(".")[0] for one in puts] == ["part-0", "manifest"]
    assert [one.conditional for one in puts] == [False, True]


def test_batches_of_a_folder_can_be_copied_into_a_bucket(place: S3Place, tmp_path: Path) -> None:
    folder = FolderPlace(tmp_path)
    before = folder.staging()
    batch = stage(before, many(10), tenant="å/b")
    before.open(batch).write_receipts("w", receipts("r1"))
    for path in folder.paths():
        place.s3.store(place.bucket, f"{place.prefix}/{path}", (tmp_path / path).read_bytes())

    after = place.staging()
    assert after.open(batch).reader().read_all().equals(many(10))
    after.open(batch).write_receipts("w", receipts("r2"))
    assert told(after.receipts(batch)) == [("w", "r1"), ("w", "r2")]


# --- Uploads in chunks, reads in ranges


def test_a_large_part_goes_up_in_chunks_and_comes_back_the_same(place: S3Place) -> None:
    staging, table = place.staging(), noise()
    batch = stage(staging, table)
    assert batch.bytes > 2 * 8 * 1024 * 1024
    assert len(place.s3.calls("UploadPart")) == 3
    with staging.open(batch) as staged:
        assert pq.read_table(staged.files[0]).equals(table)
    assert staging.open(batch).reader().read_all().equals(table)


def test_an_upload_that_fails_is_aborted(place: S3Place, no_patience: None) -> None:
    """No chunk stays behind where no list shows it and every month costs."""
    place.s3.faults.add(Fault(kind="internal", operation="UploadPart", nth=2, times=None))
    with pytest.raises(TransientError, match=r"InternalError.*after several tries"):
        stage(place.staging(), noise())
    assert place.s3.buckets["staging"].uploads == {}
    assert place.paths() == set()


def test_a_few_records_are_found_without_fetching_the_batch(place: S3Place) -> None:
    batch = stage(place.staging(), noise())
    place.s3.requests.clear()
    found = place.staging().find(batch, ["acme/100/0000007"])
    assert found.num_rows == 1
    fetched = sum(one.sent for one in place.s3.calls("GetObject"))
    assert fetched < 0.6 * batch.bytes  # one of two row groups, and the ids
    place.s3.requests.clear()
    assert place.staging().find(batch, ["acme/100/9999999"]).num_rows == 0
    assert [one.sent < 65_537 for one in place.s3.calls("GetObject")] == [True]  # the footer


def test_a_row_group_is_fetched_in_a_few_ranges(place: S3Place) -> None:
    batch = stage(place.staging(), noise())
    place.s3.requests.clear()
    next(iter(place.staging().open(batch).reader()))
    gets = place.s3.calls("GetObject")
    assert len(gets) <= 5
    assert all(one.status == 206 for one in gets)


# --- What happens on the way


@pytest.mark.parametrize("kind", ["slow_down", "internal", "cut", "lost", "html"])
@pytest.mark.parametrize(
    "operation", ["PutObject", "CompleteMultipartUpload", "ListObjectsV2", "GetObject"]
)
def test_a_passing_fault_is_tried_again(place: S3Place, kind: FaultKind, operation: str) -> None:
    table = noise() if operation == "CompleteMultipartUpload" else many(100)
    place.s3.faults.add(Fault(kind=kind, operation=operation))
    staging = place.staging()
    batch = stage(staging, table)
    assert staging.open(batch).reader().read_all().equals(table)
    staging.open(batch).write_receipts("w", receipts("r1"))
    assert told(staging.receipts(batch)) == [("w", "r1")]


def test_a_manifest_whose_answer_was_lost_is_ours(place: S3Place) -> None:
    """The second try is told that there is one already: the first try's."""
    fault = place.s3.faults.add(Fault(kind="lost", operation="PutObject", key="manifest"))
    batch = stage(place.staging(), payments([payment(1)]))
    assert fault.fired == 1
    assert [one.status for one in place.s3.calls("PutObject")] == [200, 0, 412]
    assert place.staging().open(batch).reader().read_all().num_rows == 1


@pytest.mark.parametrize("operation", ["GetObject"])
def test_a_torn_download_is_continued(place: S3Place, operation: str) -> None:
    table = noise()
    batch = stage(place.staging(), table)
    fault = place.s3.faults.add(Fault(kind="torn", operation=operation, times=2))
    with place.staging().open(batch) as staged:
        assert pq.read_table(staged.files[0]).equals(table)
    assert fault.fired == 2


def test_a_download_that_keeps_tearing_is_told_and_leaves_nothing(
    place: S3Place, no_patience: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = stage(place.staging(), noise())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    place.s3.faults.add(Fault(kind="torn", operation="GetObject", times=None))
    with pytest.raises(TransientError, match="part-0"), place.staging().open(batch) as staged:
        _ = staged.files
    assert list(tmp_path.iterdir()) == []


def test_a_range_that_comes_short_is_told(place: S3Place) -> None:
    batch = stage(place.staging(), many(10))
    staged = place.staging().open(batch)
    staged.find([])  # it knows how long its files are from here on
    place.cut(f"{batch.path}/{batch.parts[0]}")
    with pytest.raises(TransientError, match="bytes came"):
        staged.find(["acme/100/0000007"])


def test_a_batch_is_forgotten_when_its_manifest_cannot_be_written(
    place: S3Place, no_patience: None
) -> None:
    place.s3.faults.add(Fault(kind="slow_down", operation="PutObject", key="manifest", times=None))
    with pytest.raises(TransientError, match="SlowDown"):
        stage(place.staging(), many(10))
    assert place.paths() == set()


def test_what_cannot_be_removed_does_not_hide_what_went_wrong(
    place: S3Place, no_patience: None
) -> None:
    """And it is an orphan, found later."""
    place.s3.denied.add("s3:DeleteObject")
    place.s3.faults.add(Fault(kind="slow_down", operation="PutObject", key="manifest", times=None))
    with pytest.raises(ConnectorError, match="SlowDown"):
        stage(place.staging(), many(10))
    assert len(place.staging().orphans([])) == 1
