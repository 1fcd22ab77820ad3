"""Names and texts in Snowflake's SQL. The only place that puts either into a statement.

Snowflake folds unquoted names to upper case. So our plain names are stored in upper case: people type them
unquoted, ``select * from erp.suppliers``. Any other name ("sales region") is kept as it is.
"""

import re

from ml_connector_dagster.destinations.identifiers import quoted


def folded(name: str) -> str:
    """The name as Snowflake has it."""
    return name.upper() if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else name


def unfolded(name: str) -> str:
    """Our name of a column of Snowflake's."""
    return name.lower() if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) else name


def exact(name: str) -> str:
    """A name that is taken as it is: the database's."""
    return quoted(name)


def identifier(*parts: str) -> str:
    """A path of our names, folded and quoted."""
    return quoted(*(folded(part) for part in parts))


def text(value: str) -> str:
    """A string literal, for statements that take no bound values: in Snowflake a backslash escapes, too."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
