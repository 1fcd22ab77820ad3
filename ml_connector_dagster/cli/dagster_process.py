"""Starting and ending ``dagster dev``: webserver, daemon and code server as one child process tree."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_connector_dagster.cli.dagster_api import DagsterApi
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import Settings, make_home
from ml_connector_dagster.model.errors import ConnectorError


#: Seconds until the webserver must answer; the slowest machine seen took 40.
START_TIMEOUT = 180


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether ``port`` can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def dagster_home(settings: Settings) -> Path:
    """The folder of Dagster's instance: ``DAGSTER_HOME``, or one inside our own home."""
    return Path(os.environ.get("DAGSTER_HOME") or settings.home.resolve() / "dagster")


def dagster_environment(settings: Settings) -> dict[str, str]:
    """The environment of Dagster's processes: absolute paths, and an instance folder that holds our dagster.yaml."""
    environment = dict(os.environ)
    home = dagster_home(settings)
    environment["DAGSTER_HOME"] = str(home)
    make_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    here = Path("dagster.yaml")
    if here.exists() and here.resolve() != (home / "dagster.yaml").resolve():
        # Dagster reads dagster.yaml from DAGSTER_HOME only.
        shutil.copyfile(here, home / "dagster.yaml")
    _prepare(home, settings)
    environment["ML_CONNECTOR_HOME"] = str(settings.home.resolve())
    environment["ML_CONNECTOR_FLOWS"] = str(settings.flows.resolve())
    return environment


def _prepare(home: Path, settings: Settings) -> None:
    # Imported here: it brings Dagster along, which the other commands do not need.
    from ml_connector_dagster.defs.instance_setup import prepare_instance

    prepare_instance(home, load_project(settings.flows, settings))


@contextmanager
def dagster_dev(
    settings: Settings, port: int, log: Path, waiting: Callable[[], None] = lambda: None
) -> Iterator[DagsterApi]:
    """Run ``dagster dev`` until the block ends; its output goes to ``log``.

    ``waiting`` is called about five times a second until the webserver answers.
    """
    where = (
        ["-w", "workspace.yaml"]
        if Path("workspace.yaml").exists()
        else ["-m", "ml_connector_dagster.definitions"]
    )
    command = [
        str(Path(sys.executable).parent / "dagster"),
        "dev",
        *where,
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 -- our own interpreter's dagster
            command,
            env=dagster_environment(settings),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # Started in the background of a shell, we would hand down an ignored SIGINT, and nothing would end it.
            preexec_fn=_listen_to_sigint,
        )
    api = DagsterApi(f"http://127.0.0.1:{port}")
    try:
        _wait_until_up(process, api, log, waiting)
        yield api
    finally:
        api.close()
        stop(process)


def _listen_to_sigint() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End ``dagster dev`` and everything that it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()  # a busy machine takes longer; unwaited for, it stays as a zombie
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)


def _wait_until_up(
    process: "subprocess.Popen[bytes]", api: DagsterApi, log: Path, waiting: Callable[[], None]
) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not api.is_up():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace").splitlines()[-15:]
            raise ConnectorError("Dagster did not start. The end of its log:\n" + "\n".join(tail))
        waiting()
        time.sleep(0.2)
