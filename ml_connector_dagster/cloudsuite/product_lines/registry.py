"""The product lines by name."""

from collections.abc import Callable

from ml_connector_dagster.cloudsuite.catalog.keys import keys_only
from ml_connector_dagster.cloudsuite.catalog.loading import load_m3_catalog
from ml_connector_dagster.cloudsuite.gateway import Gateway
from ml_connector_dagster.cloudsuite.pages import ProductLine
from ml_connector_dagster.cloudsuite.product_lines.knowledge import KnowledgeStore
from ml_connector_dagster.cloudsuite.product_lines.m3.line import M3, open_m3
from ml_connector_dagster.config.project import CloudSuiteConnection
from ml_connector_dagster.model.errors import ConfigError


Opener = Callable[[CloudSuiteConnection, Gateway, KnowledgeStore], ProductLine]


def _m3(
    connection: CloudSuiteConnection, gateway: Gateway, knowledge: KnowledgeStore
) -> ProductLine:
    return open_m3(
        gateway,
        knowledge,
        catalog=connection.catalog,
        timezone=connection.timezone,
        page_rows=connection.page_rows,
    )


def _m3_keys(
    connection: CloudSuiteConnection, gateway: Gateway, knowledge: KnowledgeStore
) -> ProductLine:
    return M3(
        gateway,
        knowledge,
        keys_only(load_m3_catalog(connection.catalog)),
        timezone=connection.timezone,
        page_rows=connection.page_rows,
    )


#: Product line → what opens it for keys only; a line that is not here is read whole.
KEY_LINES: dict[str, Opener] = {"m3": _m3_keys}

#: Product line → what opens it.
PRODUCT_LINES: dict[str, Opener] = {"m3": _m3}

#: Product line → its path segment at the ION API Gateway (reference cloudsuite-api §1.1).
SUITES: dict[str, str] = {"m3": "M3"}


def suite_of(product_line: str) -> str:
    """The path segment of a product line. Raises ConfigError for an unknown one."""
    if product_line not in SUITES:
        raise _unknown(product_line)
    return SUITES[product_line]


def open_product_line(
    connection: CloudSuiteConnection, gateway: Gateway, knowledge: KnowledgeStore
) -> ProductLine:
    """Open the connection's line. Raises ConfigError for an unknown one, and for a catalog file with problems.

    ``knowledge`` keeps what was learned about the tenant (which routes it has), so that the next run need not ask again.
    """
    opener = PRODUCT_LINES.get(connection.product_line)
    if opener is None:
        raise _unknown(connection.product_line)
    return opener(connection, gateway, knowledge)


def open_key_line(
    connection: CloudSuiteConnection, gateway: Gateway, knowledge: KnowledgeStore
) -> ProductLine:
    """Like ``open_product_line``, for whoever needs keys only: the rest is left out where the line can.

    A line that cannot hands out whole records, which costs bytes and not correctness.
    """
    opener = KEY_LINES.get(connection.product_line, open_product_line)
    return opener(connection, gateway, knowledge)


def _unknown(name: str) -> ConfigError:
    return ConfigError(f"product line {name!r} is not known; known are {', '.join(PRODUCT_LINES)}")
