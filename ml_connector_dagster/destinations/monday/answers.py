"""What the API answers: data and problems, or a reason to send the same question again, or an error of ours.

Application errors come as HTTP 200 with ``errors[]`` beside partial data; the others as 4xx and 5xx. Formats before
2025-01 are understood too (developer.monday.com, error handling; reference saas-destinations §2.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import requests

from ml_connector_dagster.model.errors import ConfigError, ContractError, CredentialError
from ml_connector_dagster.model.retry_after import parse_retry_after


#: Nothing was done, and the same will work later.
PASSING: Final = frozenset(
    {
        "API_TEMPORARILY_BLOCKED",
        "COMPLEXITY_BUDGET_EXHAUSTED",
        "ComplexityException",
        "DAILY_LIMIT_EXCEEDED",
        "FIELD_LIMIT_EXCEEDED",
        "IDEMPOTENCY_CONFLICT",
        "IP_RATE_LIMIT_EXCEEDED",
        "RATE_LIMIT_EXCEEDED",
        "maxConcurrencyExceeded",
    }
)
#: Our login may not do it.
FORBIDDEN: Final = frozenset(
    {
        "UNAUTHORIZED_FIELD_OR_TYPE",
        "USER_ACCESS_DENIED",
        "USER_UNAUTHORIZED",
        "UserUnauthorizedException",
        "missingRequiredPermissions",
    }
)
_WAITING: Final = (409, 423, 429)
_LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error of an answer. ``path`` begins with the alias of the field that failed; () is the whole question."""

    code: str
    message: str
    path: tuple[str, ...] = ()
    status: int | None = None
    wait: float | None = None

    @property
    def passes(self) -> bool:
        """Whether it was certainly not done, and may be done later."""
        return self.code in PASSING or self.status in (423, 429) or self.wait is not None

    def __str__(self) -> str:
        return f"{self.message} ({self.code})" if self.code else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Data by alias, with nulls where ``problems`` say why."""

    data: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()
    replayed: bool = False

    def problem_of(self, alias: str) -> Problem | None:
        """Why the field called ``alias`` has no value."""
        return next((one for one in self.problems if one.path[:1] == (alias,)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """The question got no answer, and may be sent again.

    Attributes:
        wait: what the server asks to wait, in seconds; None when it does not say.
        perhaps_done: whether the server may have carried it out.
        replayed: whether this is the kept answer to an earlier sending, which therefore was not carried out.
    """

    reason: str
    wait: float | None = None
    perhaps_done: bool = False
    replayed: bool = False


def judge(response: requests.Response) -> Answer | Setback:
    """What the response means. Raises CredentialError, ConfigError, ContractError for what no repeating heals."""
    status = response.status_code
    wait = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
    replayed = response.headers.get("Idempotency-Replayed", "").lower() == "true"
    try:
        body = response.json()
    except ValueError:
        body = None
    problems = _problems(body) if isinstance(body, dict) else ()
    first = problems[0] if problems else None
    said = f"HTTP {status}: {first}" if first else f"HTTP {status}"
    if status in (401, 403):
        raise CredentialError(said)
    if first is not None and status < 500 and (status in _WAITING or _refused(body, first)):
        return Setback(reason=said, wait=first.wait or wait, replayed=replayed)
    if status in _WAITING:
        return Setback(reason=said, wait=wait, replayed=replayed)
    if status in (404, 405) and first is None:
        raise ConfigError(
            f"{said}: the API is not at this address; leave base_url out, or give its whole path (…/v2)"
        )
    if status >= 500 or not isinstance(body, dict) or ("data" not in body and first is None):
        # A proxy's page, or an answer cut short: what became of the question is not known.
        return Setback(reason=f"{said}, not an answer of the API", wait=wait, perhaps_done=True)
    if status != 200 or (first is not None and not body.get("data") and not first.path):
        raise _fatal(said, first)
    return Answer(data=body.get("data") or {}, problems=problems, replayed=replayed)


def _refused(body: dict[str, Any], first: Problem) -> bool:
    """Whether the whole question was refused for a passing reason."""
    return first.code in PASSING and not first.path and not body.get("data")


def _fatal(said: str, first: Problem | None) -> Exception:
    code = first.code if first is not None else ""
    if code in FORBIDDEN:
        return CredentialError(said)
    if code == "InvalidVersionException":
        return ConfigError(f"{said}; set api_version of the connection to a version that is served")
    return ContractError(said)


def _problems(body: dict[str, Any]) -> tuple[Problem, ...]:
    errors = body.get("errors") or []
    found = tuple(_problem(error) for error in errors) if isinstance(errors, list) else ()
    code = body.get("error_code")
    if isinstance(code, str):  # the format before 2025-01
        data = body.get("error_data")
        wait = data.get("retry_in_seconds") if isinstance(data, dict) else None
        message = _text(body.get("error_message") or code)
        old = Problem(
            code=code, message=message, status=_status(body.get("status_code")), wait=_number(wait)
        )
        return (old, *(one for one in found if one.code))
    return found


def _problem(error: object) -> Problem:
    if not isinstance(error, dict):
        return Problem(code="", message=_text(error))
    extensions = error.get("extensions")
    given = extensions if isinstance(extensions, dict) else {}
    path = error.get("path")
    return Problem(
        code=str(given.get("code") or ""),
        message=_text(error.get("message") or "an error without a message"),
        path=tuple(str(step) for step in path) if isinstance(path, list) else (),
        status=_status(given.get("status_code")),
        wait=_number(given.get("retry_in_seconds")),
    )


def _text(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"


def _status(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _number(value: object) -> float | None:
    try:
        return max(0.0, float(str(value))) if value is not None else None
    except ValueError:
        return None
