"""Hosts: processes with a home of their own that share a ledger, staging and an encryption key, as machines would."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.credentials.keys import new_key
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.workspace import Workspace


T = TypeVar("T")

FLOWS = """\
connections:
  acme:
    type: cloudsuite
    product_line: m3
    credential: acme
    timezone: Europe/Stockholm
    requests_per_minute: 6000
    page_rows: 5
    concurrency: 1
  warehouse:
    type: duckdb
    # Both hosts are on this machine, and DuckDB's file lock makes them take turns.
    path: %(folder)s/warehouse.duckdb
flows:
  purchasing:
    source: acme
    companies: ["100", "200"]
    entities: [suppliers, purchase_orders]
    destinations: [{connection: warehouse}]
    start_date: %(start)s
"""

COMMAND = (sys.executable, "-c", "from ml_connector_dagster.cli import main; main()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One machine: a home of its own, and the environment that all of them share."""

    home: Path
    shared: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """What its processes are started with."""
        own = {
            "ML_CONNECTOR_HOME": str(self.home),
            "DAGSTER_HOME": str(self.home / "dagster"),
        }
        return {**os.environ, **self.shared, **own}

    @property
    def settings(self) -> Settings:
        return read_settings(self.environment)

    def open(self) -> Workspace:
        return Workspace.open(self.settings)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """A command that runs in the background."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def examine(self) -> dict[tuple[str, str], dict[str, str]]:
        """What the doctor says of it: area and check → its line. Of several, the last."""
        printed, complaints = self.start("doctor", "--json").communicate(timeout=200)
        assert printed, complaints
        return {(line["area"], line["check"]): line for line in json.loads(printed)}

    def run(self, *arguments: str) -> Any:
        """A command with ``--json``, and what it printed. It must succeed."""
        return finished(self.start(*arguments, "--json"))


def finished(process: "subprocess.Popen[str]") -> Any:
    """Wait for a command with ``--json``; it must succeed."""
    printed, complaints = process.communicate(timeout=200)
    assert process.returncode == 0, complaints + printed
    return json.loads(printed)


@dataclass(slots=True, kw_only=True)
class Site:
    """Hosts over one ledger in PostgreSQL and one staging folder, and the sandbox's ERP."""

    sandbox: Sandbox
    folder: Path
    ledger_url: str
    dagster_url: str = ""
    hosts: list[Host] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        flows = FLOWS % {"folder": self.folder, "start": self.sandbox.clock.today()}
        (self.folder / "flows.yaml").write_text(flows)
        self.shared = {
            "ML_CONNECTOR_FLOWS": str(self.folder / "flows.yaml"),
            "ML_CONNECTOR_LEDGER_URL": self.ledger_url,
            "ML_CONNECTOR_STAGING_URL": str(self.folder / "staging"),
            "ML_CONNECTOR_KEY": new_key().reveal(),
            "DAGSTER_PG_URL": self.dagster_url,
        }

    shared: dict[str, str] = field(init=False)

    def host(self, name: str) -> Host:
        """A machine more, with its copy of the credentials."""
        host = Host(home=self.folder / name, shared=self.shared)
        host.home.mkdir()
        if self.hosts:
            shutil.copy(self.hosts[0].settings.credentials_file, host.home)
        else:
            text = self.sandbox.ionapi_text("ACME_TST")
            open_store(host.settings).add("acme", "ionapi", {"ionapi": Secret(text)})
        self.hosts.append(host)
        return host


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 120) -> T:
    """What ``look`` answers as soon as it is neither None nor False; asks ten times a second."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:g} s"
        time.sleep(0.1)
    return found
