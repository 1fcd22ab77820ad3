"""Dead letters as a person sees them: tables with links, and an asset that holds all that is open.

The asset is written by whoever changes it: each replay, and a sensor that looks at the ledger every few minutes. Both
only report; nobody has to run it.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import dagster as dg

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.launchpads import LOCATION, launchpad, link, location_of
from ml_connector_dagster.defs.metadata import PREVIEW_CELL, REASON_CELL, minute, moment, table
from ml_connector_dagster.defs.names import (
    LETTER_JOB,
    LETTER_OP,
    OPERATIONS,
    REPLAY_JOB,
    REPLAY_OP,
    WORKSPACE,
)
from ml_connector_dagster.model.receipts import DeadLetter
from ml_connector_dagster.sync.open_letters import OpenGroup, OpenWork, open_work
from ml_connector_dagster.sync.pending import Overdue
from ml_connector_dagster.sync.workspace import Workspace


OPEN_LETTERS: Final = dg.AssetKey([OPERATIONS, "open_letters"])

#: Seconds between two looks at the ledger.
LOOK_EVERY: Final = 120

#: Rows of each table: a page must stay readable, and its event small.
SHOWN: Final = 50

#: A cell with a link in it is cut where no link is that long.
_LINK_CELL: Final = 2_000

_NOTHING: Final = "Nothing is open: every record that was read is where it belongs."
_NOT_BEGUN: Final = """\
Nothing has failed. Batches that were read for another flow, or a moment ago, are not delivered here yet: the next run of \
their own flow does it, or follow **deliver** in the row."""
_WHAT_TO_DO: Final = """\
1. Read the reason. Correct the cause: in the ERP, in the destination, or in the flow.
2. Follow **replay** in the row: the launchpad opens with these records chosen; press *Launch run*.
3. A single value that is wrong can be corrected for this destination alone: follow its number.

