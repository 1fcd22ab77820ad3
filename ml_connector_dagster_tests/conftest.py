"""Fixtures that every test may use: a running sandbox, as new for each test."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


if TYPE_CHECKING:
    from ml_connector_dagster.sandbox.databricks import DatabricksSandbox
    from ml_connector_dagster_tests.application_worlds import Stand


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The team's folder of vendors' contracts, beside the repository; a test that needs it skips without."""
    beside = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("ML_CONNECTOR_SHARED", beside))
    if not folder.is_dir():
        pytest.skip("the shared folder with the vendors' contracts is not here")
    return folder


@pytest.fixture(scope="session")
def _running_sandbox() -> Iterator[Sandbox]:
    """One small sandbox for the whole session: starting a server costs more than resetting one."""
    options = SandboxOptions(size=ErpSize.tiny(), requests_per_minute=6000)
    with Sandbox.start(options) as running:
        yield running


@pytest.fixture
def sandbox(_running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A tiny ERP behind the gateway: data, clock, faults, switches, limits, log and tokens are as at start."""
    _running_sandbox.reset()
    yield _running_sandbox
    _running_sandbox.faults.clear()


@pytest.fixture
def caller(sandbox: Sandbox) -> Iterator[Caller]:
    """Plain HTTP calls to the sandbox as tenant ACME_TST."""
    made = Caller(sandbox)
    yield made
    made.close()


@pytest.fixture(scope="session")
def running_databricks() -> Iterator["DatabricksSandbox"]:
    """One workspace for the whole session: its engine is warm, and each test has a schema of its own."""
    from ml_connector_dagster_tests.spec.databricks_workspace import sandbox_workspace

    with sandbox_workspace() as running:
        yield running


@pytest.fixture
def databricks(running_databricks: "DatabricksSandbox") -> "DatabricksSandbox":
    """A Databricks workspace: faults, tokens and grants are as at start; what other tests made is still there."""
    running_databricks.reset()
    return running_databricks


@pytest.fixture(scope="module", params=["salesforce", "monday"])
def _running_stand(request: pytest.FixtureRequest) -> Iterator["Stand"]:
    from ml_connector_dagster.sandbox.monday import MondayOptions
    from ml_connector_dagster_tests.monday_stand import MondayStand
    from ml_connector_dagster_tests.salesforce_stand import SalesforceStand

    made: Stand = (
        SalesforceStand()
        if request.param == "salesforce"
        else MondayStand(MondayOptions(tier="enterprise"))
    )
    yield made
    made.close()


@pytest.fixture
def stand(_running_stand: "Stand") -> "Stand":
    """Each application in turn, empty and not set up."""
    _running_stand.reset()
    return _running_stand
