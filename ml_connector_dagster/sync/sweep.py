"""Find what was deleted in the ERP: list its keys, compare them with what is staged, mark what two sweeps missed.

A mark is an ordinary row in an ordinary batch: the record's last values with ``_deleted_at``. It goes to every
destination the way all rows go, is receipted, traced and replayed like them. A list that did not come to its end, that
holds a record without a readable key, or that lacks more than the flow's brake allows proves nothing: it marks nobody,
and is no first sighting either.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.model.receipts import OutcomeCounts
from ml_connector_dagster.model.sweeps import Sweep, SweepState
from ml_connector_dagster.sync.flows import chosen, deliver_entity, parents_first
from ml_connector_dagster.sync.presence import open_presence
from ml_connector_dagster.sync.sweep_session import SweepSession
from ml_connector_dagster.sync.workspace import Source, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """One line of a sweep's summary: how it ended, and what became of its marks at all destinations.

    ``errors``: destinations that did not take the marks; they are delivered with the next run or by a replay.
    """

    sweep: Sweep
    counts: OutcomeCounts = field(default_factory=OutcomeCounts)
    errors: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What a person should look at."""
        return (*((self.sweep.reason,) if self.sweep.reason else ()), *self.errors)


def sweep_company(
    workspace: Workspace,
    source: Source,
    flow: Flow,
    *,
    entity: str,
    company: str,
    run_id: str,
    dry_run: bool = False,
) -> Sweep:
    """Sweep one entity of one company; marks are staged, not delivered. ``source`` may be open for keys only.

    Answers how it ended, also when it failed; with ``dry_run`` nothing is written down.
    """
    with workspace.ledger.sweeps.alone(source.tenant, entity, company):
        started_at = workspace.now()
        session = SweepSession(
            workspace=workspace,
            source=source,
            settings=flow.sweep,
            dry_run=dry_run,
            sweep=Sweep(
                tenant=source.tenant,
                entity=entity,
                company=company,
                run_id=run_id,
                state=SweepState.FAILED,
                started_at=started_at,
                ended_at=started_at,
            ),
        )
        try:
            with open_presence(workspace.settings.home) as presence:
                return session.run(presence)
        except ConnectorError as error:
            return session.end(SweepState.FAILED, str(error))
        except Exception as error:
            session.end(SweepState.FAILED, f"{type(error).__name__}: see the run")
            raise


def sweep_flow(
    workspace: Workspace,
    flow: Flow,
    *,
    run_id: str,
    entities: Sequence[str] = (),
    companies: Sequence[str] = (),
    dry_run: bool = False,
    brake_percent: float | None = None,
) -> tuple[SweepResult, ...]:
    """Sweep ``flow`` and deliver the marks. One entity, company or destination that fails does not hold the others.

    ``brake_percent`` takes the place of the flow's. Raises ConfigError for what the flow does not have.
    """
    wanted_companies = chosen("company", companies, flow.companies, flow.name)
    wanted_entities = parents_first(chosen("entity", entities, flow.entities, flow.name))
    if brake_percent is not None:
        settings = flow.sweep.model_copy(update={"brake_percent": brake_percent})
        flow = flow.model_copy(update={"sweep": settings})
    results = []
    with workspace.source(flow.source, keys_only=True) as source:
        for entity in wanted_entities:
            for company in wanted_companies:
                done = sweep_company(
                    workspace,
                    source,
                    flow,
                    entity=entity,
                    company=company,
                    run_id=run_id,
                    dry_run=dry_run,
                )
                result = SweepResult(sweep=done)
                if done.marked or done.returned:
                    result = result if dry_run else _delivered(workspace, flow, result, run_id)
                results.append(result)
    return tuple(results)


def _delivered(workspace: Workspace, flow: Flow, result: SweepResult, run_id: str) -> SweepResult:
    sweep = result.sweep
    for target in flow.destinations:
        try:
            summary = deliver_entity(
                workspace,
                flow,
                target,
                entity=sweep.entity,
                companies=[sweep.company],
                run_id=run_id,
            )
        except ConnectorError as error:
            result = replace(result, errors=(*result.errors, f"{target.name}: {error}"))
        else:
            result = replace(result, counts=result.counts + summary.counts)
    return result
