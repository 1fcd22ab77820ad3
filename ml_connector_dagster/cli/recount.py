"""``ml-connector recount``: why a table holds another number of rows than were accepted, and which."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ml_connector_dagster.cli.output import print_json, print_table, stderr, stdout
from ml_connector_dagster.cli.run import find_flow
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.recounts import Recount
from ml_connector_dagster.sync.flows import chosen
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.recounts import NamedCount, accept_count, named_count
from ml_connector_dagster.sync.workspace import Workspace


#: Records that are printed of each table; --json has all.
PRINTED = 20


def recount(
    flow: Annotated[str, typer.Argument(help="The flow whose tables are counted.")],
    destination: Annotated[
        list[str] | None, typer.Option(help="Only this destination, like warehouse.erp. Repeat it.")
    ] = None,
    entity: Annotated[list[str] | None, typer.Option(help="Only this entity. Repeat it.")] = None,
    company: Annotated[list[str] | None, typer.Option(help="Only this company. Repeat it.")] = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Take the table as it is, from now on. Needs --entity."),
    ] = False,
    by: Annotated[str, typer.Option(help="Who accepts it; kept for the audit.")] = "",
    why: Annotated[str, typer.Option(help="Why; kept for the audit.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count what each table must hold, record by record, where the sum of inserts does not fit; exit code 1 while one is off.

    A row that somebody removed and the ERP's next change brought back counts once. Rows that are missing or too many are
    named. With --accept, what is left of a difference counts as right: who says so and why stays in the ledger.
    """
    if accept and not entity:
        raise typer.BadParameter("--accept is for a table that was looked at: name it by --entity")
    with Workspace.open(read_settings()) as workspace:
        run_id = f"cli-{new_id(workspace.now())}"
        found_flow = find_flow(workspace.project, flow)
        with stderr.status("Asking the destinations ..."):
            counts = _counts(
                workspace, found_flow, destination or (), entity or (), company or (), run_id
            )
        for one in counts:
            if accept and one.count.difference:
                accept_count(workspace, one.count, decided_by=by, reason=why, run_id=run_id)
        past = [
            each
            for target in found_flow.destinations
            for each in workspace.ledger.recounts(destination=target.name, tenant=found_flow.source)
            if any(each.scope == one.count.scope for one in counts)
        ]
    if as_json:
        print_json([_document(one, past, accepted=accept) for one in counts])
    else:
        _print(counts, past, accepted=accept)
    if not accept and any(one.count.difference for one in counts):
        raise typer.Exit(1)


def _counts(
    workspace: Workspace,
    flow: Flow,
    destinations: Sequence[str],
    entities: Sequence[str],
    companies: Sequence[str],
    run_id: str,
) -> list[NamedCount]:
    names = chosen(
        "destination", destinations, [target.name for target in flow.destinations], flow.name
    )
    return [
        named_count(workspace, flow, target, entity=entity, company=company, run_id=run_id)
        for target in flow.destinations
        if target.name in names
        for entity in chosen("entity", entities, flow.entities, flow.name)
        for company in chosen("company", companies, flow.companies, flow.name)
    ]


def _print(counts: Sequence[NamedCount], past: Sequence[Recount], *, accepted: bool) -> None:
    print_table(
        "Rows that each table must hold, and holds",
        ["destination", "entity", "company", "must hold", "holds", "difference"],
        [
            [
                one.count.scope.destination,
                one.count.scope.entity,
                one.count.scope.company,
                one.count.expected,
                one.count.held,
                f"{one.count.difference:+,}" if one.count.difference else "0",
            ]
            for one in counts
        ],
    )
    for one in counts:
        for line in _lines(one, accepted=accepted):
            where = f"{one.count.scope.entity} {one.count.scope.company}"
            stdout.print(f"- {where}: {line}", markup=False)
    if past:
        print_table(
            "Recounts, oldest first",
            ["at (UTC)", "table", "company", "why", "came back", "must hold", "by"],
            [
                [
                    f"{each.counted_at:%Y-%m-%d %H:%M}",
                    f"{each.scope.destination} {each.scope.entity}",
                    each.scope.company,
                    each.reason if each.decided_by or each.reason else "counted from the receipts",
                    each.returned,
                    each.inserted + each.adjustment,
                    each.decided_by,
                ]
                for each in past
            ],
        )


def _lines(one: NamedCount, *, accepted: bool) -> list[str]:
    """What there is to say of one table."""
    told = []
    for what, records in (
        ("accepted here, and not here any more", one.missing),
        ("here, and never accepted or here twice", one.surplus),
    ):
        told += [f"{record}: {what}" for record in records[:PRINTED]]
        if len(records) > PRINTED:
            told.append(f"{len(records) - PRINTED:,} more {what}; --json names all")
    if one.count.difference and accepted:
        told.append(f"accepted: {one.count.difference:+,} rows count as right from now on")
    elif one.count.difference:
        told.append(_next_step(one))
    return told


def _next_step(one: NamedCount) -> str:
    if not one.count.explained:
        return (
            "its receipts are not all there (an older clean-up removed them), so nothing is proved. When reconcile agrees, "
            "take it as it is with --accept --by NAME --why TEXT"
        )
    if one.count.difference < 0:
        return (
            "reconcile --repair puts back what the ERP still has. What is gone from the ERP too (rows marked deleted) does "
            "not come back: --accept --by NAME --why TEXT takes the table without them"
        )
    return "delete what is too many at the destination, or take it as it is with --accept --by NAME --why TEXT"


def _document(one: NamedCount, past: Sequence[Recount], *, accepted: bool) -> dict[str, Any]:
    scope = one.count.scope
    return {
        "destination": scope.destination,
        "entity": scope.entity,
        "company": scope.company,
        "expected_rows": one.count.expected,
        "found_rows": one.count.held,
        "difference": one.count.difference,
        "accepted": accepted and bool(one.count.difference),
        "explained": one.count.explained,
        "missing": one.missing,
        "surplus": one.surplus,
        "recounts": [
            {
                "at": each.counted_at,
                "kind": each.kind,
                "inserted": each.inserted,
                "correction": each.correction,
                "returned": each.returned,
                "examples": each.examples,
                "accepted": each.accepted,
                "by": each.decided_by,
                "why": each.reason,
                "run_id": each.run_id,
            }
            for each in past
            if each.scope == scope
        ],
    }
