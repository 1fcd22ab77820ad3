"""``ml-connector deliver``: deliver what is staged and pending, or show what that would do."""

from typing import Annotated

import typer

from ml_connector_dagster.cli.output import print_json, print_table, stdout
from ml_connector_dagster.cli.run import find_flow
from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.sync.applications import FlowPreview, preview_delivery
from ml_connector_dagster.sync.flows import PendingResult, chosen, deliver_pending
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.workspace import Workspace


def deliver(
    flow: Annotated[str, typer.Argument(help="The flow whose staged records are delivered.")],
    destination: Annotated[
        str | None, typer.Option(help="Only this destination, e.g. crm or warehouse.erp.")
    ] = None,
    entity: Annotated[list[str] | None, typer.Option(help="Only this entity. Repeat it.")] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only show what would be written (applications)."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Deliver what is pending, without reading the ERP; exit code 1 when something failed or is refused."""
    with Workspace.open(read_settings()) as workspace:
        found = find_flow(workspace.project, flow)
        entities = chosen("entity", entity or (), found.entities, found.name)
        targets = find_targets(found, destination)
        if dry_run:
            previews = [
                preview_delivery(workspace, found, target, entities=entities) for target in targets
            ]
            _print_previews(previews, as_json=as_json)
            return
        run_id = f"cli-{new_id(workspace.now())}"
        results = deliver_pending(workspace, found, targets, entities=entities, run_id=run_id)
    _print_results(results, as_json=as_json)
    if any(one.error or one.counts.rejected for one in results):
        raise typer.Exit(1)


def find_targets(flow: Flow, name: str | None) -> tuple[FlowDestination, ...]:
    """The flow's destinations, or the one called ``name``; raises ConfigError that lists the known ones."""
    if name is None:
        return flow.destinations
    found = tuple(one for one in flow.destinations if name in (one.name, one.connection))
    if not found:
        known = ", ".join(one.name for one in flow.destinations)
        raise ConfigError(f"flow {flow.name!r} has no destination {name!r}; it has {known}")
    return found


def _print_previews(previews: list[FlowPreview], *, as_json: bool) -> None:
    if as_json:
        print_json([_as_json(one) for one in previews])
        return
    for one in previews:
        print_table(
            f"Pending for {one.destination}",
            [
                "entity",
                "object",
                "new",
                "changed",
                "unchanged",
                "archived",
                "refused",
                "calls",
                "by",
            ],
            [
                [
                    entity.entity,
                    entity.object,
                    entity.new,
                    entity.changed,
                    entity.unchanged,
                    entity.archived,
                    len(entity.refused),
                    entity.calls,
                    ", ".join(entity.routes),
                ]
                for entity in one.entities
            ],
        )
        changes = [change for entity in one.entities for change in entity.changes]
        if changes:
            print_table(
                "Changed fields",
                ["record", "field", "old", "new"],
                [[change.record_id, change.field, change.old, change.new] for change in changes],
            )
        refused = [record for entity in one.entities for record in entity.refused]
        if refused:
            print_table(
                "Would be refused",
                ["record", "reason"],
                [[record.record_id, record.reason] for record in refused[:50]],
            )
        for budget in one.budgets:
            stdout.print(str(budget), highlight=False)


def _as_json(preview: FlowPreview) -> dict[str, object]:
    return {
        "destination": preview.destination,
        "budgets": [
            {"name": b.name, "used": b.used, "limit": b.limit, "ceiling": b.ceiling}
            for b in preview.budgets
        ],
        "entities": [
            {
                "entity": one.entity,
                "object": one.object,
                "new": one.new,
                "changed": one.changed,
                "unchanged": one.unchanged,
                "archived": one.archived,
                "refused": [{"record_id": r.record_id, "reason": r.reason} for r in one.refused],
                "calls": one.calls,
                "routes": one.routes,
                "changes": [
                    {"record_id": c.record_id, "field": c.field, "old": c.old, "new": c.new}
                    for c in one.changes
                ],
            }
            for one in preview.entities
        ],
    }


def _print_results(results: tuple[PendingResult, ...], *, as_json: bool) -> None:
    columns = ["inserted", "updated", "unchanged", "deleted", "rejected"]
    if as_json:
        print_json(
            [
                {
                    "destination": one.destination,
                    "entity": one.entity,
                    **{name: getattr(one.counts, name) for name in columns},
                    "requests": one.requests,
                    "error": one.error or None,
                }
                for one in results
            ]
        )
        return
    print_table(
        "Delivered",
        ["destination", "entity", *columns, "requests"],
        [
            [
                one.destination,
                one.entity,
                *(getattr(one.counts, name) for name in columns),
                one.requests,
            ]
            for one in results
        ],
    )
    # What keeps a destination away fails all of its entities in the same words.
    failed: dict[tuple[str, str], list[str]] = {}
    for one in results:
        if one.error:
            failed.setdefault((one.destination, one.error), []).append(one.entity)
    for (destination, error), entities in failed.items():
        stdout.print(f"- {destination}, {', '.join(entities)}: {error}", markup=False)
