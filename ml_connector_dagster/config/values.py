"""The kinds of value that stand in YAML, each with the check and the words of its error.

Numbers and booleans are strict: ``"600"`` is not a number and ``yes`` is not a boolean.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, AllowInfNan, BeforeValidator, Field, Strict, ValidationInfo
from pydantic_core import PydanticCustomError

from ml_connector_dagster.config.problems import did_you_mean, shown
from ml_connector_dagster.marts import MARTS
from ml_connector_dagster.model.companions import COMPANIONS
from ml_connector_dagster.model.entities import ENTITIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What relative paths are relative to (pydantic's validation context).

    Attributes:
        home: of files that the connector writes.
        folder: of the YAML file, for files that stand beside it.
    """

    home: Path
    folder: Path


NAME_RULE = "start with a lower-case letter, then lower-case letters, digits and _, at most 40"
NAME_PATTERN = "[a-z][a-z0-9_]{0,39}"
_NAME = re.compile(NAME_PATTERN)
CREDENTIAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def _name(name: str) -> str:
    """Names become Dagster asset keys, folders and parts of record ids, so they are plain."""
    if _NAME.fullmatch(name):
        return name
    better = re.sub(r"[^a-z0-9_]+", "_", name.casefold()).strip("_")[:40]
    hint = f"; for example {better!r}" if _NAME.fullmatch(better) else ""
    raise ValueError(f"{shown(name)} is not a good name: {NAME_RULE}{hint}")


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def _timezone(value: str) -> str:
    if value not in _timezones():
        hint = did_you_mean(value, _timezones())
        raise ValueError(
            f"unknown timezone {shown(value)}{hint or '; write it like Europe/Stockholm'}"
        )
    return value


def _entity(value: str) -> str:
    if value not in ENTITIES:
        raise ValueError(f"unknown entity {shown(value)}{did_you_mean(value, ENTITIES)}")
    return value


def _mapped(value: str) -> str:
    return value if value in COMPANIONS else _entity(value)


def _mart(value: str) -> str:
    if value not in MARTS:
        raise ValueError(f"unknown mart {shown(value)}{did_you_mean(value, MARTS)}")
    return value


def _text_not_number(what: str) -> Callable[[object], object]:
    """Refuses what YAML took for a number or boolean; the loader quotes it as it was written."""

    def check(value: object) -> object:
        if isinstance(value, bool | int | float):
            raise PydanticCustomError("unquoted", "{what} must be quoted", {"what": what})
        return value

    return check


#: Dagster partition keys may hold none of these (``partitions/utils``), and a company is one.
_NOT_IN_A_COMPANY = re.compile(r"[|,\[\]\x00-\x1f\x7f]|\.\.\.")


def _company(value: str) -> str:
    if not value.strip():
        raise ValueError("a company is blank; write its number")
    if value != value.strip():
        raise ValueError(f"company {shown(value)} begins or ends with a space")
    if bad := _NOT_IN_A_COMPANY.search(value):
        raise ValueError(f"company {shown(value)} may not contain {shown(bad.group())}")
    return value


def _owner(value: str) -> str:
    team = value.startswith("team:") and len(value) > len("team:")
    if not team and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        raise ValueError(f"owner {shown(value)} is neither an e-mail address nor team:NAME")
    return value


def _day(value: object) -> object:
    """YAML gives dates as text; a ``date`` comes from Python callers."""
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError(f"{shown(value)} is not a date; write year-month-day, like 2025-11-01")
    try:
        day = date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"there is no day {value}: {error}") from error
    if day.year < 1970:
        raise ValueError(f"{value} is before 1970; older records belong to the first day anyway")
    return day


def _path_text(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value.strip() or "\0" in value:
        raise ValueError("a path is blank; write where the file is")
    if value.startswith("~"):
        raise ValueError(f"{shown(value)}: ~ is not expanded here; write the whole path")
    return value


def _written_file(path: Path, info: ValidationInfo) -> Path:
    """A file we write: may be new, but its place must be able to hold it."""
    if not isinstance(info.context, Origin):
        return path
    full = Path(os.path.normpath(info.context.home / path))
    if full.is_dir():
        raise ValueError(f"{full} is a folder; write the path of a file")
    return _with_place(full)


def _written_folder(path: Path, info: ValidationInfo) -> Path:
    """A folder we write to: may be new, or hold things already."""
    if not isinstance(info.context, Origin):
        return path
    full = Path(os.path.normpath(info.context.home / path))
    if full.exists() and not full.is_dir():
        raise ValueError(f"{full} is a file; write the path of a folder")
    return _with_place(full)


def _with_place(full: Path) -> Path:
    for folder in full.parents:
        if folder.exists():
            if not folder.is_dir():
                raise ValueError(f"{folder} is a file, so {full} cannot be in it")
            break
    return full


def _read_file(path: Path, info: ValidationInfo) -> Path:
    """A file that must be there, found from the folder of the YAML file."""
    if not isinstance(info.context, Origin):
        return path
    full = info.context.folder / path
    if not full.is_file():
        raise ValueError(
            f"there is no file {full} (a relative path begins at the YAML file's folder)"
        )
    return full


def _schema(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,59}", value):
        raise ValueError(
            f"{shown(value)} is not a schema name: letters, digits and _, no digit first, at most 60"
        )
    return value


def _size(value: str) -> str:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)? ?[KMGT]i?B", value):
        raise ValueError(f"{shown(value)} is not a size; write it like 512MB or 4GB")
    return value


