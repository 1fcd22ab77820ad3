"""Refusals in Looker's own shape. ``documentation_url`` is empty, else the SDK would go and look there."""

from typing import Any


class Refused(Exception):
    """A call that is answered by an error."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: tuple[dict[str, Any], ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.body: dict[str, Any] = {"message": message, "documentation_url": ""}
        if errors:
            self.body["errors"] = list(errors)


def not_found() -> Refused:
    """Looker does not say what was not found."""
    return Refused(404, "Not found")


def invalid(field: str, message: str, code: str = "invalid") -> Refused:
    """A value that the call does not take."""
    detail = {"field": field, "code": code, "message": message, "documentation_url": ""}
    return Refused(422, "Validation Failed", errors=(detail,))
