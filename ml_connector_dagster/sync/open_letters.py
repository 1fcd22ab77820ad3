"""What is open, in the few groups that a person can act on: by flow, place and reason."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.model.receipts import DeadLetter
from ml_connector_dagster.sync.pending import Overdue, overdue_deliveries
from ml_connector_dagster.sync.replay import choose_letters
from ml_connector_dagster.sync.workspace import Workspace


#: What differs between records that failed for the same reason: quoted values, and words with a digit in them.
_OF_THE_RECORD: Final = re.compile(r"'[^']*'|\"[^\"]*\"|\S*\d\S*")

_LEFT_OUT: Final = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGroup:
    """Open dead letters of one flow that failed at one place for one reason.

    Attributes:
        destination: "" for what could not be read.
        reason: with what belongs to the single record left out.
        given_up: so many of them are not tried by themselves any more.
        next_try: of those that are; None when all are given up.
    """

    flow: str
    destination: str
    entity: str
    company: str
    reason: str
    letters: tuple[DeadLetter, ...]
    given_up: int
    oldest: datetime
    next_try: datetime | None

    @property
    def search(self) -> str:
        """The longest part of the reason that all of them have word by word."""
        return max((part.strip() for part in self.reason.split(_LEFT_OUT)), key=len)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWork:
    """Everything that is open: groups, the largest first, and deliveries that did not end, with their flow."""

    groups: tuple[OpenGroup, ...]
    overdue: tuple[tuple[Flow, Overdue], ...]

    @property
    def letters(self) -> tuple[DeadLetter, ...]:
        """Each open letter once, oldest first, whatever number of flows it belongs to."""
        by_id = {letter.id: letter for group in self.groups for letter in group.letters}
        return tuple(by_id[number] for number in sorted(by_id))


def open_work(workspace: Workspace, flows: Iterable[Flow]) -> OpenWork:
    """What is open in ``flows``."""
    chosen = list(flows)
    groups = [group for flow in chosen for group in _groups(flow, choose_letters(workspace, flow))]
    return OpenWork(
        groups=tuple(sorted(groups, key=lambda group: (-len(group.letters), group.oldest))),
        overdue=tuple(
            (flow, one)
            for flow in chosen
            for one in overdue_deliveries(workspace, flow, older_than=timedelta())
        ),
    )


def _groups(flow: Flow, letters: Sequence[DeadLetter]) -> list[OpenGroup]:
    found: dict[tuple[str, str, str, str], list[DeadLetter]] = {}
    for letter in letters:
        place = (letter.destination, letter.entity, letter.company)
        found.setdefault((*place, same_words(letter.reason)), []).append(letter)
    return [
        _group(flow, destination, entity, company, reason, own)
        for (destination, entity, company, reason), own in found.items()
    ]


def _group(
    flow: Flow,
    destination: str,
    entity: str,
    company: str,
    reason: str,
    letters: Sequence[DeadLetter],
) -> OpenGroup:
    waiting = [letter.due_at for letter in letters if not flow.replay.gives_up(letter)]
    return OpenGroup(
        flow=flow.name,
        destination=destination,
        entity=entity,
        company=company,
        reason=reason,
        letters=tuple(letters),
        given_up=len(letters) - len(waiting),
        oldest=min(letter.created_at for letter in letters),
        next_try=min(waiting, default=None),
    )


def same_words(reason: str) -> str:
    """``reason`` without what belongs to the single record."""
    text = _OF_THE_RECORD.sub(_LEFT_OUT, reason)
    return re.sub(rf"{_LEFT_OUT}(\s*{_LEFT_OUT})+", _LEFT_OUT, text)
