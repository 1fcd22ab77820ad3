"""Who points at whom in staged files: by the columns of a reference, without reading anything else."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from ml_connector_dagster.columns.content import id_part
from ml_connector_dagster.model.entities import ENTITIES, Reference
from ml_connector_dagster.sync.scratch_databases import scratch_database


def records_pointing_at(
    folder: Path, files: Sequence[str], reference: Reference, record_ids: Sequence[str]
) -> set[str]:
    """The records in ``files`` that point at one of ``record_ids``, in their own tenant and company.

    What does not fit into memory goes below ``folder``.
    """
    if not files or not record_ids:
        return set()
    columns = _in_key_order(reference)
    keys = [[unquote(part) for part in one.split("/")] for one in record_ids]
    names = ("tenant", "company", *(f"key_{number}" for number in range(len(columns))))
    wanted = pa.table(
        {name: pa.array([key[n] for key in keys], pa.string()) for n, name in enumerate(names)}
    )
    same = " AND ".join(
        f'CAST(row."{column}" AS VARCHAR) = wanted.{name}'
        for column, name in zip(("tenant", "company", *columns), names, strict=True)
    )
    found = _asked(
        folder,
        f"SELECT DISTINCT row.record_id FROM read_parquet($files, union_by_name = true) AS row JOIN wanted ON {same}",
        files,
        wanted,
    )
    return {str(record_id) for (record_id,) in found}


def keys_of(folder: Path, files: Sequence[str], reference: Reference) -> set[str]:
    """The ids of the records that something in ``files`` points at; ``folder`` as above."""
    if not files:
        return set()
    columns = ("tenant", "company", *_in_key_order(reference))
    listed = ", ".join(f'CAST("{column}" AS VARCHAR)' for column in columns)
    missing = " OR ".join(f'"{column}" IS NULL' for column in columns)
    found = _asked(
        folder,
        f"SELECT DISTINCT {listed} FROM read_parquet($files, union_by_name = true) WHERE NOT ({missing})",
        files,
    )
    return {"/".join(id_part(part) for part in key) for key in found}


def _in_key_order(reference: Reference) -> tuple[str, ...]:
    by_target = dict(zip(reference.target, reference.columns, strict=True))
    return tuple(by_target[name] for name in ENTITIES[reference.entity].key)


def _asked(
    folder: Path, sql: str, files: Sequence[str], wanted: pa.Table | None = None
) -> list[tuple[Any, ...]]:
    with scratch_database(folder, "references") as connection:
        if wanted is not None:
            connection.register("wanted", wanted)
        return connection.execute(sql, {"files": list(files)}).fetchall()