def _unity_name(value: str) -> str:
    """Unity Catalog allows more in quotes; what a person types without quotes is enough."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", value):
        raise ValueError(f"{shown(value)} is not a name: letters, digits, _ and -, at most 100")
    return value


def _salesforce_domain(value: str) -> str:
    """Client credentials work on My Domain only: ``login`` and ``test`` answer invalid_grant."""
    domain = value.removeprefix("https://").rstrip("/").removesuffix(".salesforce.com")
    if domain in ("login", "test"):
        raise ValueError(
            f"{shown(value)} does not take client credentials; write the org's My Domain, like acme.my"
        )
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.my", domain, re.IGNORECASE):
        raise ValueError(
            f"{shown(value)} is not a My Domain; write it like acme.my or acme--test.sandbox.my (Setup, My Domain)"
        )
    return domain


def _warehouse_id(value: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{8,32}", value):
        raise ValueError(
            f"{shown(value)} is not a warehouse id, which is of 16 digits and letters a to f: the last part of the "
            "warehouse's HTTP path"
        )
    return value


def _lookml_name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", value):
        raise ValueError(
            f"{shown(value)} is not a name in LookML: a small letter, then small letters, digits and _, at most 60"
        )
    return value


def _looker_database(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,99}", value):
        raise ValueError(
            f"{shown(value)} is not the name of a Looker connection (Admin, Connections): letters, digits, _ and -"
        )
    return value


def _plan_id(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", value):
        raise ValueError(
            f"{shown(value)} is not the id of a scheduled plan: the number in the plan's address"
        )
    return value


def _plain_path(value: str) -> str:
    if value and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", value):
        raise ValueError(
            f"{shown(value)} is not a plain name: letters, digits and _, no digit first"
        )
    return value


def _credential(value: str) -> str:
    """The value is not repeated in errors: somebody may have pasted the secret itself."""
    if not CREDENTIAL_NAME.fullmatch(value):
        raise ValueError(
            "not the name of a credential (letters, digits, _ . -, at most 100); the secret itself "
            "never stands here: store it with: ml-connector credentials add NAME"
        )
    return value


def _url(value: str) -> str:
    """The value is not repeated in errors: a URL with a user may hold a password."""
    try:
        url = urlsplit(value)
        named = bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        url, named = urlsplit(""), False
    if url.scheme not in ("http", "https") or not named:
        raise ValueError("not a web address; write it like https://host:7443/infor")
    if url.username or url.password:
        raise ValueError(
            "holds a user or password; store those with: ml-connector credentials add NAME"
        )
    return value.rstrip("/")


Name = Annotated[str, AfterValidator(_name)]
CredentialName = Annotated[str, AfterValidator(_credential)]
SchemaName = Annotated[str, AfterValidator(_schema)]
UnityName = Annotated[str, AfterValidator(_unity_name)]
SalesforceDomain = Annotated[str, AfterValidator(_salesforce_domain)]
WarehouseId = Annotated[
    str, BeforeValidator(_text_not_number("warehouse_id")), AfterValidator(_warehouse_id)
]
MemorySize = Annotated[str, AfterValidator(_size)]
Timezone = Annotated[str, AfterValidator(_timezone)]
EntityName = Annotated[str, AfterValidator(_entity)]
MappedName = Annotated[str, AfterValidator(_mapped)]
MartName = Annotated[str, AfterValidator(_mart)]
Company = Annotated[str, BeforeValidator(_text_not_number("company")), AfterValidator(_company)]
Owner = Annotated[str, AfterValidator(_owner)]
Day = Annotated[date, BeforeValidator(_day)]
LookmlName = Annotated[str, AfterValidator(_lookml_name)]
LookerDatabase = Annotated[str, AfterValidator(_looker_database)]
PlanId = Annotated[str, BeforeValidator(_text_not_number("plan")), AfterValidator(_plan_id)]
PlainName = Annotated[str, AfterValidator(_plain_path)]
WrittenFile = Annotated[Path, BeforeValidator(_path_text), AfterValidator(_written_file)]
WrittenFolder = Annotated[Path, BeforeValidator(_path_text), AfterValidator(_written_folder)]
ReadFile = Annotated[Path, BeforeValidator(_path_text), AfterValidator(_read_file)]
WebAddress = Annotated[str, AfterValidator(_url)]
WholeNumber = Annotated[int, Strict()]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Flag = Annotated[bool, Strict()]
#: Patience with one request: up to an hour.
Seconds = Annotated[Number, Field(gt=0, le=3600)]
#: Patience with a job of the other side: up to a day.
JobSeconds = Annotated[Number, Field(gt=0, le=86_400)]
