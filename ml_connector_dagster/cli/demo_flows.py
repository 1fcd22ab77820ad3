"""The flows that the demo can run: the file as it is, or a copy in the demo's home with the sandbox's real address.

flows/sandbox.yaml names the sandbox by a fixed address, as anybody's file names their systems. When that port is
busy, or a system is not installed here, the demo runs on a copy in which this is put right.
"""

import importlib.util
from collections.abc import Collection
from dataclasses import replace
from typing import Any, Final

import yaml

from ml_connector_dagster.cli.sandbox import PORT
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.services import SERVICES


#: Type of connection → the package that delivers to it; the extra has the type's name.
DRIVERS: Final = {
    "snowflake": "snowflake.connector",
    "databricks": "databricks.sdk",
    "salesforce": "simple_salesforce",
    "monday": "monday_sdk",
    "looker": "looker_sdk",
}

_HOST: Final = "127.0.0.1"


def unusable_types(sandbox: Sandbox) -> dict[str, str]:
    """Types of connection that the demo cannot deliver to, and what to install."""
    found = {
        kind: f"pip install 'ml-connector-dagster[{kind}]'"
        for kind, package in DRIVERS.items()
        if not _is_installed(package)
    }
    for kind, offer in SERVICES.items():
        if kind not in sandbox.services:
            found.setdefault(kind, f"pip install 'ml-connector-dagster[{offer.extra}]'")
    return found


def runnable_flows(settings: Settings, sandbox: Sandbox, without: Collection[str]) -> Settings:
    """Settings whose flows reach ``sandbox`` and have no connection of the types ``without``.

    Raises ConfigError when a folder of flows would have to be changed, or no destination would be left.
    """
    port = int(sandbox.url.rpartition(":")[2])
    if port == PORT and not without:
        return settings
    if settings.flows.is_dir():
        raise ConfigError(
            f"the demo runs one file of flows, not the folder {settings.flows}: unset ML_CONNECTOR_FLOWS"
        )
    document = yaml.safe_load(settings.flows.read_text(encoding="utf-8"))
    for connection in document["connections"].values():
        _put_right(connection, port)
    absent = {
        name for name, one in document["connections"].items() if one.get("type") in set(without)
    }
    for flow in document["flows"].values():
        flow["destinations"] = [
            one for one in flow["destinations"] if one["connection"] not in absent
        ]
        if flow.get("looker", {}).get("connection") in absent:
            del flow["looker"]
    document["flows"] = {
        name: flow for name, flow in document["flows"].items() if flow["destinations"]
    }
    for name in absent:
        del document["connections"][name]
    copy = settings.home / "flows.yaml"
    copy.write_text(
        f"# Written by the demo, from {settings.flows.resolve()}\n"
        + yaml.safe_dump(document, sort_keys=False, allow_unicode=True),
        encoding="utf-8",
    )
    return replace(settings, flows=copy)


def _put_right(connection: dict[str, Any], port: int) -> None:
    """The sandbox's port, in an address or beside a host."""
    for key, value in connection.items():
        if isinstance(value, str):
            connection[key] = value.replace(f"//{_HOST}:{PORT}", f"//{_HOST}:{port}")
    if connection.get("host") == _HOST and connection.get("port") == PORT:
        connection["port"] = port


def _is_installed(package: str) -> bool:
    parent = package.partition(".")[0]
    return importlib.util.find_spec(parent) is not None and (
        importlib.util.find_spec(package) is not None
    )
