"""What is on this machine for a moment is gone afterwards, even when the process that put it there was killed."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ml_connector_dagster.staging.scratch import Scratch


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_private_and_gone_at_the_end(folder: Path) -> None:
    with Scratch() as scratch:
        (scratch.folder / "part").write_text("rows")
        assert scratch.folder.stat().st_mode & 0o077 == 0
    scratch.close()
    assert list(folder.iterdir()) == []


def test_those_in_use_are_left_alone() -> None:
    with Scratch() as one, Scratch() as other:
        assert one.folder != other.folder
        assert one.folder.is_dir()


def test_what_a_killed_process_left_is_removed_by_the_next(folder: Path) -> None:
    killed = """
import os
from ml_connector_dagster.staging.scratch import Scratch
scratch = Scratch()
(scratch.folder / "part").write_text("rows")
os._exit(9)
"""
    told_to = os.environ | {"TMPDIR": str(folder)}
    subprocess.run([sys.executable, "-c", killed], check=False, env=told_to)
    (left,) = folder.iterdir()
    assert (left / "part").exists()
    with Scratch() as scratch:
        assert list(folder.iterdir()) == [scratch.folder]


def test_what_is_not_ours_stays(folder: Path) -> None:
    (folder / "other").mkdir()
    with Scratch():
        pass
    assert list(folder.iterdir()) == [folder / "other"]
