"""The flows that the demo runs: as they stand, or a copy that reaches the sandbox where it really is."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml_connector_dagster.cli.app import app
from ml_connector_dagster.cli.demo_flows import runnable_flows
from ml_connector_dagster.cli.sandbox import PORT, store_logins
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.config.warehouses import DatabricksConnection, SnowflakeConnection
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions


FLOWS = Path(__file__).parents[2] / "flows" / "sandbox.yaml"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    home.mkdir()
    return read_settings({"ML_CONNECTOR_HOME": str(home), "ML_CONNECTOR_FLOWS": str(FLOWS)})


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    options = SandboxOptions(size=ErpSize.tiny(), services=("snowflake",))
    with Sandbox.start(options) as sandbox:
        yield sandbox


def test_on_its_own_port_the_file_is_taken_as_it_is(settings: Settings, served: Sandbox) -> None:
    url, served.url = served.url, f"http://127.0.0.1:{PORT}"
    try:
        assert runnable_flows(settings, served, ()) == settings
    finally:
        served.url = url


def test_on_another_port_a_copy_has_the_real_address(settings: Settings, served: Sandbox) -> None:
    changed = runnable_flows(settings, served, ())

    assert changed.flows == settings.home / "flows.yaml"
    project, original = (load_project(one.flows, one) for one in (changed, settings))
    snowflake, databricks = project.connections["snowflake"], project.connections["databricks"]
    assert isinstance(snowflake, SnowflakeConnection)
    assert isinstance(databricks, DatabricksConnection)
    assert snowflake.base_url == databricks.host == served.url
    assert project.flows == original.flows


def test_a_system_that_is_not_installed_is_left_out(settings: Settings, served: Sandbox) -> None:
    changed = runnable_flows(settings, served, ("databricks",))

    project = load_project(changed.flows, changed)
    others = set(load_project(settings.flows, settings).connections) - {"databricks"}
    assert set(project.connections) == others
    targets = project.flows["erp_to_warehouse"].destinations
    assert [one.connection for one in targets] == ["warehouse", "snowflake"]


def test_a_flow_that_is_left_with_no_destination_is_left_out(
    settings: Settings, served: Sandbox
) -> None:
    changed = runnable_flows(settings, served, ("salesforce", "monday"))

    assert list(load_project(changed.flows, changed).flows) == ["erp_to_warehouse"]


def test_logins_are_stored_and_renewed(settings: Settings, served: Sandbox) -> None:
    for _ in range(2):
        store_logins(settings, served, "acme")
    store = open_store(settings)
    assert {one.name: one.kind for one in store.list()} == {
        "acme": "ionapi",
        "snowflake": "sandbox",
    }
    assert "PRIVATE KEY" in store.get("snowflake").values["private_key"].reveal()


def test_a_real_login_is_never_overwritten(settings: Settings, served: Sandbox) -> None:
    open_store(settings).add("snowflake", "snowflake", {"token": Secret("a real one")})
    with pytest.raises(ConfigError, match="'snowflake' is of another system than the sandbox"):
        store_logins(settings, served, "acme")
    assert open_store(settings).get("snowflake").values["token"].reveal() == "a real one"


def test_a_port_that_is_taken_is_named_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        told = CliRunner().invoke(app, ["sandbox", "--port", str(port), "--size", "tiny"])
    assert told.exit_code == 1
    assert f"port {port} is taken" in str(told.exception)
    assert "--port another" in str(told.exception)
