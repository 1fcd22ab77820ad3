"""A Databricks workspace through its SDK: statements that are polled and cancelled, files of a volume, what is there.

Facts and sources: reference/warehouses.md §B1 and §B3. Three that shape this file:

- The SDK sends a call again after a lost connection, a statement too. So every statement that is run here must leave
  the same state when it is run twice; that is the caller's side of the bargain.
- A statement is submitted with ``wait_timeout`` 0s: its id is known at once, so an interrupt can cancel it.
- Large results come as links to cloud storage, which are signed: the token must not be sent along.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, Final, TypeVar

import httpx
import pyarrow as pa
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
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    Format,
    ResultData,
    StatementParameterListItem,
    StatementResponse,
    StatementState,
)

from ml_connector_dagster.destinations.databricks.logins import Login
from ml_connector_dagster.destinations.databricks.refusals import (
    failed_statement,
    is_conflict,
    refused_call,
)
from ml_connector_dagster.model.errors import ConfigError, CredentialError, TransientError
from ml_connector_dagster.model.secrets import Secret


FIRST_PAUSE: Final = 0.02
LONGEST_PAUSE: Final = 5.0
#: How often a statement is run again when another writer was first, or its handle or result was lost.
ATTEMPTS: Final = 6
#: Before that, the pause is as long as before this poll: other writers need seconds.
CALM: Final = 7

Answer = TypeVar("Answer")

_UNDER_WAY: Final = (StatementState.PENDING, StatementState.RUNNING)


class Workspace:
    """One principal in one workspace, with one SQL warehouse.

    Args:
        request_timeout: seconds that one HTTP call may take.
        patience: seconds in which a call that fails for a passing reason is tried again.
        statement_timeout: seconds after which a statement is cancelled.
        pause: waits so many seconds (replaceable in tests).
    """

    def __init__(
        self,
        host: str,
        login: Login,
        warehouse_id: str,
        *,
        request_timeout: float = 60.0,
        patience: float = 120.0,
        statement_timeout: float = 3600.0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.host = host
        self._login = login
        self._warehouse_id = warehouse_id
        self._request_timeout = request_timeout
        self._patience = patience
        self._statement_timeout = statement_timeout
        self._pause = pause
        self._client: WorkspaceClient | None = None
        self._principal = ""
        self._http = httpx.Client(timeout=request_timeout)
        self.requests = 0  # statements and files, polls not counted

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
        self._forget_client()

    def _forget_client(self) -> None:
        """The SDK has no way to close what it opened, so its session is reached for."""
        if self._client is not None:
            session: requests.Session = self._client.api_client._api_client._session
            session.close()
            self._client = None

    def run(
        self, sql: str, parameters: Mapping[str, str | None] | None = None
    ) -> list[list[str | None]]:
        """Run one statement; its rows as text (a few; 25 MiB at most)."""
        answer = self._finished(sql, parameters or {}, Disposition.INLINE)
        rows: list[list[str | None]] = []
        result = answer.result
        while result is not None:
            rows.extend([*one] for one in result.data_array or [])
            if result.next_chunk_index is None:
                break
            result = self._chunk_of(answer.statement_id or "", result.next_chunk_index)
        return rows

    def _chunk_of(self, statement_id: str, index: int) -> ResultData:
        return self._call(
            lambda client: client.statement_execution.get_statement_result_chunk_n(
                statement_id, index
            )
        )

    def fetch(self, sql: str, parameters: Mapping[str, str | None] | None = None) -> pa.Table:
        """Run one query; its rows as Arrow. A result without rows may have no columns either."""
        answer = self._finished(sql, parameters or {}, Disposition.EXTERNAL_LINKS)
        chunks = (answer.manifest.total_chunk_count if answer.manifest else 0) or 0
        tables = [self._chunk(answer, index) for index in range(chunks)]
        return pa.concat_tables(tables) if tables else pa.table({})

    def _chunk(self, answer: StatementResponse, index: int) -> pa.Table:
        """One chunk, by its link. A link runs out after some minutes: then a new one is asked for."""
        statement_id = answer.statement_id or ""
        links = answer.result.external_links if index == 0 and answer.result is not None else None
        for attempt in range(ATTEMPTS):
            if links is None:
                links = self._chunk_of(statement_id, index).external_links
            try:
                response = self._http.get(str(links[0].external_link if links else ""))
                response.raise_for_status()
                return pa.ipc.open_stream(response.content).read_all()
            except httpx.HTTPError as error:
                if attempt + 1 == ATTEMPTS:
                    raise TransientError(
                        f"chunk {index} of statement {statement_id} cannot be downloaded from the cloud storage "
                        f"behind {self.host}: {type(error).__name__}. Is that storage reachable from here?"
                    ) from error
            links = None
            self._wait(attempt)
        raise AssertionError("the loop returns or raises")

    def _finished(
        self, sql: str, parameters: Mapping[str, str | None], disposition: Disposition
    ) -> StatementResponse:
        """Run ``sql`` until it succeeded; again when another writer was first, or when its outcome was lost."""
        for attempt in range(ATTEMPTS):
            answer = self._run_once(sql, parameters, disposition)
            state = None if answer is None or answer.status is None else answer.status.state
            if answer is not None and state is StatementState.SUCCEEDED:
                return answer
            if answer is not None and state is StatementState.FAILED:
                error = answer.status.error if answer.status else None
                message = (error.message if error else None) or "no reason was given"
                if not is_conflict(message) or attempt + 1 == ATTEMPTS:
                    code = error.error_code.value if error and error.error_code else ""
                    raise failed_statement(
                        code,
                        message,
                        principal=self.principal,
                        statement_id=answer.statement_id or "without an id",
                    )
            elif state is StatementState.CANCELED:
                raise TransientError(
                    f"statement {answer.statement_id if answer else ''} was cancelled at Databricks; the next "
                    "delivery runs it again"
                )
            self._wait(attempt + CALM)
        raise TransientError(
            f"Databricks lost a statement {ATTEMPTS} times in a row; the next delivery tries again"
        )

    def _run_once(
        self, sql: str, parameters: Mapping[str, str | None], disposition: Disposition
    ) -> StatementResponse | None:
        """Submit and poll. None when the workspace does not know the statement any more."""
        inline = disposition is Disposition.INLINE
        listed = [StatementParameterListItem(name=k, value=v) for k, v in parameters.items()]
        answer = self._call(
            lambda client: client.statement_execution.execute_statement(
                statement=sql,
                warehouse_id=self._warehouse_id,
                parameters=listed or None,
                wait_timeout="0s",
                on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CONTINUE,
                disposition=disposition,
                format=Format.JSON_ARRAY if inline else Format.ARROW_STREAM,
            )
        )
        self.requests += 1
        statement_id = answer.statement_id or ""
        deadline = time.monotonic() + self._statement_timeout
        with self._cancelled_on_interrupt(statement_id):
            polls = 0
            while answer.status is not None and answer.status.state in _UNDER_WAY:
                if time.monotonic() > deadline:
                    raise TransientError(
                        f"statement {statement_id} was not done after {self._statement_timeout:g} s and is cancelled; "
                        "take a larger warehouse, or raise statement_timeout_seconds of the connection"
                    )
                self._wait(polls)
                polls += 1
                try:
                    answer = self._call(
                        lambda client: client.statement_execution.get_statement(statement_id)
                    )
                except _NotThereError:
                    return None
        return answer

    @contextmanager
    def _cancelled_on_interrupt(self, statement_id: str) -> Iterator[None]:
        try:
            yield
        except _UnreachableError:
            raise  # nobody is there who could cancel it
        except BaseException as reason:
            try:
                if self._client is not None:
                    self._client.statement_execution.cancel_execution(statement_id)
            except (DatabricksError, requests.RequestException, TimeoutError, ValueError) as error:
                reason.add_note(f"statement {statement_id} could not be cancelled: {error}")
            raise

    def make_folder(self, folder: str) -> None:
        """Make a folder of a volume, and those above it; nothing happens when it is there."""
        self._call(lambda client: client.files.create_directory(folder))

    def upload(self, path: str, content: BinaryIO) -> None:
        """Put a file into a volume, in place of one that is there."""
        start = content.tell()

        def send(client: WorkspaceClient) -> None:
            content.seek(start)
            client.files.upload(path, content, overwrite=True)

        self._call(send)
        self.requests += 1

    def delete_folder(self, folder: str, files: tuple[str, ...]) -> None:
        """Delete these files of a volume's folder, and the folder; what is not there is fine."""
        for file in files:
            self._delete_file(f"{folder}/{file}")
        with suppress(_NotThereError):
            self._call(lambda client: client.files.delete_directory(folder))

    def _delete_file(self, path: str) -> None:
        with suppress(_NotThereError):
            self._call(lambda client: client.files.delete(path))

    def columns(
        self, catalog: str, schema: str, table: str
    ) -> tuple[str, dict[str, tuple[str, str]]] | None:
        """Kind of a table (``MANAGED``, ``VIEW``, …) and its columns: lower-case name → (name, type); None without it."""
        try:
            info = self._call(lambda client: client.tables.get(f"{catalog}.{schema}.{table}"))
        except _NotThereError:
            return None
        kind = info.table_type.value if info.table_type else ""
        return kind, {
            (one.name or "").lower(): (one.name or "", (one.type_text or "").lower())
            for one in info.columns or []
        }

    def has_schema(self, catalog: str, schema: str) -> bool:
        return self._is_there(lambda client: client.schemas.get(f"{catalog}.{schema}"))

    def has_volume(self, catalog: str, schema: str, volume: str) -> bool:
        return self._is_there(lambda client: client.volumes.read(f"{catalog}.{schema}.{volume}"))

    def _is_there(self, question: Callable[[WorkspaceClient], Any]) -> bool:
        try:
            self._call(question)
        except _NotThereError:
            return False
        return True

    @property
    def principal(self) -> str:
        """Who we are there, for messages."""
        if not self._principal and self._client is not None:
            try:
                self._principal = self._client.current_user.me().user_name or ""
            except (DatabricksError, requests.RequestException, TimeoutError, ValueError):
                return f"the principal of credential {self._login.credential!r}"
        return self._principal

    def _call(self, action: Callable[[WorkspaceClient], Answer]) -> Answer:
        """One call of the SDK, its errors in our words. A token that was refused is renewed once."""
        for renewed in (False, True):
            try:
                return action(self._open())
            except Unauthenticated as error:
                if self._login.token is None and not renewed:
                    self._forget_client()
                    continue
                raise self._refused(401, error) from error
            except NotFound as error:
                if "warehouse" in str(error).lower() or "CATALOG_DOES_NOT_EXIST" in str(
                    error.error_code
                ):
                    raise ConfigError(f"Databricks at {self.host}: {error}") from error
                raise _NotThereError(str(error)) from error
            except (TooManyRequests, TemporarilyUnavailable, InternalError) as error:
                raise self._unreachable(error) from error
            except DatabricksError as error:
                raise self._refused(403, error) from error
            except (requests.RequestException, TimeoutError) as error:
                raise self._unreachable(error) from error
            except ValueError as error:  # what the token endpoint said, in the SDK's wrapping
                raise self._no_token(error) from error
        raise AssertionError("the loop returns or raises")

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
        return _UnreachableError(
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

    def _wait(self, attempt: int) -> None:
        longest = min(FIRST_PAUSE * 1.6**attempt, LONGEST_PAUSE)
        self._pause(longest * random.uniform(0.7, 1.0))


class _UnreachableError(TransientError):
    """No answer, or only refusals, for as long as calls are tried again."""


class _NotThereError(Exception):
    """HTTP 404: the thing that was asked for is not there."""


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
