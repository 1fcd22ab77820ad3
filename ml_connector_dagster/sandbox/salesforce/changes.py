"""What a write brings for one record, read from JSON or from a row of CSV, before anything is saved."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ml_connector_dagster.sandbox.salesforce.cells import Cell, from_csv, from_json
from ml_connector_dagster.sandbox.salesforce.fields import Field, SObject
from ml_connector_dagster.sandbox.salesforce.refusals import ApiError, RecordError, RecordRefused
from ml_connector_dagster.sandbox.salesforce.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A parent that is named by the value of one of its keys."""

    reference: Field
    parent: SObject
    key: Field
    cell: Cell


@dataclass(slots=True, kw_only=True)
class Change:
    """Cells by field name, and parents by key. ``error`` when it cannot be saved whatever is stored."""

    id: str | None = None
    cells: dict[str, Cell] = field(default_factory=dict)
    lookups: list[Lookup] = field(default_factory=list)
    error: RecordError | None = None


#: Puts a text of CSV into a change.
_Column = Callable[[Change, str], None]


def read_json(schema: Schema, sobject: SObject, record: Mapping[str, object]) -> Change:
    """A record as JSON. Raises ApiError when it does not parse."""
    change = Change()
    try:
        for name, value in record.items():
            if name == "attributes":
                continue
            if name.lower() == "id":
                change.id = str(value)
            elif isinstance(value, dict):
                change.lookups.append(_parent(schema, sobject, name, value))
            else:
                one = _field(schema, sobject, name)
                change.cells[one.name] = from_json(one, value)
    except RecordRefused as refused:
        change.error = refused.error
    return change


def csv_columns(schema: Schema, sobject: SObject, header: Sequence[str]) -> list[_Column]:
    """What to do with each column. Raises ValueError with the words of a failed job."""
    if len({name.lower() for name in header}) < len(header):
        raise ValueError(f"InvalidBatch : Duplicate field names in header: {', '.join(header)}")
    return [_column(schema, sobject, name) for name in header]


def read_csv(columns: Sequence[_Column], row: Sequence[str]) -> Change:
    """A record as CSV: an empty cell leaves its field alone."""
    change = Change()
    try:
        for put, text in zip(columns, row, strict=True):
            if text:
                put(change, text)
    except RecordRefused as refused:
        change.error = refused.error
    return change


def _column(schema: Schema, sobject: SObject, name: str) -> _Column:
    relationship, dot, key_name = name.partition(".")
    if dot:
        reference = schema.relationship(sobject, relationship)
        if reference is None:
            raise ValueError(f"InvalidBatch : Unable to find relationship: {relationship}")
        parent, key = _key(schema, reference, key_name)
        if key is None:
            raise ValueError(f"InvalidBatch : Field name not found : {name}")

        def put_parent(change: Change, text: str) -> None:
            cell = from_csv(key, text)
            change.lookups.append(Lookup(reference=reference, parent=parent, key=key, cell=cell))

        return put_parent
    one = schema.field(sobject, name)
    if one is None:
        raise ValueError(f"InvalidBatch : Field name not found : {name}")
    found = one

    def put(change: Change, text: str) -> None:
        if found.type == "id":
            change.id = text
        else:
            change.cells[found.name] = from_csv(found, text)

    return put


def _field(schema: Schema, sobject: SObject, name: str) -> Field:
    found = schema.field(sobject, name)
    if found is None:
        raise RecordRefused(
            "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}"
        )
    return found


def _parent(schema: Schema, sobject: SObject, name: str, value: Mapping[str, object]) -> Lookup:
    reference = schema.relationship(sobject, name)
    if reference is None:
        raise RecordRefused(
            "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}"
        )
    keys = {key: cell for key, cell in value.items() if key != "attributes"}
    if len(keys) != 1:
        raise ApiError(400, "INVALID_FIELD", f"Exactly one key is needed to resolve {name}")
    key_name, cell = next(iter(keys.items()))
    if len(reference.reference_to) > 1 or name in ("Who", "What"):
        # Whether a polymorphic parent resolves by key is an open point of the reference: refused.
        raise RecordRefused(
            "INVALID_FIELD", f"The external ID of a polymorphic parent ({name}) is not resolved"
        )
    parent, key = _key(schema, reference, key_name)
    if key is None:
        raise RecordRefused(
            "INVALID_FIELD",
            f"Field name provided, {key_name} is not an External ID or indexed field for {parent.name}",
        )
    return Lookup(reference=reference, parent=parent, key=key, cell=from_json(key, cell))


def _key(schema: Schema, reference: Field, name: str) -> tuple[SObject, Field | None]:
    parent = schema.objects[reference.reference_to[0]]
    key = schema.field(parent, name)
    return parent, key if key is not None and key.external_id else None
