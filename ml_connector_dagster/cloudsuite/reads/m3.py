"""The reads of M3: transactions by name, alone by GET or many by bulk POST.

An allow-list, in two halves that must both hold. M3 runs a transaction by GET as well as by POST, so the method
says nothing: the transaction's name does.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from ml_connector_dagster.cloudsuite.reads.grammar import (
    QUERY,
    is_well_escaped,
    only_known,
    shown,
    unknown_call,
)
from ml_connector_dagster.model.errors import ConfigError


_PROGRAM: Final = re.compile(r"[A-Z][A-Z0-9_]{1,14}")
#: A read verb, then a capital or a digit or nothing: LstLine, GetHead, SelItem, Select, SelectPad; not Settle.
_READ: Final = re.compile(r"(?:Lst|Get|Search|Select|Sel)(?:[A-Z0-9][A-Za-z0-9_]*)?")
_EXECUTE: Final = re.compile(
    r"/m3api-rest/(?:v2/)?execute/(?P<program>[^/;?]*)/(?P<transaction>[^/;?]*)"
    r"(?P<matrix>(?:;[A-Za-z_]+=[A-Za-z0-9,._~%*+-]*)*)" + QUERY
)
_BULK: Final = re.compile(r"/m3api-rest/v2/execute" + QUERY)
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


class M3Reads:
    """``Reads`` of the suite M3."""

    def judge_get(self, path: str) -> str:
        """``PROGRAM/Transaction`` of a GET."""
        match = _EXECUTE.fullmatch(path)
        if match is None:
            raise unknown_call("GET", "M3", path)
        matrix, query = match["matrix"], match["query"] or ""
        if not is_well_escaped(matrix) or not is_well_escaped(query):
            raise unknown_call("GET", "M3", path)
        if not all(_stays_put(unquote(value.partition("=")[2])) for value in matrix.split(";")):
            raise unknown_call("GET", "M3", path)
        _judge(match["program"], match["transaction"])
        return f"{match['program']}/{match['transaction']}"

    def judge_post(self, path: str, body: Mapping[str, object]) -> str:
        """``PROGRAM (n x Transaction, …)`` of a bulk POST, every one of whose transactions is a read."""
        match = _BULK.fullmatch(path)
        if match is None or not is_well_escaped(match["query"] or ""):
            raise unknown_call("POST", "M3", path)
        only_known(body, _BULK_MEMBERS, "a bulk request")
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
            only_known(item, _TRANSACTION_MEMBERS, f"a transaction of a bulk {program!r}")
            name = item.get("transaction")
            _judge(program, name)
            counts[str(name)] = counts.get(str(name), 0) + 1
        if not counts:
            raise ConfigError(f"A bulk {program!r} without transactions was not sent.")
        return f"{program} ({', '.join(f'{count} x {name}' for name, count in counts.items())})"


def _judge(program: object, transaction: object) -> None:
    if not isinstance(program, str) or not _PROGRAM.fullmatch(program):
        raise ConfigError(
            f"{shown(program)} is not the name of an M3 program (capital letters and digits, like CRS620MI); the call "
            "was not sent. Correct it in the catalog."
        )
    if not isinstance(transaction, str) or not _READ.fullmatch(transaction):
        raise ConfigError(
            f"{program}/{shown(transaction)} is not a read: only transactions called Lst…, Get…, Search…, Sel… or "
            "Select… are sent, spelled as M3 spells them. Nothing is ever written to CloudSuite; correct the catalog."
        )


def _stays_put(value: str) -> bool:
    return ".." not in value and all(
        letter.isprintable() and letter not in _CLIMBING
        if letter.isascii()
        else letter.isalpha()  # no look-alike slashes, no replacement characters of broken UTF-8
        for letter in value
    )
