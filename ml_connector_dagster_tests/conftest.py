"""Fixtures that every test may use: a running sandbox, as new for each test."""

from collections.abc import Iterator

import pytest

from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


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
