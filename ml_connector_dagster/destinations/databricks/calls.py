"""Calls of a Databricks workspace through its SDK: the login and its renewal, what refuses them, who we are there.

The client is made by dagster-databricks' ``DatabricksClientResource``: whatever it can log in with, and whatever else it
sets for Databricks clients in Dagster, holds here as well. It has no place for time-outs, so they are set on the
configuration that it made. Both packages take seconds to import: nothing imports this file before a flow's first delivery
to Databricks (``destinations/registry.py``), and the definitions of Dagster do not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import requests
from dagster_databricks import DatabricksClientResource
from dagster_databricks.resources import OauthCredentials
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import (
    InternalError,
    NotFound,
    TemporarilyUnavailable,
    TooManyRequests,
    Unauthenticated,
)
from databricks.sdk.errors.base import DatabricksError

from ml_connector_dagster.destinations.databricks.logins import Login
from ml_connector_dagster.destinations.databricks.refusals import refused_call
from ml_connector_dagster.model.errors import ConfigError, CredentialError, TransientError
from ml_connector_dagster.model.secrets import Secret


Answer = TypeVar("Answer")

#: What a call of the SDK may raise that is about the call.
CALL_ERRORS: Final = (DatabricksError, requests.RequestException, TimeoutError, ValueError)


class UnreachableError(TransientError):
    """No answer, or only refusals, for as long as calls are tried again."""


class NotThereError(Exception):
    """HTTP 404: the thing that was asked for is not there."""


@dataclass(slots=True)
class Usage:
    """What was asked of a workspace.

    Attributes:
        requests: every call, polls and downloads included; what the SDK tried again by itself counts once.
        statements: SQL statements among them.
    """

    requests: int = 0
    statements: int = 0


class Calls:
    """One principal in one workspace. Made once for a destination; opens its client with the first call.

    Args:
        request_timeout: seconds that one HTTP call may take.
        patience: seconds in which a call that fails for a passing reason is tried again.
    """

    def __init__(self, host: str, login: Login, *, request_timeout: float, patience: float) -> None:
        self.host = host
        self.usage = Usage()
        self._login = login
        self._request_timeout = request_timeout
        self._patience = patience
        self._client: WorkspaceClient | None = None
        self._principal = ""

    def close(self) -> None:
        """The SDK has no way to close what it opened, so its session is reached for."""
        if self._client is not None:
            session: requests.Session = self._client.api_client._api_client._session
            session.close()
            self._client = None

    def call(self, action: Callable[[WorkspaceClient], Answer]) -> Answer:
        """One call of the SDK, its errors in our words. A token that was refused is renewed once."""
        self.usage.requests += 1
        for renewed in (False, True):
            try:
                return action(self._open())
            except Unauthenticated as error:
                if self._login.token is None and not renewed:
                    self.close()
                    continue
                raise self._refused(401, error) from error
            except NotFound as error:
                if "warehouse" in str(error).lower() or "CATALOG_DOES_NOT_EXIST" in str(
                    error.error_code
                ):
                    raise ConfigError(f"Databricks at {self.host}: {error}") from error
                raise NotThereError(str(error)) from error
            except (TooManyRequests, TemporarilyUnavailable, InternalError) as error:
                raise self._unreachable(error) from error
            except DatabricksError as error:
                raise self._refused(403, error) from error
            except (requests.RequestException, TimeoutError) as error:
                raise self._unreachable(error) from error
            except ValueError as error:  # what the token endpoint said, in the SDK's wrapping
                raise self._no_token(error) from error
        raise AssertionError("the loop returns or raises")

    def call_if_open(self, action: Callable[[WorkspaceClient], object]) -> None:
        """One call without a second try, for what is done on the way out. Raises one of ``CALL_ERRORS``."""
        if self._client is not None:
            self.usage.requests += 1
            action(self._client)

    @property
    def principal(self) -> str:
        """Who we are there, for messages."""
        if not self._principal and self._client is not None:
            try:
                self._principal = self._client.current_user.me().user_name or ""
            except CALL_ERRORS:
                return f"the principal of credential {self._login.credential!r}"
        return self._principal

    def _refused(self, status: int, error: DatabricksError) -> Exception:
        return refused_call(
            status,
            str(error),
            principal=self.principal if status != 401 else "",
            credential=self._login.credential,
            host=self.host,
        )

    def _unreachable(self, error: Exception) -> TransientError:
        cause = error.__cause__ or error
        return UnreachableError(
            f"Databricks at {self.host} was not available for {self._patience:g} s ({type(cause).__name__}: "
            f"{str(cause)[:200]}); the replay sensor delivers again when it answers",
            retry_after=getattr(error, "retry_after_secs", None),
        )

    def _no_token(self, error: ValueError) -> CredentialError:
        name = self._login.credential
        return CredentialError(
            f"Databricks at {self.host} gives credential {name!r} no token: {_last_line(error)}. Check client id and "
            "secret (Settings, Service principals, Secrets), and store them again: ml-connector credentials add "
            f"{name} --kind databricks --field client_id --field client_secret"
        )

    def _open(self) -> WorkspaceClient:
        if self._client is None:
            try:
                self._client = self._new_client()
            except ValueError as error:
                raise self._no_token(error) from error
            except requests.RequestException as error:
                raise self._unreachable(error) from error
        return self._client

    def _new_client(self) -> WorkspaceClient:
        login = self._login
        if login.token is not None:
            resource = DatabricksClientResource(host=self.host, token=login.token.reveal())
        else:
            client_id = login.client_id or Secret("")
            client_secret = login.client_secret or Secret("")
            resource = DatabricksClientResource(
                host=self.host,
                oauth_credentials=OauthCredentials(
                    client_id=client_id.reveal(), client_secret=client_secret.reveal()
                ),
            )
        config = resource.get_client().workspace_client.config
        config.retry_timeout_seconds = max(1, round(self._patience))
        config.http_timeout_seconds = self._request_timeout
        return WorkspaceClient(config=config)


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
