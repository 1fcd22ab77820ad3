"""The records of one org: what goes by which way, and what is there."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from ml_connector_dagster.destinations.applications.contract import (
    Budget,
    Change,
    FieldKind,
    FieldValue,
    Found,
    Placement,
    Portion,
    Ticket,
    Usage,
    Written,
)
from ml_connector_dagster.destinations.salesforce import soql
from ml_connector_dagster.destinations.salesforce.calls import Calls, chains
from ml_connector_dagster.destinations.salesforce.ingest import MOST_BYTES
from ml_connector_dagster.destinations.salesforce.jobs import Jobs
from ml_connector_dagster.destinations.salesforce.refusals import Refused, explained
from ml_connector_dagster.destinations.salesforce.shapes import (
    KEYLESS,
    parent_key,
    relationship,
    sheet,
)
from ml_connector_dagster.destinations.salesforce.tables import cell_text
from ml_connector_dagster.destinations.salesforce.transport import Transport


COLLECTIONS: Final = "collections"
BULK: Final = "bulk"
#: Changes of one portion by Collections: ten calls.
_PORTION: Final = 2000
#: Rows of one job. Small enough to be worked off in minutes.
_JOB_ROWS: Final = 100_000
#: Create, upload, complete, and the two results. Polls come on top.
_JOB_CALLS: Final = 5


class SalesforceTarget:
    """``applications.contract.Target`` for Salesforce."""

    def __init__(
        self,
        transport: Transport,
        calls: Calls,
        jobs: Jobs,
        *,
        bulk_threshold: int,
        usage_ceiling: float,
    ) -> None:
        self._transport = transport
        self._calls = calls
        self._jobs = jobs
        self._bulk_threshold = bulk_threshold
        self._usage_ceiling = usage_ceiling
        self._fields: dict[str, frozenset[str]] = {}

    def plan(self, placement: Placement, changes: Sequence[Change]) -> tuple[Portion, ...]:
        """By parent, so that no parent is in two calls at once; as jobs when there are many."""
        ordered = sorted(changes, key=lambda one: (parent_key(one), one.external_id))
        if len(ordered) > self._bulk_threshold and placement.object not in KEYLESS:
            return tuple(
                Portion(route=BULK, changes=tuple(part), calls=_JOB_CALLS)
                for part in _uploads(placement, ordered)
            )
        parts = (ordered[start : start + _PORTION] for start in range(0, len(ordered), _PORTION))
        return tuple(
            Portion(
                route=COLLECTIONS,
                changes=tuple(part),
                calls=sum(map(len, chains(placement, part))),
            )
            for part in parts
        )

    def write(
        self, placement: Placement, portion: Portion, ticket: Ticket
    ) -> Iterator[Sequence[Written]]:
        """By the portion's route."""
        if portion.route == BULK:
            return self._jobs.write(placement, portion.changes, ticket)
        return self._calls.write(placement, portion.changes)

    def collect(
        self, placement: Placement, job_id: str, external_ids: Sequence[str]
    ) -> Iterator[Sequence[Written]]:
        """The results of a bulk job."""
        return self._jobs.collect(placement, job_id, external_ids)

    def find(
        self, placement: Placement, *, external_ids: Sequence[str] | None, prefix: str
    ) -> Iterator[Found]:
        """By queries on the external id."""
        key = placement.key_field
        links = {name: self._link_path(placement, name) for name in placement.links}
        selected = dict.fromkeys(
            ["Id", key, *placement.fields, *(path for path in links.values() if path)]
        )
        start = f"SELECT {', '.join(selected)} FROM {placement.object} WHERE {key}"
        if external_ids is None:
            queries = [f"{start} LIKE {soql.beginning(prefix)}"]
        else:
            queries = [
                f"{start} IN ({','.join(map(soql.text, keys))})"
                for keys in soql.key_lists(external_ids)
            ]
        wanted = None if external_ids is None else set(external_ids)
        for query in queries:
            for row in self._rows(placement, query):
                found = str(row[key])
                # Where the field tells no cases apart, the query answers other keys too.
                if found in wanted if wanted is not None else found.startswith(prefix):
                    yield Found(
                        external_id=found,
                        remote_id=str(row["Id"]),
                        values=_values(placement, links, row),
                    )

    def usage(self) -> Usage:
        """Requests of ours, and the org's daily ones as of the latest answer."""
        known = self._transport.usage
        budgets: tuple[Budget, ...] = ()
        if known is not None:
            ceiling = int(known.limit * self._usage_ceiling)
            budgets = (
                Budget(
                    name="API requests in 24 hours",
                    used=known.used,
                    limit=known.limit,
                    ceiling=ceiling,
                ),
            )
        return Usage(requests=self._transport.session.sent, budgets=budgets)

    def _rows(self, placement: Placement, query: str) -> Iterator[Mapping[str, Any]]:
        try:
            yield from self._transport.query(query)
        except Refused as refused:
            raise explained(refused, f"{placement.object} was not read") from refused

    def _link_path(self, placement: Placement, name: str) -> str:
        """Where a query finds the parent's external id; "" where it cannot be reached."""
        parent = relationship(placement.object, name)
        if parent is None or not self._has_key(placement.links[name], placement.key_field):
            return ""
        return f"{parent}.{placement.key_field}"

    def _has_key(self, sobject: str, key_field: str) -> bool:
        """Whether another object has the same external id; asked once."""
        if sobject not in self._fields:
            told = self._transport.describe(sobject)
            names = () if told is None else (str(one["name"]) for one in told["fields"])
            self._fields[sobject] = frozenset(names)
        return key_field in self._fields[sobject]


def _uploads(placement: Placement, changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Changes in parts that one upload takes."""
    columns = sheet(placement, changes)
    part: list[Change] = []
    size = 0
    for change, row in zip(changes, columns.rows(changes), strict=True):
        # Quotes around each cell, and each quote doubled, at worst.
        length = sum(2 * len(cell_text(cell).encode()) + 3 for cell in row)
        if part and (len(part) >= _JOB_ROWS or size + length > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(change)
        size += length
    if part:
        yield part


def _values(
    placement: Placement, links: Mapping[str, str], row: Mapping[str, Any]
) -> dict[str, FieldValue]:
    values = {name: _value(kind, row.get(name)) for name, kind in placement.fields.items()}
    for name, path in links.items():
        if path:
            relation, _, key = path.partition(".")
            parent = row.get(relation)
            values[name] = None if parent is None else parent.get(key)
    return values


def _value(kind: FieldKind, cell: Any) -> FieldValue:
    """A cell of a query's answer as the placement's kind."""
    if cell is None:
        return None
    if kind is FieldKind.NUMBER:
        return Decimal(str(cell))
    if kind is FieldKind.DATE:
        return date.fromisoformat(str(cell)[:10])
    if kind is FieldKind.MOMENT:
        return datetime.fromisoformat(str(cell))
    if kind is FieldKind.FLAG:
        return bool(cell)
    return str(cell)
