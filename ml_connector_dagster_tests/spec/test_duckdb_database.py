"""One writer at a time: processes queue, strangers are waited for, and who waits too long is told what to do."""

import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from ml_connector_dagster.destinations.duckdb import DatabaseFile
from ml_connector_dagster.model.errors import ConfigError, TransientError


WRITER = """
import sys
from pathlib import Path
from ml_connector_dagster.destinations.duckdb import DatabaseFile
file = DatabaseFile(path=Path(sys.argv[1]), memory_limit="64MB", threads=1)
for _ in range(5):
    with file.write() as connection:
        connection.execute("UPDATE counter SET value = value + 1")
"""

DELIVERY = """
import os, sys
from pathlib import Path
from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster_tests.contracts.destinations import SUPPLIERS
from ml_connector_dagster_tests.contracts.staged import row, staged_rows

folder, fatal = Path(sys.argv[1]), sys.argv[2]
destination = DuckDBDestination(
    "warehouse.erp",
    DatabaseFile(path=folder / "warehouse.duckdb", memory_limit="64MB", threads=1),
    "erp",
    checkpoint=lambda point: os._exit(9) if point == fatal else None,
)
rows = [row(SUPPLIERS, str(number)) for number in range(100)]
staged = staged_rows(folder, SUPPLIERS, rows, batch_id="batch")
print(destination.deliver(SUPPLIERS, staged, WriteMode.UPSERT).counts.inserted)
"""

STRANGER = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True):
    print("open", flush=True)
    sys.stdin.readline()
"""


def database(path: Path, *, wait_seconds: float = 60.0) -> DatabaseFile:
    return DatabaseFile(path=path, memory_limit="64MB", threads=1, wait_seconds=wait_seconds)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "new folder" / "warehouse.duckdb"
    with database(path).write() as connection:
        connection.execute("CREATE TABLE counter AS SELECT 0 AS value")
    return path


def value(path: Path) -> int:
    with database(path).read() as connection:
        assert connection is not None
        return int(connection.execute("SELECT value FROM counter").fetchall()[0][0])


def test_several_processes_and_threads_write_one_after_the_other(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stderr=subprocess.PIPE)
        for _ in range(3)
    ]

    def write() -> None:
        for _ in range(5):
            with database(path).write() as connection:
                connection.execute("UPDATE counter SET value = value + 1")

    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    errors = [writer.communicate()[1].decode() for writer in writers]
    for thread in threads:
        thread.join()
    assert errors == ["", "", ""]
    assert value(path) == 25


@pytest.mark.parametrize("point", ["rows written", "batch marked", "committed"])
def test_a_process_that_is_killed_leaves_all_or_nothing(tmp_path: Path, point: str) -> None:
    command = [sys.executable, "-c", DELIVERY, str(tmp_path)]
    killed = subprocess.run([*command, point], capture_output=True, text=True)
    assert (killed.returncode, killed.stderr) == (9, "")
    again = subprocess.run([*command, "never"], capture_output=True, text=True)
    assert (again.stdout, again.stderr) == ("100\n", "")
    with database(tmp_path / "warehouse.duckdb").read() as connection:
        assert connection is not None
        for table in ("suppliers", "_audit"):
            count = connection.execute(f"SELECT count(*) FROM erp.{table}").fetchall()
            assert count == [(100,)]


def test_two_processes_with_the_same_batch_apply_it_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", DELIVERY, str(tmp_path), "never"]
    subprocess.run(command, check=True, capture_output=True)
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [one.communicate()[0] for one in both] == ["100\n", "100\n"]
    with database(tmp_path / "warehouse.duckdb").read() as connection:
        assert connection is not None
        assert connection.execute("SELECT count(*) FROM erp._audit").fetchall() == [(100,)]


def test_a_stranger_who_reads_is_waited_for(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STRANGER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as stranger:
        assert stranger.stdin is not None
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == "open\n"
        timer = threading.Timer(0.5, stranger.stdin.close)
        timer.start()
        with database(path).write() as connection:
            connection.execute("UPDATE counter SET value = 7")
        timer.join()
    assert value(path) == 7


def test_a_stranger_who_stays_is_named(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STRANGER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == "open\n"
        with (
            pytest.raises(TransientError, match=rf"PID {stranger.pid}") as error,
            database(path, wait_seconds=0.1).write(),
        ):
            pass
        assert "Close the other program" in str(error.value)
        stranger.communicate("\n")


def test_a_connection_of_the_same_process_is_waited_for_too(path: Path) -> None:
    with (
        duckdb.connect(path),
        pytest.raises(TransientError, match=r"is open elsewhere"),
        database(path, wait_seconds=0.1).read(),
    ):
        pass


def test_a_lock_that_stays_taken_says_which_file_and_what_to_do(path: Path) -> None:
    with (
        FileLock(f"{path}.lock"),
        pytest.raises(TransientError, match=r"warehouse.duckdb.lock was not free within 0.1 s"),
        database(path, wait_seconds=0.1).write(),
    ):
        pass


def test_what_is_not_a_database_is_a_config_error(path: Path) -> None:
    path.write_text("no database " * 1000)
    with (
        pytest.raises(ConfigError, match=r"warehouse.duckdb cannot be opened"),
        database(path).read(),
    ):
        pass


def test_what_failed_is_rolled_back_and_the_file_is_free_again(path: Path) -> None:
    def fail() -> None:
        with database(path).write() as connection:
            connection.execute("BEGIN")
            connection.execute("UPDATE counter SET value = 99")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert value(path) == 0


def test_nothing_is_downloaded_and_limits_are_set(path: Path) -> None:
    with database(path).write() as connection:
        settings = dict(connection.execute("SELECT name, value FROM duckdb_settings()").fetchall())
    assert settings["autoinstall_known_extensions"] == "false"
    assert settings["autoload_known_extensions"] == "false"
    assert settings["memory_limit"] == "61.0 MiB"
    assert settings["threads"] == "1"
    assert settings["temp_directory"] == f"{path}.tmp"
    assert settings["TimeZone"] == "UTC"


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with database(tmp_path / "none.duckdb").read() as connection:
        assert connection is None
    assert list(tmp_path.iterdir()) == []
