"""Ask a destination itself what it holds, and compare with what the ledger says it accepted.

Nothing is ever erased at a destination, so the rows it must hold are the rows it has ever inserted: one sum in
the ledger, however long the history. A row removed or added behind the connector's back shows as a difference. One that
was removed and that a later change of the ERP has inserted again does not: its receipts tell (``recounts``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.destinations.contract import Scope, TableFacts
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.recounts import TableScope
from ml_connector_dagster.sync.recounts import Count, settled_count
from ml_connector_dagster.sync.workspace import Workspace


#: What to do when a table holds other rows than were accepted.
TOO_FEW: Final = (
    "Somebody removed rows. `ml-connector recount {flow} --entity {entity}` names them; `ml-connector reconcile {flow} "
    "--entity {entity} --repair` puts back what the ERP still has."
)
TOO_MANY: Final = "Somebody added rows. `ml-connector recount {flow} --entity {entity}` names them; delete them at the destination."
NOT_EXPLAINED: Final = (
    "Receipts of this table are missing (an older clean-up removed them), so rows that went and came again cannot be "
    "told: when reconciliation agrees, `ml-connector recount {flow} --entity {entity} --accept` takes the table as it is."
)

#: Records that a note names.
NAMED_HERE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyVerification:
    """One company's table at one destination. ``count`` holds the ledger against ``found``, which is from the table."""

    flow: str
    company: str
    count: Count
    found: TableFacts
    open_dead_letters: int

    @property
    def expected_rows(self) -> int:
        """The rows that the ledger says the table must hold."""
        return self.count.expected

    @property
    def held(self) -> int:
        """Rows of the table, with those that are marked deleted: they are not erased."""
        return self.found.rows + self.found.deleted

    @property
    def advice(self) -> str:
        """What to do about rows that are missing or too many; "" when none are."""
        if not self.count.difference:
            return ""
        told = TOO_FEW if self.count.difference < 0 else TOO_MANY
        if not self.count.explained:
            told += f" {NOT_EXPLAINED}"
        return told.format(flow=self.flow, entity=self.count.scope.entity)

    @property
    def note(self) -> str:
        """What is known of rows that went and came; "" when nothing is."""
        last = self.count.last
        if last is None:
            return ""
        told = []
        if last.returned:
            named = ", ".join(last.examples[:NAMED_HERE])
            more = ", …" if last.returned > NAMED_HERE else ""
            told.append(
                f"somebody had removed {last.returned:,} {'row' if last.returned == 1 else 'rows'}, and a later change "
                f"of the ERP brought them back ({named}{more}): each record counts once"
            )
        if last.accepted:
            told.append(
                f"{last.decided_by} accepted {last.accepted:+,} rows on {last.counted_at:%Y-%m-%d}: {last.reason}"
            )
        return "; ".join(told)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in words; empty when nothing is."""
        found, held = self.found, self.held
        problems = []
        if held != self.expected_rows:
            problems.append(
                f"company {self.company}: the table holds {held:,} rows, "
                f"{self.expected_rows:,} were accepted ({held - self.expected_rows:+,}). {self.advice}"
            )
        if found.duplicates:
            problems.append(
                f"company {self.company}: {found.duplicates:,} records occur more than once"
            )
        if found.orphans:
            problems.append(f"company {self.company}: {found.orphans:,} lines have no header")
        return tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """One entity at one destination, company by company."""

    entity: str
    destination: str
    companies: tuple[CompanyVerification, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(problem for company in self.companies for problem in company.problems)


def verify_delivery(
    workspace: Workspace,
    flow: Flow,
    target: FlowDestination,
    *,
    entity: str,
    companies: Sequence[str],
    run_id: str,
) -> Verification:
    """Compare rows accepted with rows found, and look for doubled keys and lines without a header."""
    definition = ENTITIES[entity]
    with workspace.destination(target, flow.name) as destination:
        found = {
            company: destination.inspect(definition, Scope(tenant=flow.source, company=company))
            for company in companies
        }
    return Verification(
        entity=entity,
        destination=target.name,
        companies=tuple(
            CompanyVerification(
                flow=flow.name,
                company=company,
                count=settled_count(
                    workspace,
                    TableScope(
                        destination=target.name,
                        tenant=flow.source,
                        entity=entity,
                        company=company,
                    ),
                    found[company].rows + found[company].deleted,
                    run_id=run_id,
                ),
                found=found[company],
                open_dead_letters=len(
                    workspace.ledger.dead_letters(
                        tenant=flow.source,
                        entity=entity,
                        company=company,
                        destination=target.name,
                    )
                ),
            )
            for company in companies
        ),
    )
