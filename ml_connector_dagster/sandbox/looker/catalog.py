"""Models and explores as the API describes them."""

from typing import Any

from ml_connector_dagster.sandbox.looker.lookml import Explore, Field, Model


def about_model(model: Model, project: str) -> dict[str, Any]:
    """A model in the list of models."""
    return {
        "name": model.name,
        "label": model.label,
        "project_name": project,
        "has_content": True,
        "unlimited_db_connections": False,
        "allowed_db_connection_names": [model.connection],
        "explores": [
            {
                "name": one.name,
                "label": one.label,
                "description": one.description,
                "group_label": one.group,
                "hidden": one.hidden,
            }
            for one in model.explores.values()
        ],
        "can": {},
    }


def about_explore(explore: Explore, model: Model, project: str) -> dict[str, Any]:
    """An explore with its fields and joins."""
    fields = [one for view in explore.views.values() for one in view.fields.values()]
    return {
        "id": f"{model.name}::{explore.name}",
        "name": explore.name,
        "label": explore.label,
        "title": explore.label,
        "description": explore.description,
        "group_label": explore.group,
        "hidden": explore.hidden,
        "model_name": model.name,
        "project_name": project,
        "view_name": explore.base,
        "connection_name": model.connection,
        "sql_table_name": explore.views[explore.base].table,
        "scopes": list(explore.views),
        "fields": {
            "dimensions": [_about_field(one) for one in fields if not one.is_measure],
            "measures": [_about_field(one) for one in fields if one.is_measure],
            "filters": [],
            "parameters": [],
        },
        "joins": [
            {
                "name": one.view,
                "type": one.type,
                "relationship": one.relationship,
                "sql_on": one.sql_on,
            }
            for one in explore.joins.values()
        ],
    }


def _about_field(one: Field) -> dict[str, Any]:
    return {
        "name": one.full_name,
        "label": one.label,
        "label_short": one.label,
        "description": one.description,
        "type": f"date_{one.timeframe}" if one.timeframe else one.type,
        "view": one.view,
        "scope": one.view,
        "measure": one.is_measure,
        "category": "measure" if one.is_measure else "dimension",
        "hidden": one.hidden,
        "primary_key": one.is_key,
        "field_group_label": one.group or None,
        "is_timeframe": bool(one.timeframe),
        "value_format_name": one.format or None,
        "sql": one.sql,
    }
