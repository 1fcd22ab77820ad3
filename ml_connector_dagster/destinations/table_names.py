"""What the tables of a warehouse are called; the same in all of them."""

from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.destinations.identifiers import company_suffix


#: What became of each record.
AUDIT: Final = "_audit"

#: Which batches were applied.
BATCHES: Final = "_batches"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableNames:
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
        """All that one batch touches."""
        return self.table, self.history, self.audit, BATCHES

    def of_company(self, shared: str) -> str:
        """The company's own table behind the name ``shared``."""
        return f"{shared}_{company_suffix(self.company)}" if self.per_company else shared
