"""What Databricks says, in the words of our errors: who may not do what, on which object, and what to grant.

Unity Catalog's words are of the form "User does not have USE SCHEMA on Schema 'main.erp'", in the message of a failed
statement as well as in the body of an HTTP 403.
"""

import re
from typing import Final

from ml_connector_dagster.destinations.databricks.types import ticked
from ml_connector_dagster.model.errors import (
    ConfigError,
    ConnectorError,
    CredentialError,
    TransientError,
)


_MISSING_PRIVILEGE: Final = re.compile(
    r"(?:does not have|lacks?) (?:the )?(?P<privilege>[A-Z][A-Z ]+?)(?: privilege)? on "
    r"(?P<kind>[A-Za-z_ ]+?) ['`]+(?P<name>[^'`]+)['`]"
)
#: The SDK appends how it was configured.
_CONFIGURATION: Final = re.compile(r"[.,]?\s*Config: .*", re.DOTALL)
#: Another writer was there first; the same statement, run again, sees what that one wrote.
_CONFLICT: Final = re.compile(
    r"DELTA_CONCURRENT_|DELTA_METADATA_CHANGED|DELTA_PROTOCOL_CHANGED|Concurrent(?:Append|DeleteRead|DeleteDelete|"
    r"Transaction)Exception|MetadataChangedException"
)
_LASTING: Final = ("BAD_REQUEST", "NOT_FOUND", "ALREADY_EXISTS", "")


def is_conflict(message: str) -> bool:
    """Whether a statement failed only because another one committed first."""
    return _CONFLICT.search(message) is not None


def missing_privilege(message: str, principal: str) -> CredentialError | None:
    """The error for a missing privilege, with the statement that grants it; None when ``message`` is of another kind."""
    found = _MISSING_PRIVILEGE.search(message)
    if found is None:
        return None
    privilege, kind, name = found["privilege"], found["kind"].strip(), found["name"]
    if privilege in ("MANAGE", "OWNERSHIP"):
        advice = f"make {principal} its owner: ALTER {kind.upper()} {_path(name)} OWNER TO {ticked(principal)}"
    else:
        advice = f"let its owner run: GRANT {privilege} ON {kind.upper()} {_path(name)} TO {ticked(principal)}"
    return CredentialError(
        f"Databricks: {principal} does not have {privilege} on {kind.lower()} {name}; {advice}"
    )


def failed_statement(
    code: str, message: str, *, principal: str, statement_id: str
) -> ConnectorError:
    """The error for a statement in state FAILED."""
    refused = missing_privilege(message, principal)
    if refused is not None:
        return refused
    text = f"Databricks refused statement {statement_id}: {_short(message)}"
    if code in _LASTING:
        return ConfigError(f"{text}. Its text is in the warehouse's query history, by that id")
    return TransientError(f"{text} ({code}); the next delivery tries again")


def refused_call(
    status: int, message: str, *, principal: str, credential: str, host: str
) -> ConnectorError:
    """The error for an HTTP 401 or 403, or another answer below 500."""
    refused = missing_privilege(message, principal)
    if refused is not None:
        return refused
    if "SQL warehouse" in message or "SQL Endpoint" in message:
        return CredentialError(
            f"Databricks at {host}: {_short(message)} Let the warehouse's owner give {principal} the permission "
            "CAN USE (SQL Warehouses, Permissions)"
        )
    if status in (401, 403):
        return CredentialError(
            f"Databricks at {host} refuses credential {credential!r}: {_short(message)} Make a new token or secret, "
            f"and store it: ml-connector credentials add {credential} --kind databricks --field token"
        )
    return ConfigError(f"Databricks at {host} answered {status}: {_short(message)}")


def _path(name: str) -> str:
    return ticked(*name.split("."))


def _short(message: str) -> str:
    text = " ".join(_CONFIGURATION.sub(".", message).split())
    return text if len(text) <= 600 else f"{text[:600]}…"
