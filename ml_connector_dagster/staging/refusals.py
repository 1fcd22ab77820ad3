"""What object storage answers, in words of ours: which bucket, which key, and what to grant.

The client's own text is taken apart, never passed on: it repeats addresses, and an Azure address may be signed.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ml_connector_dagster.config.staging import StagingKind, StagingPlace
from ml_connector_dagster.model.errors import (
    ConfigError,
    ConnectorError,
    ContractError,
    CredentialError,
    TransientError,
)


#: What a policy must allow, by cloud and by what was tried.
GRANTS: Final = {
    StagingKind.S3: {
        "list": "s3:ListBucket on the bucket",
        "read": "s3:GetObject on the prefix, and s3:ListBucket on the bucket",
        "write": "s3:PutObject and s3:AbortMultipartUpload on the prefix",
        "remove": "s3:DeleteObject on the prefix",
    },
    StagingKind.AZURE: dict.fromkeys(
        ("list", "read", "write", "remove"),
        "the role Storage Blob Data Contributor on the container",
    ),
    StagingKind.GOOGLE: dict.fromkeys(
        ("list", "read", "write", "remove"), "the role Storage Object User on the bucket"
    ),
}

_CODE: Final = re.compile(r"<Code>([A-Za-z0-9]+)</Code>|\(code: ([A-Za-z0-9]+)\)")
_REGION: Final = re.compile(r"expecting '([a-z0-9-]+)'")
_STATUS: Final = re.compile(r"status code: (\d{3})")

_NO_BUCKET: Final = frozenset({"NoSuchBucket", "ContainerNotFound", "InvalidBucketName"})
_NOT_KNOWN: Final = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "ExpiredToken",
        "InvalidAuthenticationInfo",
        "AuthenticationFailed",
        "NoAuthenticationInformation",
    }
)
_FORBIDDEN: Final = frozenset(
    {"AccessDenied", "AuthorizationFailure", "AuthorizationPermissionMismatch", "AllAccessDisabled"}
)
_CLOCK: Final = frozenset({"RequestTimeTooSkewed"})
_PASSING: Final = frozenset(
    {"RequestTimeout", "SlowDown", "InternalError", "ServerBusy", "OperationAborted"}
)


@contextmanager
def explained(place: StagingPlace, doing: str, key: str) -> Iterator[None]:
    """Turn what the client raises into our errors; ``doing`` is one of list, read, write, remove.

    AlreadyExistsError and FileNotFoundError (of a key) pass: they are answers.
    """
    from obstore.exceptions import AlreadyExistsError, BaseError

    try:
        yield
    except AlreadyExistsError:
        raise
    except FileNotFoundError as error:
        if _code(str(error)) in _NO_BUCKET:
            raise _explanation(place, doing, key, error) from None
        raise
    except BaseError as error:
        raise _explanation(place, doing, key, error) from None


def _explanation(place: StagingPlace, doing: str, key: str, error: Exception) -> ConnectorError:
    text = str(error)
    code = _code(text)
    what = f"staging could not {doing} {place.address}/{key}".rstrip("/")
    container = "container" if place.kind is StagingKind.AZURE else "bucket"
    if code in _NO_BUCKET:
        return ConfigError(
            f"{what}: there is no {container} {place.bucket!r} ({code}). Make it, or mend ML_CONNECTOR_STAGING_URL"
        )
    if "redirect" in text or code in ("AuthorizationHeaderMalformed", "PermanentRedirect"):
        there = _REGION.search(text)
        region = there[1] if there else "the bucket's region"
        return ConfigError(
            f"{what}: the {container} {place.bucket!r} is in another region than was asked. Write "
            f"?region={region} at the end of ML_CONNECTOR_STAGING_URL, or set AWS_REGION"
        )
    if code in _CLOCK:
        return CredentialError(
            f"{what}: this machine's clock is wrong ({code}). Set it, then run again"
        )
    if code in _NOT_KNOWN or "Unauthenticated" in type(error).__name__:
        return CredentialError(
            f"{what}: the credentials are not accepted ({code or 'not signed in'}). See docs/how-to/object-storage.md "
            "for where they are taken from"
        )
    if code in _FORBIDDEN or "PermissionDenied" in type(error).__name__:
        return CredentialError(
            f"{what}: access is denied ({code or 'forbidden'}). Grant {GRANTS[place.kind][doing]} {place.bucket!r}"
        )
    return _passing(what, code, text, error)


def _passing(what: str, code: str, text: str, error: Exception) -> ConnectorError:
    status = _STATUS.search(text)
    said = code or (f"HTTP {status[1]}" if status else "")
    if ("metadata" in text and "169.254" in text) or ("credential" in text.lower() and not said):
        return CredentialError(
            f"{what}: this machine has no identity that the cloud knows. Give it a role, or name a stored credential in "
            "ML_CONNECTOR_STAGING_CREDENTIAL (docs/how-to/object-storage.md)"
        )
    if not said or code in _PASSING or said.startswith("HTTP 5") or said == "HTTP 429":
        return TransientError(
            f"{what}: {said or 'no answer'}, after several tries. Run again when the storage is reachable from this machine"
        )
    return ContractError(f"{what}: refused with {said} ({type(error).__name__})")


def _code(text: str) -> str:
    found = _CODE.search(text)
    return "" if found is None else found[1] or found[2]
