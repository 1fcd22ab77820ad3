"""From a connection of the project to an open Looker."""

import time
from collections.abc import Callable
from datetime import datetime

from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.looker.api import Looker
from ml_connector_dagster.destinations.looker.quotas import CallCounts, Quota, limits_of
from ml_connector_dagster.destinations.looker.transport import (
    LookerTransport,
    Patience,
    Settings,
)
from ml_connector_dagster.model.errors import CredentialError


def open_looker(
    connection: LookerConnection,
    credential: Credential,
    counts: CallCounts,
    *,
    now: Callable[[], datetime],
    pause: Callable[[float], None] = time.sleep,
    elapsed: Callable[[], float] = time.monotonic,
) -> Looker:
    """Looker behind ``connection``; close it. No call is made before ``log_in``.

    Raises CredentialError when the stored fields are not an API key's.
    """
    values = credential.values
    if set(values) != {"client_id", "client_secret"}:
        raise CredentialError(
            f"credential {connection.credential!r} has the fields {', '.join(sorted(values))}; Looker needs client_id "
            f"and client_secret. Store it again: ml-connector credentials add {connection.credential} --kind looker "
            "--field client_id --field client_secret"
        )
    quota = Quota(connection.name, limits_of(connection), counts, now)
    settings = Settings(
        base_url=connection.base_url,
        client_id=values["client_id"],
        client_secret=values["client_secret"],
        verify_ssl=connection.verify_tls,
        timeout=int(connection.request_timeout_seconds),
    )
    transport = LookerTransport(
        settings,
        quota,
        Patience(request=connection.request_timeout_seconds, retries=connection.retry_seconds),
        pause=pause,
        elapsed=elapsed,
    )
    return Looker(settings, transport, quota)
