"""Several items in one mutation: one alias for each, every value a variable.

A batch that half works is the normal case: what worked is kept, what failed for a passing reason is sent again, and
nothing else is (reference saas-destinations §2.1 case 3, §2.3).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from ml_connector_dagster.destinations.applications.contract import (
    Change,
    ChangeKind,
    Status,
    Written,
)
from ml_connector_dagster.destinations.monday.answers import FORBIDDEN, Answer, Problem
from ml_connector_dagster.destinations.monday.api import MondayApi
from ml_connector_dagster.destinations.monday.layouts import Layout
from ml_connector_dagster.destinations.monday.values import as_json, links_as_json, plain
from ml_connector_dagster.model.errors import (
    CredentialError,
    OutcomeUnknownError,
    TransientError,
)


_ROUNDS: Final = 5
_PAUSE: Final = 1.0
#: The item is not on the board any more: a person deleted or archived it.
_GONE: Final = frozenset({"InvalidItemIdException", "ResourceNotFoundException"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A mutation: its text, its variables, and which alias is which change."""

    text: str
    variables: Mapping[str, Any]
    changes: Mapping[str, Change]

    def key(self, ticket: str) -> str:
        """The same for the same writing of the same content, and for nothing else (reference §2.3)."""
        content = json.dumps([ticket, self.text, self.variables], sort_keys=True)
        return str(uuid5(NAMESPACE_URL, content))


@dataclass(slots=True)
class _Parts:
    """A mutation in the making."""

    declared: dict[str, str] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    fields: list[str] = field(default_factory=list)

    def bind(self, name: str, type_: str, value: Any) -> str:
        """A variable; answers how it is written in the text."""
        self.declared[name] = type_
        self.variables[name] = value
        return f"${name}"

    @property
    def text(self) -> str:
        declared = ", ".join(f"${name}: {type_}" for name, type_ in self.declared.items())
        fields = " ".join(self.fields)
        return f"mutation ({declared}) {{ complexity {{ query after }} {fields} }}"


def batch_of(layout: Layout, changes: Sequence[Change]) -> Batch:
    """One mutation for all of ``changes``."""
    parts = _Parts()
    aliases = {}
    for number, change in enumerate(changes):
        alias = f"m{number}"
        aliases[alias] = change
        parts.fields.append(f"{alias}: {_field(layout, parts, number, change)} {{ id }}")
    return Batch(text=parts.text, variables=parts.variables, changes=aliases)


def _field(layout: Layout, parts: _Parts, number: int, change: Change) -> str:
    if change.kind is ChangeKind.ARCHIVE:
        item = parts.bind(f"i{number}", "ID", change.remote_id)
        return f"archive_item(item_id: {item})"
    values = column_values(layout, change)
    if change.kind is ChangeKind.UPDATE:
        if layout.title:
            values["name"] = plain(layout.name_of(change))
        board = parts.bind("board", "ID!", layout.board.id)
        item = parts.bind(f"i{number}", "ID", change.remote_id)
        given = parts.bind(f"v{number}", "JSON!", json.dumps(values))
        return (
            f"change_multiple_column_values(board_id: {board}, item_id: {item}, "
            f"column_values: {given})"
        )
    name = parts.bind(f"n{number}", "String!", plain(layout.name_of(change)))
    given = parts.bind(f"v{number}", "JSON!", json.dumps(values))
    if layout.is_of_subitems:
        parent = parts.bind(f"p{number}", "ID!", layout.parent_of(change))
        return (
            f"create_subitem(parent_item_id: {parent}, item_name: {name}, column_values: {given})"
        )
    board = parts.bind("board", "ID!", layout.board.id)
    group = parts.bind("group", "String", layout.group_id)
    return (
        f"create_item(board_id: {board}, group_id: {group}, item_name: {name}, "
        f"column_values: {given})"
    )


def column_values(layout: Layout, change: Change) -> dict[str, Any]:
    """Column id → what it is to hold, the key included."""
    values: dict[str, Any] = {layout.key.id: change.external_id}
    for name, column in layout.fields.items():
        if name in change.fields:
            values[column.id] = as_json(column, change.fields[name])
    for name, column in layout.links.items():
        if name in change.links:
            link = change.links[name]
            values[column.id] = links_as_json([link.remote_id] if link is not None else [])
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an answer says about each change. ``again`` was not done, for a passing reason."""

    written: Sequence[Written]
    again: Sequence[Change] = ()
    wait: float = _PAUSE


def read(batch: Batch, answer: Answer) -> Outcome:
    """The answer alias by alias. Raises CredentialError when our login may not write at all."""
    written: list[Written] = []
    again: list[Change] = []
    wait = _PAUSE
    for alias, change in batch.changes.items():
        problem = answer.problem_of(alias)
        if problem is not None and problem.passes:
            again.append(change)
            wait = max(wait, problem.wait or 0.0)
        else:
            written.append(_written(change, answer.data.get(alias), problem))
    return Outcome(written=written, again=again, wait=wait)


def _written(change: Change, shown: Any, problem: Problem | None) -> Written:
    if problem is None:
        if isinstance(shown, Mapping) and shown.get("id"):
            return accepted(change, str(shown["id"]))
        return unknown(change, "Monday.com answered neither an item nor an error")
    if problem.code in FORBIDDEN:
        raise CredentialError(f"Monday.com: {problem}")
    if problem.code in _GONE and change.kind is ChangeKind.ARCHIVE:
        return accepted(change, change.remote_id)  # a person was faster
    if problem.code in _GONE and change.kind is ChangeKind.UPDATE:
        return _answer(change, Status.GONE, str(problem))
    return rejected(change, str(problem))


def send(
    api: MondayApi,
    layout: Layout,
    changes: Sequence[Change],
    ticket_id: str,
    *,
    pause: Callable[[float], None],
) -> Iterator[Sequence[Written]]:
    """Send until nothing is left to send again. Raises TransientError when something stays undone."""
    left = changes
    for attempt in range(_ROUNDS):
        batch = batch_of(layout, left)
        # What was refused had an answer, which the same key would only get again.
        key = batch.key(f"{ticket_id}+{attempt}" if attempt else ticket_id)
        try:
            answer = api.change(batch.text, batch.variables, key=key, weight=len(left))
        except OutcomeUnknownError as error:
            yield [unknown(change, str(error)) for change in left]
            return
        outcome = read(batch, answer)
        yield outcome.written
        if not outcome.again:
            return
        left = outcome.again
        pause(outcome.wait)
    raise TransientError(
        f"Monday.com: {len(left)} items of board {layout.board.name!r} could not be written although they were "
        f"tried {_ROUNDS} times; they will be tried again"
    )


def accepted(change: Change, remote_id: str) -> Written:
    """It is written."""
    return Written(external_id=change.external_id, status=Status.ACCEPTED, remote_id=remote_id)


def rejected(change: Change, reason: str) -> Written:
    """It is refused, in monday's words."""
    return _answer(change, Status.REJECTED, reason)


def unknown(change: Change, reason: str) -> Written:
    """Nobody knows."""
    return _answer(change, Status.UNKNOWN, reason)


def _answer(change: Change, status: Status, reason: str) -> Written:
    return Written(
        external_id=change.external_id, status=status, remote_id=change.remote_id, reason=reason
    )
