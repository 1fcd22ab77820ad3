"""The code location of a chaos run: the product's own, with a clock that can be moved.

The clock comes in as an argument (``build_definitions(now=)``); here it is the real one plus the seconds that stand in the
file that ``CHAOS_CLOCK`` names.
"""

import faulthandler
import os
import signal
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dagster import BetaWarning

from ml_connector_dagster.config.loading import load_project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.defs.build import build_definitions


warnings.filterwarnings("ignore", category=BetaWarning)
# A run that hangs shows where, when it is asked: see ``campaign``.
faulthandler.register(signal.SIGUSR1)

_CLOCK = Path(os.environ["CHAOS_CLOCK"])


def now() -> datetime:
    """The time on this host, which may be wrong."""
    return datetime.now(UTC) + timedelta(seconds=float(_CLOCK.read_text() or 0))


settings = read_settings()
defs = build_definitions(load_project(settings.flows, settings), settings, now=now)
