"""What an application (Salesforce, Monday.com) does for the engine, and the values that pass between them.

The engine (``destination.py``) decides *what* has to be written: it maps, compares with the ledger, orders, keeps
intents and results. A target decides *how*: which API, how many records a call, waits, retries, limits. Written from
reference/saas-destinations.md §0: one outcome per record, and only what is safe to repeat is repeated.

- A target is asked for one entity at a time, by one writer at a time.
- A target retries what the vendor says is passing and certainly not written (row locks, 429, a locked board)
  by itself, exactly the records concerned, and no longer than its own patience.
- A record without a result counts as unknown: the engine looks it up (``find``) before it is written again.
- Raised: CredentialError (login, rights), TransientError (unreachable, limit used up), ContractError (the answer has
  a shape that the vendor rules out). Never RejectedError: that is a result.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol


#: A value of a field: text, number, flag, day, UTC moment; None clears the field.
FieldValue = str | int | Decimal | bool | date | datetime | None


# What the target has: metadata


class FieldKind(StrEnum):
    """What a field can hold, in words that all applications share."""

    TEXT = "text"
    LONG_TEXT = "long_text"
    NUMBER = "number"
    FLAG = "flag"
    DATE = "date"
    MOMENT = "moment"
    CHOICE = "choice"  # picklist, status, dropdown: one of the labels
    EMAIL = "email"
    PHONE = "phone"
    LINK = "link"  # to a record of another object
    OTHER = "other"  # something that we never write


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFacts:
    """One field of an object or column of a board: as it is, or as it should be made.

    Attributes:
        name: what the API calls it; on a board, what people call it (its title).
        length: the most characters it takes; None when there is no limit.
        digits: of a number: (digits in all, digits after the point); None when there is no limit.
        choices: the labels of a CHOICE, in order, exactly as they are written.
        open_choices: a CHOICE takes other labels too.
        required: a new record must have a value in it.
        writable: our login may set it when creating and when changing a record.
        key: it holds our external id: unique, case-sensitive, what records are found by.
        links_to: the objects (boards) that a LINK may lead to.
    """

    name: str
    kind: FieldKind
    label: str = ""
    length: int | None = None
    digits: tuple[int, int] | None = None
    choices: tuple[str, ...] = ()
    open_choices: bool = False
    required: bool = False
    writable: bool = True
    key: bool = False
    links_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFacts:
    """An object, or a board. ``url`` is where a person sees it; "" when that is not known.

    ``groups`` of a board, in order; objects of systems without groups have none.
    """

    name: str
    fields: Mapping[str, FieldFacts]
    label: str = ""
    url: str = ""
    groups: tuple[str, ...] = ()


# What is written


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the records of one entity go. ``fields`` and ``links`` are all that a change may name.

    Attributes:
        object: the object's API name, or the board's name.
        key_field: the field that holds the external id.
        style: how, where a system knows several ways ("task", "note", "subitems"); "" is the usual one.
        group: the board's group for new items; "" is the first one.
        fields: field name → kind of the values that we send.
        links: field name → the placement's object that it leads to.
        shape: what ``setup`` makes when it is missing.
    """

    entity: str
    object: str
    key_field: str
    fields: Mapping[str, FieldKind]
    links: Mapping[str, str] = field(default_factory=dict)
    style: str = ""
    group: str = ""
    shape: ObjectFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A parent: by its external id, and by what the target calls it. The engine knows that it is there."""

    object: str
    key_field: str
    external_id: str
    remote_id: str


class ChangeKind(StrEnum):
    """What is to happen to one record."""

    CREATE = (
        "create"  # the ledger knows no remote id. Salesforce: upsert by external id all the same
    )
    UPDATE = "update"  # every mapped field is given, not only those that differ
    ARCHIVE = "archive"  # only where ``Application.archives``


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One record to write. ``external_id`` is unique in a portion.

    Attributes:
        remote_id: "" for CREATE.
        fields: every field of the placement; None clears. Empty for ARCHIVE.
        links: field → parent; None clears the link.
    """

    kind: ChangeKind
    external_id: str
    remote_id: str = ""
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    links: Mapping[str, Link | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Changes that are sent together. ``calls`` is an estimate, polls of a job excluded."""

    route: str
    changes: tuple[Change, ...]
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One sending of a portion.

    Attributes:
        id: the same when the identical portion is sent again because nothing is known of the first sending, another
            one otherwise. An idempotency key is made of it.
        remember: writes a job's id into the ledger. Call it as soon as the job exists and before it gets data:
            a later process then asks ``collect`` for its results.
    """

    id: str
    remember: Callable[[str], None]


# What is answered


class Status(StrEnum):
    """What the target said about one record."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # for good, unless the record, the mapping or the target changes
    GONE = "gone"  # not written: the target has no record ``remote_id``. It is created anew
    UNKNOWN = "unknown"  # the answer was lost: it may be written


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The answer for one change. ``remote_id`` is needed when accepted; ``reason`` is in the target's own words."""

    external_id: str
    status: Status
    remote_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A record as the target holds it. Link fields hold the parent's external id where the API gives it.

    ``values`` has the fields of the placement, converted to the kinds of the placement.
    """

    external_id: str
    remote_id: str
    values: Mapping[str, FieldValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One limit of the target. ``ceiling`` is how much of it we use at most."""

    name: str
    used: int
    limit: int
    ceiling: int

    def __str__(self) -> str:
        return f"{self.name}: {self.used:,} of {self.limit:,} used; we stop at {self.ceiling:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What this target has cost since it was opened, and what is left. No budget when none is known yet."""

    requests: int
    budgets: tuple[Budget, ...] = ()


class Target(Protocol):
    """The records of one application. Opened with a connection; whoever opened it closes it."""

    def plan(self, placement: Placement, changes: Sequence[Change]) -> tuple[Portion, ...]:
        """Cut ``changes`` into portions, by size and by what must not be written at the same time. No call is made.

        Every change is in exactly one portion; the same changes give the same portions.
        """
        ...

    def write(
        self, placement: Placement, portion: Portion, ticket: Ticket
    ) -> Iterator[Sequence[Written]]:
        """Send one portion; yield the answers call by call, for the engine to write down at once."""
        ...

    def collect(
        self, placement: Placement, job_id: str, external_ids: Sequence[str]
    ) -> Iterator[Sequence[Written]]:
        """Wait for the job that an earlier process started, and answer for its records.

        A job that never got its data, or of which the target knows no more, is ended and answers nothing.
        """
        ...

    def find(
        self, placement: Placement, *, external_ids: Sequence[str] | None, prefix: str
    ) -> Iterator[Found]:
        """The records of ``external_ids`` that the target has; None: all whose external id begins with ``prefix``.

        Archived ones are not found. An external id that occurs more than once is answered more than once.
        """
        ...

    def usage(self) -> Usage: ...


class Structure(Protocol):
    """The metadata side of an application: what ``ping``, the mapping check and ``setup`` ask."""

    def describe(self, objects: Iterable[str]) -> Mapping[str, ObjectFacts]:
        """The objects that are there and that our login may see, by the name that was asked for."""
        ...

    def create(self, wanted: ObjectFacts) -> None:
        """Make the object with these fields, or add to it the fields and choices that it lacks. Nothing is removed.

        Raises CredentialError when our login may not; ``by_hand`` then says what a person can do.
        """
        ...

    def by_hand(self, wanted: Sequence[ObjectFacts]) -> str:
        """What a person (or a deployment tool) can take to make ``wanted``: text to print."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What ``Census.count`` answers: all ``rows``, and how many of them have a value in the field that marks deleted
    records. ``duplicates`` are external ids that occur more than once."""

    rows: int
    deleted: int
    duplicates: int
    sums: Mapping[str, Decimal]


class Census(Protocol):
    """How much there is, asked with as few calls as the API allows (reconciliation asks often)."""

    def count(
        self, placement: Placement, *, prefix: str, numbers: Sequence[str], deleted_field: str
    ) -> Totals:
        """Of the records whose external id begins with ``prefix``. An object that is not there has none.

        Args:
            numbers: the fields to add up, over records that are not marked deleted; 0 where all are null.
            deleted_field: the field that marks deleted records; "" when the placement has none.
        """
        ...


def at_once() -> None:
    """The ``settle`` of an application whose reads see every write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One application, open. The three faces may be one object.

    A system's folder has ``open_<type of connection>(connection, credential) -> Application`` in its ``__init__``; the
    registry calls it.

    Attributes:
        archives: whether ARCHIVE can be written: what the filter drops, or the ERP deletes, then leaves the target.
        close: gives the connection back.
        settle: waits until ``find`` surely finds what was written just before; at once where that is always so.
    """

    target: Target
    structure: Structure
    census: Census
    archives: bool
    close: Callable[[], None]
    settle: Callable[[], None] = at_once
