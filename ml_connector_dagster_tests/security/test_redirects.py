"""A server that sends us elsewhere gets nothing there: no token, no password, of no system."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.sync.ping import ping_connection
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.chaos.flows import write_flows
from ml_connector_dagster_tests.chaos.outside import Outside
from ml_connector_dagster_tests.security.leaks import leaks_in


class Elsewhere:
    """Listens, keeps what it hears, and answers that all is well."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(1)
                try:
                    self.heard += connection.recv(1_000_000)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                except OSError:
                    continue

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    listening = Elsewhere()
    yield listening
    listening.close()


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize(
    "name", ["acme", "snowflake", "databricks", "salesforce", "monday", "looker"]
)
def test_no_credential_follows_a_redirect(
    there: Outside, elsewhere: Elsewhere, tmp_path: Path, name: str, status: int
) -> None:
    settings = read_settings(
        {
            "ML_CONNECTOR_HOME": str(tmp_path / "home"),
            "ML_CONNECTOR_FLOWS": str(tmp_path / "flows.yaml"),
        }
    )
    write_flows(tmp_path / "flows.yaml", there)
    there.store_logins(settings)
    front = there.fronts["erp" if name == "acme" else name]
    front.hits.clear()
    try:
        with Workspace.open(settings) as workspace:
            # Once at the login, once at a call after it.
            for after in (0, 1):
                front.arm("slow", after)
                front.arm(f"redirect {status} http://localhost:{elsewhere.port}/", 5)
                findings = ping_connection(workspace, name)
                front.heal()
                assert not all(one.ok for one in findings)
    finally:
        front.heal()
    assert sum(front.hits.values()) > 0
    found = leaks_in(iter([("elsewhere", bytes(elsewhere.heard))]), there.secrets)
    assert found == []
    assert b"bearer" not in bytes(elsewhere.heard).lower()
    assert b"authorization" not in bytes(elsewhere.heard).lower()
