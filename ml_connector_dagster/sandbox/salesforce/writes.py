"""Saving: everything that keeps a record out, in the words of the real thing (reference §1.2)."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Final, Literal

from ml_connector_dagster.sandbox.salesforce.cells import Cell, check, is_id, same
from ml_connector_dagster.sandbox.salesforce.changes import Change, Lookup
from ml_connector_dagster.sandbox.salesforce.faults import LOCKED, Faults
from ml_connector_dagster.sandbox.salesforce.fields import Field, SObject
from ml_connector_dagster.sandbox.salesforce.records import Records, Row, Table
from ml_connector_dagster.sandbox.salesforce.refusals import RecordError, RecordRefused
from ml_connector_dagster.sandbox.salesforce.schema import Schema


Operation = Literal["insert", "update", "upsert"]
ROLLED_BACK: Final = RecordError(
    code="ALL_OR_NONE_OPERATION_ROLLED_BACK",
    message="Record rolled back because not all records were valid and the request was using AllOrNone header",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What became of one record."""

    id: str = ""
    created: bool = False
    error: RecordError | None = None

    def body(self, operation: Operation) -> dict[str, object]:
        """As Collections answer it."""
        if self.error is not None:
            return {"success": False, "errors": [self.error.body()]}
        body: dict[str, object] = {"id": self.id, "success": True, "errors": []}
        return body | ({"created": self.created} if operation == "upsert" else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateRule:
    """Two records with equal ``fields`` are one too many. An alert can be overruled by the request, a block cannot."""

    fields: tuple[str, ...]
    blocks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write of some records of one object. ``key`` of an upsert: the external id that finds the record."""

    sobject: SObject
    operation: Operation
    key: Field | None = None
    all_or_none: bool = False
    allow_duplicates: bool = False


class Writes:
    """The one place where records change."""

    def __init__(
        self,
        schema: Schema,
        records: Records,
        faults: Faults,
        *,
        now: Callable[[], float],
        hold_seconds: float,
    ) -> None:
        self.lock = threading.RLock()
        self.duplicate_rules: dict[str, DuplicateRule] = {}
        self.saved: Callable[[SObject, Row], None] = lambda sobject, row: None
        self._schema = schema
        self._records = records
        self._faults = faults
        self._now = now
        self._hold_seconds = hold_seconds
        self._held: Counter[str] = Counter()

    def save(self, write: Write, changes: Sequence[Change]) -> list[Saved]:
        """Save the records in their order; the parents are locked meanwhile."""
        failed = self._faults.of_chunk(write.sobject.name, len(changes))
        if failed is not None:
            return [Saved(error=failed) for _ in changes]
        with self.lock:
            parents = [self._parents(change) for change in changes]
            busy = {one for one in chain.from_iterable(parents) if self._held[one]}
            mine = set(chain.from_iterable(parents)) - busy
            self._held.update(mine)
        try:
            if self._hold_seconds:
                time.sleep(self._hold_seconds)
            with self.lock:
                blocked = [bool(busy.intersection(ids)) for ids in parents]
                return self._save(write, changes, blocked)
        finally:
            with self.lock:
                self._held.subtract(mine)

    def delete(self, sobject: SObject, record_id: str) -> RecordError | None:
        """Delete one record."""
        with self.lock:
            table = self._records.table(sobject)
            if record_id not in table.rows:
                return RecordError(code="ENTITY_IS_DELETED", message="entity is deleted")
            if not self._schema.may(sobject, "d"):
                return _no_access("delete")
            table.remove(record_id)
            return None

    def _save(
        self, write: Write, changes: Sequence[Change], blocked: Sequence[bool]
    ) -> list[Saved]:
        table = self._records.table(write.sobject)
        repeated = _repeated(write.key, changes)
        undo: list[tuple[str, Row | None]] = []
        results: list[Saved] = []
        for change, is_blocked in zip(changes, blocked, strict=True):
            try:
                if is_blocked:
                    raise RecordRefused(LOCKED.code, LOCKED.message)
                record_id, before = self._one(write, table, change, repeated)
                undo.append((record_id, before))
                results.append(Saved(id=record_id, created=before is None))
            except RecordRefused as refused:
                results.append(Saved(error=refused.error))
        if write.all_or_none and any(one.error for one in results):
            for record_id, before in reversed(undo):
                table.remove(record_id) if before is None else table.put(record_id, before)
            return [Saved(error=one.error or ROLLED_BACK) for one in results]
        return results

    def _one(
        self, write: Write, table: Table, change: Change, repeated: set[Cell]
    ) -> tuple[str, Row | None]:
        """Save one record; answers its id, and what it was before."""
        if change.error is not None:
            raise RecordRefused(change.error.code, change.error.message, *change.error.fields)
        key_cell = change.cells.get(write.key.name) if write.key is not None else None
        fault = self._faults.of_record(write.sobject.name, str(key_cell or ""))
        if fault is not None:
            raise RecordRefused(fault.code, fault.message)
        if write.key is not None and key_cell is not None and same(write.key, key_cell) in repeated:
            raise RecordRefused(
                "DUPLICATE_VALUE", f"Duplicate external id specified: {key_cell}", write.key.name
            )
        record_id = self._existing(write, table, change)
        before = None if record_id is None else table.rows[record_id]
        self._may(write.sobject, change, creating=before is None)
        cells = change.cells | {one.reference.name: self._parent_id(one) for one in change.lookups}
        row = self._row(write.sobject, before, cells)
        self._unique(write, table, record_id, row, cells)
        if record_id is None:
            record_id = self._records.new_id(write.sobject.prefix)
            row["Id"] = record_id
        table.put(record_id, row)
        self.saved(write.sobject, row)
        return record_id, before

    def _existing(self, write: Write, table: Table, change: Change) -> str | None:
        if write.operation == "insert":
            if change.id is not None:
                raise RecordRefused(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    "cannot specify Id in an insert call",
                    "Id",
                )
            return None
        if write.operation == "update":
            if change.id is None:
                raise RecordRefused("MISSING_ARGUMENT", "Id not specified in an update call", "Id")
            found = table.by_id(change.id)
            if found is None:
                raise RecordRefused(
                    "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", "Id"
                )
            return found
        if write.key is None or change.cells.get(write.key.name) is None:
            name = write.key.name if write.key else "External ID"
            raise RecordRefused("MISSING_ARGUMENT", f"{name} not specified", name)
        ids = table.find(write.key, change.cells[write.key.name])
        if len(ids) > 1:
            raise RecordRefused(
                "DUPLICATE_EXTERNAL_ID",
                f"{write.key.label}: more than one record found for external id field: [{', '.join(ids)}]",
                write.key.name,
            )
        return ids[0] if ids else None

    def _may(self, sobject: SObject, change: Change, *, creating: bool) -> None:
        if not self._schema.may(sobject, "c" if creating else "u"):
            raise RecordRefused(*_flat(_no_access("create" if creating else "edit")))
        written = chain(change.cells, (one.reference.name for one in change.lookups))
        refused = [
            one.name
            for one in map(sobject.fields.__getitem__, written)
            if not (one.createable if creating else one.updateable and not one.master)
            or not self._schema.writes(sobject, one)
        ]
        if refused:
            raise RecordRefused(
                "INVALID_FIELD_FOR_INSERT_UPDATE",
                f"Unable to create/update fields: {', '.join(refused)}. Please check the security settings of this "
                "field and verify that it is read/write for your profile or permission set.",
                *refused,
            )

    def _row(self, sobject: SObject, before: Row | None, cells: Row) -> Row:
        for name, cell in cells.items():
            one = sobject.fields[name]
            check(one, cell)
            if one.type == "reference" and isinstance(cell, str):
                cells = cells | {name: self._referenced(one, cell)}
        defaults: Row = {}
        if before is None:
            defaults = {
                one.name: one.default
                for one in sobject.fields.values()
                if one.default is not None and cells.get(one.name) is None
            }
        row = {**(before or {}), **cells, **defaults}
        missing = [
            one.name
            for one in sobject.fields.values()
            if one.required and row.get(one.name) is None
        ]
        if missing:
            raise RecordRefused(
                "REQUIRED_FIELD_MISSING",
                f"Required fields are missing: [{', '.join(missing)}]",
                *missing,
            )
        moment = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        stamps: Row = {"LastModifiedDate": moment, "SystemModstamp": moment}
        return ({"CreatedDate": moment} if before is None else {}) | row | stamps

    def _unique(
        self, write: Write, table: Table, record_id: str | None, row: Row, cells: Row
    ) -> None:
        for name, cell in cells.items():
            one = write.sobject.fields[name]
            others = [other for other in table.find(one, cell) if other != record_id]
            if one.unique and others:
                raise RecordRefused(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {name} duplicates value on record with id: {others[0]}",
                    name,
                )
        rule = self.duplicate_rules.get(write.sobject.name)
        if rule is None or (write.allow_duplicates and not rule.blocks):
            return
        values = [str(row.get(name) or "").lower() for name in rule.fields]
        for other, stored in table.rows.items():
            twins = [str(stored.get(name) or "").lower() for name in rule.fields]
            if other != record_id and twins == values:
                raise RecordRefused("DUPLICATES_DETECTED", "Use one of these records?")

    def _referenced(self, field: Field, cell: str) -> str:
        if not is_id(cell):
            raise RecordRefused(
                "MALFORMED_ID",
                f"{field.label}: id value of incorrect type: {cell}",
                field.name,
            )
        for name in field.reference_to:
            parent = self._schema.objects[name]
            if cell.startswith(parent.prefix):
                found = self._records.table(parent).by_id(cell)
                if found is not None:
                    return found
        raise RecordRefused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", field.name)

    def _parent_id(self, lookup: Lookup) -> str | None:
        if lookup.cell is None:
            return None
        ids = self._records.table(lookup.parent).find(lookup.key, lookup.cell)
        if len(ids) != 1:
            problem = "not found" if not ids else "is not unique"
            raise RecordRefused(
                "INVALID_FIELD",
                f"Foreign key external ID: {same(lookup.key, lookup.cell)} {problem} for field {lookup.key.name} in "
                f"entity {lookup.parent.name}",
            )
        return ids[0]

    def _parents(self, change: Change) -> list[str]:
        """Ids of the parents that are there."""
        return [
            found
            for one in change.lookups
            for found in self._records.table(one.parent).find(one.key, one.cell)
        ]


def _repeated(key: Field | None, changes: Sequence[Change]) -> set[Cell]:
    """Keys that come more than once; all records with such a key are refused."""
    if key is None:
        return set()
    cells = Counter(
        same(key, change.cells[key.name])
        for change in changes
        if change.cells.get(key.name) is not None
    )
    return {cell for cell, times in cells.items() if times > 1}


def _no_access(what: str) -> RecordError:
    return RecordError(
        code="INSUFFICIENT_ACCESS_OR_READONLY",
        message=f"insufficient access rights on object id: no permission to {what}",
    )


def _flat(error: RecordError) -> tuple[str, ...]:
    return (error.code, error.message, *error.fields)
