"""What a Looker instance looks like when it starts.

Quotas: reference saas-destinations §3.2 (calls a month by edition).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from ml_connector_dagster.sandbox.looker.warehouse import Database


Edition = Literal["standard", "enterprise", "embed"]

#: Edition → calls a month: (those that query a database, all others).
ALLOWANCES: Final[dict[Edition, tuple[int, int]]] = {
    "standard": (1_000, 1_000),
    "enterprise": (100_000, 10_000),
    "embed": (500_000, 100_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A scheduled plan that is there from the start: a dashboard, sent to an address."""

    id: str
    title: str
    dashboard: str
    address: str = "finance@example.com"


#: One for each dashboard that a finance team has.
PLANS: Final = (
    Plan(id="11", title="Payables aging, to finance", dashboard="erp::payables_aging"),
    Plan(id="12", title="Vendor performance, to purchasing", dashboard="erp::vendor_performance"),
    Plan(id="13", title="Commitments, to purchasing", dashboard="erp::purchase_commitments"),
    Plan(id="14", title="GL balances, to finance", dashboard="erp::gl_account_balances"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookerOptions:
    """An instance with one API user, one project of LookML and its connections.

    Attributes:
        project: the project's name; its files are read from ``lookml`` each time they change.
        lookml: folder with the project's files, as production has them; one that is not there is an empty project.
        databases: Looker's name of a connection → DuckDB file behind it, or another database.
        can_use_sql_runner: whether the user may run SQL.
        read_only: connections whose database user may not write.
        polls_until_delivered: how often a plan that was sent says that it is under way before it says how it went.
        run_once_per_minute: the undocumented limit on sending plans; None for none.
        monthly: calls a month (queries, others) in place of the edition's.
        now: where the clock starts; None for the real time.
    """

    client_id: str = "sandboxclient"
    client_secret: str = "sandbox-looker-secret"
    project: str = "erp"
    lookml: Path = Path("lookml")
    databases: Mapping[str, Path | Database] = field(default_factory=dict)
    plans: tuple[Plan, ...] = PLANS
    edition: Edition = "enterprise"
    monthly: tuple[int, int] | None = None
    token_lifetime: int = 3600
    can_use_sql_runner: bool = True
    read_only: tuple[str, ...] = ()
    polls_until_delivered: int = 1
    run_once_per_minute: int | None = None
    lock_patience: float = 20.0
    now: datetime | None = None

    @property
    def allowance(self) -> dict[str, int]:
        """Activity type → calls a month."""
        queries, others = self.monthly or ALLOWANCES[self.edition]
        return {"db_query": queries, "non_query": others}
