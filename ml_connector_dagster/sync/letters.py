"""One dead letter: what a person has to know about it, and the correction of a value for the destination that refused it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ml_connector_dagster.config.problems import did_you_mean
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.model.edits import Edit, NewEdit
from ml_connector_dagster.model.entities import ENTITIES, LEADING_COLUMNS, SYSTEM_COLUMNS
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import DeadLetter, Stage
from ml_connector_dagster.sync.corrections import content_hashes, text_of, value_of
from ml_connector_dagster.sync.replay import ReplaySummary, replay
from ml_connector_dagster.sync.trace import TraceEvent, trace
from ml_connector_dagster.sync.versions import newest_rows
from ml_connector_dagster.sync.workspace import Workspace


_FIXED = frozenset(column.name for column in (*LEADING_COLUMNS, *SYSTEM_COLUMNS))


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterView:
    """A dead letter with what is around it.

    Attributes:
        flow: the flow that it belongs to; None when no flow of the configuration has it any more.
        current: the newest version of its record, as the ERP has it; empty for one that could not be staged.
        edits: every edit for its record at its destination, oldest first.
        events: the record's trail.
    """

    letter: DeadLetter
    flow: Flow | None
    current: Mapping[str, Any]
    edits: tuple[Edit, ...]
    events: tuple[TraceEvent, ...]

    @property
    def given_up(self) -> bool:
        """Nobody tries it again by itself."""
        return self.flow is not None and self.flow.replay.gives_up(self.letter)

    @property
    def state(self) -> str:
        """In words."""
        if self.letter.resolved_at is not None:
            return f"resolved {self.letter.resolved_at:%Y-%m-%d %H:%M} UTC"
        if self.given_up:
            return f"given up after {self.letter.waits - 1} automatic tries: correct the cause, then replay it"
        return f"open; next automatic try {self.letter.due_at:%Y-%m-%d %H:%M} UTC"


def view_letter(workspace: Workspace, number: int) -> LetterView:
    """The dead letter with this number. Raises ConfigError when there is none."""
    letter = _letter(workspace, number)
    current: Mapping[str, Any] = {}
    edits: tuple[Edit, ...] = ()
    events: tuple[TraceEvent, ...] = ()
    if letter.record_id:
        stories = trace(workspace, letter.record_id, entity=letter.entity)
        for story in stories:
            current, events = story.current, story.events
        edits = workspace.ledger.edits(
            in_force_only=False,
            destination=letter.destination,
            entity=letter.entity,
            record_id=letter.record_id,
        )
    return LetterView(
        letter=letter,
        flow=flow_of(workspace, letter),
        current=current,
        edits=edits,
        events=events,
    )


def flow_of(workspace: Workspace, letter: DeadLetter) -> Flow | None:
    """The first flow that has the letter's entity, company and destination."""
    for flow in workspace.project.flows.values():
        if (
            letter.tenant == flow.source
            and letter.entity in flow.entities
            and letter.company in flow.companies
            and letter.destination in ("", *(target.name for target in flow.destinations))
        ):
            return flow
    return None


def edit_letter(
    workspace: Workspace,
    number: int,
    *,
    column: str,
    value: str | None,
    edited_by: str,
    reason: str,
) -> Edit:
    """Correct one value of a refused record for the destination that refused it; nothing is sent yet.

    ``value`` None empties the cell. Raises ConfigError for a letter, a column or a value that cannot be edited.
    """
    letter = _letter(workspace, number)
    for what, text in (("who edits it", edited_by), ("why", reason)):
        if not text.strip():
            raise ConfigError(f"an edit is kept for the audit: say {what}")
    row = _editable_row(workspace, letter)
    names = [name for name in row.column_names if name not in _fixed(letter.entity)]
    if column not in names:
        raise ConfigError(
            f"{letter.entity} has no column {column!r} that may be edited{did_you_mean(column, names)}; keys stay as "
            f"they are. Columns: {', '.join(names)}"
        )
    kind = row.schema.field(column).type
    try:
        new_value = text_of(value_of(value, kind).as_py())
    except (ValueError, ArithmeticError) as error:
        raise ConfigError(f"{value!r} is no value of {column}, which is {kind}: {error}") from error
    (base,) = row.select(["_modified_at", "_extracted_at"]).to_pylist()
    edit_id = workspace.ledger.record_edit(
        NewEdit(
            letter_id=letter.id,
            tenant=letter.tenant,
            entity=letter.entity,
            company=letter.company,
            destination=letter.destination,
            record_id=letter.record_id,
            column=column,
            erp_value=text_of(row[column][0].as_py()),
            new_value=new_value,
            base_hash=content_hashes(row)[0],
            base_modified_at=base["_modified_at"],
            base_extracted_at=base["_extracted_at"],
            edited_by=edited_by.strip(),
            reason=reason.strip(),
        )
    )
    return next(one for one in workspace.ledger.edits(letter_ids=[letter.id]) if one.id == edit_id)


def send_edited(workspace: Workspace, edit: Edit, *, run_id: str) -> ReplaySummary:
    """Send the record of ``edit`` again, to its destination only. Raises ConfigError when no flow has it any more."""
    letter = _letter(workspace, edit.letter_id)
    flow = flow_of(workspace, letter)
    if flow is None:
        raise ConfigError(
            f"no flow delivers {letter.entity} of company {letter.company} to {letter.destination} any more: the edit "
            "is kept, and nothing was sent"
        )
    return replay(workspace, flow, [letter], run_id=run_id)


def _letter(workspace: Workspace, number: int) -> DeadLetter:
    for letter in workspace.ledger.dead_letters(open_only=False, ids=[number]):
        return letter
    raise ConfigError(
        f"there is no dead letter {number}; `ml-connector replay FLOW --list` shows those that are open"
    )


def _editable_row(workspace: Workspace, letter: DeadLetter) -> pa.Table:
    """The version that an edit of ``letter`` corrects."""
    if letter.stage is Stage.EXTRACT:
        raise ConfigError(
            f"dead letter {letter.id} could not be read from the ERP, so there is no value to correct here: correct it "
            "in the ERP, then replay it"
        )
    edits = workspace.ledger.edits(letter_ids=[letter.id])
    if letter.resolved_at is not None and not edits:
        raise ConfigError(
            f"dead letter {letter.id} was resolved on {letter.resolved_at:%Y-%m-%d %H:%M} UTC: {letter.destination} has "
            "the record as the ERP has it, so there is nothing to correct"
        )
    rows, carrier = newest_rows(
        workspace, letter.tenant, letter.entity, letter.company, [letter.record_id]
    )
    if carrier is None or rows.num_rows != 1:
        raise ConfigError(f"{letter.record_id} of {letter.entity} is not staged any more")
    return rows


def _fixed(entity: str) -> frozenset[str]:
    return _FIXED | frozenset(ENTITIES[entity].key)
