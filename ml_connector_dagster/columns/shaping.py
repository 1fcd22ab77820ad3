"""Records of one answer → rows of an entity: typed, keyed, hashed, with a reason for everything that did not fit.

What a value may look like stands in ``numbers``, ``moments``, ``flags`` and ``cells``; how ids, hashes and ``_extra``
are written, in ``content``.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from ml_connector_dagster.columns.cells import Cells, Mask, Parsed, clean, nulls
from ml_connector_dagster.columns.content import extra_json, record_ids, row_hashes
from ml_connector_dagster.columns.days import dates
from ml_connector_dagster.columns.flags import flags
from ml_connector_dagster.columns.layouts import DELETED_AT, Field, Layout, ValueFormat
from ml_connector_dagster.columns.moments import TIMESTAMP, local_days, timestamps
from ml_connector_dagster.columns.numbers import DECIMAL, decimals, integers
from ml_connector_dagster.columns.stamps import modified_stamps
from ml_connector_dagster.model.entities import Column, ColumnType, Entity
from ml_connector_dagster.model.errors import ConfigError


NUL_REPLACED: Final = "NUL characters replaced"

#: A problem shows this much of the value.
_SHOWN: Final = 100

_ARROW_TYPES: Final = {
    ColumnType.STRING: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.DECIMAL: DECIMAL,
    ColumnType.DATE: pa.date32(),
    ColumnType.TIMESTAMP: TIMESTAMP,
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.JSON: pa.string(),
}

#: Which column types a format can fill; the first one is taken for a column that only the tenant's catalog knows.
_TYPES_OF_FORMAT: Final = {
    ValueFormat.TEXT: (ColumnType.STRING, ColumnType.JSON),
    ValueFormat.TEXT_RIGHT_TRIMMED: (ColumnType.STRING,),
    ValueFormat.NUMBER: (ColumnType.DECIMAL, ColumnType.INTEGER),
    ValueFormat.INTEGER: (ColumnType.INTEGER, ColumnType.DECIMAL),
    ValueFormat.DATE: (ColumnType.DATE, ColumnType.TIMESTAMP),
    ValueFormat.TIMESTAMP: (ColumnType.TIMESTAMP, ColumnType.DATE),
    ValueFormat.FLAG: (ColumnType.BOOLEAN,),
}
_UTC: Final = ZoneInfo("UTC")
_SIGNED: Final = frozenset({ColumnType.DECIMAL, ColumnType.INTEGER, ColumnType.BOOLEAN})


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedSource:
    """A record that cannot become a row.

    ``raw`` is the whole record as it was read (JSON, names sorted, nulls left out; or the text that could not be
    split); ``fingerprint`` is the SHA-256 of it, in hexadecimal, and tells the same bad record again.
    """

    raw: str
    reason: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaped:
    """Rows ready for staging.

    Attributes:
        table: ``arrow_schema`` of the entity, then further columns that the tenant's catalog maps.
        rejected: records without a key.
        rejected_cells: cells of ``table`` that are null because their value could not be read.
    """

    table: pa.Table
    rejected: tuple[RejectedSource, ...]
    rejected_cells: int


def arrow_schema(entity: Entity) -> pa.Schema:
    """The Arrow schema of a staged row of ``entity``."""
    return pa.schema([(one.name, _ARROW_TYPES[one.type]) for one in entity.all_columns])


def rejected_text(raw: str, reason: str) -> RejectedSource:
    """A rejected record from its own text."""
    digest = hashlib.sha256(raw.encode("utf-8", "replace")).hexdigest()
    return RejectedSource(raw=raw, reason=reason, fingerprint=digest)


def shape(
    records: pa.Table,
    layout: Layout,
    *,
    tenant: str,
    company: str,
    batch_id: str,
    run_id: str,
    extracted_at: datetime | pa.Array,
) -> Shaped:
    """Turn text columns into rows of ``layout.entity``; order is kept.

    ``extracted_at`` is one moment, or a column with one for each record. Mapped fields that ``records`` lacks are blank.
    Raises ConfigError for a layout that cannot work.
    """
    plan = _plan(layout)
    entity = layout.entity
    source = _Source(records=records, rows=records.num_rows, names=frozenset(records.column_names))
    typed = {one.column.name: _typed(source, one, plan.zone) for one in plan.fields}
    for name in entity.blank_key:
        column = typed[name].values if name in typed else pa.nulls(source.rows, pa.string())
        problems = typed[name].problems if name in typed else {}
        typed[name] = Parsed(values=column.fill_null(""), problems=problems)
    keyless = _keyless(entity, typed, source.rows)
    business = {
        one.name: typed[one.name].values
        if one.name in typed
        else pa.nulls(source.rows, _ARROW_TYPES[one.type])
        for one in (*entity.columns, *plan.further)
    }
    ids = record_ids(tenant, company, [business[name] for name in entity.key], source.rows)
    extra = extra_json(
        {name: source.cells(name).cells for name in source.names - plan.taken}, source.rows
    )
    deleted_at = timestamps(source.cells(DELETED_AT).cells, _UTC).values
    extracted = _moments(extracted_at, source.rows)
    modified = _modified(source, layout, plan.zone, extracted)
    notes = _Notes()
    for one in plan.fields:
        notes.add(one.column.name, source.cells_of_field(one), typed[one.column.name])
    if layout.modified is not None and modified.problems:
        notes.add_lost("_modified_at", source.cells(layout.modified.source).cells, modified)

    columns = {
        "record_id": ids,
        "tenant": _constant(tenant, source.rows),
        "company": _constant(company, source.rows),
        **business,
        "_extra": extra,
        "_problems": notes.json(source.rows),
        "_row_hash": row_hashes([ids, *business.values(), extra, deleted_at]),
        "_modified_at": modified.values,
        "_extracted_at": extracted,
        "_deleted_at": deleted_at,
        "_batch_id": _constant(batch_id, source.rows),
        "_run_id": _constant(run_id, source.rows),
        "_source_system": _constant(layout.source_system, source.rows),
    }
    order = [one.name for one in (*entity.all_columns, *plan.further)]
    table = pa.Table.from_arrays([columns[name] for name in order], names=order)
    if not keyless.any():
        return Shaped(table=table, rejected=(), rejected_cells=notes.lost(keyless))
    return Shaped(
        table=table.filter(pa.array(~keyless)),
        rejected=_rejected(records, entity, source, typed, plan.fields, keyless),
        rejected_cells=notes.lost(keyless),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlannedField:
    field: Field
    column: Column


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A layout, checked. ``taken`` are the ERP fields that do not go into ``_extra``."""

    fields: tuple[_PlannedField, ...]
    further: tuple[Column, ...]
    taken: frozenset[str]
    zone: ZoneInfo


