"""The one place where questions are sent: time-outs, waits, repeats and errors are decided here and nowhere else.

monday-api-python-sdk does none of them safely (reference saas-destinations §2.1): it has no time-out, sends a whole
mutation again after any error in its answer, throws away what worked, sleeps 30 seconds whatever the server says,
and prints. Its modules stay usable; what they execute goes through here.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, uuid5

import requests
from monday_sdk.constants import TOKEN_HEADER
from monday_sdk.graphql_handler import MondayGraphQL

from ml_connector_dagster.destinations.monday.answers import Answer, Setback, judge
from ml_connector_dagster.destinations.monday.pace import Pace
from ml_connector_dagster.destinations.monday.questions import Question
from ml_connector_dagster.destinations.requests_errors import was_never_sent
from ml_connector_dagster.model.errors import (
    CredentialError,
    OutcomeUnknownError,
    TransientError,
)
from ml_connector_dagster.model.secrets import Secret


CONNECT_SECONDS: Final = 5.0
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
#: The server keeps the answer to an idempotency key for 30 minutes; after that the same key would write again.
KEY_SECONDS: Final = 25 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long things may take, in seconds."""

    request: float
    retries: float
    job: float


class Transport(MondayGraphQL):  # type: ignore[misc]  # the library has no types
    """Takes the place of the library's own. ``calls`` counts what was sent."""

    def __init__(
        self,
        address: str,
        token: Secret,
        api_version: str,
        patience: Patience,
        *,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(token=None, headers={"API-Version": api_version})
        self.endpoint = address
        self.calls = 0
        self._secret = token
        self._patience = patience
        self._pause = pause
        self._clock = clock
        self._pace = Pace(clock)
        self._session = requests.Session()
        # As ``auth``, because requests puts a .netrc entry of the machine over a header that is only given.
        self._session.auth = self._sign

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[TOKEN_HEADER] = self._secret.reveal()
        return request

    def close(self) -> None:
        self._session.close()

    def execute(self, query: str) -> Answer:
        """Ask until there is an answer.

        Raises OutcomeUnknownError when a mutation may have been carried out, TransientError when it was not and
        patience is at its end, CredentialError, ConfigError, ContractError.
        """
        question = query if isinstance(query, Question) else Question(query)
        begun = self._clock()
        key, attempts, doubtful = question.key, 0, False
        while True:
            self._wait_for_turn(question)
            outcome = self._attempt(question, key)
            if isinstance(outcome, Answer):
                return outcome
            attempts += 1
            if (
                outcome.replayed
            ):  # the earlier sending was refused: the key must not answer that again
                key, doubtful = str(uuid5(NAMESPACE_URL, f"{key}/{attempts}")), False
            doubtful = doubtful or (outcome.perhaps_done and question.writes)
            wait = outcome.wait
            if wait is None:
                wait = min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE)
            spent = self._clock() - begun + wait
            if doubtful and (not question.key or spent > KEY_SECONDS):
                raise OutcomeUnknownError(self._said(outcome))
            if spent > self._patience.retries:
                if doubtful:
                    raise OutcomeUnknownError(self._said(outcome))
                raise TransientError(self._said(outcome), retry_after=outcome.wait)
            self._pause(wait)

    def _wait_for_turn(self, question: Question) -> None:
        delay = self._pace.delay(writes=question.writes, weight=question.weight)
        if delay > 0:
            self._pause(delay)

    def _attempt(self, question: Question, key: str) -> Answer | Setback:
        self.calls += 1
        try:
            response = self._post(question, key)
        except requests.RequestException as error:
            return Setback(reason=type(error).__name__, perhaps_done=not was_never_sent(error))
        self._pace.learn(response.headers, writes=question.writes)
        try:
            outcome = judge(response)
        except CredentialError as error:
            raise CredentialError(f"Monday.com refuses our token or its rights: {error}") from None
        if isinstance(outcome, Answer):
            self._pace.learn_cost(
                outcome.data.get("complexity"), writes=question.writes, weight=question.weight
            )
        return outcome

    def _send(self, query: str) -> requests.Response:
        """What the library's own loop would call: one sending, whatever comes of it."""
        question = query if isinstance(query, Question) else Question(query)
        return self._post(question, question.key)

    def _post(self, question: Question, key: str) -> requests.Response:
        headers = dict(self.headers)
        if key and question.writes:
            headers["Idempotency-Key"] = key
        return self._session.post(
            self.endpoint,
            headers=headers,
            json={"query": str(question), "variables": dict(question.variables)},
            timeout=(CONNECT_SECONDS, self._patience.request),
            allow_redirects=False,
        )

    def _said(self, outcome: Setback) -> str:
        return f"Monday.com did not answer: {outcome.reason}"
