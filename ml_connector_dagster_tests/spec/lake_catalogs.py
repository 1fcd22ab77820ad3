"""Tenants' catalog files that read by the data lake alone, or never by it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import yaml

from ml_connector_dagster.cloudsuite.catalog.lake import CompassRoute
from ml_connector_dagster.cloudsuite.product_lines.registry import PRODUCT_LINES


def lake_first(line: str) -> str:
    """Every entity by the lake, whatever the window; the other routes are left out."""
    catalog = PRODUCT_LINES[line].catalog(None)
    return yaml.safe_dump(
        {
            "entities": {
                name: {
                    "routes": {
                        route: None
                        for route, one in entity.routes.items()
                        if not isinstance(one, CompassRoute)
                    }
                }
                for name, entity in catalog.entities.items()
            }
        }
    )


def without_lake(line: str, order: Mapping[str, Sequence[str]] = MappingProxyType({})) -> str:
    """Every entity by the routes of its own ERP, in the ``order`` given; what only the lake has is left out."""
    catalog = PRODUCT_LINES[line].catalog(None)
    return yaml.safe_dump(
        {
            "entities": {
                name: None
                if all(isinstance(one, CompassRoute) for one in entity.routes.values())
                else {"routes": {"lake": None}, "order": list(order.get(name, ()))}
                for name, entity in catalog.entities.items()
            }
        }
    )


def written(folder: Path, name: str, text: str) -> Path:
    """The file of a catalog."""
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path
