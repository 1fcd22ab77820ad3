"""A view that a destination keeps beside its tables."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A named query. ``query`` is in DuckDB's SQL; its tables are entities and other views, by plain name."""

    name: str
    description: str
    query: str
