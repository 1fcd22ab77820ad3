"""What a grammar of reads is, and what all of them look at.

A path must match one strict grammar, so that no spelling of it (double slashes, dots, percent-encoding, matrix tricks,
lower case) reaches another program than the one that was judged.
"""

import re
from collections.abc import Mapping
from typing import Final, Protocol

from ml_connector_dagster.model.errors import ConfigError


#: Values of a query as they may stand in a path: printable ASCII, percent-encoded.
QUERY: Final = r"(?:\?(?P<query>[!-~]*))?"

_ESCAPE: Final = re.compile(r"%(?:[0-9A-Fa-f]{2})?")


class Reads(Protocol):
    """The reads of one suite. Each method answers what the call is, for messages, or raises ConfigError."""

    def judge_get(self, path: str) -> str:
        """What a GET of ``path`` (query included) reads."""
        ...

    def judge_post(self, path: str, body: Mapping[str, object]) -> str:
        """What a POST of ``body`` to ``path`` reads."""
        ...


def unknown_call(method: str, suite: str, path: str) -> ConfigError:
    """The error for a call that no grammar knows."""
    return ConfigError(
        f"{method} {suite}{shown(path)} is not among the reads the connector knows, and was not sent: "
        "nothing is ever written to CloudSuite. Percent-encode values, spell names as the ERP does."
    )


def is_well_escaped(text: str) -> bool:
    """Whether every percent sign begins an escape, and nothing ends the query early."""
    return "#" not in text and all(len(escape) == 3 for escape in _ESCAPE.findall(text))


def only_known(members: Mapping[str, object], known: frozenset[str], what: str) -> None:
    """Raise ConfigError when an object has a member that is not ``known``."""
    # A reader that ignores case would take "Transaction" for "transaction": so nothing unknown is sent.
    if unknown := [repr(member) for member in members if member not in known]:
        raise ConfigError(
            f"{what} has the unknown member {shown(', '.join(unknown))} and was not sent; known are "
            f"{', '.join(sorted(known))}."
        )


def shown(value: object) -> str:
    """The start of a value, without the query of a path: a message holds no payload."""
    text = value.partition("?")[0] if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
