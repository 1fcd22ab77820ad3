"""The image: what its file says, and its steps done one by one in a folder, since there may be no Docker here."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from ml_connector_dagster.cli.dagster_process import free_port
from ml_connector_dagster_tests.deploy.dockerfile import Replay, instructions
from ml_connector_dagster_tests.hosts import wait_for


ROOT = Path(__file__).parents[2]
STEPS = instructions((ROOT / "deploy" / "Dockerfile").read_text())
IGNORED = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()


def test_it_does_not_run_as_root() -> None:
    last = max(step.stage for step in STEPS)
    users = [step.text for step in STEPS if step.name == "USER" and step.stage == last]
    assert users == ["10001:10001"]


def test_only_what_is_copied_is_let_in() -> None:
    """The context is closed but for what COPY names, so no .env, history or state can get into a layer."""
    assert IGNORED[1] == "*"
    let_in = {line.removeprefix("!") for line in IGNORED if line.startswith("!")}
    copied = {
        source
        for step in STEPS
        if step.name == "COPY" and "--from" not in step.text
        for source in step.text.split()[:-1]
    }
    assert let_in == copied
    assert all((ROOT / source).exists() for source in copied)


def test_every_extra_is_one_of_the_package() -> None:
    extras = next(step.text for step in STEPS if step.text.startswith("EXTRAS=")).split("=")[1]
    known = re.findall(r"^([a-z-]+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert set(extras.split(",")) <= set(known)


def test_no_secret_is_in_it() -> None:
    for step in STEPS:
        if step.name in ("ENV", "ARG"):
            assert not re.search(r"KEY|PASSWORD|SECRET|TOKEN|_URL", step.text), step.text


@pytest.mark.timeout(600)
def test_its_steps_make_a_code_server_that_answers_its_health_check(tmp_path: Path) -> None:
    """With the fewest extras; the versions come from the lock all the same."""
    replay = Replay(root=tmp_path / "image", context=ROOT, arguments={"EXTRAS": "postgres"})
    environment = replay.follow(STEPS)

    assert environment["DAGSTER_HOME"] == str(replay.root / "opt/dagster")
    environment["PATH"] = f"{replay.root}/opt/venv/bin:{os.environ['PATH']}"
    environment["ML_CONNECTOR_FLOWS"] = str(ROOT / "flows" / "sandbox.yaml")
    app = replay.root / "app"
    doctor = _run(["ml-connector", "doctor", "--json"], app, environment)
    assert '"area": "packages"' in doctor.stdout, doctor.stderr
    assert "other versions than were tested" not in doctor.stdout

    port = str(free_port())
    command = next(step.text for step in STEPS if step.name == "CMD")
    serve = [part.replace("4000", port) for part in _words(command)]
    check = next(step.text for step in STEPS if step.name == "HEALTHCHECK").split("CMD ")[1]
    healthy = [part.replace("4000", port) for part in _words(check)]
    server = subprocess.Popen(serve, cwd=app, env=environment, stderr=subprocess.DEVNULL)
    try:
        wait_for("health", lambda: _run(healthy, app, environment).returncode == 0, seconds=200)
    finally:
        server.terminate()
        server.wait(timeout=60)


def _words(text: str) -> list[str]:
    """A command in JSON form."""
    return re.findall(r'"([^"]*)"', text)


def _run(
    command: list[str], folder: Path, environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200
    )
