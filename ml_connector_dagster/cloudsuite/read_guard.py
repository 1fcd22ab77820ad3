"""Nothing is ever written to CloudSuite: what may be sent at all.

An allow-list, in two halves that must both hold. M3 runs a transaction by GET as well as by POST, so the method
says nothing: the transaction's name does. A path must match one strict grammar, so that no spelling of it (double
slashes, dots, percent-encoding, matrix tricks, lower case) reaches another program than the one that was judged.

What other product lines will need, each with its own grammar here when it is built: LN OData and FSM lists by GET;
SX.e FetchWhere and Compass jobs by POST; IDO load by GET, and none of IDO's POST or invoke calls.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from ml_connector_dagster.model.errors import ConfigError


_PROGRAM: Final = re.compile(r"[A-Z][A-Z0-9_]{1,14}")
#: A read verb, then a capital or a digit or nothing: LstLine, GetHead, SelItem, Select, SelectPad; not Settle.
_READ: Final = re.compile(r"(?:Lst|Get|Search|Select|Sel)(?:[A-Z0-9][A-Za-z0-9_]*)?")
_EXECUTE: Final = re.compile(
    r"/m3api-rest/(?:v2/)?execute/(?P<program>[^/;?]*)/(?P<transaction>[^/;?]*)"
    r"(?P<matrix>(?:;[A-Za-z_]+=[A-Za-z0-9,._~%*+-]*)*)"
    r"(?:\?(?P<query>[!-~]*))?"
)
_BULK: Final = re.compile(r"/m3api-rest/v2/execute(?:\?(?P<query>[!-~]*))?")
_ESCAPE: Final = re.compile(r"%(?:[0-9A-Fa-f]{2})?")
#: What could end a matrix value or climb out of it, for a server that decodes before it routes.
_CLIMBING: Final = frozenset("/\\;?#%")

_BULK_MEMBERS: Final = frozenset(
    {
        "program",
        "transactions",
        "cono",
        "divi",
        "excludeEmptyValues",
        "rightTrim",
        "maxReturnedRecords",
        "dateFormat",
        "extendedResult",
        "lanc",
        "locale",
        "timeZone",
    }
)
_TRANSACTION_MEMBERS: Final = frozenset({"transaction", "record", "selectedColumns"})


class ReadGuard:
    """Judges calls to one suite. Each method returns what the call is, for messages, or raises ConfigError."""

    def __init__(self, suite: str) -> None:
        self._suite = suite

    def judge_get(self, path: str) -> str:
        """``PROGRAM/Transaction`` of a GET."""
        match = _EXECUTE.fullmatch(path) if self._suite == "M3" else None
        if match is None:
            raise self._unknown("GET", path)
        matrix, query = match["matrix"], match["query"] or ""
        if "#" in query or not _well_escaped(matrix) or not _well_escaped(query):
            raise self._unknown("GET", path)
        if not all(_stays_put(unquote(value.partition("=")[2])) for value in matrix.split(";")):
            raise self._unknown("GET", path)
        _judge(match["program"], match["transaction"])
        return f"{match['program']}/{match['transaction']}"

    def judge_post(self, path: str, body: Mapping[str, object]) -> str:
        """``PROGRAM (n x Transaction, …)`` of a bulk POST, every one of whose transactions is a read."""
        match = _BULK.fullmatch(path) if self._suite == "M3" else None
        if (
            match is None
            or "#" in (match["query"] or "")
            or not _well_escaped(match["query"] or "")
        ):
            raise self._unknown("POST", path)
        _only(body, _BULK_MEMBERS, "a bulk request")
        program, transactions = body.get("program"), body.get("transactions")
        if not isinstance(program, str) or not isinstance(transactions, list | tuple):
            raise ConfigError(
                "A bulk request to M3 needs a program (text) and transactions (a list); it was not sent."
            )
        counts: dict[str, int] = {}
        for item in transactions:
            if not isinstance(item, Mapping):
                raise ConfigError(
                    f"A transaction of a bulk {program} is no object; it was not sent."
                )
            _only(item, _TRANSACTION_MEMBERS, f"a transaction of a bulk {program!r}")
            name = item.get("transaction")
            _judge(program, name)
            counts[str(name)] = counts.get(str(name), 0) + 1
        if not counts:
            raise ConfigError(f"A bulk {program!r} without transactions was not sent.")
        return f"{program} ({', '.join(f'{count} x {name}' for name, count in counts.items())})"

    def _unknown(self, method: str, path: str) -> ConfigError:
        return ConfigError(
            f"{method} {self._suite}{_shown(path)} is not among the reads the connector knows, and was not sent: "
            "nothing is ever written to CloudSuite. Percent-encode values, spell program and transaction as M3 does."
        )


def _judge(program: object, transaction: object) -> None:
    if not isinstance(program, str) or not _PROGRAM.fullmatch(program):
        raise ConfigError(
            f"{_shown(program)} is not the name of an M3 program (capital letters and digits, like CRS620MI); the call "
            "was not sent. Correct it in the catalog."
        )
    if not isinstance(transaction, str) or not _READ.fullmatch(transaction):
        raise ConfigError(
            f"{program}/{_shown(transaction)} is not a read: only transactions called Lst…, Get…, Search…, Sel… or "
            "Select… are sent, spelled as M3 spells them. Nothing is ever written to CloudSuite; correct the catalog."
        )


def _only(members: Mapping[str, object], known: frozenset[str], what: str) -> None:
    # A reader that ignores case would take "Transaction" for "transaction": so nothing unknown is sent.
    if unknown := [repr(member) for member in members if member not in known]:
        raise ConfigError(
            f"{what} has the unknown member {_shown(', '.join(unknown))} and was not sent; known are "
            f"{', '.join(sorted(known))}."
        )


def _stays_put(value: str) -> bool:
    return ".." not in value and all(
        letter.isprintable() and letter not in _CLIMBING
        if letter.isascii()
        else letter.isalpha()  # no look-alike slashes, no replacement characters of broken UTF-8
        for letter in value
    )


def _well_escaped(text: str) -> bool:
    return all(len(escape) == 3 for escape in _ESCAPE.findall(text))


def _shown(value: object) -> str:
    """The start of a value, without the query of a path: a message holds no payload."""
    text = value.partition("?")[0] if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
