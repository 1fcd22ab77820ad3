"""What the demo prints at its end: the destinations side by side, asked themselves, and Dagster's checks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from ml_connector_dagster.cli.dagster_api import DagsterApi
from ml_connector_dagster.cli.output import print_table, stdout
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.destinations.contract import Scope, TableFacts, Warehouse
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.receipts import OutcomeCounts
from ml_connector_dagster.sync.publish import last_proof
from ml_connector_dagster.sync.workspace import Workspace


def print_summary(workspace: Workspace, api: DagsterApi) -> bool:
    """Print it; whether every destination of a flow holds the same."""
    flows = workspace.project.flows.values()
    for source in dict.fromkeys(flow.source for flow in flows):
        _print_read(workspace, [flow for flow in flows if flow.source == source])
    equal = [_print_flow(workspace, flow) for flow in flows]
    checks = api.checks()
    failed = sorted(name for name, status in checks.items() if status == "FAILED")
    passed = sum(status == "SUCCEEDED" for status in checks.values())
    stdout.print(f"Checks: [green]{passed} passed[/], {len(failed)} failed{_idle(checks)}.")
    for name in failed:
        stdout.print(f"  [red]failed[/] {name}")
    return all(equal)


def _idle(checks: Mapping[str, str]) -> str:
    """Checks that no run of the demo is for, and whose they are."""
    assets = Counter(
        name.rpartition(":")[0] for name, status in checks.items() if status == "NOT RUN"
    )
    if not assets:
        return ""
    whose = ", ".join(f"{number} of {asset}" for asset, number in assets.items())
    return f"; not run yet: {whose}"


def print_looker(workspace: Workspace, sandbox_url: str) -> None:
    """Whether Looker was seen to see the load, and where its dashboards are."""
    for flow in workspace.project.flows.values():
        if flow.looker is not None:
            proved = last_proof(workspace, flow)
            seen = (
                f"[green]proved to see the load[/] ({proved})" if proved else "[red]not proved[/]"
            )
            stdout.print(
                f"Looker: {seen}, plans {', '.join(flow.looker.plans)}; dashboards: [bold]{sandbox_url}/_looker[/]",
                soft_wrap=True,
            )


def _print_read(workspace: Workspace, flows: Sequence[Flow]) -> None:
    """What all flows of one tenant have read together: they share it."""
    source = flows[0].source
    entities = dict.fromkeys(entity for flow in flows for entity in flow.entities)
    read = [_what_was_read(workspace, source, entity) for entity in entities]
    totals = (sum(int(str(row[index])) for row in read) for index in (1, 2, 3))
    print_table(
        f"Read from {source}, for all flows together",
        ["entity", "read", "requests", "unreadable"],
        read,
        footer=["total", *(f"{total:,}" for total in totals)],
    )


def _print_flow(workspace: Workspace, flow: Flow) -> bool:
    if not flow.warehouses:
        return _print_applications(workspace, flow)
    with ExitStack() as stack, stdout.status("Asking the destinations ..."):
        opened = [
            stack.enter_context(workspace.warehouse(target, flow.name))
            for target in flow.warehouses
        ]
        held = [
            row
            for entity in flow.entities
            for row in _side_by_side(
                entity,
                [one.inspect(ENTITIES[entity], Scope(tenant=flow.source)) for one in opened],
            )
        ]
        marts = [
            [mart.name, *(_rows_of(mart.name, one) for one in opened)] for mart in flow.own_marts
        ]
    names = [target.name for target in flow.warehouses]
    print_table(
        f"{flow.name}: rows and control totals, as each destination says itself",
        ["entity, or mart", *names],
        [*held, *marts],
    )
    different = [str(row[0]).strip() for row in [*held, *marts] if len(set(row[1:])) > 1]
    if different:
        stdout.print(f"[red]Not the same everywhere:[/] {', '.join(different)}")
    elif len(names) > 1:
        stdout.print(f"[green]The same[/] in {', '.join(names)}.")
    return not different


def _print_applications(workspace: Workspace, flow: Flow) -> bool:
    """What each application holds, and whether that is what it has accepted."""
    equal = True
    for target in flow.destinations:
        with workspace.destination(target, flow.name) as destination:
            rows = [
                [
                    entity,
                    destination.table_name(ENTITIES[entity], ""),
                    destination.inspect(ENTITIES[entity], Scope(tenant=flow.source)).rows,
                    *_written_and_refused(workspace, flow, target.name, entity),
                ]
                for entity in flow.entities
            ]
        print_table(
            f"{flow.name}: records, as {target.name} says itself",
            ["entity", "there", "held", "written", "refused"],
            rows,
        )
        equal = equal and all(row[2] == row[3] for row in rows)
    return equal


def _written_and_refused(
    workspace: Workspace, flow: Flow, destination: str, entity: str
) -> list[int]:
    counts = OutcomeCounts()
    for company in flow.companies:
        counts += workspace.ledger.delivered_counts(
            destination=destination, tenant=flow.source, entity=entity, company=company
        )
    return [counts.written, counts.rejected]


def _what_was_read(workspace: Workspace, source: str, entity: str) -> list[object]:
    """The entity, rows read, requests, and rows that could not be read."""
    batches = workspace.ledger.batches(tenant=source, entity=entity)
    dead = sum(batch.dead_letters for batch in batches)
    return [
        entity,
        sum(batch.rows for batch in batches) + dead,
        sum(batch.requests for batch in batches),
        dead,
    ]


def _side_by_side(entity: str, facts: Sequence[TableFacts]) -> Iterator[list[object]]:
    """Rows, then each control total; a column per destination."""
    yield [entity, *(one.rows for one in facts)]
    for name in ENTITIES[entity].control_totals:
        # Without separators: so three amounts fit beside each other in a narrow window.
        yield [f"  {name}", *(f"{one.control_totals[name].normalize():f}" for one in facts)]


def _rows_of(mart: str, destination: Warehouse) -> int:
    (row,) = destination.ask(f"SELECT COUNT(*) AS found FROM {mart}").to_pylist()
    return int(row["found"])
