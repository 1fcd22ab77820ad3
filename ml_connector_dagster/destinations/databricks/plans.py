"""The SQL of a plan: what will become of each record of a batch. How it is used stands in ``deliveries``.

Names that begin with a letter and a dot: i is a row that comes, t the stored row of the same record.
"""

from collections.abc import Mapping
from typing import Final

from ml_connector_dagster.model.capabilities import WriteMode


#: ``model.versions.is_older``: stamps are compared where both versions have one, else what was read later is newer.
_OLDER: Final = """(
    coalesce(i._modified_at < t._modified_at, FALSE)
    OR (coalesce(i._modified_at = t._modified_at, TRUE) AND i._extracted_at < t._extracted_at)
)"""

#: What fills ``{same}``: when the stored row needs no writing, although it is not newer.
SAME: Final[Mapping[WriteMode, str]] = {
    WriteMode.UPSERT: "t._row_hash = i._row_hash",
    WriteMode.RESTORE: "FALSE",
}

#: What fills ``{reason}`` and ``{refused}``: nothing is refused, or what ``limits.refused_rows`` finds.
ALL_FIT: Final = ("CAST(NULL AS STRING)", "")
SOME_MAY_NOT_FIT: Final = (
    "refused.reason",
    "LEFT JOIN {rows} AS refused ON refused.record_id = i.record_id",
)

#: The records of a plan that are written.
ACCEPTED: Final = "(SELECT * FROM {plan} WHERE outcome <> 'rejected')"

#: The stored row is still the version that the plan saw.
STILL: Final = "coalesce(t._batch_id, '') = {plan}.stored_batch AND coalesce(t._row_hash, '') = {plan}.stored_hash"

_PLANNED: Final = """
CREATE TABLE IF NOT EXISTS {plan} AS
SELECT record_id, outcome, CASE WHEN outcome = 'rejected' THEN reason END AS reason,
    stored_batch, stored_hash, new_batch, new_hash, CAST(:now AS TIMESTAMP) AS delivered_at
FROM (
    SELECT i.record_id,
        %s AS stored_batch,
        coalesce(t._row_hash, '') AS stored_hash,
        i._batch_id AS new_batch,
        i._row_hash AS new_hash,
        {reason} AS reason,
        CASE
            %s
            WHEN t.record_id IS NOT NULL AND ({same} OR %s) THEN 'unchanged'
            WHEN {reason} IS NOT NULL THEN 'rejected'
            WHEN i._deleted_at IS NOT NULL THEN 'deleted'
            WHEN t.record_id IS NULL THEN 'inserted'
            ELSE 'updated'
        END AS outcome
    FROM {source} AS i
    LEFT JOIN (
        SELECT record_id, _batch_id, _row_hash, _modified_at, _extracted_at
        FROM {table} WHERE tenant = :tenant AND company = :company
    ) AS t ON t.record_id = i.record_id
    {refused}
    %s
) AS decided
WHERE outcome <> 'unchanged'
"""

DECIDE: Final = _PLANNED % ("coalesce(t._batch_id, '')", "", _OLDER, "")

#: When this batch has written some of its records already: those are, or were, in the table as it brought them.
_OURS: Final = (
    "((t._batch_id = i._batch_id AND t._row_hash = i._row_hash) OR past.record_id IS NOT NULL)"
)
DECIDE_ANEW: Final = (
    _PLANNED
    % (
        f"CASE WHEN {_OURS} THEN NULL ELSE coalesce(t._batch_id, '') END",  # null: nothing is left to replace
        f"""WHEN {_OURS} AND i._deleted_at IS NOT NULL THEN 'deleted'
            WHEN {_OURS} AND earlier.record_id IS NOT NULL THEN 'updated'
            WHEN {_OURS} THEN 'inserted'""",
        _OLDER,
        """LEFT JOIN (SELECT DISTINCT record_id, _row_hash, _batch_id FROM {history}) AS past
        ON past.record_id = i.record_id AND past._row_hash = i._row_hash AND past._batch_id = i._batch_id
    LEFT JOIN (SELECT DISTINCT record_id FROM {history} WHERE _replaced_by_batch = :batch) AS earlier
        ON earlier.record_id = i.record_id""",
    )
)

#: inserted, updated, deleted, rejected, distinct records
COUNTED: Final = """
SELECT count(CASE WHEN outcome = 'inserted' THEN 1 END), count(CASE WHEN outcome = 'updated' THEN 1 END),
    count(CASE WHEN outcome = 'deleted' THEN 1 END), count(CASE WHEN outcome = 'rejected' THEN 1 END),
    count(DISTINCT record_id)
FROM {plan}
"""

MISSING: Final = """
SELECT count(*) FROM {accepted} AS p
LEFT JOIN {table} AS t
    ON t.record_id = p.record_id AND t._batch_id = p.new_batch AND t._row_hash = p.new_hash
LEFT JOIN {history} AS h
    ON h.record_id = p.record_id AND h._batch_id = p.new_batch AND h._row_hash = p.new_hash
WHERE t.record_id IS NULL AND h.record_id IS NULL
"""
