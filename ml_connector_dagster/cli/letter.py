"""``ml-connector letter``: one dead letter, and the correction of a value in it."""

from typing import Annotated

import typer

from ml_connector_dagster.cli.output import plain_row, print_json, print_table, stdout
from ml_connector_dagster.cli.trace import print_events
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.model.edits import Edit
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.letters import LetterView, edit_letter, send_edited, view_letter
from ml_connector_dagster.sync.workspace import Workspace


def letter(
    number: Annotated[int, typer.Argument(help="The dead letter's number (replay --list).")],
    column: Annotated[
        str, typer.Option(help="Correct this column for the destination that refused the record.")
    ] = "",
    value: Annotated[str | None, typer.Option(help="The value that it gets there.")] = None,
    empty: Annotated[bool, typer.Option("--empty", help="Leave the column empty there.")] = False,
    by: Annotated[str, typer.Option(help="Who corrects it; kept for the audit.")] = "",
    why: Annotated[str, typer.Option(help="Why; kept for the audit.")] = "",
    send: Annotated[bool, typer.Option(help="Send the record again at once.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a dead letter, or correct a value of it and send the record again.

    Nothing is written to the ERP, and other destinations get what it says. The correction holds until the ERP has a
    newer version of the record. Exit code 1 when the record is refused again.
    """
    if bool(column) != (value is not None or empty) or (value is not None and empty):
        raise typer.BadParameter("a correction needs --column, and one of --value and --empty")
    refused = False
    with Workspace.open(read_settings()) as workspace:
        if column:
            edit = edit_letter(
                workspace,
                number,
                column=column,
                value=None if empty else value,
                edited_by=by,
                reason=why,
            )
            if send:
                sent = send_edited(workspace, edit, run_id=f"cli-{new_id(workspace.now())}")
                refused = bool(sent.still_open or sent.errors)
                for error in sent.errors:
                    stdout.print(f"- {error}", markup=False)
        view = view_letter(workspace, number)
    if as_json:
        print_json(_document(view))
    else:
        _print(view)
    if refused:
        raise typer.Exit(1)


def _document(view: LetterView) -> dict[str, object]:
    one = view.letter
    return {
        "id": one.id,
        "state": view.state,
        "flow": None if view.flow is None else view.flow.name,
        "stage": one.stage,
        "entity": one.entity,
        "company": one.company,
        "destination": one.destination,
        "record_id": one.record_id,
        "reason": one.reason,
        "attempts": one.attempts,
        "raw": one.raw,
        "edits": [_edit_document(edit) for edit in view.edits],
        "current": plain_row(view.current),
    }


def _edit_document(edit: Edit) -> dict[str, object]:
    return {
        "id": edit.id,
        "column": edit.column,
        "erp_value": edit.erp_value,
        "new_value": edit.new_value,
        "edited_by": edit.edited_by,
        "reason": edit.reason,
        "edited_at": edit.edited_at,
        "ended_at": edit.ended_at,
        "end_reason": edit.end_reason,
    }


def _print(view: LetterView) -> None:
    one = view.letter
    print_table(
        f"Dead letter {one.id}",
        ["", ""],
        [
            ["state", view.state],
            ["where", one.destination or "could not be read from the ERP"],
            ["record", f"{one.entity} {one.record_id or one.raw[:200]}"],
            ["reason", one.reason],
            ["first failed", one.created_at],
            ["attempts", str(one.attempts)],
            ["flow", "none has it any more" if view.flow is None else view.flow.name],
        ],
    )
    if view.edits:
        print_table(
            "Edits",
            ["id", "column", "the ERP says", "sent instead", "by", "why", "at", "until"],
            [
                [
                    str(edit.id),
                    edit.column,
                    edit.erp_value,
                    edit.new_value,
                    edit.edited_by,
                    edit.reason,
                    edit.edited_at,
                    f"{edit.ended_at:%Y-%m-%d %H:%M}: {edit.end_reason}"
                    if edit.ended_at
                    else "in force",
                ]
                for edit in view.edits
            ],
        )
    if view.events:
        print_events("What happened", view.events)
    if view.current:
        print_table("As the ERP has it", ["column", "value"], list(plain_row(view.current).items()))
