"""The job that a person starts to try again what failed. Ops only; assets are run from their own pages (see ``schedules``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

import dagster as dg
from pydantic import Field

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.defs.failures import Problem, failure
from ml_connector_dagster.defs.launchpads import ALL, location_of, op_with, with_choices
from ml_connector_dagster.defs.letters import OPEN_LETTERS, letters_table, open_letters_metadata
from ml_connector_dagster.defs.metadata import REASON_CELL, table
from ml_connector_dagster.defs.names import BY_HAND, REPLAY_JOB, REPLAY_OP, REPLAY_TAG, WORKSPACE
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import DeadLetter
from ml_connector_dagster.sync.pending import (
    Overdue,
    OverdueResult,
    choose_overdue,
    deliver_overdue,
)
from ml_connector_dagster.sync.replay import UNREADABLE, ReplaySummary, choose_letters, replay
from ml_connector_dagster.sync.spans import span_of
from ml_connector_dagster.sync.workspace import Workspace


#: Open letters that a run shows.
SHOWN: Final = 50


class ReplayConfig(dg.Config):
    """What to try again. Left as it is, everything that is open."""

    flow: str = Field(default=ALL, description="Only this flow.")
    destination: str = Field(
        default=ALL,
        description="Only what this destination refused; ERP: only what could not be read from the ERP.",
    )
    entity: str = Field(default=ALL, description="Only this entity.")
    company: str = Field(default="", description='Only this company, quoted: "100".')
    reason_contains: str = Field(
        default="",
        description="Only reasons that contain this text; upper or lower case is the same.",
    )
    failed_since: str = Field(
        default="",
        description="Only what failed first on this day or later: 2026-11-20, or a moment: 2026-11-20T14:30. In the "
        "tenant's time zone.",
    )
    failed_until: str = Field(
        default="",
        description="Only what failed first on this day or before it, written the same way.",
    )
    record_ids: list[str] = Field(
        default=[], description="Only these records: tenant/company/key, as the tables have it."
    )
    dead_letter_ids: list[int] = Field(
        default=[], description="Only these dead letters, by their numbers."
    )
    limit: int = Field(
        default=100_000, ge=1, description="At most so many dead letters, oldest first."
    )
    only_due: bool = Field(
        default=False,
        description="Only what is due for its next automatic try, and not given up; the sensor sets it.",
    )
    unfinished_deliveries: bool = Field(
        default=True,
        description="Also deliver batches whose delivery failed or never ended, repairs too. Ignored when records, dead letters or "
        "a span are named.",
    )
    only_show: bool = Field(
        default=False, description="Try nothing: only show what would be tried."
    )

    @property
    def whole(self) -> bool:
        """No single records are named."""
        chosen = (self.record_ids, self.dead_letter_ids, self.failed_since, self.failed_until)
        return not any(chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What came of it in one flow."""

    flow: Flow
    letters: tuple[DeadLetter, ...]
    unended: tuple[Overdue, ...] = ()  # only shown
    summary: ReplaySummary = field(default_factory=ReplaySummary)
    delivered: tuple[OverdueResult, ...] = ()
    still_open: tuple[DeadLetter, ...] = ()

    @property
    def errors(self) -> list[str]:
        return [*self.summary.errors, *(one.error for one in self.delivered if one.error)]


def replay_job(flows: Mapping[str, Flow]) -> dg.JobDefinition:
    """The job that replays any of ``flows``, with a launchpad whose defaults mean "everything open"."""

    def try_again(context: dg.OpExecutionContext, config: ReplayConfig) -> None:
        workspace = context.resources.workspace.current
        try:
            done = _replayed(workspace, _flows(flows, config), config, context.run_id)
        except Exception as error:
            problem = Problem(subject="replay", error=error)
            raise failure("Nothing more was replayed", [problem]) from None
        location = location_of(context.run)
        context.log_event(
            dg.AssetMaterialization(
                asset_key=OPEN_LETTERS,
                metadata=open_letters_metadata(workspace, list(flows.values()), location),
            )
        )
        metadata = _metadata(done, only_show=config.only_show)
        errors = [error for one in done for error in one.errors]
        if not config.only_show and (errors or any(one.still_open for one in done)):
            raise _unfinished(done, errors, metadata)
        context.add_output_metadata(metadata)

    targets = {target.name for flow in flows.values() for target in flow.destinations}
    entities = {name for flow in flows.values() for name in flow.entities}
    choices = {
        "flow": flows,
        "destination": (UNREADABLE, *sorted(targets)),
        "entity": [name for name in ENTITIES if name in entities],
    }
    again = op_with(
        try_again,
        with_choices(ReplayConfig, choices),
        name=REPLAY_OP,
        required_resource_keys={WORKSPACE},
        description="Reads again what could not be read, sends again what was refused, and delivers what was left.",
    )

    @dg.job(
        name=REPLAY_JOB,
        tags={REPLAY_TAG: BY_HAND},
        description="Try again exactly what failed: records that could not be read or were refused, and deliveries that "
        "did not end. A record is sent in its current state, only to where it failed. Launch it as it is for everything, "
        f"or narrow it in the launchpad. What is open stands on the asset `{OPEN_LETTERS.to_user_string()}`.",
    )
    def replay_everything() -> None:
        again()

    return replay_everything


def _flows(flows: Mapping[str, Flow], config: ReplayConfig) -> Sequence[Flow]:
    return [flow for name, flow in flows.items() if config.flow in (ALL, name)]


