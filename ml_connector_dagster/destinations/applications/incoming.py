"""The rows of a batch, one per record, in slices that fit into memory."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.newest import beaten_places
from ml_connector_dagster.model.batches import StagedBatch


#: Rows that are decided on together; also the most that one plan of a target gets.
SLICE_ROWS: Final = 20_000


def newest_rows(
    staged: StagedBatch, mapped: Mapped, slice_rows: int = SLICE_ROWS
) -> Iterator[list[dict[str, Any]]]:
    """The newest version of each record (of equals the last), with the columns that ``mapped`` reads."""
    beaten = frozenset(beaten_places(staged).to_pylist())
    columns = needed_columns(mapped)
    rows: list[dict[str, Any]] = []
    position = 0
    for part in staged.reader():
        wanted = [n for n in range(part.num_rows) if position + n not in beaten]
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
