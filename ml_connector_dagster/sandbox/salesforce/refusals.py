"""How the org says no: to a request (a list of errors), to a record (``statusCode``), or to a login."""

from dataclasses import dataclass


class ApiError(Exception):
    """A request is refused. ``body`` in place of the usual list, for what fronts the API."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fields: tuple[str, ...] = (),
        retry_after: int | str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields
        self.retry_after = retry_after

    def body(self) -> list[dict[str, object]]:
        """As the REST API writes it."""
        error: dict[str, object] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            error["fields"] = list(self.fields)
        return [error]


class OAuthError(Exception):
    """The token endpoint refuses: HTTP 400 with ``error`` and ``error_description``."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordError:
    """Why one record was not saved."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    def body(self) -> dict[str, object]:
        """As Collections and single-record calls write it."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}

    def line(self) -> str:
        """As ``sf__Error`` of a bulk job writes it."""
        return f"{self.code}:{self.message}:{' '.join(self.fields)} --"


class RecordRefused(Exception):
    """Raised while a record is checked; becomes its ``RecordError``."""

    def __init__(self, code: str, message: str, *fields: str) -> None:
        super().__init__(message)
        self.error = RecordError(code=code, message=message, fields=fields)


def not_found() -> ApiError:
    """For every path, object or record that is not there, or that the user may not see."""
    return ApiError(404, "NOT_FOUND", "The requested resource does not exist")


def session_expired() -> ApiError:
    """For every token that is not good (any more)."""
    return ApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")
