"""Suites that are read by GET alone: paths by pattern, and the query options that only read."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from ml_connector_dagster.cloudsuite.reads.grammar import (
    QUERY,
    is_well_escaped,
    shown,
    unknown_call,
)
from ml_connector_dagster.model.errors import ConfigError


class GetReads:
    """GET of paths that match ``pattern`` (its group "what" names them), with ``options`` only; no POST at all."""

    def __init__(self, suite: str, pattern: str, options: frozenset[str]) -> None:
        self._suite = suite
        self._path = re.compile(pattern + QUERY)
        self._options = options

    def judge_get(self, path: str) -> str:
        """What stands in the place of "what"."""
        match = self._path.fullmatch(path)
        query = "" if match is None else match["query"] or ""
        # Some servers take ";" for "&": a value's own is percent-encoded.
        if match is None or not is_well_escaped(query) or ";" in query:
            raise unknown_call("GET", self._suite, path)
        for part in query.split("&") if query else []:
            name = unquote(part.partition("=")[0])
            if name not in self._options:
                raise ConfigError(
                    f"GET {self._suite}{shown(path)}: the option {shown(name)!r} is not among those that only read, and "
                    f"the call was not sent; known are {', '.join(sorted(self._options))}."
                )
        return match["what"]

    def judge_post(self, path: str, body: Mapping[str, object]) -> str:
        """Refuses every POST."""
        raise unknown_call("POST", self._suite, path)


#: IDO REST (reference cloudsuite-api §3.1, §3.2). ``clm`` and ``pqc`` are left out: a custom load method and a post-query
#: command run code of the tenant's, which may write. So are ``update`` and ``invoke``.
SYTELINE: Final = GetReads(
    "CSI",
    r"/IDORequestService/ido/(?P<what>(?:load|info)/[A-Za-z][A-Za-z0-9_.]*)",
    frozenset(
        {"properties", "filter", "orderby", "recordcap", "loadtype", "bookmark", "distinct", "readonly"}
    ),
)  # fmt: skip

#: OData (§4.1): collections and metadata. Actions and functions have parentheses or a second name, and match nothing here.
LN: Final = GetReads(
    "LN",
    r"/lnapi/odata/(?P<what>[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)*/(?:\$metadata|[A-Za-z][A-Za-z0-9]*))",
    frozenset({"$filter", "$select", "$expand", "$orderby", "$top", "$skip", "$skiptoken", "$count"}),
)  # fmt: skip
