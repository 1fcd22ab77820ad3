"""The Arrow types of staged columns, and their names in a manifest."""

from collections.abc import Collection
from typing import Final

import pyarrow as pa

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import DECIMAL_PRECISION, DECIMAL_SCALE


_TYPES: Final[dict[str, pa.DataType]] = {
    str(kind): kind
    for kind in (
        pa.string(),
        pa.int64(),
        pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
        pa.date32(),
        pa.timestamp("us", "UTC"),
        pa.bool_(),
    )
}


def names_of(schema: pa.Schema) -> dict[str, str]:
    """Column → type name. Raises ValueError for a type that is not one of the staged ones."""
    strange = [f"{field.name} {field.type}" for field in schema if str(field.type) not in _TYPES]
    if strange:
        raise ValueError(
            f"cannot be staged: {', '.join(strange)}; a staged column is one of {', '.join(_TYPES)}"
        )
    return {field.name: str(field.type) for field in schema}


def schema_of(batch: Batch) -> pa.Schema:
    """The schema that a manifest tells: that of every part, and of a batch that has none."""
    return pa.schema([(name, _TYPES[kind]) for name, kind in batch.schema.items()])


def selected(batch: Batch, names: Collection[str]) -> pa.Schema:
    """Some of its columns, in their order there: the order in which Parquet hands them out."""
    return pa.schema([field for field in schema_of(batch) if field.name in names])
