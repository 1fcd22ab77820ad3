"""compose.yaml: it is what the Compose specification allows, and hangs together."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml


DEPLOY = Path(__file__).parents[2] / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text()


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(TEXT)
    return document


def test_it_is_a_compose_file(compose: dict[str, Any], shared_folder: Path) -> None:
    schema = shared_folder / "contracts" / "compose-spec.json"
    if not schema.exists():
        pytest.skip("the Compose specification's schema is not in the shared folder")
    jsonschema.Draft7Validator(json.loads(schema.read_text())).validate(compose)


def test_who_waits_for_whom_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
    assert services["code"]["depends_on"] == {
        "prepare": {"condition": "service_completed_successfully"}
    }


def test_only_the_code_has_the_key_the_ledger_and_the_flows(compose: dict[str, Any]) -> None:
    secret = {"ML_CONNECTOR_KEY", "ML_CONNECTOR_LEDGER_URL"}
    for name, service in compose["services"].items():
        has = secret & set(service.get("environment", {}))
        assert has == (secret if name in ("code", "prepare") else set()), name


def test_the_ui_is_served_to_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for one in compose["services"].values() for port in one.get("ports", ())]
    assert ports == ["127.0.0.1:${UI_PORT:-3000}:3000"]


def test_every_variable_stands_in_the_example(compose: dict[str, Any]) -> None:
    example = (DEPLOY / "production.env.example").read_text()
    given = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    optional = {"ML_CONNECTOR_IMAGE", "POSTGRES_IMAGE"}
    assert set(re.findall(r"\$\{([A-Z_]+)", TEXT)) == given | optional
    for name in ("POSTGRES_PASSWORD", "ML_CONNECTOR_KEY"):
        assert f"\n{name}=\n" in example, "an example holds no secret"
        assert re.search(rf"\$\{{{name}:\?", TEXT), "and compose refuses to start without it"


def test_each_command_is_a_program_of_the_package(compose: dict[str, Any]) -> None:
    programs = {one["command"][0] for one in compose["services"].values() if "command" in one}
    assert programs == {"ml-connector", "dagster-webserver", "dagster-daemon"}
    folder = Path(sys.executable).parent
    assert all(os.access(folder / program, os.X_OK) for program in programs)


def test_the_workspace_names_the_code_service(compose: dict[str, Any]) -> None:
    workspace = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())
    server = workspace["load_from"][0]["grpc_server"]
    assert server["host"] in compose["services"]
    assert f'"-p", "{server["port"]}"' in (DEPLOY / "Dockerfile").read_text()


def test_the_database_of_the_ledger_is_made(compose: dict[str, Any]) -> None:
    url = compose["services"]["code"]["environment"]["ML_CONNECTOR_LEDGER_URL"]
    assert f"CREATE DATABASE {url.rsplit('/', 1)[1]};" in (DEPLOY / "postgres-init.sql").read_text()
