"""Suites that are read by lists: Landmark's generic lists by GET, SX.e's FetchWhere by POST."""

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


#: Single records and actions (/actions/Update, …) match nothing here.
_LIST: Final = re.compile(
    r"/fsm/soap/classes/(?P<what>[A-Za-z][A-Za-z0-9]*)/lists/_generic" + QUERY
)
_OPTIONS: Final = frozenset(
    {
        "_fields",
        "_limit",
        "_filter",
        "_lplFilter",
        "_setName",
        "_fts",
        "_tts",
        "_links",
        "_pageNav",
        "_out",
        "_flatten",
        "_omitCountValue",
        "_recordCountOnly",
    }
)
#: What Landmark's own link to the next page adds is its secret (reference §4.2); only words of paging are let through.
_ONWARD: Final = re.compile(r"_(?:next|last|page|from|after|start|key)[A-Za-z]*")

_FETCH: Final = "/rest/serviceinterface/proxy/FetchWhere"
_FETCH_MEMBERS: Final = frozenset(
    {"CompanyNumber", "Operator", "TableName", "WhereClause", "BatchSize", "RestartRowID"}
)
_TABLE: Final = re.compile(r"[a-z][a-z0-9_]{1,31}")
#: Comparisons of fields with numbers, dates and quoted texts: nothing that Progress would call.
_CLAUSE: Final = re.compile(
    r"""(?:[A-Za-z][A-Za-z0-9_-]* (?:>=|<=|<>|=|>|<) (?:-?[0-9]+(?:\.[0-9]+)?|[0-9]+[/.-][0-9]+[/.-][0-9]+|DATE\([0-9]+, ?[0-9]+, ?[0-9]+\)|yes|no|\?|"[^"~\\{}]*")(?: and |$))+"""
)


class LandmarkReads:
    """``Reads`` of the suite FSM (reference cloudsuite-api §4.2)."""

    def judge_get(self, path: str) -> str:
        """``list Vendor`` of a GET."""
        match = _LIST.fullmatch(path)
        query = "" if match is None else match["query"] or ""
        if match is None or not is_well_escaped(query) or ";" in query:
            raise unknown_call("GET", "FSM", path)
        for part in query.split("&") if query else []:
            name = unquote(part.partition("=")[0])
            if name not in _OPTIONS and not _ONWARD.fullmatch(name):
                raise ConfigError(
                    f"GET FSM{shown(path)}: the parameter {shown(name)!r} is not among those that only read, and the call "
                    f"was not sent; known are {', '.join(sorted(_OPTIONS))}."
                )
        return f"list {match['what']}"

    def judge_post(self, path: str, body: Mapping[str, object]) -> str:
        """Refuses every POST."""
        raise unknown_call("POST", "FSM", path)


class FetchWhereReads:
    """``Reads`` of the suite SX (reference cloudsuite-api §4.3)."""

    def judge_get(self, path: str) -> str:
        """Refuses every GET."""
        raise unknown_call("GET", "SX", path)

    def judge_post(self, path: str, body: Mapping[str, object]) -> str:
        """``FetchWhere apsv`` of a POST. The business calls of sxapirestservice change data, and match nothing here."""
        if path != _FETCH:
            raise unknown_call("POST", "SX", path)
        only_known(body, _FETCH_MEMBERS, "a FetchWhere")
        table, clause = body.get("TableName"), body.get("WhereClause")
        if not isinstance(table, str) or not _TABLE.fullmatch(table):
            raise ConfigError(
                f"{shown(table)} is not the name of an SX.e table (small letters and digits, like apsv); the call was not "
                "sent. Correct it in the catalog."
            )
        if not isinstance(clause, str) or not _CLAUSE.fullmatch(clause):
            raise ConfigError(
                f"FetchWhere {table}: the clause {shown(clause)} is more than comparisons joined by 'and'; it was not sent. "
                "Correct it in the catalog."
            )
        return f"FetchWhere {table}"
