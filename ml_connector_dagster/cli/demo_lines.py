"""The flows of the demo from another product line: a copy of the configured file."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml

from ml_connector_dagster.cloudsuite.product_lines.registry import registered
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError


#: What the sandbox's file is written for.
WRITTEN_FOR = "m3"

_HEADER = (
    "# Made by `ml-connector demo --line {line}` from {source}: the same flows, from {line}.\n"
)


def flows_for(settings: Settings, line: str) -> Settings:
    """``settings`` with flows that read ``line``: a copy of the configured file in the demo's home.

    Raises ConfigError for an unknown line, and for flows that are no single file.
    """
    ways = registered(line).catalog(None).entities
    if line == WRITTEN_FOR:
        return settings
    if not settings.flows.is_file():
        raise ConfigError(
            f"{settings.flows} is not one file, which --line {line} needs to make a copy of; "
            "point ML_CONNECTOR_FLOWS at flows/sandbox.yaml"
        )
    content = yaml.safe_load(settings.flows.read_text(encoding="utf-8"))
    for connection in content["connections"].values():
        if connection.get("type") == "cloudsuite":
            connection["product_line"] = line
    for flow in content["flows"].values():
        flow["entities"] = _entities(flow.get("entities", "all"), ways)
    copy = settings.home / "flows" / f"{line}.yaml"
    copy.parent.mkdir(parents=True, exist_ok=True)
    text = _HEADER.format(line=line, source=settings.flows.name)
    copy.write_text(text + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return replace(settings, flows=copy)


def _entities(wanted: str | list[str], ways: Mapping[str, Any]) -> str | list[str]:
    """What the line knows a way to."""
    names = list(ENTITIES) if wanted == "all" else wanted
    served = [name for name in names if name in ways]
    return wanted if served == names else served
