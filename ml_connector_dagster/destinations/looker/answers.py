"""What Looker's refusals mean for the caller. The SDK loses their status, and trips over bodies of another shape."""

import json
from collections.abc import Mapping
from typing import Final

import requests

from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.model.errors import (
    ConfigError,
    ConnectorError,
    ContractError,
    CredentialError,
)


LONGEST_REASON: Final = 400


def reason_of(response: requests.Response) -> str:
    """The message in an error body, whatever its shape: Looker's, a Google front end's, a proxy's page."""
    try:
        body = json.loads(response.content)
    except ValueError:
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        return f"a page of type {kind or 'unknown'}, not Looker's own answer"
    message = _message(body)
    details = body.get("errors") if isinstance(body, Mapping) else None
    more = [_message(one) for one in details] if isinstance(details, list) else []
    told = "; ".join(dict.fromkeys(one for one in (message, *more) if one))
    return redact(told)[:LONGEST_REASON] or "no reason given"


def _message(body: object) -> str:
    if isinstance(body, str):
        return body
    if not isinstance(body, Mapping):
        return ""
    message = str(body.get("message") or "")
    if field := body.get("field"):
        message = f"{field}: {message}"
    return message or _message(body.get("error"))


def refusal(response: requests.Response, what: str) -> ConnectorError:
    """The error for a call that will not go better by itself."""
    reason = reason_of(response)
    status = response.status_code
    if status in (401, 403):
        return CredentialError(
            f"Looker refuses {what} ({status}: {reason}). The user of the API key needs the permissions in "
            "docs/how-to/looker.md; ml-connector ping shows which are missing"
        )
    if status == 404:
        return ConfigError(
            f"Looker has no {what}, or its user may not see it (404: {reason}); compare the ids and names in the "
            "flow's looker: block with Looker's"
        )
    if 400 <= status < 500:
        return ConfigError(f"Looker does not take {what} ({status}: {reason})")
    return ContractError(f"Looker answers {what} with {status}: {reason}")
