"""Ask a destination itself what it holds, and compare with what the ledger says it accepted.

Nothing is ever erased at a destination, so the rows it must hold are the rows it has ever inserted: one sum in
the ledger, however long the history. A row removed or added behind the connector's back shows as a difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.destinations.contract import Scope, TableFacts
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.sync.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyVerification:
    """One company's table at one destination. ``expected_rows`` comes from the ledger, ``found`` from the table."""

    company: str
    expected_rows: int
    found: TableFacts
    open_dead_letters: int

    @property
    def held(self) -> int:
        """Rows of the table, with those that are marked deleted: they are not erased."""
        return self.found.rows + self.found.deleted

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in words; empty when nothing is."""
        found, held = self.found, self.held
        problems = []
        if held != self.expected_rows:
            problems.append(
                f"company {self.company}: the table holds {held:,} rows, "
                f"{self.expected_rows:,} were accepted ({held - self.expected_rows:+,})"
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
                company=company,
                expected_rows=workspace.ledger.delivered_counts(
                    destination=target.name, tenant=flow.source, entity=entity, company=company
                ).inserted,
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
