"""What Unity Catalog says of a table or view."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """A column of a table that is there; ``type`` as Spark writes it, in lower case."""

    name: str
    type: str
    nullable: bool = True
    has_default: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table or view. ``kind`` is ``MANAGED``, ``VIEW``, …; ``columns`` are found by their lower-case names.

    ``definition``: the query of a view.
    """

    kind: str
    columns: Mapping[str, TableColumn]
    definition: str = ""
