"""Names and texts in Snowflake's SQL. The only place that puts either into a statement.

Snowflake folds unquoted names to upper case. So our plain names are stored in upper case: people type them
unquoted, ``select * from erp.suppliers``. Any other name ("sales region") is kept as it is.
"""

import re
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.destinations.identifiers import company_suffix, quoted


AUDIT: Final = "_audit"
BATCHES: Final = "_batches"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The tables that one batch goes to. Shared names are views when ``per_company`` is set."""

    entity: str
    company: str
    per_company: bool

    @property
    def table(self) -> str:
        return self.of_company(self.entity)

    @property
    def history(self) -> str:
        return self.of_company(f"{self.entity}_history")

    @property
    def audit(self) -> str:
        return self.of_company(AUDIT)

    @property
    def tables(self) -> tuple[str, ...]:
        """All of them."""
        return self.table, self.history, self.audit, BATCHES

    def of_company(self, shared: str) -> str:
        """The company's own table behind the name ``shared``."""
        return f"{shared}_{company_suffix(self.company)}" if self.per_company else shared
