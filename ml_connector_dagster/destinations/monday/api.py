"""The API as the rest of this folder uses it: the library's client over our transport, and the links for files."""

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import requests
from monday_sdk import MondayClient

from ml_connector_dagster.destinations.monday.answers import FORBIDDEN, Answer
from ml_connector_dagster.destinations.monday.questions import Question
from ml_connector_dagster.destinations.monday.transport import (
    CONNECT_SECONDS,
    Patience,
    Transport,
)
from ml_connector_dagster.model.errors import (
    ContractError,
    CredentialError,
    OutcomeUnknownError,
    TransientError,
)
from ml_connector_dagster.model.secrets import Secret


Result = TypeVar("Result")

FIRST_POLL: Final = 1.0
LONGEST_POLL: Final = 15.0
_FILE_TRIES: Final = 5


class MondayApi:
    """Questions, changes and files. One writer at a time."""

    def __init__(
        self,
        address: str,
        token: Secret,
        api_version: str,
        patience: Patience,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        new_key: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._transport = Transport(address, token, api_version, patience, pause=pause, clock=clock)
        self.client = client_over(self._transport, api_version)
        self._patience = patience
        self._pause = pause
        self._clock = clock
        self._new_key = new_key
        # Links to files are signed: they get neither our token nor our cookies.
        self._files = requests.Session()
        self._files.auth = lambda request: request

    @property
    def calls(self) -> int:
        """Calls of the API so far; files are not calls."""
        return self._transport.calls

    def close(self) -> None:
        self._transport.close()
        self._files.close()

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Everything that a query asks for. A problem with any part of it is an error."""
        return whole(self._run(Question(query, variables)))

    def try_to_ask(
        self, query: str, variables: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        """As much of it as our login may see; what it may not is null."""
        return self._run(Question(query, variables)).data

    def change(
        self, mutation: str, variables: Mapping[str, Any], *, key: str = "", weight: int = 1
    ) -> Answer:
        """Do it, once. Without a key of the caller's own a fresh one guards against a lost answer only."""
        return self._run(Question(mutation, variables, key=key or self._new_key(), weight=weight))

    def _run(self, question: Question) -> Answer:
        answer: Answer = self.client.custom.execute_custom_query(question)
        return answer

    def upload(self, url: str, content: bytes) -> None:
        """Put a file where a job looks for it. Repeating is safe: the file is the same."""
        self._file(lambda: self._files.put(url, data=content, timeout=self._file_timeout))

    def download(self, url: str) -> bytes:
        return bytes(self._file(lambda: self._files.get(url, timeout=self._file_timeout)).content)

    @property
    def _file_timeout(self) -> tuple[float, float]:
        return CONNECT_SECONDS, self._patience.request

    def _file(self, send: Callable[[], requests.Response]) -> requests.Response:
        problem = ""
        for attempt in range(_FILE_TRIES):
            if attempt:
                self._pause(FIRST_POLL * 2 ** (attempt - 1))
            try:
                response = send()
            except requests.RequestException as error:
                problem = type(error).__name__
                continue
            if response.status_code < 300:
                return response
            problem = f"HTTP {response.status_code}"
            if response.status_code < 500 and response.status_code != 429:
                break
        raise OutcomeUnknownError(f"a file of a Monday.com job was not transferred: {problem}")

    def poll(self, look: Callable[[], Result | None], what: str) -> Result:
        """Look until there is a result. Raises TransientError when it takes too long."""
        begun, wait = self._clock(), FIRST_POLL
        while True:
            found = look()
            if found is not None:
                return found
            if self._clock() - begun + wait > self._patience.job:
                raise TransientError(f"{what} has not ended within {self._patience.job:.0f} s")
            self._pause(wait)
            wait = min(wait * 1.6, LONGEST_POLL)


def client_over(transport: Transport, api_version: str) -> MondayClient:
    """The library's client with our transport in every module."""
    client = MondayClient(token=None, headers={"API-Version": api_version})
    client._graphql_client = transport
    for module in (
        client.boards,
        client.items,
        client.updates,
        client.custom,
        client.activity_logs,
        client.docs,
    ):
        module.client = transport
    return client


def whole(answer: Answer) -> Mapping[str, Any]:
    """The data of an answer that has no problems; raises for the first one."""
    for problem in answer.problems:
        if problem.code in FORBIDDEN:
            raise CredentialError(f"Monday.com: {problem}")
        if problem.passes:
            raise TransientError(f"Monday.com: {problem}", retry_after=problem.wait)
        raise ContractError(f"Monday.com: {problem}")
    return answer.data
