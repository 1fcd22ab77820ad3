"""What a failed exchange means to the caller, in the words of the person who must mend it.

Statuses of the gateway: reference/cloudsuite-api.md §5. What a body means is not judged here.
"""

import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from ml_connector_dagster.cloudsuite.auth import is_transient_401
from ml_connector_dagster.cloudsuite.retries import PASSING_STATUSES
from ml_connector_dagster.model.errors import (
    ConfigError,
    ConnectorError,
    ContractError,
    CredentialError,
    TransientError,
)
from ml_connector_dagster.model.retry_after import parse_retry_after


CONNECT_TIMEOUT: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """Turns answers that are none, and requests without an answer, into errors of one suite of a tenant."""

    tenant: str
    suite: str
    host: str
    timeout: float

    def of_answer(self, response: httpx.Response, program: str, now: datetime) -> ConnectorError:
        """The error of a status that is neither success nor 400."""
        status = response.status_code
        where = f"{self._where(program)}: HTTP {status}"
        if status in PASSING_STATUSES:
            asked = parse_retry_after(response.headers.get("retry-after"), now)
            wish = "" if asked is None else f"; it asks for a pause of {asked:.0f} seconds"
            return TransientError(f"{where}{wish}.", retry_after=asked)
        if is_transient_401(response):
            return TransientError(f"{where} (OAuth U14: the ERP has not yet heard of the token).")
        if status == httpx.codes.FORBIDDEN:
            return CredentialError(
                f"{where}: the service account may not use this API. Grant the authorized app the {self.suite} suite "
                f"in the API Gateway, and the service account's user the right to run {program}."
            )
        if status == httpx.codes.NOT_FOUND:
            return ContractError(
                f"{where}: {self.host} knows no such API. Is the {self.suite} suite published in this tenant's API "
                "Gateway, and is iu of the .ionapi file (or base_url of the connection) right?"
            )
        if response.is_redirect:
            return ContractError(
                f"{where}: {self.host} sends the call elsewhere; a token is not taken along. Is iu of the .ionapi "
                "file (or base_url of the connection) right?"
            )
        return ContractError(f"{where}: not an answer that the API Gateway is known to give")

    def of_silence(self, error: httpx.RequestError, program: str) -> ConnectorError:
        """The error of a request, login or call, that got no answer or not a whole one."""
        host = error.request.url.host
        where = self._where(program)
        if _is_untrusted(error):
            return ConfigError(
                f"{where}: the certificate of {host} is not trusted. If an own authority signed it, name its file in "
                "SSL_CERT_FILE."
            )
        match error:
            case httpx.LocalProtocolError():
                return ContractError(f"{where}: the request to {host} could not be put into HTTP")
            case httpx.ConnectTimeout():
                what = f"no connection to {host} within {CONNECT_TIMEOUT:.0f} seconds"
            case httpx.TimeoutException():
                what = f"no answer from {host} in time ({self.timeout:.0f} seconds for a call)"
            case httpx.ConnectError():
                what = f"no connection to {host} ({error})"
            case httpx.DecodingError():
                what = f"{host} sent a body that cannot be unpacked"
            case _:
                what = f"the connection to {host} broke before the answer was whole ({type(error).__name__})"
        return TransientError(f"{where}: {what}.")

    def _where(self, program: str) -> str:
        return f"{self.tenant}: {self.suite} {program}"


def _is_untrusted(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False
