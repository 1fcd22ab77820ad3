"""The ERP's entities as other product lines show them: canonical names over the same rows.

M3's dialect speaks of tables and four-letter fields and reads those; every other dialect maps its own names to a view.
Values are as they are stored: text without trailing blanks, dates as yyyyMMdd numbers with 0 for blank, decimals as text.
Signs are canonical: an invoice is positive.
"""

import hashlib
import sqlite3
from functools import cache

from ml_connector_dagster.sandbox.erp.sources import SOURCES, Kind


#: Epoch milliseconds of the last change; 0 for a row that was never stamped.
STAMP = "_stamp"
#: A GUID that stays the row's own: made of its key.
ROW = "_row"


@cache
def view_sql(entity: str) -> str:
    """A SELECT of every row of ``entity``: ``company`` (text), its canonical columns, ``_stamp`` and ``_row``."""
    source = SOURCES[entity]
    prefix = source.table.prefix
    columns = [f"CAST({prefix}CONO AS TEXT) AS company"]
    columns += [
        f"{_signed(expression, kind)} AS {name}" for name, expression, kind in source.columns
    ]
    key = " || '/' || ".join(source.table.key_columns)
    columns.append(f"{source.stamp.replace('LMDT', 'LMTS')} AS {STAMP}")
    columns.append(f"row_guid('{entity}/' || {key}) AS {ROW}")
    return f"SELECT {', '.join(columns)} FROM {source.table.name} {source.joined} WHERE {source.condition}"


@cache
def kinds_of(entity: str) -> dict[str, Kind]:
    """Canonical column → what its values are."""
    return {name: kind for name, _, kind in SOURCES[entity].columns}


def add_functions(connection: sqlite3.Connection) -> None:
    """What views need of SQLite."""
    connection.create_function("row_guid", 1, _guid, deterministic=True)


def _guid(key: str) -> str:
    digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))


def _signed(expression: str, kind: Kind) -> str:
    if kind != "negated":
        return expression
    return (
        f"CASE WHEN {expression} LIKE '-%' THEN substr({expression}, 2)"
        f" WHEN {expression} + 0 = 0 THEN {expression} ELSE '-' || {expression} END"
    )
