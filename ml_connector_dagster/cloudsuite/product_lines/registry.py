"""The product lines by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_connector_dagster.cloudsuite.catalog.distribution import load_distribution_catalog
from ml_connector_dagster.cloudsuite.catalog.entities import LineCatalog
from ml_connector_dagster.cloudsuite.catalog.financials import load_financials_catalog
from ml_connector_dagster.cloudsuite.catalog.ln import load_ln_catalog
from ml_connector_dagster.cloudsuite.catalog.m3 import load_m3_catalog
from ml_connector_dagster.cloudsuite.catalog.narrowed import (
    EVERYTHING,
    Columns,
    keys_only,
    narrowed,
)
from ml_connector_dagster.cloudsuite.catalog.syteline import load_syteline_catalog
from ml_connector_dagster.cloudsuite.gateway import BAD_REQUEST, Gateway, Readable, statuses
from ml_connector_dagster.cloudsuite.pages import ProductLine
from ml_connector_dagster.cloudsuite.product_lines.distribution.line import open_distribution
from ml_connector_dagster.cloudsuite.product_lines.financials.answers import is_readable
from ml_connector_dagster.cloudsuite.product_lines.financials.line import open_financials
from ml_connector_dagster.cloudsuite.product_lines.knowledge import KnowledgeStore
from ml_connector_dagster.cloudsuite.product_lines.ln.answers import is_readable as ln_is_readable
from ml_connector_dagster.cloudsuite.product_lines.ln.line import open_ln
from ml_connector_dagster.cloudsuite.product_lines.m3.line import open_m3
from ml_connector_dagster.cloudsuite.product_lines.syteline.line import open_syteline
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.model.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One product line.

    Attributes:
        suite: its path segment at the ION API Gateway (reference cloudsuite-api §1.1), which also names its reads.
        catalog: reads the built-in catalog with, laid over it, a tenant's own file.
        open: makes the line of a connection by such a catalog.
        readable: which answers with an error status are the ERP's own, for the line to read.
    """

    suite: str
    catalog: Callable[[Path | None], LineCatalog[Any]]
    open: Callable[[CloudSuiteConnection, Gateway, KnowledgeStore, Any], ProductLine]
    readable: Readable = BAD_REQUEST


#: Product line → what there is to know of it.
PRODUCT_LINES: dict[str, Registered] = {
    "m3": Registered(suite="M3", catalog=load_m3_catalog, open=open_m3),
    "syteline": Registered(
        suite="CSI",
        catalog=load_syteline_catalog,
        open=open_syteline,
        readable=statuses(400, 404),
    ),
    "ln": Registered(suite="LN", catalog=load_ln_catalog, open=open_ln, readable=ln_is_readable),
    "financials": Registered(
        suite="FSM",
        catalog=load_financials_catalog,
        open=open_financials,
        readable=is_readable,
    ),
    "distribution": Registered(
        suite="SX", catalog=load_distribution_catalog, open=open_distribution
    ),
}


def registered(product_line: str) -> Registered:
    """The product line of that name. Raises ConfigError when there is none."""
    found = PRODUCT_LINES.get(product_line)
    if found is None:
        raise ConfigError(
            f"product line {product_line!r} is not known; known are {', '.join(PRODUCT_LINES)}"
        )
    return found


def open_product_line(
    connection: CloudSuiteConnection,
    gateway: Gateway,
    knowledge: KnowledgeStore,
    columns: Columns = EVERYTHING,
) -> ProductLine:
    """Open the connection's line. Raises ConfigError for an unknown one, and for a catalog file with problems.

    ``knowledge`` keeps what was learned about the tenant (which routes it has), so that the next run need not ask again.
    Of an entity that is named in ``columns``, only these are asked for.
    """
    line = registered(connection.product_line)
    catalog = narrowed(line.catalog(connection.catalog), columns)
    return line.open(connection, gateway, knowledge, catalog)


def open_key_line(
    connection: CloudSuiteConnection, gateway: Gateway, knowledge: KnowledgeStore
) -> ProductLine:
    """Like ``open_product_line``, for whoever needs keys only: the rest is left out where the protocol can."""
    line = registered(connection.product_line)
    catalog = keys_only(line.catalog(connection.catalog))
    return line.open(connection, gateway, knowledge, catalog)