def _replayed(
    workspace: Workspace, flows: Sequence[Flow], config: ReplayConfig, run_id: str
) -> list[_Done]:
    """Flow by flow. What two flows share is tried once."""
    done: list[_Done] = []
    tried: set[int] = set()
    for flow in flows:
        letters = tuple(
            letter for letter in _chosen(workspace, flow, config) if letter.id not in tried
        )[: config.limit - len(tried)]
        tried |= {letter.id for letter in letters}
        one = _Done(flow=flow, letters=letters)
        if config.only_show:
            one = replace(one, unended=_unended(workspace, flow, config))
        if not config.only_show:
            summary = replay(workspace, flow, letters, run_id=run_id)
            one = replace(
                one,
                summary=summary,
                delivered=_deliver(workspace, flow, config, run_id),
                still_open=_still_open(workspace, flow, letters),
            )
        done.append(one)
    return done


def _chosen(workspace: Workspace, flow: Flow, config: ReplayConfig) -> tuple[DeadLetter, ...]:
    since, until = _span(workspace, flow, config)
    destination = {ALL: None, UNREADABLE: ""}.get(config.destination, str(config.destination))
    if config.company and config.flow != ALL and config.company not in flow.companies:
        raise ConfigError(
            f"flow {flow.name!r} has no company {config.company!r}; it has {', '.join(flow.companies)}"
        )
    return choose_letters(
        workspace,
        flow,
        entity=None if config.entity == ALL else str(config.entity),
        company=config.company or None,
        destination=destination,
        reason=config.reason_contains,
        since=since,
        until=until,
        record_ids=config.record_ids,
        ids=config.dead_letter_ids,
        due_before=workspace.now() if config.only_due else None,
        limit=config.limit,
    )


def _span(
    workspace: Workspace, flow: Flow, config: ReplayConfig
) -> tuple[datetime | None, datetime | None]:
    zone = workspace.cloudsuite(flow.source).zone
    return span_of(config.failed_since, config.failed_until, zone)


def _deliver(
    workspace: Workspace, flow: Flow, config: ReplayConfig, run_id: str
) -> tuple[OverdueResult, ...]:
    return deliver_overdue(workspace, flow, _unended(workspace, flow, config), run_id=run_id)


def _unended(workspace: Workspace, flow: Flow, config: ReplayConfig) -> tuple[Overdue, ...]:
    if not config.unfinished_deliveries or not config.whole:
        return ()
    return choose_overdue(
        workspace,
        flow,
        only_due=config.only_due,
        entity=None if config.entity == ALL else str(config.entity),
        company=config.company or None,
        destination=None if config.destination == ALL else str(config.destination),
        reason=config.reason_contains,
    )


def _still_open(
    workspace: Workspace, flow: Flow, letters: tuple[DeadLetter, ...]
) -> tuple[DeadLetter, ...]:
    if not letters:
        return ()
    return choose_letters(workspace, flow, ids=[letter.id for letter in letters])


def _metadata(done: Sequence[_Done], *, only_show: bool) -> dict[str, Any]:
    delivered = [result for one in done for result in one.delivered]
    open_letters = [letter for one in done for letter in one.still_open]
    written = sum(one.summary.counts.written for one in done)
    if only_show:
        chosen = [letter for one in done for letter in one.letters]
        return {
            "would_be_tried": len(chosen),
            "letters": letters_table(chosen[:SHOWN]),
            "deliveries": table(
                ["destination", "entity", "company", "batches", "repairs", "last error"],
                [
                    [
                        each.target.name,
                        each.entity,
                        each.company,
                        each.batches,
                        each.repairs,
                        redact(each.error),
                    ]
                    for one in done
                    for each in one.unended
                ],
                width=REASON_CELL,
            ),
        }
    return {
        "tried": sum(one.summary.attempted for one in done),
        "resolved": sum(one.summary.resolved for one in done),
        "still_open": len(open_letters),
        "rows_changed": written + sum(one.counts.written for one in delivered),
        "by_place": _places(done),
        **({"deliveries": _deliveries(delivered)} if delivered else {}),
        **({"open_letters": letters_table(open_letters[:SHOWN])} if open_letters else {}),
    }


def _deliveries(delivered: Sequence[OverdueResult]) -> dg.MarkdownMetadataValue:
    return table(
        ["destination", "entity", "company", "batches", "repairs", "changed", "error"],
        [
            [
                one.overdue.target.name,
                one.overdue.entity,
                one.overdue.company,
                one.overdue.batches,
                one.overdue.repairs,
                one.counts.written,
                redact(one.error),
            ]
            for one in delivered
        ],
        width=REASON_CELL,
    )


def _places(done: Sequence[_Done]) -> dg.MarkdownMetadataValue:
    """How many were tried and healed, by where they had failed."""
    counted: dict[tuple[str, str, str], list[int]] = {}
    for one in done:
        left = {letter.id for letter in one.still_open}
        for letter in one.letters:
            place = (letter.destination or UNREADABLE, letter.entity, letter.company)
            sums = counted.setdefault(place, [0, 0])
            sums[0] += 1
            sums[1] += letter.id not in left
    return table(
        ["destination", "entity", "company", "tried", "resolved", "still open"],
        [
            [*place, tried, resolved, tried - resolved]
            for place, (tried, resolved) in counted.items()
        ],
    )


def _unfinished(
    done: Sequence[_Done], errors: Sequence[str], metadata: dict[str, Any]
) -> dg.Failure:
    names = ", ".join(one.flow.name for one in done if one.errors or one.still_open)
    tried = sum(len(one.letters) for one in done)
    left = sum(len(one.still_open) for one in done)
    happened = [f"{left:,} of {tried:,} records failed again"] if left else []
    happened += [redact(error) for error in errors]
    return dg.Failure(
        description=f"{names} was replayed in part: {'; '.join(happened)}. What is open stays open and is listed "
        "below with its reasons; correct the cause and launch this job again.",
        metadata=metadata,
        allow_retries=False,
    )
