"""Which rows of a batch count where it has several versions of a record, for destinations that decide it on this side."""

from array import array

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml_connector_dagster.model.batches import StagedBatch


_ORDER = ("record_id", "dated", "_modified_at", "_extracted_at", "place")


def beaten_places(staged: StagedBatch) -> pa.Array:
    """Row numbers over all files of the rows that another version of their record beats: a newer one, or of equals a later.

    Most batches have none: then nothing but the hashes of their record ids is held.
    """
    if not _may_repeat(staged):
        return pa.array([], pa.int64())
    rows = pa.concat_tables(
        pq.read_table(file, columns=["record_id", "_modified_at", "_extracted_at"])
        for file in staged.files
    )
    rows = rows.append_column("dated", pc.is_valid(rows["_modified_at"]))
    rows = rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
    ordered = rows.take(pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in _ORDER]))
    ids = ordered["record_id"].combine_chunks()
    beaten = pc.equal(ids.slice(0, len(ids) - 1), ids.slice(1))
    return ordered["place"].combine_chunks().slice(0, len(ids) - 1).filter(beaten)


def _may_repeat(staged: StagedBatch) -> bool:
    hashes = array("q")
    for file in staged.files:
        for batch in pq.ParquetFile(file).iter_batches(columns=["record_id"]):
            hashes.extend(map(hash, batch.column(0).to_pylist()))
    return int(np.unique(np.frombuffer(hashes, dtype=np.int64)).size) < len(hashes)
