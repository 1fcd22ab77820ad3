"""Why a record differs: both sides compared key by key, and explained by what is staged and written down.

Which verdicts there are, and what they mean to a person, stands in ``verdicts``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from ml_connector_dagster.model.edits import Edit
from ml_connector_dagster.model.reconciliations import Difference, Finding, Standing
from ml_connector_dagster.sync.presence import RANK, VERSION_COLUMNS
from ml_connector_dagster.sync.reconcile.books import Books, Shape, rounded
from ml_connector_dagster.sync.reconcile.verdicts import VERDICT, VERDICTS, meaning_of, restorable


#: Differences that are listed, and kept by the ledger, of one entity and company at one destination: red ones first.
LISTED: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is staged and written down of one entity and company, and how far the ERP was read.

    Attributes:
        staged: these columns of the batches that are for everybody or for this destination; None when there are none.
        pending: batches that the destination has not got yet.
        refused: record id → why the destination refused it (open dead letters).
        edits: values that people gave in place of the ERP's, for this destination.
        sighted: records that a key sweep has missed once.
        earlier: differences of the last reconciliation.
        as_of: what the ERP's side was read of; what was observed later may differ.
        watermark: until when the ERP was read completely; None: never.
        next_read: the next read brings what changed from then on; None: it brings everything.
        last_sweep: when the last complete key sweep began.
        sweeps: the flow sweeps by itself.
    """

    staged: Callable[[Sequence[str]], pa.RecordBatchReader | None]
    pending: Sequence[str]
    refused: Mapping[str, str]
    edits: Sequence[Edit]
    sighted: Iterable[str]
    earlier: Sequence[Difference]
    as_of: datetime
    watermark: datetime | None
    next_read: datetime | None
    last_sweep: datetime | None
    sweeps: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """``counts``: how many of each standing; ``differences``: at most ``LISTED`` of them.

    ``restorable``: all wrong records of which the ERP's version is staged, so that a repair can put it back.
    """

    counts: Mapping[Standing, int]
    differences: tuple[Difference, ...]
    restorable: tuple[str, ...] = ()


def judge(books: Books, shape: Shape, evidence: Evidence) -> Judgement:
    """Compare the ERP's records of the open groups with those in ``found``."""
    _find_differing(books, shape)
    _bring(books, evidence)
    _bring_edits(books, evidence.edits)
    connection = books.connection
    connection.execute(
        f"CREATE OR REPLACE TABLE judged AS SELECT *, {VERDICT} AS verdict FROM ({_facts(books, shape)})",
        {
            "as_of": evidence.as_of,
            "watermark": evidence.watermark,
            "next_read": evidence.next_read,
            "last_sweep": evidence.last_sweep,
            "sweeps": evidence.sweeps,
        },
    )
    counts = dict.fromkeys(Standing, 0)
    for verdict, number in connection.execute(
        "SELECT verdict, count(*) FROM judged GROUP BY 1"
    ).fetchall():
        counts[VERDICTS[verdict][0]] += number
    sendable = connection.execute(
        "SELECT record_id FROM judged WHERE list_contains(?, verdict) ORDER BY 1",
        [restorable(shape)],
    ).fetchall()
    return Judgement(
        counts=counts,
        differences=tuple(_listed(books, shape, evidence)),
        restorable=tuple(record_id for (record_id,) in sendable),
    )


def _find_differing(books: Books, shape: Shape) -> None:
    """Records of which one side knows something else than the other."""
    of_group = " AND (period_of, currency_of) IN (SELECT * FROM open_groups)"
    unlike = _unlike(shape, "e")
    books.connection.execute(
        f"""CREATE OR REPLACE TABLE differing AS
        SELECT record_id, e.record_id IS NOT NULL AS in_group, f.record_id IS NOT NULL AS is_found,
            CASE WHEN f.copies > 1 THEN 'doubled' WHEN e.record_id IS NULL THEN 'unknown'
                WHEN f.record_id IS NULL THEN 'missing' ELSE 'different' END AS finding,
            coalesce(f.copies, 0) AS copies
        FROM (SELECT * FROM erp WHERE {books.meant(shape)}{of_group if books.has_open_groups else ""}) AS e
        FULL JOIN (SELECT * FROM found WHERE NOT deleted) AS f USING (record_id)
        WHERE e.record_id IS NULL OR f.record_id IS NULL OR f.copies > 1 OR {" OR ".join(unlike)}"""
    )


