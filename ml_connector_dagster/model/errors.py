"""Every error of the connector, by what the caller can do about it.

    ConnectorError
    ├── ConfigError            fix the file (raised at load)
    ├── CredentialError        fix the access
    ├── TransientError         the same call may work later (carries ``retry_after``)
    │   └── BreakerOpenError   a system keeps failing: calls are refused until it has had a rest
    ├── RejectedError          this record, and only this record
    ├── ContractError          the other system broke its shape: stop, do not guess
    ├── StaleError             a system still answers what was true before the load
    ├── OutcomeUnknownError    a write may or may not have landed: look before trying again
    └── MissingDriverError     a package is not installed (says which extra)

A message names the thing, the value and the next step. It never holds a secret or a whole payload.
"""

import errno
from typing import Final


#: Rights and room of this machine.
_OF_THIS_MACHINE: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT}
)


def is_of_this_machine(error: Exception) -> bool:
    """Whether a person mends it outside of the connector, by rights or room: no fault of ours."""
    return isinstance(error, OSError) and error.errno in _OF_THIS_MACHINE


class ConnectorError(Exception):
    """Base of everything this package raises on purpose."""


class ConfigError(ConnectorError, ValueError):
    """A file or a value in it is wrong; the message says where and what would be right."""


class CredentialError(ConnectorError):
    """A system refused who we are or what we may do."""


class TransientError(ConnectorError):
    """The call failed for a passing reason.

    ``retry_after`` is in seconds, and None when the other side gave none.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BreakerOpenError(TransientError):
    """The breaker of a tenant is open: it failed too often, and is left alone for a while."""


class RejectedError(ConnectorError):
    """One record was refused; the rest goes on."""


class ContractError(ConnectorError):
    """The other system answered in a shape that its documentation rules out, or cut its answer short."""


class StaleError(ConnectorError):
    """A system that reads what we have loaded does not see it: nothing may be built on its answers."""


class OutcomeUnknownError(ConnectorError):
    """A write was sent and its answer was lost."""


class MissingDriverError(ConnectorError, ImportError):
    """A vendor's package is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"The package {package!r} is not installed. "
            f"Install it with: pip install 'ml-connector-dagster[{extra}]'"
        )
