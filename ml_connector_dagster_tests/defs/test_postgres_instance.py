"""Dagster's history in PostgreSQL: what one host launches, the daemon of another runs, and both see it."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.hosts import Host, Site, wait_for
from ml_connector_dagster_tests.postgres import running_postgres


PROGRAMS = Path(sys.executable).parent
WORKSPACE = ("-m", "ml_connector_dagster.definitions")


@pytest.fixture
def site(sandbox: Sandbox, tmp_path: Path) -> Iterator[Site]:
    with running_postgres() as server:
        yield Site(
            sandbox=sandbox,
            folder=tmp_path / "site",
            ledger_url=server.database(),
            dagster_url=server.database(),
        )


@contextmanager
def daemon(host: Host) -> Iterator[None]:
    """``dagster-daemon`` on ``host``, with the code server and the runs that it starts."""
    with (host.home / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            [PROGRAMS / "dagster-daemon", "run", *WORKSPACE],
            env=host.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@pytest.mark.timeout(600)  # six processes that load Dagster, one after the other
def test_a_run_that_one_host_launches_is_run_by_the_daemon_of_another(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = site.host("one"), site.host("two")
    process = one.start("prepare")
    _, complaints = process.communicate(timeout=200)
    assert process.returncode == 0, complaints
    # Once for all of them: what the second host needs is the file.
    (two.home / "dagster").mkdir()
    shutil.copy(one.home / "dagster" / "dagster.yaml", two.home / "dagster")
    launched = subprocess.run(
        [PROGRAMS / "dagster", "job", "launch", *WORKSPACE, "-j", "sweep_purchasing"],
        env=two.environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert launched.returncode == 0, launched.stderr
    assert site.sandbox.requests("ACME_TST") == (), "no daemon: it waits in the queue"

    monkeypatch.setenv("DAGSTER_PG_URL", site.dagster_url)
    with daemon(one), dg.DagsterInstance.from_config(str(two.home / "dagster")) as instance:
        assert type(instance.run_storage).__name__ == "PostgresRunStorage"

        def ended() -> dg.DagsterRun | None:
            run = instance.get_runs()[0]
            return run if run.is_finished else None

        run = wait_for("the end of the run", ended, seconds=200)
        assert run.status is dg.DagsterRunStatus.SUCCESS, (one.home / "daemon.log").read_text()
        assert site.sandbox.requests("ACME_TST") != ()
        told = two.examine()

    assert told["dagster", "daemon"]["verdict"] == "ok", "the other host's daemon beats for both"
    assert told["dagster", "storage"]["detail"] == "PostgreSQL, 1 runs"
    assert told["dagster", "pools"]["detail"] == "cloudsuite_acme: 4 slots"
    assert told["ledger", "clock"]["verdict"] == "ok"
    assert told["staging", "reach"]["verdict"] == "warning"
    assert not any((host.home / "dagster" / "history").exists() for host in (one, two))
