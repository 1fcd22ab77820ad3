"""From a connection of the project to an open org."""

import time
from collections.abc import Callable

from ml_connector_dagster.config.applications import SalesforceConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.applications.contract import Application
from ml_connector_dagster.destinations.salesforce.calls import Calls, stop_at
from ml_connector_dagster.destinations.salesforce.census import SalesforceCensus
from ml_connector_dagster.destinations.salesforce.ingest import Ingest
from ml_connector_dagster.destinations.salesforce.jobs import Jobs
from ml_connector_dagster.destinations.salesforce.logins import Login
from ml_connector_dagster.destinations.salesforce.sessions import Patience, TokenSession
from ml_connector_dagster.destinations.salesforce.structure import SalesforceStructure
from ml_connector_dagster.destinations.salesforce.target import SalesforceTarget
from ml_connector_dagster.destinations.salesforce.transport import Transport
from ml_connector_dagster.model.errors import CredentialError


def open_salesforce(
    connection: SalesforceConnection,
    credential: Credential,
    *,
    pause: Callable[[float], None] = time.sleep,
    elapsed: Callable[[], float] = time.monotonic,
) -> Application:
    """The org behind ``connection``. No call is made before the first one that is needed."""
    transport = open_transport(connection, credential, pause=pause, elapsed=elapsed)
    allowed = stop_at(transport, connection.usage_ceiling)
    calls = Calls(
        transport,
        workers=connection.workers,
        patience=connection.retry_seconds,
        allow_duplicates=connection.allow_duplicates,
        allowed=allowed,
        elapsed=elapsed,
    )
    jobs = Jobs(
        Ingest(transport),
        calls,
        pause=pause,
        timeout=connection.job_timeout_seconds,
        allow_duplicates=connection.allow_duplicates,
        allowed=allowed,
        elapsed=elapsed,
    )
    target = SalesforceTarget(
        transport,
        calls,
        jobs,
        bulk_threshold=connection.bulk_threshold,
        usage_ceiling=connection.usage_ceiling,
    )
    return Application(
        target=target,
        structure=SalesforceStructure(
            transport,
            address=lambda: connection.base_url or f"https://{transport.instance}",
            elapsed=elapsed,
        ),
        census=SalesforceCensus(transport),
        archives=False,
        close=transport.close,
    )


def open_transport(
    connection: SalesforceConnection,
    credential: Credential,
    *,
    pause: Callable[[float], None] = time.sleep,
    elapsed: Callable[[], float] = time.monotonic,
) -> Transport:
    """The calls to the org. Raises CredentialError when the stored fields are not an app's."""
    values = credential.values
    if set(values) != {"client_id", "client_secret"}:
        raise CredentialError(
            f"credential {connection.credential!r} has the fields {', '.join(sorted(values))}; Salesforce needs "
            f"client_id and client_secret. Store it again: ml-connector credentials add {connection.credential} "
            "--kind salesforce --field client_id --field client_secret"
        )
    session = TokenSession(
        Login(
            domain=connection.domain,
            credential=connection.credential,
            client_id=values["client_id"],
            client_secret=values["client_secret"],
        ),
        patience=Patience(
            request=connection.request_timeout_seconds,
            retries=connection.retry_seconds,
            session=connection.session_minutes * 60.0,
        ),
        base_url=connection.base_url,
        connections=connection.workers + 1,
        pause=pause,
        elapsed=elapsed,
    )
    return Transport(session, version=connection.api_version, pause=pause)
