"""One dead letter in the UI: a job that shows it, and corrects a value of it when the launchpad says so."""

from typing import Any

import dagster as dg
from pydantic import Field

from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.failures import Problem, failure
from ml_connector_dagster.defs.launchpads import launchpad, link, location_of
from ml_connector_dagster.defs.metadata import REASON_CELL, minute, table
from ml_connector_dagster.defs.names import LETTER_JOB, LETTER_OP, WORKSPACE
from ml_connector_dagster.model.edits import Edit
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.sync.corrections import text_of
from ml_connector_dagster.sync.letters import LetterView, edit_letter, send_edited, view_letter
from ml_connector_dagster.sync.replay import ReplaySummary
from ml_connector_dagster.sync.trace import TraceEvent
from ml_connector_dagster.sync.workspace import Workspace


class LetterConfig(dg.Config):
    """Which dead letter. With a column, its value is corrected for the destination that refused the record."""

    dead_letter_id: int = Field(description="The number of the dead letter.")
    column: str = Field(
        default="", description="Correct this column; left empty, the dead letter is only shown."
    )
    value: str = Field(
        default="",
        description="What the destination gets instead of the ERP's value. A number, day (2026-11-20) or moment as "
        "text.",
    )
    empty: bool = Field(
        default=False, description="Leave the column empty there, instead of a value."
    )
    edited_by: str = Field(default="", description="Who corrects it; kept for the audit.")
    why: str = Field(default="", description="Why it is corrected; kept for the audit.")
    send: bool = Field(default=True, description="Send the record again at once.")


def letter_job() -> dg.JobDefinition:
    """The job that shows or corrects one dead letter."""

    @dg.op(
        name=LETTER_OP,
        out=dg.Out(dg.Nothing),
        required_resource_keys={WORKSPACE},
        description="Shows a dead letter: its reason, its record, and everything that happened to it.",
    )
    def look_at(context: dg.OpExecutionContext, config: LetterConfig) -> None:
        workspace = context.resources.workspace.current
        try:
            sent = _corrected(workspace, config, context.run_id) if config.column else None
            view = view_letter(workspace, config.dead_letter_id)
        except Exception as error:
            problem = Problem(subject=f"dead letter {config.dead_letter_id}", error=error)
            raise failure("Nothing was changed", [problem]) from None
        metadata = _metadata(view, location_of(context.run))
        if sent is not None and (sent.still_open or sent.errors):
            reasons = [redact(error) for error in sent.errors] or [redact(view.letter.reason)]
            raise dg.Failure(
                description=f"The correction is kept, and the record was refused again: {'; '.join(reasons)}",
                metadata=metadata,
                allow_retries=False,
            )
        context.add_output_metadata(metadata)

    @dg.job(
        name=LETTER_JOB,
        description="Show one dead letter, by its number. With a column and a value it corrects what the destination "
        "gets and sends the record again. Nothing is written to the ERP and other destinations are not touched; the "
        "correction holds until the ERP has a newer version of the record. Both values and who gave the new one stay "
        "in the trail.",
    )
    def dead_letter() -> None:
        look_at()

    return dead_letter


def _corrected(workspace: Workspace, config: LetterConfig, run_id: str) -> ReplaySummary | None:
    if bool(config.value) == config.empty:
        raise ConfigError("a correction needs either a value, or empty: true")
    edit = edit_letter(
        workspace,
        config.dead_letter_id,
        column=config.column,
        value=None if config.empty else config.value,
        edited_by=config.edited_by,
        reason=config.why,
    )
    return send_edited(workspace, edit, run_id=run_id) if config.send else None


def _metadata(view: LetterView, location: str) -> dict[str, Any]:
    one = view.letter
    metadata: dict[str, Any] = {
        "state": view.state,
        "where": one.destination or "could not be read from the ERP",
        "record": f"{one.entity} {one.record_id}".strip(),
        "reason": redact(one.reason),
        "attempts": one.attempts,
        "first_failed": dg.MetadataValue.timestamp(one.created_at),
        "flow": "none has it any more" if view.flow is None else view.flow.name,
    }
    if one.raw:
        metadata["as_it_was_read"] = dg.MetadataValue.md(f"```\n{redact(one.raw[:4_000])}\n```")
    if view.current:
        metadata["values"] = _values(view)
    if view.edits:
        metadata["edits"] = _edits(view.edits)
    if view.events:
        metadata["trail"] = _trail(view)
    if view.current and one.destination:
        empty = {"column": "", "value": "", "edited_by": "", "why": ""}
        path = launchpad(
            LETTER_JOB, LETTER_OP, {"dead_letter_id": one.id, **empty}, location=location
        )
        metadata["correct_a_value"] = dg.MetadataValue.md(link("open the launchpad", path))
    return metadata


def _values(view: LetterView) -> dg.MarkdownMetadataValue:
    """The record as the ERP has it, and what the destination gets instead."""
    instead = {edit.column: edit.new_value for edit in view.edits if edit.ended_at is None}
    return table(
        ["column", "the ERP says", "the destination gets"],
        [
            [name, text_of(value), (instead[name] or "(empty)") if name in instead else "the same"]
            for name, value in view.current.items()
            if value is not None or name in instead
        ],
        width=REASON_CELL,
    )


def _edits(edits: tuple[Edit, ...]) -> dg.MarkdownMetadataValue:
    return table(
        ["edit", "column", "the ERP says", "sent instead", "by", "why", "at", "until"],
        [
            [
                str(edit.id),
                edit.column,
                edit.erp_value,
                edit.new_value,
                edit.edited_by,
                edit.reason,
                minute(edit.edited_at),
                f"{minute(edit.ended_at)}, {edit.end_reason}" if edit.ended_at else "in force",
            ]
            for edit in edits
        ],
        width=REASON_CELL,
    )


def _trail(view: LetterView) -> dg.MarkdownMetadataValue:
    return table(
        ["at (UTC)", "what", "where", "outcome", "run", "detail"],
        [
            [
                f"{event.at:%Y-%m-%d %H:%M:%S}",
                event.what,
                event.where,
                event.outcome,
                event.run_id[:8],
                _detail(event),
            ]
            for event in view.events
        ],
        width=REASON_CELL,
    )


def _detail(event: TraceEvent) -> str:
    changes = (event.changes or {}).items()
    told = [f"{name}: {old or '(empty)'} → {new or '(empty)'}" for name, (old, new) in changes]
    known_as = f"known there as {event.remote_id}" if event.remote_id else ""
    return "; ".join(part for part in (known_as, redact(event.detail), *told) if part)
