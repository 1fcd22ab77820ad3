"""``ml-connector demo --line``: the sandbox's flows, from any product line."""

from pathlib import Path

import pytest

from ml_connector_dagster.cli.demo_lines import flows_for
from ml_connector_dagster.cloudsuite.product_lines.registry import PRODUCT_LINES
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.errors import ConfigError


_FLOWS = Path(__file__).parents[2] / "flows" / "sandbox.yaml"


@pytest.mark.parametrize("line", PRODUCT_LINES)
def test_every_line_has_flows_that_load(tmp_path: Path, line: str) -> None:
    settings = read_settings(
        {"ML_CONNECTOR_HOME": str(tmp_path), "ML_CONNECTOR_FLOWS": str(_FLOWS)}
    )
    made = flows_for(settings, line)
    project = load_project(made.flows, made)
    connection = project.connections["acme"]
    assert isinstance(connection, CloudSuiteConnection)
    assert connection.product_line == line
    served = PRODUCT_LINES[line].catalog(None).entities
    for flow in project.flows.values():
        assert set(flow.entities) <= set(served), "no entity that the line knows no way to"
    assert (made.flows == _FLOWS) == (line == "m3")


def test_an_unknown_line_says_which_there_are(tmp_path: Path) -> None:
    settings = read_settings(
        {"ML_CONNECTOR_HOME": str(tmp_path), "ML_CONNECTOR_FLOWS": str(_FLOWS)}
    )
    with pytest.raises(ConfigError, match="known are m3"):
        flows_for(settings, "sap")


def test_a_folder_of_flows_cannot_be_copied(tmp_path: Path) -> None:
    settings = read_settings(
        {"ML_CONNECTOR_HOME": str(tmp_path), "ML_CONNECTOR_FLOWS": str(tmp_path)}
    )
    with pytest.raises(ConfigError, match="is not one file"):
        flows_for(settings, "financials")
