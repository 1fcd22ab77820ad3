"""The JSON schema of a flows file, for editors: completion, descriptions and red lines while typing."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ml_connector_dagster.config.alerts import Alerts
from ml_connector_dagster.config.project import CONNECTION_TYPES, Flow
from ml_connector_dagster.config.retention import Retention
from ml_connector_dagster.config.values import NAME_PATTERN
from ml_connector_dagster.marts import MARTS
from ml_connector_dagster.model.entities import ENTITIES


JsonObject = dict[str, Any]


def project_json_schema() -> JsonObject:
    """The schema of one YAML file. It says what an editor can know; ``load_project`` checks the rest too."""
    models: list[type[BaseModel]] = [*CONNECTION_TYPES.values(), Flow]
    sections: list[type[BaseModel]] = [*models, Alerts, Retention]
    _, schema = models_json_schema([(model, "validation") for model in sections])
    definitions: JsonObject = schema["$defs"]
    for model in models:
        _drop_name(definitions[model.__name__])
    for model in CONNECTION_TYPES.values():
        definitions[model.__name__]["required"].insert(0, "type")
    flow = definitions[Flow.__name__]
    flow["properties"]["entities"] = _entities(flow["properties"]["entities"])
    flow["properties"]["marts"] = {
        "description": flow["properties"]["marts"]["description"],
        "anyOf": [
            {"enum": ["all", "none"]},
            {"type": "array", "items": {"enum": [*MARTS]}, "uniqueItems": True},
        ],
    }
    definitions["FlowDefaults"] = {
        key: value for key, value in flow.items() if key not in ("required", "title")
    } | {
        "title": "FlowDefaults",
        "description": "Values that every flow has unless it says otherwise.",
    }
    connection = {
        "oneOf": [{"$ref": f"#/$defs/{model.__name__}"} for model in CONNECTION_TYPES.values()],
        "discriminator": {
            "propertyName": "type",
            "mapping": {
                kind: f"#/$defs/{model.__name__}" for kind, model in CONNECTION_TYPES.items()
            },
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ml_connector_dagster flows",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "connections": _named(connection, "Systems, by the name that flows use for them."),
            "defaults": {"$ref": "#/$defs/FlowDefaults"},
            "flows": _named(
                {"$ref": f"#/$defs/{Flow.__name__}"},
                "What is read and where it goes, by flow name.",
            ),
            "retention": {"$ref": f"#/$defs/{Retention.__name__}"},
            "alerts": {"$ref": f"#/$defs/{Alerts.__name__}"},
        },
        "$defs": definitions,
    }


def _drop_name(definition: JsonObject) -> None:
    """A name is the key above the block, not a key in it."""
    del definition["properties"]["name"]
    definition["required"] = [key for key in definition.get("required", []) if key != "name"]


def _entities(field: JsonObject) -> JsonObject:
    listed = field | {"items": {"enum": ["all", *ENTITIES]}, "uniqueItems": True}
    description = listed.pop("description")
    return {"description": description, "anyOf": [{"const": "all"}, listed]}


def _named(values: JsonObject, description: str) -> JsonObject:
    return {
        "type": "object",
        "description": description,
        "propertyNames": {"pattern": f"^{NAME_PATTERN}$"},
        "additionalProperties": values,
    }
