"""From a connection of the configuration to an open application."""

import time
from collections.abc import Callable
from typing import Final

from ml_connector_dagster.config.applications import MondayConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.applications.contract import Application
from ml_connector_dagster.destinations.monday.api import MondayApi
from ml_connector_dagster.destinations.monday.boards import Boards
from ml_connector_dagster.destinations.monday.census import MondayCensus
from ml_connector_dagster.destinations.monday.structure import MondayStructure
from ml_connector_dagster.destinations.monday.target import MondayTarget, Sizes
from ml_connector_dagster.destinations.monday.transport import Patience


#: Calls a day by plan (developer.monday.com, rate limits, 2026-09-06).
DAILY_CALLS: Final = {"free": 1_000, "standard": 1_000, "pro": 10_000, "enterprise": 25_000}

#: Seconds after which a search surely finds a new item. Not published (reference saas-destinations §7): on the safe
#: side, since an item that is not found is made again. Only waited after a crash or a lost answer.
SEARCH_LAG: Final = 10.0


def open_monday(
    connection: MondayConnection,
    credential: Credential,
    *,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Application:
    """The account behind ``connection``. Nothing is asked yet."""
    api = MondayApi(
        connection.base_url,
        credential.value("token"),
        connection.api_version,
        Patience(
            request=connection.request_timeout_seconds,
            retries=connection.retry_seconds,
            job=connection.job_timeout_seconds,
        ),
        pause=pause,
        clock=clock,
    )
    boards = Boards(api, connection.workspace_id)
    sizes = Sizes(
        batch=connection.batch_size,
        import_above=connection.ingest_threshold,
        daily_calls=DAILY_CALLS[connection.plan],
        ceiling=connection.usage_ceiling,
    )
    return Application(
        target=MondayTarget(
            api, boards, sizes, archive_duplicates=connection.archive_duplicates, pause=pause
        ),
        structure=MondayStructure(api, boards, connection.workspace_id),
        census=MondayCensus(api, boards),
        archives=True,
        close=api.close,
        settle=lambda: pause(SEARCH_LAG),
    )
