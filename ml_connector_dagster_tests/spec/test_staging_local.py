"""Staging in a folder of this machine keeps the contract, and leaves no half batch when it is removed."""

from pathlib import Path

import pytest

from ml_connector_dagster_tests.contracts.staging import StagingContract
from ml_connector_dagster_tests.spec.staging_places import FolderPlace
from ml_connector_dagster_tests.spec.staging_samples import payment, payments, receipts, stage


class TestFolder(StagingContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> FolderPlace:
        return FolderPlace(tmp_path / "staging")


@pytest.fixture
def place(tmp_path: Path) -> FolderPlace:
    return FolderPlace(tmp_path / "staging")


def test_files_are_those_of_the_folder_not_copies(place: FolderPlace) -> None:
    staging = place.staging()
    batch = stage(staging, payments([payment(1)]))
    with staging.open(batch) as staged:
        assert staged.files == (f"{place.root}/{batch.path}/part-0.parquet",)


def test_receipts_have_plain_numbers(place: FolderPlace) -> None:
    staged = place.staging().open(stage(place.staging(), payments([payment(1)])))
    assert staged.write_receipts("w", receipts("r1")) == "receipts/w/0.parquet"
    assert staged.write_receipts("w", receipts("r2")) == "receipts/w/1.parquet"


def test_a_discard_that_dies_halfway_leaves_no_half_batch(place: FolderPlace) -> None:
    """Removing begins with the name: what is left of it is not a batch any more."""
    staging = place.staging()
    batch = stage(staging, payments([payment(1)]))
    folder = place.root / batch.path
    folder.rename(folder.with_name(f".tmp-{folder.name}"))  # what discard does first
    (left,) = staging.orphans(["b1"])
    staging.discard(left)
    assert list(folder.parent.iterdir()) == []


def test_a_half_written_batch_is_an_orphan_even_when_the_ledger_knows_its_name(
    place: FolderPlace,
) -> None:
    staging = place.staging()
    draft = place.root / "acme/payments/100/2026-01-18_2026-01-18/.tmp-b1"
    draft.mkdir(parents=True)
    assert staging.orphans(["b1"]) == (str(draft),)
