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
from ml_connector_dagster.cloudsuite.catalog.syteline import load_syteline_catalog
from ml_connector_dagster.cloudsuite.gateway import BAD_REQUEST, Gateway, Readable, statuses
from ml_connector_dagster.cloudsuite.pages import ProductLine
from ml_connector_dagster.cloudsuite.product_lines.distribution.line import open_distribution
from ml_connector_dagster.cloudsuite.product_lines.financials.answers import is_readable
from ml_connector_dagster.cloudsuite.product_lines.financials.line import open_financials
from ml_connector_dagster.cloudsuite.product_lines.knowledge import KnowledgeStore
from ml_connector_dagster.cloudsuite.product_lines.ln.answers import is_readable as ln_is_readable
from ml_connector_dagster.cloudsuite.product_lines.ln.line import open_ln
from ml_connector_dagster.cloudsuite.product_lines.m3.line import open_m3, open_m3_keys
from ml_connector_dagster.cloudsuite.product_lines.syteline.line import open_syteline
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.model.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One product line.

    Attributes:
        suite: its path segment at the ION API Gateway (reference cloudsuite-api §1.1), which also names its reads.
        open: makes the line of a connection.
        catalog: reads the connection's catalog; for what is shown of it.
        open_keys: makes it for keys only; a line without it is read whole.
        readable: which answers with an error status are the ERP's own, for the line to read.
    """

    suite: str
    open: Callable[[CloudSuiteConnection, Gateway, KnowledgeStore], ProductLine]
    catalog: Callable[[Path | None], LineCatalog[Any]]
    readable: Readable = BAD_REQUEST
    open_keys: Callable[[CloudSuiteConnection, Gateway, KnowledgeStore], ProductLine] | None = None


#: Product line → what there is to know of it.
PRODUCT_LINES: dict[str, Registered] = {
    "m3": Registered(suite="M3", open=open_m3, catalog=load_m3_catalog, open_keys=open_m3_keys),
    "syteline": Registered(
        suite="CSI",
        open=open_syteline,
        catalog=load_syteline_catalog,
        readable=statuses(400, 404),
    ),
    "ln": Registered(suite="LN", open=open_ln, catalog=load_ln_catalog, readable=ln_is_readable),
    "financials": Registered(
        suite="FSM",
        open=open_financials,
        catalog=load_financials_catalog,
        readable=is_readable,
    ),
    "distribution": Registered(
        suite="SX", open=open_distribution, catalog=load_distribution_catalog
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
    connection: CloudSuiteConnection, gateway: Gateway, knowledge: KnowledgeStore
) -> ProductLine:
    """Open the connection's line. Raises ConfigError for an unknown one, and for a catalog file with problems.

    ``knowledge`` keeps what was learned about the tenant (which routes it has), so that the next run need not ask again.
    """
    return registered(connection.product_line).open(connection, gateway, knowledge)


def open_key_line(
    connection: CloudSuiteConnection, gateway: Gateway, knowledge: KnowledgeStore
) -> ProductLine:
    """Like ``open_product_line``, for whoever needs keys only: the rest is left out where the line can.

    A line that cannot hands out whole records, which costs bytes and not correctness.
    """
    line = registered(connection.product_line)
    return (line.open_keys or line.open)(connection, gateway, knowledge)
