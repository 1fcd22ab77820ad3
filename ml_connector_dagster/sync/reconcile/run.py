"""Compare a flow's destinations with the ERP: one reading of the ERP for all of them, one verdict for each."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from ml_connector_dagster.config.applications import is_application
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.registry import mapping_of
from ml_connector_dagster.model.controls import CONTROLS
from ml_connector_dagster.sync.flows import chosen, parents_first
from ml_connector_dagster.sync.reconcile.applications import filter_columns
from ml_connector_dagster.sync.reconcile.results import Comparison, Request
from ml_connector_dagster.sync.reconcile.session import Session
from ml_connector_dagster.sync.workspace import Workspace


def reconcile_flow(
    workspace: Workspace,
    flow: Flow,
    request: Request,
    *,
    on_page: Callable[[str, str, int], None] = lambda entity, company, rows: None,
) -> tuple[Comparison, ...]:
    """Compare and write down how it ended. One entity, company or destination that fails does not hold the others.

    With ``since``, entities are left out whose route knows no change filter. Raises ConfigError for what the flow
    does not have.
    """
    names = [target.name for target in flow.destinations]
    wanted = chosen("destination", request.destinations, names, flow.name)
    targets = [target for target in flow.destinations if target.name in wanted]
    companies = chosen("company", request.companies, flow.companies, flow.name)
    entities = parents_first(chosen("entity", request.entities, flow.entities, flow.name))
    mapped = {
        (target.name, entity): mapping_of(connection, target)(entity)
        for target in targets
        if is_application(connection := workspace.project.connections[target.connection])
        for entity in entities
    }
    columns = {entity: _columns(entity, mapped) for entity in entities}
    found: list[Comparison] = []
    with workspace.source(flow.source, columns=columns) as source:
        for entity in entities:
            for company in companies:
                session = Session(
                    workspace=workspace,
                    source=source,
                    flow=flow,
                    targets=targets,
                    request=request,
                    control=CONTROLS[entity],
                    company=company,
                    columns=tuple(columns[entity]),
                    mapped={
                        target: one for (target, name), one in mapped.items() if name == entity
                    },
                )
                found += session.run(partial(on_page, entity, company))
    return tuple(found)


def _columns(entity: str, mapped: Mapping[tuple[str, str], Mapped]) -> Sequence[str]:
    """What has to be read of ``entity``: what filters of applications look at, too."""
    filters = [
        name
        for (_, other), one in mapped.items()
        if other == entity
        for name in filter_columns(one)
    ]
    return tuple(dict.fromkeys((*CONTROLS[entity].columns, *filters)))
