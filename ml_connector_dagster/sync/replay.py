"""Try again exactly what failed: dead letters of either half, and deliveries that did not end.

A record that could not be staged is read again through its window; a record that a destination refused is sent
again as it stands in staging now (its newest version), to that destination only.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConnectorError
from ml_connector_dagster.model.receipts import DeadLetter, OutcomeCounts, Stage
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.extract import extract
from ml_connector_dagster.sync.flows import deliver_entity
from ml_connector_dagster.sync.versions import newest_rows, stage_again
from ml_connector_dagster.sync.workspace import Workspace


#: As a destination: what could not be read from the ERP, and so was refused by nobody.
UNREADABLE: Final = "ERP"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySummary:
    """What a replay did. ``still_open`` counts the chosen dead letters that failed again."""

    attempted: int = 0
    resolved: int = 0
    still_open: int = 0
    batches: int = 0
    counts: OutcomeCounts = field(default_factory=OutcomeCounts)
    errors: tuple[str, ...] = ()


def choose_letters(
    workspace: Workspace,
    flow: Flow,
    *,
    entity: str | None = None,
    company: str | None = None,
    destination: str | None = None,
    reason: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    record_ids: Sequence[str] = (),
    ids: Sequence[int] = (),
    due_before: datetime | None = None,
    limit: int | None = None,
) -> tuple[DeadLetter, ...]:
    """The open dead letters of ``flow`` that match every condition given, oldest first.

    ``destination=""`` chooses those that could not be read; the span from ``since`` to before ``until`` is of when a
    record failed first. With ``due_before``, only those that a replay can heal (a refused document has to be put back
    by a person) and that are not given up.
    """
    letters = workspace.ledger.dead_letters(
        tenant=flow.source,
        entity=entity,
        company=company,
        destination=destination,
        ids=list(ids) or None,
        due_before=due_before,
    )
    targets = {"", *(target.name for target in flow.destinations)}
    wanted = frozenset(record_ids)
    chosen = [
        letter
        for letter in letters
        if letter.entity in flow.entities
        and letter.company in flow.companies
        and letter.destination in targets
        and reason.casefold() in letter.reason.casefold()
        and (since is None or letter.created_at >= since)
        and (until is None or letter.created_at < until)
        and (not wanted or letter.record_id in wanted)
        and (due_before is None or (_is_replayable(letter) and not flow.replay.gives_up(letter)))
    ]
    return tuple(chosen[:limit])


def _is_replayable(letter: DeadLetter) -> bool:
    return letter.stage is Stage.DELIVER or letter.window_end is not None


def replay(
    workspace: Workspace,
    flow: Flow,
    letters: Sequence[DeadLetter],
    *,
    run_id: str,
) -> ReplaySummary:
    """Replay ``letters`` (of this flow's source), then deliver whatever is pending because of it.

    A source or destination that is still out of reach fails its own letters only; the reason is in ``errors``.
    """
    errors: list[str] = []
    batches = 0
    for (entity, company, start, end), group in _by_window(letters).items():
        try:
            batches += _read_again(workspace, flow, entity, company, start, end, run_id)
        except ConnectorError as error:
            errors.append(f"{entity} {company}: {error}")
            workspace.ledger.postpone([letter.id for letter in group])
    for (entity, company, destination), group in _by_destination(letters).items():
        batches += _send_again(workspace, entity, company, destination, group, run_id)
    counts, delivery_errors = _deliver_pending(workspace, flow, letters, run_id)
    errors += delivery_errors
    open_after = {letter.id for letter in workspace.ledger.dead_letters(tenant=flow.source)}
    still_open = sum(letter.id in open_after for letter in letters)
    return ReplaySummary(
        attempted=len(letters),
        resolved=len(letters) - still_open,
        still_open=still_open,
        batches=batches,
        counts=counts,
        errors=tuple(errors),
    )


def _by_window(
    letters: Sequence[DeadLetter],
) -> dict[tuple[str, str, datetime | None, datetime], list[DeadLetter]]:
    groups = defaultdict(list)
    for letter in letters:
        if letter.stage is Stage.EXTRACT and letter.window_end is not None:
            key = (letter.entity, letter.company, letter.window_start, letter.window_end)
            groups[key].append(letter)
    return dict(groups)


def _by_destination(
    letters: Sequence[DeadLetter],
) -> dict[tuple[str, str, str], list[DeadLetter]]:
    groups = defaultdict(list)
    for letter in letters:
        if letter.stage is Stage.DELIVER:
            groups[letter.entity, letter.company, letter.destination].append(letter)
    return dict(groups)


def _read_again(
    workspace: Workspace,
    flow: Flow,
    entity: str,
    company: str,
    start: datetime | None,
    end: datetime,
    run_id: str,
) -> int:
    with workspace.source(flow.source) as source:
        zone = source.timezone
        window = Window(
            start=None if start is None else start.astimezone(zone), end=end.astimezone(zone)
        )
        read = extract(
            source.line,
            workspace.ledger,
            workspace.staging,
            tenant=source.tenant,
            entity=entity,
            company=company,
            window=window,
            run_id=run_id,
            timezone=zone,
            now=workspace.now,
            concurrency=source.concurrency,
        )
    return len(read.batches)


def _send_again(
    workspace: Workspace,
    entity: str,
    company: str,
    destination: str,
    letters: Sequence[DeadLetter],
    run_id: str,
) -> int:
    """Stage the newest version of each letter's record as a batch for ``destination`` alone."""
    tenant = letters[0].tenant
    rows, carrier = newest_rows(
        workspace, tenant, entity, company, sorted({letter.record_id for letter in letters})
    )
    if carrier is None or not rows.num_rows:
        return 0
    stage_again(workspace, rows, carrier, destination=destination, route="replay", run_id=run_id)
    return 1


def _deliver_pending(
    workspace: Workspace,
    flow: Flow,
    letters: Sequence[DeadLetter],
    run_id: str,
) -> tuple[OutcomeCounts, list[str]]:
    """What was read again goes to every destination, what was refused to the one that refused it."""
    counts, errors = OutcomeCounts(), []
    parents_first = list(ENTITIES)
    for target in flow.destinations:
        touched = {
            (letter.entity, letter.company)
            for letter in letters
            if letter.destination in ("", target.name)
        }
        for entity, company in sorted(
            touched, key=lambda one: (parents_first.index(one[0]), one[1])
        ):
            if not workspace.ledger.pending(
                destination=target.name, tenant=flow.source, entity=entity, companies=[company]
            ):
                continue
            try:
                counts += deliver_entity(
                    workspace, flow, target, entity=entity, companies=[company], run_id=run_id
                ).counts
            except ConnectorError as error:
                errors.append(f"{target.name} {entity} {company}: {error}")
                _postpone(workspace, target, letters, entity, company)
    return counts, errors


def _postpone(
    workspace: Workspace,
    target: FlowDestination,
    letters: Sequence[DeadLetter],
    entity: str,
    company: str,
) -> None:
    workspace.ledger.postpone(
        [
            letter.id
            for letter in letters
            if (letter.entity, letter.company, letter.destination) == (entity, company, target.name)
        ]
    )
