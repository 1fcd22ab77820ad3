"""The clients of the three clouds: where the store is, who we are there, how long we wait and how often we try.

Who we are comes from the cloud itself (a role of the machine, a workload identity, its environment variables) unless a
stored credential is named: that one counts alone. https://developmentseed.org/obstore/latest/authentication/
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from ml_connector_dagster.config.staging import StagingKind, StagingPlace
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.model.errors import CredentialError, MissingDriverError
from ml_connector_dagster.staging.refusals import opening


if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client


#: Fields of a stored credential, by kind of place: any one of these sets, whole. Named as ``obstore`` names its options.
FIELDS: Final[Mapping[StagingKind, tuple[frozenset[str], ...]]] = {
    StagingKind.S3: (
        frozenset({"access_key_id", "secret_access_key"}),
        frozenset({"access_key_id", "secret_access_key", "session_token"}),
    ),
    StagingKind.AZURE: (
        frozenset({"account_key"}),
        frozenset({"sas_key"}),
        frozenset({"tenant_id", "client_id", "client_secret"}),
    ),
    StagingKind.GOOGLE: (frozenset({"service_account_key"}),),
}

_AZURE_WAYS: Final = {
    "account_key": "access_key",
    "sas_key": "sas_token",
    "client_secret": "client_secret",
}

#: A request that hangs is given up and made again: no connection, nothing sent, not at its end.
_CONNECT: Final = timedelta(seconds=10)
_SILENCE: Final = timedelta(seconds=30)
_LONGEST: Final = timedelta(minutes=5)
TRIES: Final = 8
_PATIENCE: Final = timedelta(minutes=2)
_FIRST_WAIT: Final = timedelta(milliseconds=100)
_LONGEST_WAIT: Final = timedelta(seconds=10)


def open_client(place: StagingPlace, credential: Credential | None) -> "Client":
    """A client of ``place`` whose paths begin at its prefix. Nothing is sent yet.

    Raises MissingDriverError without ``obstore``, CredentialError when the stored credential has other fields, and
    ConfigError when what the machine says about the cloud is no use.
    """
    try:
        from obstore.store import AzureStore, GCSStore, S3Store
    except ImportError as error:
        raise MissingDriverError("obstore", "object-storage") from error
    login = {} if credential is None else _login(place.kind, credential)
    shared: dict[str, Any] = {
        "prefix": place.prefix or None,
        "client_options": {
            "connect_timeout": _CONNECT,
            "read_timeout": _SILENCE,
            "timeout": _LONGEST,
            "allow_http": place.endpoint.startswith("http://"),
        },
        "retry_config": {
            "max_retries": TRIES,
            "retry_timeout": _PATIENCE,
            "backoff": {"init_backoff": _FIRST_WAIT, "max_backoff": _LONGEST_WAIT, "base": 2},
        },
    }
    with opening(place):
        if place.kind is StagingKind.S3:
            given = _given(region=place.region, endpoint=place.endpoint)
            return S3Store(place.bucket, config=given, credential_provider=_keys(login), **shared)
        if place.kind is StagingKind.AZURE:
            given = _given(account_name=place.account, endpoint=place.endpoint, **login)
            return AzureStore(place.bucket, config=given, **shared)
        return GCSStore(place.bucket, config=_given(base_url=place.endpoint, **login), **shared)


def _given(**options: str) -> Any:
    """The options that have a value: an empty one would hide the cloud's own configuration."""
    return {name: value for name, value in options.items() if value}


def _keys(login: Mapping[str, str]) -> Any:
    """A stored key as a whole: as options, it would be joined by a session token of the environment."""
    if not login:
        return None
    return lambda: {
        "access_key_id": login["access_key_id"],
        "secret_access_key": login["secret_access_key"],
        "token": login.get("session_token"),
        "expires_at": None,
    }


def _login(kind: StagingKind, credential: Credential) -> dict[str, str]:
    if frozenset(credential.values) not in FIELDS[kind]:
        ways = " or ".join(" + ".join(sorted(one)) for one in FIELDS[kind])
        raise CredentialError(
            f"credential {credential.name!r} has the fields {', '.join(sorted(credential.values)) or 'none'}; for "
            f"{kind}:// it needs {ways}. Add it again: ml-connector credentials add {credential.name} --kind "
            f"{kind} --field …"
        )
    login = {name: value.reveal() for name, value in credential.values.items()}
    if kind is StagingKind.AZURE:
        (way,) = (way for field, way in _AZURE_WAYS.items() if field in login)
        login["credential_type"] = way  # what the environment holds besides is not asked
    return login