Records with a next try are tried again by themselves when the sensor `FLOW_replay` is on. Those that are *given up* wait \
for step 2."""


def letters_table(
    letters: Sequence[DeadLetter], given_up: Collection[int] = (), *, location: str = LOCATION
) -> dg.MarkdownMetadataValue:
    """Dead letters, one per row; the number opens the launchpad that shows it."""
    return table(
        ["id", "stage", "entity", "company", "record", "reason", "tries", "next try"],
        [
            [
                link(str(one.id), _letter_path(one, location)),
                one.stage.value,
                one.entity,
                one.company,
                one.record_id or _cut(one.raw, PREVIEW_CELL),
                _cut(redact(one.reason)),
                one.attempts,
                "given up" if one.id in given_up else minute(one.due_at),
            ]
            for one in letters
        ],
        width=_LINK_CELL,
    )


def open_letters_metadata(
    workspace: Workspace, flows: Iterable[Flow], location: str
) -> dict[str, Any]:
    """What the asset shows."""
    return _metadata(open_work(workspace, flows), list(flows), location)


def open_letters_asset(flows: Sequence[Flow]) -> dg.AssetsDefinition:
    """The asset. Running it looks again."""

    @dg.asset(
        key=OPEN_LETTERS,
        group_name=OPERATIONS,
        kinds={"table"},
        required_resource_keys={WORKSPACE},
        description="Every record that could not go on, by reason: how many, since when, and when it is tried again. "
        f"Replay them with the job `{REPLAY_JOB}`. Written by each replay and by the sensor of the same name.",
    )
    def open_letters(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        workspace = context.resources.workspace.current
        location = location_of(context.run)
        return dg.MaterializeResult(metadata=open_letters_metadata(workspace, flows, location))

    return open_letters


def open_letters_sensor(flows: Sequence[Flow]) -> dg.SensorDefinition:
    """Writes the asset when what is open has changed."""

    @dg.sensor(
        name="open_letters",
        asset_selection=[OPEN_LETTERS],
        minimum_interval_seconds=LOOK_EVERY,
        # It asks nobody but the ledger and launches nothing: there is no reason to turn it on by hand.
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={WORKSPACE},
        description="Keeps the asset operations/open_letters as the ledger is. Launches no runs.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        work = open_work(context.resources.workspace.current, flows)
        state = _fingerprint(work)
        if state == context.cursor:
            return dg.SkipReason(f"{len(work.letters)} open dead letters, as before.")
        location = context.code_location_origin
        name = LOCATION if location is None else location.location_name
        context.instance.report_runless_asset_event(
            dg.AssetMaterialization(OPEN_LETTERS, metadata=_metadata(work, flows, name))
        )
        context.update_cursor(state)
        return dg.SkipReason(f"{len(work.letters)} open dead letters: the asset was written.")

    return look


def _metadata(work: OpenWork, flows: Sequence[Flow], location: str) -> dict[str, Any]:
    letters = work.letters
    by_name = {flow.name: flow for flow in flows}
    given_up = {
        letter.id
        for group in work.groups
        for letter in group.letters
        if by_name[group.flow].replay.gives_up(letter)
    }
    tries = [group.next_try for group in work.groups if group.next_try is not None]
    metadata: dict[str, Any] = {
        "dagster/row_count": len(letters),
        "open": len(letters),
        "given_up": len(given_up),
        "unfinished_deliveries": sum(one.batches for _, one in work.overdue if one.attempts),
        "deliveries_not_begun": sum(one.batches for _, one in work.overdue if not one.attempts),
    }
    if work.groups:
        metadata["oldest"] = moment(min(group.oldest for group in work.groups))
    if tries:
        metadata["next_try"] = moment(min(tries))
    if not letters and not work.overdue:
        return metadata | {"what_to_do": dg.MetadataValue.md(_NOTHING)}
    if letters:
        metadata["by_reason"] = _groups_table(work.groups, location)
        metadata["letters"] = letters_table(letters[:SHOWN], given_up, location=location)
    if work.overdue:
        metadata["deliveries"] = _overdue_table(work, location)
    failed = letters or any(one.attempts for _, one in work.overdue)
    metadata["what_to_do"] = dg.MetadataValue.md(_WHAT_TO_DO if failed else _NOT_BEGUN)
    return metadata


def _groups_table(groups: Sequence[OpenGroup], location: str) -> dg.MarkdownMetadataValue:
    return table(
        ["open", "reason", "where", "entity", "company", "oldest", "next try", ""],
        [
            [
                len(group.letters),
                _cut(redact(group.reason)),
                group.destination or "ERP: could not be read",
                group.entity,
                group.company,
                minute(group.oldest),
                _next_try(group),
                link("replay", _replay_path(group, location)),
            ]
            for group in groups[:SHOWN]
        ],
        width=_LINK_CELL,
    )


def _overdue_table(work: OpenWork, location: str) -> dg.MarkdownMetadataValue:
    """What was tried and failed comes first."""
    listed = sorted(work.overdue, key=lambda pair: not pair[1].attempts)
    return table(
        ["batches", "repairs", "destination", "entity", "company", "last error", "next try", ""],
        [
            [
                one.batches,
                one.repairs,
                one.target.name,
                one.entity,
                one.company,
                _cut(redact(one.error)) or ("under way" if one.attempts else "not begun"),
                _next_delivery(flow, one),
                link("deliver", _deliver_path(flow, one.target.name, one.entity, location)),
            ]
            for flow, one in listed[:SHOWN]
        ],
        width=_LINK_CELL,
    )


def _next_delivery(flow: Flow, one: Overdue) -> str:
    if not one.attempts:
        return f"next run of {flow.name}"
    return "given up" if flow.replay.gives_up_after(one.attempts) else minute(one.due_at)


def _next_try(group: OpenGroup) -> str:
    told = []
    if group.next_try is not None:
        told.append(minute(group.next_try))
    if group.given_up:
        told.append(f"{group.given_up:,} given up")
    return "; ".join(told)


def _replay_path(group: OpenGroup, location: str) -> str:
    config = {
        "flow": group.flow,
        "destination": group.destination or "ERP",
        "entity": group.entity,
        "company": group.company,
        "reason_contains": group.search,
        "unfinished_deliveries": False,
    }
    return launchpad(REPLAY_JOB, REPLAY_OP, config, location=location)


def _deliver_path(flow: Flow, destination: str, entity: str, location: str) -> str:
    config = {"flow": flow.name, "destination": destination, "entity": entity}
    return launchpad(REPLAY_JOB, REPLAY_OP, config, location=location)


def _letter_path(letter: DeadLetter, location: str) -> str:
    return launchpad(LETTER_JOB, LETTER_OP, {"dead_letter_id": letter.id}, location=location)


def _cut(text: str, width: int = REASON_CELL) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _fingerprint(work: OpenWork) -> str:
    """Changes when anything that the asset shows does."""
    letters = [(one.id, one.attempts, one.due_at, one.reason) for one in work.letters]
    overdue = [(one.target.name, one.entity, one.company, one.batches) for _, one in work.overdue]
    return hashlib.sha256(repr((letters, overdue)).encode()).hexdigest()
