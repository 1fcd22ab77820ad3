"""Signature Version 4 in the Authorization header, as S3 checks it.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from ml_connector_dagster.sandbox.s3.calls import Call
from ml_connector_dagster.sandbox.s3.options import S3Options
from ml_connector_dagster.sandbox.s3.refusals import (
    S3Error,
    access_denied,
    invalid,
    not_implemented,
)


#: How far a request's clock may be off.
SKEW: Final = timedelta(minutes=15)

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[^/,\s]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
    r",\s*SignedHeaders=(?P<signed>[^,\s]+),\s*Signature=(?P<signature>[0-9a-f]{64})"
)


def check_signature(call: Call, options: S3Options) -> None:
    """Raises the S3Error of a request that is not signed, or not by the one who holds the secret key."""
    found = _AUTHORIZATION.fullmatch(call.headers.get("authorization", ""))
    if "authorization" not in call.headers:
        raise access_denied()
    if found is None:
        raise invalid(
            "AuthorizationHeaderMalformed",
            "The authorization header that you provided is not valid.",
        )
    if found["key"] != options.access_key_id:
        raise S3Error(
            status=403,
            code="InvalidAccessKeyId",
            message="The AWS Access Key Id you provided does not exist in our records.",
            details={"AWSAccessKeyId": found["key"]},
        )
    _check_scope(found["region"], found["service"], options)
    _check_time(call, found["date"], options)
    if call.headers.get("x-amz-security-token", "") != options.session_token:
        raise invalid("InvalidToken", "The provided token is malformed or otherwise invalid.")
    _check_payload(call)
    signed = found["signed"].split(";")
    unsigned = [
        name
        for name in call.headers
        if (name == "host" or name.startswith("x-amz-")) and name not in signed
    ]
    if unsigned:
        raise S3Error(
            status=403,
            code="AccessDenied",
            message="There were headers present in the request which were not signed",
            details={"HeadersNotSigned": ", ".join(unsigned)},
        )
    scope = f"{found['date']}/{found['region']}/{found['service']}/aws4_request"
    if not hmac.compare_digest(found["signature"], _signature(call, signed, scope, options)):
        raise S3Error(
            status=403,
            code="SignatureDoesNotMatch",
            message="The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
            details={"AWSAccessKeyId": found["key"]},
        )


def _check_scope(region: str, service: str, options: S3Options) -> None:
    if region != options.region:
        raise S3Error(
            status=400,
            code="AuthorizationHeaderMalformed",
            message=f"The authorization header is malformed; the region '{region}' is wrong; "
            f"expecting '{options.region}'",
            details={"Region": options.region},
        )
    if service != "s3":
        raise invalid(
            "AuthorizationHeaderMalformed",
            f"The authorization header is malformed; incorrect service '{service}'. "
            "This endpoint belongs to 's3'.",
        )


def _check_time(call: Call, day: str, options: S3Options) -> None:
    text = call.headers.get("x-amz-date", "")
    try:
        sent = datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise S3Error(
            status=403,
            code="AccessDenied",
            message="AWS authentication requires a valid Date or x-amz-date header",
        ) from None
    if not text.startswith(day):
        raise invalid("AuthorizationHeaderMalformed", "The date of the scope is not the request's.")
    if abs(options.now() - sent) > SKEW:
        raise S3Error(
            status=403,
            code="RequestTimeTooSkewed",
            message="The difference between the request time and the current time is too large.",
        )


def _check_payload(call: Call) -> None:
    claimed = call.headers.get("x-amz-content-sha256", "")
    if not claimed:
        raise invalid(
            "MissingSecurityHeader",
            "Your request is missing a required header: x-amz-content-sha256",
        )
    if claimed.startswith("STREAMING-"):
        raise not_implemented("signed chunks")
    if claimed not in ("UNSIGNED-PAYLOAD", hashlib.sha256(call.body).hexdigest()):
        raise invalid(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )


def _signature(call: Call, signed: list[str], scope: str, options: S3Options) -> str:
    canonical = "\n".join(
        (
            call.method,
            _encoded(unquote_to_bytes(call.path), safe="/"),
            "&".join(
                f"{name}={value}"
                for name, value in sorted(
                    (_encoded(name.encode()), _encoded(value.encode()))
                    for name, value in call.query
                )
            ),
            *(f"{name}:{' '.join(call.headers.get(name, '').split())}" for name in signed),
            "",
            ";".join(signed),
            call.headers["x-amz-content-sha256"],
        )
    )
    to_sign = "\n".join(
        (
            "AWS4-HMAC-SHA256",
            call.headers["x-amz-date"],
            scope,
            hashlib.sha256(canonical.encode()).hexdigest(),
        )
    )
    key = b"AWS4" + options.secret_access_key.encode()
    for part in (*scope.split("/"), to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def _encoded(text: bytes, safe: str = "") -> str:
    """AWS's UriEncode: all but letters, digits and ``-._~``."""
    return quote(text, safe=f"-._~{safe}")
