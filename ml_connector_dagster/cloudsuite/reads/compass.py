"""The reads of Data Fabric: SQL that selects (reference cloudsuite-api §6.4)."""

import re
from collections.abc import Mapping
from typing import Final

from ml_connector_dagster.cloudsuite.reads.grammar import shown, unknown_call
from ml_connector_dagster.model.errors import ConfigError


_JOBS: Final = "/compass/v2/jobs"
_SUBMIT: Final = f"{_JOBS}/?queryExecutor=datalake&records=0"
_ID: Final = "[A-Za-z0-9_-]+"
_STATUS: Final = re.compile(rf"{_JOBS}/{_ID}/status/\?timeout=[0-9]+&queryExecutor=datalake")
_RESULT: Final = re.compile(rf"{_JOBS}/{_ID}/result/\?offset=[0-9]+&limit=[0-9]+")

#: No semicolon, no comment, no quoted name: what cannot be one statement of plain words is not sent.
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z_][A-Za-z0-9_$]*)|[0-9]+(?:\.[0-9]+)?|<>|>=|<=|[=<>(),.*]|-(?!-))"
)
#: What else an engine may know that begins with SELECT, or hides behind it.
_WRITING: Final = frozenset(
    ["into", "insert", "update", "delete", "merge", "upsert", "replace", "create", "alter", "drop", "truncate", "grant",
     "revoke", "call", "exec", "execute", "begin", "commit", "copy", "unload", "load", "set", "use", "rename", "refresh",
     "analyze", "vacuum", "optimize", "lock", "attach", "detach", "pragma"]
)  # fmt: skip
#: What a column is written behind. After a number a dot ends the number: what follows is a word of its own.
_OF_A_TABLE: Final = re.compile(r"(?<![A-Za-z0-9_$.])[A-Za-z_][A-Za-z0-9_$]*\.$")
_FROM: Final = re.compile(r"\bfrom\s+([A-Za-z_][A-Za-z0-9_$]*)", re.IGNORECASE)


class CompassReads:
    """``Reads`` of the suite DATAFABRIC, and its statements."""

    def judge_get(self, path: str) -> str:
        """``compass status`` or ``compass result`` of a GET."""
        if _STATUS.fullmatch(path):
            return "compass status"
        if _RESULT.fullmatch(path):
            return "compass result"
        raise unknown_call("GET", "DATAFABRIC", path)

    def judge_post(self, path: str, body: Mapping[str, object]) -> str:
        """Refuses every POST of an object."""
        raise unknown_call("POST", "DATAFABRIC", path)

    def judge_statement(self, path: str, statement: str) -> str:
        """``compass CIDMAS`` of a SELECT."""
        if path != _SUBMIT:
            raise unknown_call("POST", "DATAFABRIC", path)
        words = _words(statement)
        table = _FROM.search(statement)
        if not words or not statement.lower().startswith("select ") or table is None:
            raise _refused(statement, "it is not one SELECT of plain names and values")
        if writing := sorted(_WRITING.intersection(words)):
            raise _refused(statement, f"it has the word {writing[0]} in it")
        return f"compass {table[1]}"


def _words(statement: str) -> list[str]:
    """The words outside of quotes that are no column of a table, in small letters.

    None at all when something else than the grammar's tokens is in it.
    """
    words: list[str] = []
    position = 0
    while position < len(statement):
        match = _TOKEN.match(statement, position)
        if match is None:
            return []
        if match["word"] and not _OF_A_TABLE.search(statement, 0, position):
            words.append(match["word"].lower())
        position = match.end()
    return words


def _refused(statement: str, why: str) -> ConfigError:
    return ConfigError(
        f"The statement {shown(statement)} was not sent to Compass: {why}. Nothing is ever written to CloudSuite; "
        "correct the tables and columns of the catalog."
    )