def _unlike(shape: Shape, table: str) -> list[str]:
    """Conditions under which a record as ``table`` has it is not as it was found.

    A column that is null on one side and 0 on the other adds up alike: it is no difference.
    """
    unlike = [
        f"(coalesce({rounded(name, shape, table)}, 0) <> coalesce(f.found_{name}, 0))"
        for name in shape.amounts
    ]
    if shape.grouped:
        unlike += [f"({table}.period_of <> f.period)", f"({table}.currency_of <> f.currency)"]
    else:
        unlike += ["(0 <> f.period)", "('' <> f.currency)"]
    return unlike


def _bring(books: Books, evidence: Evidence) -> None:
    """The evidence as tables: of what is staged, the newest version of each record that differs."""
    connection = books.connection
    columns = ", ".join(books.columns)
    versions = evidence.staged([*books.columns, *VERSION_COLUMNS])
    if versions is not None:
        connection.register("versions", versions)
        connection.execute(
            f"""CREATE OR REPLACE TABLE staged AS SELECT * EXCLUDE (turn) FROM (
                SELECT record_id, {columns}, _batch_id AS batch_id, _deleted_at IS NOT NULL AS staged_deleted,
                    max(_extracted_at) OVER (PARTITION BY record_id) AS observed_at,
                    row_number() OVER (PARTITION BY record_id ORDER BY {RANK} DESC, _batch_id DESC) AS turn
                FROM versions
                WHERE record_id IN (SELECT record_id FROM differing)
            ) WHERE turn = 1"""
        )
        connection.unregister("versions")
    else:
        connection.execute(
            f"CREATE OR REPLACE TABLE staged AS SELECT record_id, {columns}, '' AS batch_id,"
            " FALSE AS staged_deleted, stamp AS observed_at FROM erp LIMIT 0"
        )
    _table(books, "pending", {"batch_id": list(evidence.pending)})
    _table(
        books,
        "refused",
        {"record_id": list(evidence.refused), "refusal": list(evidence.refused.values())},
    )
    _table(books, "sighted", {"record_id": list(evidence.sighted)})
    _table(
        books,
        "earlier",
        {
            "record_id": [one.record_id for one in evidence.earlier],
            "earlier_erp": [_text(books, one.erp) for one in evidence.earlier],
            "micros": [_micros(one.first_seen_at) for one in evidence.earlier],
        },
    )


def _bring_edits(books: Books, edits: Sequence[Edit]) -> None:
    """What the ERP's records would be with the edits in them."""
    columns = shown_columns(books)
    by_record: dict[str, dict[str, Edit]] = {}
    for one in edits:
        by_record.setdefault(one.record_id, {})[one.column] = one
    given: dict[str, list[str | None]] = {
        "record_id": list(by_record),
        "edit": [_who_and_why(list(of.values())) for of in by_record.values()],
    }
    for name in columns:
        given[f"has_{name}"] = ["yes" if name in of else None for of in by_record.values()]
        given[f"to_{name}"] = [
            of[name].new_value if name in of else None for of in by_record.values()
        ]
    _table(books, "edits", given)
    values = "".join(
        f", CASE WHEN has_{name} IS NULL THEN e.{name} ELSE CAST(to_{name} AS {books.sql_type(name)}) END AS {name}"
        for name in columns
    )
    values += "".join(f", e.{name}" for name in books.columns if name not in columns)
    books.connection.execute(
        f"""CREATE OR REPLACE TABLE edited AS SELECT *, {books.control.period_sql()} AS period_of,
            {books.control.currency_sql()} AS currency_of
        FROM (SELECT record_id, edit{values} FROM erp AS e JOIN edits USING (record_id))"""
    )


def _who_and_why(edits: Sequence[Edit]) -> str:
    return "; ".join(f"by {one.edited_by}, {one.column}: {one.reason}" for one in edits)


