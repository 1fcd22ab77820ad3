"""The ``.ionapi`` file of an authorized app, as downloaded from Infor's API Gateway.

Written from the ion-api-sdk README and Infor OS pages (reference/cloudsuite-api.md §1). Nothing here talks to a
network, and no message repeats a value of the file except host names.
"""

import ipaddress
import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self
from urllib.parse import urlsplit

from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.secrets import Secret


class Grant(StrEnum):
    """How the app signs in."""

    PASSWORD = "password"  # noqa: S105  # the grant's name in RFC 6749, not a secret
    CLIENT_CREDENTIALS = "client_credentials"


_MEANING: Final = {
    "ti": "tenant id",
    "ci": "client id",
    "cs": "client secret",
    "iu": "API base URL",
    "pu": "authorization server URL",
    "ot": "token path",
    "or": "revoke path",
    "saak": "service account access key",
    "sask": "service account secret key",
}
_DOWNLOAD: Final = "In Infor OS: API Gateway → Authorized Apps → the app of type Backend Service → Download Credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class IonApi:
    """What the connector needs of the file. Printing it shows no secret.

    Attributes:
        app: the app's name, for messages; may be empty.
        tenant_id: ``ti``; on premise, where a file may lack it, the host of the API.
        base_url: what a suite's name follows: ``{iu}/{ti}``, or the on-premise base; no slash at the end.
        token_url: ``pu`` + ``ot``. Never derived from ``iu``: regions differ.
        revoke_url: ``pu`` + ``or``; empty when the file names no revoke path.
        username: ``saak``; empty with client credentials.
        password: ``sask``; empty with client credentials.
    """

    app: str
    tenant_id: str
    base_url: str
    token_url: str
    revoke_url: str
    grant: Grant
    client_id: Secret
    client_secret: Secret
    username: Secret
    password: Secret

    @classmethod
    def parse(cls, text: str, *, base_url: str | None = None) -> Self:
        """Read the text of a file. Raises ConfigError that names every key that is wrong, at once.

        ``base_url`` is for on-premise Infor OS: the API base as it is, with no tenant segment; it replaces ``iu``.
        """
        keys = _read_object(text)
        values, problems = _read_values(keys, base_url)
        if problems:
            raise ConfigError(
                f"The .ionapi file cannot be used: {'; '.join(problems)}. {_DOWNLOAD}."
            )
        authorization = values["pu"].rstrip("/") + "/"
        tenant = values.get("ti") or values["ci"].partition("~")[0]
        if base_url is not None:
            base = base_url.rstrip("/")
            tenant = values.get("ti") or urlsplit(base).hostname or base
        else:
            base = values["iu"].rstrip("/")
            if not base.endswith(f"/{tenant}"):
                base = f"{base}/{tenant}"
        has_service_account = "saak" in values
        return cls(
            app=values.get("cn", ""),
            tenant_id=tenant,
            base_url=base,
            token_url=authorization + values["ot"].lstrip("/"),
            revoke_url=authorization + values["or"].lstrip("/") if "or" in values else "",
            grant=Grant.PASSWORD if has_service_account else Grant.CLIENT_CREDENTIALS,
            client_id=Secret(values["ci"]),
            client_secret=Secret(values["cs"]),
            username=Secret(values.get("saak", "")),
            password=Secret(values.get("sask", "")),
        )


def _read_object(text: str) -> dict[str, object]:
    text = text.removeprefix("\ufeff").strip()
    if not text:
        raise ConfigError(f"The .ionapi file is empty. {_DOWNLOAD}.")
    if text.startswith("<"):
        raise ConfigError(
            "This is an HTML or XML page, not an .ionapi file: probably a sign-in page was saved "
            f"in its place. {_DOWNLOAD}."
        )
    try:
        keys = json.loads(text)
    except ValueError as error:
        if not text.startswith("{") and "\n" not in text and re.search(r"[./\\]", text):
            raise ConfigError(
                "This looks like a path, not the text of an .ionapi file. Give the file itself: "
                "ml-connector credentials add NAME --ionapi PATH"
            ) from None
        # Without `from`: the decoder's error carries the whole document, secrets included.
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigError(
            f"The .ionapi file is not JSON{where}: it was cut or edited. {_DOWNLOAD}."
        ) from None
    if not isinstance(keys, dict):
        raise ConfigError(
            f"The .ionapi file holds a JSON {_kind(keys)}, where an object with the keys "
            f"{', '.join(_MEANING)} is expected. {_DOWNLOAD}."
        )
    return keys


def _read_values(keys: dict[str, object], base_url: str | None) -> tuple[dict[str, str], list[str]]:
    problems: list[str] = []
    values: dict[str, str] = {}
    may_be_blank = {"or"} if base_url is None else {"or", "ti", "iu"}
    for key in (*_MEANING, "cn"):
        value = keys.get(key)
        if isinstance(value, str) and value.strip():
            values[key] = value.strip()
        elif key in _MEANING and key in keys and not (key in may_be_blank and not value):
            what = "is empty" if isinstance(value, str) else f"is {_kind(value)}, not text"
            problems.append(f"{key} ({_MEANING[key]}) {what}")
    if not {"saak", "sask"} & keys.keys() and "ru" in keys:
        problems.append(
            "it is not a Backend Service file: it has ru (a redirect address) and no saak/sask, as "
            "web and mobile apps do; create an app of type Backend Service with a service account"
        )
    problems.extend(
        f"{key} ({_MEANING[key]}) is missing"
        for key in _required(keys, base_url)
        if key not in keys
    )
    problems.extend(_check_url("pu", values.get("pu")))
    problems.extend(
        _check_url("iu", values.get("iu")) if base_url is None else _check_url("base_url", base_url)
    )
    return values, problems


def _required(keys: dict[str, object], base_url: str | None) -> tuple[str, ...]:
    required = ["ci", "cs", "pu", "ot"]
    if base_url is None:
        # A client-credentials file may lack ti; the client id starts with it: {ti}~{random}.
        required += ["iu"] if "~" in str(keys.get("ci")) else ["iu", "ti"]
    if {"saak", "sask"} & keys.keys():
        required += ["saak", "sask"]
    return tuple(required)


def _check_url(key: str, url: str | None) -> list[str]:
    if url is None:
        return []
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return [f"{key} is not an address"]
    if not host or parts.scheme not in ("http", "https"):
        return [f"{key} is not an address that starts with https://"]
    if parts.username is not None or parts.query or parts.fragment:
        return [f"{key} (host {host}) holds more than an address: a user, query or fragment"]
    if parts.scheme == "http" and not _is_loopback(host):
        return [f"{key} (host {host}) uses http; secrets are sent only over https"]
    return []


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"