@lru_cache(maxsize=256)
def _plan(layout: Layout) -> _Plan:
    entity = layout.entity
    known = {one.name: one for one in entity.columns}
    planned: list[_PlannedField] = []
    further: list[Column] = []
    reserved = {one.name for one in entity.all_columns} - known.keys()
    seen: set[str] = set()
    for one in layout.fields:
        where = f"{entity.name}: field {one.source} → column {one.column}"
        if one.column in seen or one.column in reserved:
            raise ConfigError(f"{where}: that column is filled already; map each column once")
        seen.add(one.column)
        allowed = _TYPES_OF_FORMAT[one.format]
        column = known.get(one.column)
        if column is None:
            column = Column(name=one.column, type=allowed[0], description=f"ERP field {one.source}")
            further.append(column)
        if column.type not in allowed:
            raise ConfigError(
                f"{where}: format {one.format.value} cannot fill a {column.type.value} column; "
                f"it can fill {' or '.join(kind.value for kind in allowed)}"
            )
        if one.negate and column.type not in _SIGNED:
            raise ConfigError(f"{where}: a {column.type.value} cannot be negated; drop `negate`")
        planned.append(_PlannedField(field=one, column=column))
    missing = [name for name in entity.key if name not in seen and name not in entity.blank_key]
    if missing:
        raise ConfigError(
            f"{entity.name}: no field fills the key column(s) {', '.join(missing)}; "
            "add them to the route's fields in the catalog"
        )
    stamp = layout.modified
    stamps = set() if stamp is None else {stamp.source, stamp.time_source or stamp.source}
    return _Plan(
        fields=tuple(planned),
        further=tuple(further),
        taken=frozenset({one.source for one in layout.fields} | stamps)
        | layout.ignored
        | {DELETED_AT},
        zone=ZoneInfo(layout.timezone),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _CleanField:
    cells: Cells
    nul: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """The records' columns, each cleaned once."""

    records: pa.Table
    rows: int
    names: frozenset[str]
    _clean: dict[tuple[str, bool], _CleanField] = field(default_factory=dict)

    def cells(self, name: str, *, keep_leading: bool = False) -> _CleanField:
        found = self._clean.get((name, keep_leading))
        if found is None:
            found = self._read(name, keep_leading=keep_leading)
            self._clean[name, keep_leading] = found
        return found

    def cells_of_field(self, one: _PlannedField) -> _CleanField:
        return self.cells(
            one.field.source, keep_leading=one.field.format is ValueFormat.TEXT_RIGHT_TRIMMED
        )

    def _read(self, name: str, *, keep_leading: bool) -> _CleanField:
        if name not in self.names:
            return _CleanField(cells=nulls(self.rows), nul=frozenset())
        column = self.records.column(name)
        array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        if not pa.types.is_string(array.type):
            array = array.cast(pa.string())
        cells, nul = clean(array, keep_leading=keep_leading)
        return _CleanField(cells=cells, nul=nul)


def _typed(source: _Source, one: _PlannedField, zone: ZoneInfo) -> Parsed:
    cells = source.cells_of_field(one).cells
    negate = one.field.negate
    match one.column.type:
        case ColumnType.STRING | ColumnType.JSON:
            return Parsed(values=cells.array, problems={})
        case ColumnType.DECIMAL:
            return decimals(cells, negate=negate)
        case ColumnType.INTEGER:
            return integers(cells, negate=negate)
        case ColumnType.BOOLEAN:
            return flags(cells, negate=negate)
        case ColumnType.TIMESTAMP:
            return timestamps(cells, zone)
        case ColumnType.DATE:
            return dates(cells) if one.field.format is ValueFormat.DATE else local_days(cells)


def _modified(source: _Source, layout: Layout, zone: ZoneInfo, extracted: pa.Array) -> Parsed:
    stamp = layout.modified
    if stamp is None or stamp.source not in source.names:
        return Parsed(values=pa.nulls(source.rows, TIMESTAMP), problems={})
    clock = None if stamp.time_source is None else source.cells(stamp.time_source).cells
    return modified_stamps(source.cells(stamp.source).cells, clock, stamp.format, zone, extracted)


def _moments(extracted_at: datetime | pa.Array, rows: int) -> pa.Array:
    if isinstance(extracted_at, datetime):
        return pa.repeat(pa.scalar(extracted_at, TIMESTAMP), rows)
    return extracted_at


def _keyless(entity: Entity, typed: dict[str, Parsed], rows: int) -> Mask:
    keyless = np.zeros(rows, dtype=np.bool_)
    for name in entity.key:
        if typed[name].values.null_count:
            keyless |= typed[name].values.is_null().to_numpy(zero_copy_only=False)
    return keyless


def _rejected(
    records: pa.Table,
    entity: Entity,
    source: _Source,
    typed: dict[str, Parsed],
    fields: Sequence[_PlannedField],
    keyless: Mask,
) -> tuple[RejectedSource, ...]:
    by_column = {one.column.name: one for one in fields}
    rejected = []
    # Not `take`: it forgets how many rows a table without columns has.
    bad = records.filter(pa.array(keyless)).to_pylist()
    for row, record in zip(np.flatnonzero(keyless).tolist(), bad, strict=True):
        given = {name: value for name, value in sorted(record.items()) if value is not None}
        reasons = []
        for name in entity.key:
            if typed[name].values[row].is_valid:
                continue
            reason = typed[name].problems.get(row)
            if reason is None:
                reasons.append(f"{name} is blank")
            else:
                cells = source.cells_of_field(by_column[name]).cells
                reasons.append(f"{name} is {_told(reason, cells, row)}")
        raw = json.dumps(given, ensure_ascii=False, separators=(",", ":"))
        rejected.append(rejected_text(raw, "no key: " + ", ".join(reasons)))
    return tuple(rejected)


def _told(reason: str, cells: Cells, row: int) -> str:
    text = cells.array[row].as_py()
    return f"{reason}: {text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Notes:
    """The problems of a page, by row."""

    by_row: dict[int, dict[str, str]] = field(default_factory=dict)
    lost_cells: dict[int, int] = field(default_factory=dict)

    def add(self, column: str, found: _CleanField, parsed: Parsed) -> None:
        for row in found.nul:
            self.by_row.setdefault(row, {})[column] = NUL_REPLACED
        self.add_lost(column, found.cells, parsed)

    def add_lost(self, column: str, cells: Cells, parsed: Parsed) -> None:
        for row, reason in parsed.problems.items():
            self.by_row.setdefault(row, {})[column] = _told(reason, cells, row)
            self.lost_cells[row] = self.lost_cells.get(row, 0) + 1

    def lost(self, keyless: Mask) -> int:
        return sum(count for row, count in self.lost_cells.items() if not keyless[row])

    def json(self, rows: int) -> pa.Array:
        if not self.by_row:
            return pa.nulls(rows, pa.string())
        texts: list[str | None] = [None] * rows
        for row, problems in self.by_row.items():
            texts[row] = json.dumps(
                problems, ensure_ascii=False, sort_keys=True, separators=(",", ":")
            )
        return pa.array(texts, pa.string())


def _constant(value: str, rows: int) -> pa.Array:
    """The same text in every row (several times faster than Arrow's own ``repeat``)."""
    text = value.encode()
    offsets = (
        np.arange(0, (rows + 1) * len(text), len(text), dtype=np.int32)
        if text
        else np.zeros(rows + 1, dtype=np.int32)
    )
    return pa.StringArray.from_buffers(rows, pa.py_buffer(offsets), pa.py_buffer(text * rows))
