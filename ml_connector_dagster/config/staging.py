"""Where batches are staged: ``ML_CONNECTOR_STAGING_URL``, taken apart. What is not needed to find the place is an option.

/srv/staging, file:///srv/staging
s3://bucket/prefix?region=eu-north-1                    (endpoint=https://… for what is compatible with S3)
abfss://container@account.dfs.core.windows.net/prefix
gs://bucket/prefix
"""

import difflib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ml_connector_dagster.model.errors import ConfigError


SETTING: Final = "ML_CONNECTOR_STAGING_URL"


class StagingKind(StrEnum):
    """What kind of place it is; the value is the URL's scheme."""

    FOLDER = "file"
    S3 = "s3"
    AZURE = "abfss"
    GOOGLE = "gs"


#: What may follow the "?".
_OPTIONS: Final = {
    StagingKind.S3: ("region", "endpoint"),
    StagingKind.AZURE: ("endpoint",),
    StagingKind.GOOGLE: ("endpoint",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StagingPlace:
    """A place for batches.

    Attributes:
        bucket: the bucket, or the container of Azure; "" of a folder.
        account: the storage account of Azure.
        prefix: below the bucket, without slashes around it; of a folder, its absolute path.
        region: of an S3 bucket; "" leaves it to the cloud's own configuration.
        endpoint: of a service that is compatible; "" is the cloud's own.
    """

    kind: StagingKind
    bucket: str = ""
    account: str = ""
    prefix: str
    region: str = ""
    endpoint: str = ""

    @property
    def address(self) -> str:
        """The place without its options: a path, or a URL. Nothing of it is secret."""
        if self.kind is StagingKind.FOLDER:
            return self.prefix
        host = f"{self.bucket}@{self.account}.dfs.core.windows.net" if self.account else self.bucket
        return f"{self.kind}://{host}/{self.prefix}".rstrip("/")


def staging_place(url: str) -> StagingPlace:
    """Take the URL apart. Raises ConfigError, which never repeats what may be a secret."""
    if "://" not in url:
        return StagingPlace(kind=StagingKind.FOLDER, prefix=str(Path(url).expanduser().absolute()))
    scheme = url.partition("://")[0].lower()
    if scheme not in tuple(StagingKind):
        raise ConfigError(
            f"{SETTING}: {scheme!r} is no place for batches; give a folder, s3://bucket/prefix, "
            "abfss://container@account.dfs.core.windows.net/prefix or gs://bucket/prefix"
        )
    if scheme == StagingKind.FOLDER:
        folder = str(Path(url.partition("://")[2]).absolute())
        return StagingPlace(kind=StagingKind.FOLDER, prefix=folder)
    return _bucket(StagingKind(scheme), urlsplit(url))


def _bucket(kind: StagingKind, parts: SplitResult) -> StagingPlace:
    options = _options(kind, parts.query)
    host = parts.netloc
    account = ""
    if kind is StagingKind.AZURE:
        container, _, service = host.partition("@")
        account, _, rest = service.partition(".")
        if not container or not account or ":" in container or rest != "dfs.core.windows.net":
            raise ConfigError(
                f"{SETTING}: an abfss address is abfss://container@account.dfs.core.windows.net/prefix"
            )
        host = container
    if "@" in host or ":" in host:
        raise ConfigError(
            f"{SETTING} holds a user or a password. Take it out: access comes from the cloud, or from the "
            "credential that ML_CONNECTOR_STAGING_CREDENTIAL names"
        )
    if not host:
        raise ConfigError(f"{SETTING} names no bucket; write {kind}://bucket/prefix")
    prefix = unquote(parts.path).strip("/")
    if any(one in ("", ".", "..") for one in prefix.split("/")) and prefix:
        raise ConfigError(f"{SETTING}: the prefix {prefix!r} has an empty part, or one of dots")
    return StagingPlace(
        kind=kind,
        bucket=host,
        account=account,
        prefix=prefix,
        region=options.get("region", ""),
        endpoint=_endpoint(options.get("endpoint", "")),
    )


def _options(kind: StagingKind, query: str) -> dict[str, str]:
    known = _OPTIONS[kind]
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"{SETTING}: {kind} has no option {name!r}; {hint}")
    return options


def _endpoint(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc):
        raise ConfigError(
            f"{SETTING}: endpoint is the address of the service, such as https://s3.example.com"
        )
    return url.rstrip("/")
