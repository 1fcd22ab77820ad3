"""Who hears of the work that is done here: a collector of traces and metrics, a reader of JSON lines, or nobody."""

import logging
import sys
from typing import Final

from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.credentials.redaction import RedactingFilter
from ml_connector_dagster.model.errors import MissingDriverError
from ml_connector_dagster.telemetry import switch_on
from ml_connector_dagster.telemetry.json_lines import JsonLines


_LOGGER: Final = logging.getLogger("ml_connector_dagster")


class _JsonHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """The one that ``listen`` makes, told apart from those of others."""


def listen(settings: Settings) -> None:
    """Switch on what ``settings`` ask for; a second call changes nothing.

    Raises MissingDriverError when telemetry is asked for and its packages are not installed.
    """
    if settings.telemetry:
        try:
            switch_on()
        except ImportError as error:
            raise MissingDriverError("opentelemetry-sdk", "telemetry") from error
    if settings.json_logs and not any(isinstance(one, _JsonHandler) for one in _LOGGER.handlers):
        handler = _JsonHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        handler.addFilter(RedactingFilter())
        _LOGGER.addHandler(handler)
        if _LOGGER.level in (logging.NOTSET, logging.WARNING):
            _LOGGER.setLevel(logging.INFO)
