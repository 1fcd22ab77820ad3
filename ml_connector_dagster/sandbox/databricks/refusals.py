"""How the workspace says no: an API error, or the error of a statement."""


class ApiError(Exception):
    """An HTTP answer that is no success."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


class SqlError(Exception):
    """A statement fails: state FAILED, error code BAD_REQUEST, and a message that begins with ``[CONDITION]``."""


def insufficient(privilege: str, kind: str, name: str) -> SqlError:
    """The words of Unity Catalog for a missing privilege."""
    return SqlError(
        "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\n"
        f"User does not have {privilege} on {kind} '{name}'. SQLSTATE: 42501"
    )
