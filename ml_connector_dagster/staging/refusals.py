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

#: Where clouds tell a machine who it is. Nobody answers there on a machine that has no identity.
_WHO_AM_I: Final = (
    "/latest/api/token",
    "/latest/meta-data",
    "/metadata/identity",
    "computeMetadata",
)

_NO_BUCKET: Final = frozenset({"NoSuchBucket", "ContainerNotFound", "InvalidBucketName"})
_OTHER_REGION: Final = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect"})
_CLOCK: Final = frozenset({"RequestTimeTooSkewed"})
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
_PASSING: Final = frozenset(
    {"RequestTimeout", "SlowDown", "InternalError", "ServerBusy", "OperationAborted"}
)


@contextmanager
def explained(place: StagingPlace, doing: str, key: str) -> Iterator[None]:
    """Turn what the client raises into our errors; ``doing`` is one of list, read, write, remove.

    AlreadyExistsError and FileNotFoundError (of a key) are answers: the caller knows what they mean.
    """
    from obstore.exceptions import AlreadyExistsError, BaseError

    try:
        yield
    except AlreadyExistsError:
        raise
    except FileNotFoundError as error:
        if _code(str(error)) in _NO_BUCKET:
            raise _explanation(place, doing, key, error) from None
        raise FileNotFoundError(f"{place.address}/{key}") from None
    except BaseError as error:
        raise _explanation(place, doing, key, error) from None


@contextmanager
def opening(place: StagingPlace) -> Iterator[None]:
    """The same for making a client: then it reads what the machine says about the cloud."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, ValueError) as error:
        raise ConfigError(
            f"staging could not open {place.address}: what this machine's environment, or the stored credential, says "
            f"about {place.kind}:// cannot be used ({type(error).__name__}). Are its files there, and its keys whole?"
        ) from None


def _explanation(place: StagingPlace, doing: str, key: str, error: Exception) -> ConnectorError:
    text, kind = str(error), type(error).__name__
    code = _code(text)
    what = f"staging could not {doing} {place.address}/{key}".rstrip("/")
    bucket = f"{'container' if place.kind is StagingKind.AZURE else 'bucket'} {place.bucket!r}"
    if code in _NO_BUCKET:
        return ConfigError(
            f"{what}: there is no {bucket} ({code}). Make it, or mend ML_CONNECTOR_STAGING_URL"
        )
    if code in _OTHER_REGION or "redirect" in text:
        region = _REGION.search(text)
        return ConfigError(
            f"{what}: the {bucket} is in another region than was asked. Write "
            f"?region={region[1] if region else '…'} at the end of ML_CONNECTOR_STAGING_URL, or set AWS_REGION"
        )
    if code in _CLOCK:
        return CredentialError(
            f"{what}: this machine's clock is wrong ({code}). Set it, then run again"
        )
    if any(place_to_ask in text for place_to_ask in _WHO_AM_I):
        return CredentialError(
            f"{what}: this machine has no identity that the cloud knows. Give it a role, or name a stored credential in "
            "ML_CONNECTOR_STAGING_CREDENTIAL (docs/how-to/object-storage.md)"
        )
    if code in _NOT_KNOWN or kind == "UnauthenticatedError":
        return CredentialError(
            f"{what}: the credentials are not accepted ({code or 'not signed in'}). "
            "docs/how-to/object-storage.md says where they are taken from"
        )
    if code in _FORBIDDEN or kind == "PermissionDeniedError":
        return CredentialError(
            f"{what}: access is denied ({code or 'forbidden'}). Grant {GRANTS[place.kind][doing]} {place.bucket!r}"
        )
    return _otherwise(what, code, text)


def _otherwise(what: str, code: str, text: str) -> ConnectorError:
    status = _STATUS.search(text)
    number = int(status[1]) if status else 0
    said = code or (f"HTTP {number}" if number else "no answer")
    if code in _PASSING or not number or number == 429 or number >= 500:
        return TransientError(
            f"{what}: {said}, after several tries. Run again when the storage is reachable from this machine"
        )
    return ContractError(f"{what}: refused with {said}, which nobody expects here")


def _code(text: str) -> str:
    found = _CODE.search(text)
    return "" if found is None else found[1] or found[2]
