"""How monday says no: an error of one field, or of the whole call.

Codes: developer.monday.com, error handling (2026-09-06). What a page names no code for is said in ``__init__``.
"""


class Refusal(Exception):
    """One field is refused: HTTP 200, ``errors[]`` and the rest of the data."""

    def __init__(self, code: str, message: str, *, status: int = 200, **data: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data


class CallRefused(Exception):
    """The whole call is refused, before anything was done."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        retry_after: int | None = None,
        **extensions: object,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.extensions = extensions


def not_found(kind: str, number: object) -> Refusal:
    """An id that does not exist, or that this token does not see."""
    return Refusal(
        "ResourceNotFoundException",
        f"{kind} with id {number} not found",
        status=404,
        resource_type=kind.lower(),
        resource_id=str(number),
    )


def invalid(message: str) -> Refusal:
    """An argument that makes no sense."""
    return Refusal("InvalidArgumentException", message)
