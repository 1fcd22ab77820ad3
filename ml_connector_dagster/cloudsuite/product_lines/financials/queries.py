"""Paths of generic lists: parameters, filters, timestamps, and the relative link to the next page (reference §4.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlsplit

from ml_connector_dagster.model.errors import ConfigError, ContractError
from ml_connector_dagster.model.windows import Window


#: Whether _fts and _tts include their ends is not documented: a second more on either side is harmless.
_MARGIN: Final = timedelta(seconds=1)

#: What may stand in a query as it is; a link's own escapes (% and + for a blank) stay.
_PLAIN: Final = "-._~!$'()*,:@/?=&%+"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassList:
    """What a call asks of one business class. ``equal``: field → the value it must have. ``changed``: None for all rows."""

    business_class: str
    fields: tuple[str, ...]  # none: all there are
    equal: Mapping[str, str]
    limit: int
    changed: Window | None = None
    set_name: str | None = None

    @property
    def base(self) -> str:
        """The path without its query."""
        return f"/fsm/soap/classes/{self.business_class}/lists/_generic"

    @property
    def path(self) -> str:
        """Path and query of the first page."""
        given = {
            "_fields": ",".join(self.fields) or "_all",
            "_limit": str(self.limit),
            "_pageNav": "true",
            "_links": "true",
            "_out": "JSON",
            **({"_lplFilter": lpl(self.equal)} if self.equal else {}),
            **({} if self.set_name is None else {"_setName": self.set_name}),
            **({} if self.changed is None else _between(self.changed)),
        }
        query = "&".join(f"{name}={quote(value, safe=',')}" for name, value in given.items())
        return f"{self.base}?{query}"

    def onward(self, href: str) -> str:
        """Path and query of the page that a link leads to. Raises ContractError when it leaves this list."""
        link = urlsplit(href)
        if not link.query or not link.path.endswith("/lists/_generic"):
            raise ContractError(
                f"list {self.business_class}: the link to the next page leads to {link.path!r}, not to the same list"
            )
        return f"{self.base}?{quote(link.query, safe=_PLAIN)}"


def lpl(equal: Mapping[str, str]) -> str:
    """A Landmark expression: every field has its value."""
    for field, value in equal.items():
        if '"' in value or "\\" in value:
            raise ConfigError(
                f"the value {value!r} of {field} cannot stand in a Landmark filter: it has a quote or a backslash"
            )
    return " and ".join(f'{field} = "{value}"' for field, value in equal.items())


def timestamp(moment: datetime) -> str:
    """UTC, YYYYMMDDHHMMSSFF."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y%m%d%H%M%S}{utc.microsecond // 10_000:02d}"


def _between(window: Window) -> dict[str, str]:
    if window.start is None:
        return {}
    return {
        "_fts": timestamp(window.start - _MARGIN),
        "_tts": timestamp(window.end + _MARGIN),
    }


def wanted_fields(mapped: Sequence[str], further: Sequence[str]) -> tuple[str, ...]:
    """Each field once, in order."""
    return tuple(dict.fromkeys([*mapped, *further]))
