"""``ml-connector replay``: try again exactly what failed."""

from collections.abc import Sequence
from typing import Annotated

import typer

from ml_connector_dagster.cli.deliver import find_targets
from ml_connector_dagster.cli.output import print_json, print_table, stdout
from ml_connector_dagster.cli.run import find_flow
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.receipts import DeadLetter
from ml_connector_dagster.sync.flows import chosen as choices
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.pending import (
    Overdue,
    OverdueResult,
    choose_overdue,
    deliver_overdue,
)
from ml_connector_dagster.sync.replay import UNREADABLE, ReplaySummary, choose_letters
from ml_connector_dagster.sync.replay import replay as replay_letters
from ml_connector_dagster.sync.spans import span_of
from ml_connector_dagster.sync.workspace import Workspace


def replay(
    flow: Annotated[str, typer.Argument(help="The flow whose failures are tried again.")],
    entity: Annotated[str | None, typer.Option(help="Only this entity.")] = None,
    company: Annotated[str | None, typer.Option(help="Only this company.")] = None,
    destination: Annotated[
        str | None,
        typer.Option(help="Only what this destination refused; ERP: what could not be read."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Only reasons that contain this text.")] = "",
    since: Annotated[
        str, typer.Option(help="Only what failed first on this day (2026-11-20) or later.")
    ] = "",
    until: Annotated[
        str, typer.Option(help="Only what failed first on this day or before it.")
    ] = "",
    record: Annotated[
        list[str] | None, typer.Option(help="Only this record id. Repeat it.")
    ] = None,
    number: Annotated[
        list[int] | None,
        typer.Option("--id", help="Only this dead letter (see --list). Repeat it."),
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="Only show what is open.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay what failed; exit code 1 when something is still open.

    Deliveries that did not end are made up for as well, also those of a failed `reconcile --repair`; but not when records,
    numbers or days are chosen.
    """
    with Workspace.open(read_settings()) as workspace:
        chosen = find_flow(workspace.project, flow)
        first, last = span_of(since, until, workspace.cloudsuite(chosen.source).zone)
        choices("entity", [entity] if entity else (), chosen.entities, chosen.name)
        choices("company", [company] if company else (), chosen.companies, chosen.name)
        place = _place(chosen, destination)
        letters = choose_letters(
            workspace,
            chosen,
            since=first,
            until=last,
            entity=entity,
            company=company,
            destination=place,
            reason=reason,
            record_ids=record or (),
            ids=number or (),
        )
        overdue: tuple[Overdue, ...] = ()
        if not any((since, until, record, number)):
            overdue = choose_overdue(
                workspace,
                chosen,
                entity=entity,
                company=company,
                destination=place,
                reason=reason,
            )
        if show:
            _print_letters(chosen, letters, as_json=as_json)
            if not as_json:
                _print_overdue(overdue)
            return
        narrowed = any((entity, company, destination, reason, since, until, record, number))
        if narrowed and not letters and not overdue and not as_json:
            stdout.print(
                "Nothing that is open is chosen by this. Without a choice, --list shows all."
            )
            return
        run_id = f"cli-{new_id(workspace.now())}"
        summary = replay_letters(
            workspace,
            chosen,
            letters,
            run_id=run_id,
        )
        unfinished = deliver_overdue(workspace, chosen, overdue, run_id=run_id)
        still_open = workspace.ledger.dead_letters(
            tenant=chosen.source, ids=[letter.id for letter in letters]
        )
    errors = [*summary.errors, *(one.error for one in unfinished if one.error)]
    written = summary.counts.written + sum(one.counts.written for one in unfinished)
    _print_summary(summary, written, unfinished, errors, as_json=as_json)
    if still_open and not as_json:
        _print_letters(chosen, still_open, as_json=False)
    if summary.still_open or errors:
        raise typer.Exit(1)


def _place(flow: Flow, destination: str | None) -> str | None:
    """The destination by its whole name; "" for what could not be read, as dead letters say it."""
    if destination is None:
        return None
    return "" if destination == UNREADABLE else find_targets(flow, destination)[0].name


def _print_letters(flow: Flow, letters: tuple[DeadLetter, ...], *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "id": letter.id,
                    "stage": letter.stage,
                    "entity": letter.entity,
                    "company": letter.company,
                    "destination": letter.destination,
                    "record_id": letter.record_id,
                    "reason": letter.reason,
                    "attempts": letter.attempts,
                    "due_at": letter.due_at,
                    "given_up": flow.replay.gives_up(letter),
                }
                for letter in letters
            ]
        )
        return
    if not letters:
        stdout.print("No record is open.")
        return
    print_table(
        "Open dead letters",
        [
            "id",
            "stage",
            "entity",
            "company",
            "destination",
            "record",
            "reason",
            "tries",
            "next try",
        ],
        [
            [
                str(letter.id),
                letter.stage.value,
                letter.entity,
                letter.company,
                letter.destination,
                letter.record_id or letter.raw[:60],
                letter.reason,
                letter.attempts,
                "given up" if flow.replay.gives_up(letter) else letter.due_at,
            ]
            for letter in letters
        ],
    )


def _print_overdue(overdue: Sequence[Overdue]) -> None:
    if overdue:
        print_table(
            "Deliveries that did not end",
            ["destination", "entity", "company", "batches", "repairs", "last error"],
            [
                [one.target.name, one.entity, one.company, one.batches, one.repairs, one.error]
                for one in overdue
            ],
        )


def _print_summary(
    summary: ReplaySummary,
    written: int,
    unfinished: Sequence[OverdueResult],
    errors: Sequence[str],
    *,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {
                "attempted": summary.attempted,
                "resolved": summary.resolved,
                "still_open": summary.still_open,
                "written": written,
                "deliveries": [
                    {
                        "destination": one.overdue.target.name,
                        "entity": one.overdue.entity,
                        "company": one.overdue.company,
                        "batches": one.overdue.batches,
                        "repairs": one.overdue.repairs,
                        "written": one.counts.written,
                        "error": one.error,
                    }
                    for one in unfinished
                ],
                "errors": errors,
            }
        )
        return
    print_table(
        "Replay",
        ["tried", "resolved", "still open", "rows written"],
        [[summary.attempted, summary.resolved, summary.still_open, written]],
    )
    if unfinished:
        print_table(
            "Deliveries that had not ended",
            ["destination", "entity", "company", "batches", "repairs", "rows written", "result"],
            [
                [
                    one.overdue.target.name,
                    one.overdue.entity,
                    one.overdue.company,
                    one.overdue.batches,
                    one.overdue.repairs,
                    one.counts.written,
                    "failed again" if one.error else "done",
                ]
                for one in unfinished
            ],
        )
    for error in errors:
        stdout.print(f"- {error}", markup=False)
