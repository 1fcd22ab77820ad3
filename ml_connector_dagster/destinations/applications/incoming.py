"""The rows of a batch, one per record, in slices that fit into memory."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.model.batches import StagedBatch
from ml_connector_dagster.model.versions import is_older


#: Rows that are decided on together; also the most that one plan of a target gets.
SLICE_ROWS: Final = 20_000

_STAMPS: Final = ("record_id", "_modified_at", "_extracted_at")


def newest_rows(
    staged: StagedBatch, mapped: Mapped, slice_rows: int = SLICE_ROWS
) -> Iterator[list[dict[str, Any]]]:
    """The newest version of each record (of equals the last), with the columns that ``mapped`` reads."""
    chosen = _newest(staged)
    columns = needed_columns(mapped)
    rows: list[dict[str, Any]] = []
    position = 0
    for part in staged.reader():
        wanted = [n for n in range(part.num_rows) if position + n in chosen]
        position += part.num_rows
        rows += (
            pa.Table.from_batches([part])
            .select(columns)
            .take(pa.array(wanted, pa.int64()))
            .to_pylist()
        )
        while len(rows) >= slice_rows:
            yield rows[:slice_rows]
            rows = rows[slice_rows:]
    if rows:
        yield rows


def needed_columns(mapped: Mapped) -> Sequence[str]:
    """What a draft is made of."""
    names = [
        "record_id",
        "tenant",
        "company",
        "_row_hash",
        "_modified_at",
        "_extracted_at",
        "_deleted_at",
    ]
    return list(dict.fromkeys((*names, *sorted(mapped.columns))))


def _newest(staged: StagedBatch) -> frozenset[int]:
    """Positions in the batch of the rows that count."""
    newest: dict[str, tuple[int, dict[str, Any]]] = {}
    position = 0
    for part in staged.reader():
        for row in pa.Table.from_batches([part]).select(_STAMPS).to_pylist():
            held = newest.get(row["record_id"])
            if held is None or not _goes_before(row, held[1]):
                newest[row["record_id"]] = (position, row)
            position += 1
    return frozenset(index for index, _ in newest.values())


def _goes_before(row: dict[str, Any], held: dict[str, Any]) -> bool:
    """Inside a batch a null stamp is the lowest; else the rule of ``model.versions``."""
    mine, theirs = row["_modified_at"], held["_modified_at"]
    if (mine is None) != (theirs is None):
        return mine is None
    return is_older(row, held)
