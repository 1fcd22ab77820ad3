"""Errors as a person meets them in the UI: what happened, what to do, and never a secret.

An error that leaves an asset becomes an event that is stored for ever. So nothing is raised as it came: the text is
redacted, the chain of causes is cut (their text would be stored too), and a fault of our own keeps its redacted
traceback.
"""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import dagster as dg

from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.model.errors import (
    BreakerOpenError,
    ConfigError,
    ContractError,
    CredentialError,
    MissingDriverError,
    OutcomeUnknownError,
    StaleError,
    TransientError,
    is_of_this_machine,
)


#: Waits about 30 s, 1 min and 2 min. The gateway has retried each single call before an error gets here.
RETRIES: Final = dg.RetryPolicy(
    max_retries=3, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)

#: The most specific class comes first.
_NEXT_STEPS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (
        CredentialError,
        "Run `ml-connector ping` to see which system refuses which credential. Renew it with `ml-connector "
        "credentials add`, then choose *Re-execute from failure*. Nothing was lost.",
    ),
    (
        ConfigError,
        "Correct the value in the flows file, reload the code location, then run again.",
    ),
    (
        MissingDriverError,
        "Install the extra that is named, restart the code location, then run again.",
    ),
    (
        ContractError,
        "The answer was not what the other system documents, so nothing was guessed and nothing of it was kept. "
        "Run `ml-connector ping`; after an upgrade on the other side, adapt the tenant's catalog file.",
    ),
    (
        BreakerOpenError,
        "The system failed many times in a row and is left alone for a while. The run tries again by itself; "
        "when it stays red, look whether the system is down.",
    ),
    (
        StaleError,
        "Nothing was sent. Compare the database, schema and user of Looker's connection with the flow's warehouse, and "
        "whether the LookML is deployed to production; then run again.",
    ),
    (
        OutcomeUnknownError,
        "The answer to a write was lost. Run again: a delivery that has landed is recognised and not doubled.",
    ),
    (
        TransientError,
        "This usually passes. The run has tried again by itself; what was read is kept, and the next run goes on "
        "where this one stopped.",
    ),
)

_MACHINE: Final = (
    "This machine refused a file: give the connector's user the right to it, or make room (`ml-connector doctor` looks "
    "at both), then run again. Nothing was lost."
)

_OWN_FAULT: Final = (
    "This looks like a fault of the connector itself. The traceback is below; please report it. What was read "
    "before is kept, and running again is safe."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong with ``subject`` (for example "company 200")."""

    subject: str
    error: Exception


def failure(what: str, problems: Sequence[Problem], *, unharmed: str = "") -> dg.Failure:
    """The Failure to raise for ``problems`` (at least one), ``from None``.

    Dagster tries again only when every problem may pass by itself. ``unharmed`` says what went well nevertheless.
    """
    happened = [f"{one.subject}: {redact(str(one.error))}" for one in problems]
    steps = list(dict.fromkeys(next_step(one.error) for one in problems))
    metadata: dict[str, dg.MetadataValue] = {
        "what happened": dg.MetadataValue.md("\n".join(f"- {line}" for line in happened)),
        "what to do": dg.MetadataValue.md("\n\n".join(steps)),
    }
    if unharmed:
        metadata["not affected"] = dg.MetadataValue.text(unharmed)
    own = [one.error for one in problems if next_step(one.error) == _OWN_FAULT]
    if own:
        text = "".join(traceback.format_exception(own[0]))
        metadata["traceback"] = dg.MetadataValue.md(f"```\n{redact(text)}\n```")
    return dg.Failure(
        description=f"{what}. {'; '.join(line.rstrip('.') for line in happened)}. "
        f"What to do: {' '.join(steps)}",
        metadata=metadata,
        allow_retries=all(
            isinstance(one.error, TransientError | OutcomeUnknownError) for one in problems
        ),
    )


def next_step(error: Exception) -> str:
    """What a person can do about ``error``."""
    if is_of_this_machine(error):
        return _MACHINE
    for kind, step in _NEXT_STEPS:
        if isinstance(error, kind):
            return step
    return _OWN_FAULT
