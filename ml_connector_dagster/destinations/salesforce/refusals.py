"""What Salesforce refuses, from whatever body it comes in, in the words of our errors.

Requests answer ``[{"errorCode", "message", "fields"}]``, records ``{"statusCode", "message", "fields"}``, bulk rows
``CODE:message:fields --``, the token endpoint ``{"error", "error_description"}``, and what stands in front of the org
answers HTML, or nothing (reference/saas-destinations.md §1.1 and §1.2).
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.model.errors import (
    ConnectorError,
    ContractError,
    CredentialError,
    TransientError,
)


#: The longest text of a stranger's that goes into a message of ours.
_LONGEST: Final = 500
#: Held by another writer, or tripped over by another record of the same call: the same record may pass at once.
_PASSING_RECORDS: Final = ("UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE", "QUERY_TIMEOUT")
_WHOLE_CALL: Final = "too many batch retries"
_LIMITS: Final = ("REQUEST_LIMIT_EXCEEDED", "TXN_SECURITY_METERING_ERROR")
_RIGHTS: Final = (
    "INSUFFICIENT_ACCESS",
    "INSUFFICIENT_ACCESS_OR_READONLY",
    "API_DISABLED_FOR_ORG",
    "API_CURRENTLY_DISABLED",
    "FUNCTIONALITY_NOT_ENABLED",
    "INVALID_SESSION_ID",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that Salesforce said. ``code`` is "" where it gave none."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    @property
    def is_passing(self) -> bool:
        """Whether the record, sent again by itself, may well be saved."""
        return self.code in _PASSING_RECORDS or self.fails_the_call

    @property
    def fails_the_call(self) -> bool:
        """Whether good records of the same call got it too: send them again in smaller calls."""
        return _WHOLE_CALL in self.message.lower()

    @property
    def is_duplicate(self) -> bool:
        """Whether a duplicate rule of the org holds the record back."""
        return self.code == "DUPLICATES_DETECTED"

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}" if self.code else self.message
        missing = [name for name in self.fields if name not in text]
        return f"{text} ({', '.join(missing)})" if missing else text


class Refused(Exception):
    """A request that Salesforce answered with an error, and that is not to be sent again as it is."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(str(problem))
        self.status = status
        self.problem = problem


def problem_of(status: int, body: bytes) -> Problem:
    """The first problem that a body tells of."""
    try:
        told = json.loads(body)
    except ValueError:
        text = re.sub(r"<[^>]*>|\s+", " ", body.decode("utf-8", "replace")).strip()
        return Problem(code="", message=_short(re.sub(r"\s+", " ", text)) or f"HTTP {status}")
    found = _read(told)
    return found if found is not None else Problem(code="", message=f"HTTP {status}")


def record_problem(errors: object) -> Problem:
    """The problem of one record of a Collections answer: ``errors`` of its result."""
    found = _read(errors)
    return found if found is not None else Problem(code="", message="refused without a reason")


def row_problem(text: str) -> Problem:
    """The problem of one row of a bulk job: ``sf__Error``."""
    code, colon, rest = text.partition(":")
    if not colon or not re.fullmatch(r"[A-Z][A-Z0-9_]+", code):
        return Problem(code="", message=_short(text) or "refused without a reason")
    message, _, fields = rest.removesuffix("--").rstrip().rpartition(":")
    names = tuple(re.findall(r"[A-Za-z]\w*", fields)) if message else ()
    return Problem(code=code, message=_short(message or rest.strip()), fields=names)


def explained(refused: Refused, what: str) -> ConnectorError:
    """The error to raise for a refused request. ``what`` begins the sentence: what was not done."""
    problem = refused.problem
    said = f"{what}: Salesforce says {problem} (HTTP {refused.status})."
    if problem.code in _LIMITS:
        return TransientError(
            f"{said} The org's API requests of 24 hours are used up, by everybody together; what was not delivered is "
            "delivered later. See Setup, Company Information, or lower what other integrations use"
        )
    if problem.code in _RIGHTS or refused.status in (401, 403):
        return CredentialError(
            f"{said} Give the user that the app runs as the permission set with these objects and fields "
            "(docs/how-to/salesforce.md)"
        )
    if refused.status == 404:
        return ContractError(
            f"{said} It is not there, or the user that the app runs as may not see it; ml-connector setup shows what "
            "is missing"
        )
    return ContractError(said)


def login_refused(code: str, message: str, *, domain: str, credential: str) -> CredentialError:
    """The error for a refused login. ``code`` and ``message`` are the token endpoint's."""
    said = (
        f"Salesforce refuses the login at {domain}.salesforce.com: {_short(f'{code}: {message}')}."
    )
    advice = {
        "invalid_client_id": "No app of this org has the client_id",
        "invalid_client": "The client_secret is not that of the app",
        "unsupported_grant_type": "Switch on the client credentials flow in the app's settings",
    }.get(code, "Compare the client_id and client_secret with the app's")
    if "not supported on this domain" in message:
        advice = "domain: has to be the org's My Domain, like acme.my (Setup, My Domain)"
    elif "client credentials user" in message:
        advice = "Give the app a user to run as (its policies, Client Credentials Flow, Run As)"
    return CredentialError(
        f"{said} {advice}. The credential is {credential!r}: ml-connector credentials add {credential} "
        "--kind salesforce --field client_id --field client_secret"
    )


def _read(told: object) -> Problem | None:
    """A problem in JSON of any shape."""
    if isinstance(told, str) and told:
        return Problem(code="", message=_short(told))
    if isinstance(told, list):
        return _first(told)
    if not isinstance(told, Mapping):
        return None
    code = _scalar(told, "errorCode", "statusCode", "error", "code")
    message = _scalar(told, "message", "error_description", "errorMessage")
    if code or message:
        fields = told.get("fields")
        names = tuple(str(one) for one in fields) if isinstance(fields, list) else ()
        return Problem(code=code, message=_short(message), fields=names)
    return _first(told.values())


def _scalar(told: Mapping[object, object], *keys: str) -> str:
    """The first of ``keys`` that holds a text or a number."""
    return next((str(told[key]) for key in keys if isinstance(told.get(key), str | int)), "")


def _first(values: Iterable[object]) -> Problem | None:
    return next((found for one in values if (found := _read(one)) is not None), None)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
