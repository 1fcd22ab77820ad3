"""The product lines by name."""

from collections.abc import Callable
from pathlib import Path

from ml_connector_dagster.cloudsuite.gateway import Gateway
from ml_connector_dagster.cloudsuite.pages import ProductLine
from ml_connector_dagster.cloudsuite.product_lines.m3.line import open_m3
from ml_connector_dagster.model.errors import ConfigError


def _m3(gateway: Gateway, catalog: Path | None, timezone: str, page_rows: int) -> ProductLine:
    return open_m3(gateway, catalog=catalog, timezone=timezone, page_rows=page_rows)


#: Product line → what opens it: (gateway to its suite, the tenant's own catalog file, time zone, rows per page).
PRODUCT_LINES: dict[str, Callable[[Gateway, Path | None, str, int], ProductLine]] = {"m3": _m3}

#: Product line → its path segment at the ION API Gateway (reference cloudsuite-api §1.1).
SUITES: dict[str, str] = {"m3": "M3"}


def open_product_line(
    name: str, gateway: Gateway, *, catalog: Path | None, timezone: str, page_rows: int
) -> ProductLine:
    """Open the line called ``name``. Raises ConfigError for an unknown one, and for a catalog file with problems."""
    opener = PRODUCT_LINES.get(name)
    if opener is None:
        raise ConfigError(
            f"product line {name!r} is not known; known are {', '.join(PRODUCT_LINES)}"
        )
    return opener(gateway, catalog, timezone, page_rows)