def _table(books: Books, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
    arrays = {
        column: pa.array(values, pa.int64() if column == "micros" else pa.string())
        for column, values in columns.items()
    }
    books.connection.register("arriving", pa.table(arrays))
    books.connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM arriving")
    books.connection.unregister("arriving")


def _facts(books: Books, shape: Shape) -> str:
    """One row for each record that differs, with all that a verdict asks for."""
    same = " AND ".join(
        f"e.{name} IS NOT DISTINCT FROM s.{name}"
        for name in books.columns
        if name not in books.control.entity.key
    )
    values = ", ".join(f"CAST(e.{name} AS VARCHAR) AS erp_{name}" for name in shown_columns(books))
    found = "".join(f", f.found_{name}" for name in shape.amounts)
    as_edited = " AND ".join(
        ["x.record_id IS NOT NULL", *(f"NOT {one}" for one in _unlike(shape, "x"))]
    )
    joined = " || chr(31) || ".join(
        f"coalesce(CAST(e.{name} AS VARCHAR), '')" for name in shown_columns(books)
    )
    return f"""
        SELECT d.record_id, d.finding, d.copies, e.record_id IS NOT NULL AS in_erp, e.stamp,
            s.record_id IS NOT NULL AS is_staged, coalesce(s.staged_deleted, FALSE) AS staged_deleted,
            s.record_id IS NOT NULL AND NOT s.staged_deleted AND ({same or "TRUE"}) AS as_staged,
            s.observed_at, p.batch_id IS NOT NULL AS is_pending, r.refusal,
            coalesce({as_edited}, FALSE) AS as_edited, x.edit,
            coalesce(f.deleted, FALSE) AS is_marked, g.record_id IS NOT NULL AS is_sighted,
            h.earlier_erp, make_timestamptz(h.micros) AS earlier_at, {joined or "''"} AS erp_text,
            f.period AS found_period, f.currency AS found_currency{found}{", " if values else ""}{values}
        FROM differing AS d
        LEFT JOIN erp AS e USING (record_id)
        LEFT JOIN found AS f USING (record_id)
        LEFT JOIN staged AS s USING (record_id)
        LEFT JOIN (SELECT DISTINCT batch_id FROM pending) AS p ON p.batch_id = s.batch_id
        LEFT JOIN refused AS r USING (record_id)
        LEFT JOIN edited AS x USING (record_id)
        LEFT JOIN sighted AS g USING (record_id)
        LEFT JOIN earlier AS h USING (record_id)"""


def shown_columns(books: Books) -> tuple[str, ...]:
    """The columns of the ERP's side that say how a record stands: all that are read, but for its key."""
    return tuple(name for name in books.columns if name not in books.control.entity.key)


def _text(books: Books, values: Mapping[str, str]) -> str:
    return chr(31).join(values.get(name, "") for name in shown_columns(books))


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1_000_000)


def _listed(books: Books, shape: Shape, evidence: Evidence) -> Iterable[Difference]:
    columns = shown_columns(books)
    red = ", ".join(
        f"'{name}'" for name, (standing, _) in VERDICTS.items() if standing is Standing.WRONG
    )
    first_seen = {one.record_id: one for one in evidence.earlier}
    names = [
        "record_id",
        "finding",
        "verdict",
        "copies",
        "refusal",
        "edit",
        "in_erp",
        "found_period",
    ]
    names += ["found_currency", *(f"found_{name}" for name in shape.amounts)]
    names += [f"erp_{name}" for name in columns]
    query = f"SELECT {', '.join(names)} FROM judged ORDER BY verdict NOT IN ({red}), record_id LIMIT {LISTED}"
    for values in books.connection.execute(query).fetchall():
        row = dict(zip(names, values, strict=True))
        standing, words = meaning_of(row["verdict"], shape)
        erp = {name: str(row[f"erp_{name}"]) for name in columns if row[f"erp_{name}"] is not None}
        known = first_seen.get(row["record_id"])
        yield Difference(
            record_id=row["record_id"],
            finding=Finding(row["finding"]),
            standing=standing,
            why=words.format(copies=row["copies"], refusal=row["refusal"], edit=row["edit"]),
            erp=erp,
            found=_found(books, shape, row),
            first_seen_at=known.first_seen_at if known is not None and known.erp == erp else None,
        )


def _found(books: Books, shape: Shape, row: Mapping[str, Any]) -> dict[str, str]:
    if row["found_period"] is None:
        return {}
    found = {
        name: str(row[f"found_{name}"])
        for name in shape.amounts
        if row[f"found_{name}"] is not None
    }
    if shape.grouped and books.control.has_period:
        found["period"] = books.control.period_text(row["found_period"])
    if shape.grouped and books.control.currency:
        found["currency"] = row["found_currency"]
    return found
