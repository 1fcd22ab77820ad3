"""Runs whose process is gone are noticed, though the code server that should have told is gone with them."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from ml_connector_dagster.cli.dagster_process import free_port, port_is_free


ROOT = Path(__file__).parents[2]
LOCATION = (
    "import dagster as dg\n@dg.job\ndef nothing(): ...\ndefs = dg.Definitions(jobs=[nothing])\n"
)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.delenv("DAGSTER_PG_URL", raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.get() as shipped:
        yield shipped


def health(instance: dg.DagsterInstance, port: int | None) -> WorkerStatus:
    """What monitoring is told of a run that a code server on ``port`` has started."""
    tags = {} if port is None else {GRPC_INFO_TAG: json.dumps({"host": "127.0.0.1", "port": port})}
    run = dg.DagsterRun(job_name="nothing", status=dg.DagsterRunStatus.STARTED, tags=tags)
    instance.add_run(run)
    launcher = instance.run_launcher
    assert launcher.supports_check_run_worker_health
    return launcher.check_run_worker_health(run).status


@contextmanager
def code_server(folder: Path) -> Iterator[int]:
    port = free_port()
    (folder / "location.py").write_text(LOCATION)
    program = str(Path(sys.executable).parent / "dagster")
    command = [program, "api", "grpc", "-h", "127.0.0.1", "-p", str(port), "-f", "location.py"]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 120
            while port_is_free(port):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            yield port
        finally:
            process.kill()


def test_a_code_server_that_does_not_know_the_run_was_started_anew(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    with code_server(tmp_path) as port:
        assert health(instance, port) is WorkerStatus.NOT_FOUND


def test_a_code_server_that_is_away_says_nothing(instance: dg.DagsterInstance) -> None:
    assert health(instance, free_port()) is WorkerStatus.RUNNING


def test_a_run_of_no_code_server_is_left_alone(instance: dg.DagsterInstance) -> None:
    assert health(instance, None) is WorkerStatus.RUNNING
