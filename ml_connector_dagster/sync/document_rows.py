"""Documents become rows: typed like what is read, laid over the last known row, older versions left out.

A batch has all columns of its entity, a document only some. What it does not mention is taken from the last known
row, so that a destination that lacks the record gets all of it, and one that has it keeps its values.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa

from ml_connector_dagster.cloudsuite.bods.documents import Action, Document, DocumentRecord
from ml_connector_dagster.columns.layouts import Field, Layout, ValueFormat
from ml_connector_dagster.columns.marks import rehashed
from ml_connector_dagster.columns.shaping import Shaped, arrow_schema, shape
from ml_connector_dagster.model.entities import ENTITIES, ColumnType
from ml_connector_dagster.model.versions import is_older


Row = dict[str, Any]

#: Last known rows by record id, and their schema; None when there are none.
LastKnown = Callable[[Sequence[str]], pa.Table | None]

#: Product lines whose ordinary reads know the day of a change only. A document's stamp is cut to the day for them: the
#: exact time would make the next read of the same day, which says midnight, look older than it is.
STAMPED_BY_DAY: Final = frozenset({"m3"})

#: How a document writes a column (XML Schema): dates come as date-times.
_FORMATS: Final = {
    ColumnType.STRING: ValueFormat.TEXT,
    ColumnType.INTEGER: ValueFormat.INTEGER,
    ColumnType.DECIMAL: ValueFormat.NUMBER,
    ColumnType.DATE: ValueFormat.TIMESTAMP,
    ColumnType.TIMESTAMP: ValueFormat.TIMESTAMP,
    ColumnType.BOOLEAN: ValueFormat.FLAG,
    ColumnType.JSON: ValueFormat.TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Whose documents they are, and when and by whom they are taken."""

    tenant: str
    company: str
    product_line: str
    zone: ZoneInfo
    run_id: str
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What an entity's records became: first ``stored``, then ``gone`` (marked deleted), each as a batch of its own.

    Apart, because a record that comes and goes at once would otherwise reach a destination as a mark on nothing.
    """

    stored: pa.Table
    gone: pa.Table


def unreadable(entity: str, documents: Iterable[Document], origin: Origin) -> dict[str, str]:
    """Message id → why one of the document's records of ``entity`` has no key."""
    found = {}
    for document in documents:
        rejected = _shaped(entity, list(_records(entity, [document])), origin).rejected
        if rejected:
            found[document.message_id] = f"{entity}: {rejected[0].reason}"
    return found


def rows_of(
    entity: str, documents: Sequence[Document], origin: Origin, last_known: LastKnown
) -> Rows:
    """The rows of ``entity`` in ``documents``, which are in the order of their versions and readable."""
    pairs = list(_records(entity, documents))
    typed = _shaped(entity, pairs, origin).table.to_pylist()
    known = last_known(sorted({row["record_id"] for row in typed}))
    schema = arrow_schema(ENTITIES[entity]) if known is None else known.schema
    before = {} if known is None else {row["record_id"]: row for row in known.to_pylist()}
    stories: dict[str, _Story] = {}
    for (document, record), row in zip(pairs, typed, strict=True):
        record_id = row["record_id"]
        if record_id not in stories:
            stories[record_id] = _Story(
                blank=dict.fromkeys(schema.names), before=before.get(record_id)
            )
        stories[record_id].add(document, record, row, origin)
    stored = [story.stored for story in stories.values() if story.stored is not None]
    gone = [story.gone for story in stories.values() if story.gone is not None]
    hashes = {record_id: row["_row_hash"] for record_id, row in before.items()}
    return Rows(stored=_changed(stored, schema, hashes), gone=_changed(gone, schema, hashes))


def _changed(rows: list[Row], schema: pa.Schema, hashes: Mapping[str, str]) -> pa.Table:
    """``rows`` with their hashes, without those whose content is known already."""
    table = rehashed(pa.Table.from_pylist(rows, schema=schema))
    news = [
        hashes.get(record_id) != found
        for record_id, found in zip(
            table["record_id"].to_pylist(), table["_row_hash"].to_pylist(), strict=True
        )
    ]
    return table.filter(pa.array(news, pa.bool_()))


def _records(
    entity: str, documents: Iterable[Document]
) -> Iterable[tuple[Document, DocumentRecord]]:
    for document in documents:
        for record in document.records:
            if record.entity == entity:
                yield document, record


def _shaped(
    entity: str, pairs: Sequence[tuple[Document, DocumentRecord]], origin: Origin
) -> Shaped:
    columns = sorted({name for _, record in pairs for name in record.values})
    texts = {
        name: pa.array([record.values.get(name) for _, record in pairs], pa.string())
        for name in columns
    }
    return shape(
        pa.table(texts),
        _layout(entity, origin.product_line, origin.zone.key),
        tenant=origin.tenant,
        company=origin.company,
        batch_id="",
        run_id=origin.run_id,
        extracted_at=origin.now,
    )


@cache
def _layout(entity: str, product_line: str, timezone: str) -> Layout:
    return Layout(
        entity=ENTITIES[entity],
        fields=tuple(
            Field(column=one.name, source=one.name, format=_FORMATS[one.type])
            for one in ENTITIES[entity].columns
        ),
        modified=None,
        ignored=frozenset(),
        timezone=timezone,
        source_system=product_line,
    )


@dataclass(slots=True, kw_only=True)
class _Story:
    """What happens to one record, version by version. ``before``: its last known row."""

    blank: Row
    before: Row | None
    stored: Row | None = None
    gone: Row | None = None
    newest: Row | None = field(init=False)

    def __post_init__(self) -> None:
        self.newest = self.before

    def add(self, document: Document, record: DocumentRecord, typed: Row, origin: Origin) -> None:
        stamps = _stamps(document, origin)
        if self.newest is not None and is_older(stamps, self.newest):
            return
        if document.action is Action.DELETE:
            if self.newest is None or self.newest["_deleted_at"] is not None:
                return  # nobody was ever told of it
            self.gone = self.newest = {
                **self.newest,
                **stamps,
                "_deleted_at": stamps["_extracted_at"],
                "_run_id": origin.run_id,
            }
            if self.before is not None:
                self.stored = None
            return
        base = self.newest or {**self.blank, **typed}
        values = {name: typed[name] for name in record.values}
        self.stored = self.newest = {
            **base,
            **values,
            **stamps,
            "_problems": _problems(base, typed, record.values),
            "_deleted_at": None,
            "_run_id": origin.run_id,
        }
        self.gone = None


def _stamps(document: Document, origin: Origin) -> Row:
    """A clock that is ahead must not make later versions look older."""
    modified = min(document.modified_at, origin.now)
    if origin.product_line in STAMPED_BY_DAY:
        day = modified.astimezone(origin.zone).date()
        modified = datetime.combine(day, time.min, origin.zone)
    return {
        "_modified_at": modified,
        "_extracted_at": min(document.created_at, origin.now),
    }


def _problems(base: Row, typed: Row, mentioned: Mapping[str, str]) -> str | None:
    """Problems of what the document brought, and those that were there and are not its business."""
    kept = {
        name: why
        for name, why in json.loads(base["_problems"] or "{}").items()
        if name not in mentioned
    }
    problems = kept | json.loads(typed["_problems"] or "{}")
    if not problems:
        return None
    return json.dumps(problems, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
