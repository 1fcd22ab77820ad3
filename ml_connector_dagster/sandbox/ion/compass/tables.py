"""Tables of the Data Lake: what each product line replicates into it.

Reference §6.4: M3's tables have their own names, and columns without prefix; dates are numbers there. Its §4.1: LN's have
``timestamp`` and ``deleted``. Here every table has both. What the lines that are known by lists only call their objects in
the lake is not known: they keep the names of their lists. LN's column names are invented after the pattern of its tables.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ml_connector_dagster.sandbox.erp.dictionary import DICTIONARY
from ml_connector_dagster.sandbox.erp.tables import TABLES, Table
from ml_connector_dagster.sandbox.ion.compass.distribution_tables import LAKE_ONLY
from ml_connector_dagster.sandbox.ion.compass.ln_tables import LN_TABLES
from ml_connector_dagster.sandbox.ion.distribution import tables as distribution
from ml_connector_dagster.sandbox.ion.financials.classes import CLASSES
from ml_connector_dagster.sandbox.ion.listings import ListedField, Listing
from ml_connector_dagster.sandbox.ion.syteline.idos import IDOS


#: What a column can be compared with.
ColumnType = Literal["varchar", "integer", "decimal", "timestamp"]

STAMP: Final = "timestamp"
DELETED: Final = "deleted"

#: M3 tables whose real name is not verified (reference §2.12) → what the lake calls them.
_M3_NAMES: Final = {"BALANCE_KEYS": "FBAKEY", "BALANCES": "FGLBAL"}
_ERP_NAME: Final = re.compile(rf"\b({'|'.join(TABLES)})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeColumn:
    """One column: the SQL of its value over the ERP's tables, and its type."""

    sql: str
    type: ColumnType


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeTable:
    """One table. ``erp``: the ERP's tables that it is made of; deleted rows of the first one stay, marked."""

    name: str
    origin: str
    condition: str
    columns: Mapping[str, LakeColumn]
    erp: tuple[Table, ...]

    def sql(self) -> str:
        """A SELECT that gives the table, over the ERP's database."""
        origin = _ERP_NAME.sub(lambda match: _with_deleted(TABLES[match[1]]), self.origin)
        values = ", ".join(f'{column.sql} AS "{name}"' for name, column in self.columns.items())
        return f"SELECT {values} FROM {origin} WHERE {self.condition}"


def lake_tables(zone: str) -> dict[str, LakeTable]:
    """Name in capitals → table. ``zone``: of the ERP, whose local time Distribution keeps."""
    tables = [
        *(_m3_table(table) for table in TABLES.values()),
        *(_listed(listing, zone) for listing in (*LN_TABLES, *LAKE_ONLY)),
        *(_listed(listing, zone) for listing in _sites()),
        *(_listed(listing, zone) for listing in CLASSES.values()),
        *(_listed(listing, zone) for listing in distribution.TABLES.values()),
    ]
    return {table.name.upper(): table for table in tables}


def _with_deleted(table: Table) -> str:
    key = " AND ".join(f"live.{column} = bin.{column}" for column in table.key_columns)
    return (
        f"(SELECT *, 0 AS {table.prefix}GONE FROM {table.name} UNION ALL SELECT * FROM GONE_{table.name} AS bin "
        f"WHERE NOT EXISTS (SELECT 1 FROM {table.name} AS live WHERE {key})) AS {table.name}"
    )


def _replication(gone: str, stamp: str) -> dict[str, LakeColumn]:
    changed = f"max({stamp}, {gone})"
    moment = f"strftime('%Y-%m-%dT%H:%M:%S', {changed} / 1000, 'unixepoch') || printf('.%03dZ', {changed} % 1000)"
    return {
        STAMP: LakeColumn(sql=moment, type="timestamp"),
        DELETED: LakeColumn(sql=f"iif({gone} > 0, 'true', 'false')", type="varchar"),
    }


def _m3_table(table: Table) -> LakeTable:
    columns = {
        field: LakeColumn(sql=table.prefix + field, type=_m3_type(field))
        for field in table.fields
        if field not in table.hidden
    }
    prefix = table.prefix
    return LakeTable(
        name=_M3_NAMES.get(table.name, table.name),
        origin=table.name,
        condition="1 = 1",
        columns={**columns, **_replication(f"{prefix}GONE", f"{prefix}LMTS")},
        erp=(table,),
    )


def _m3_type(field: str) -> ColumnType:
    definition = DICTIONARY[field]
    if definition.type == "A":
        return "varchar"
    return "decimal" if definition.decimals else "integer"


def _sites() -> Iterator[Listing]:
    """SyteLine: the rows of all sites, told apart by SiteRef."""
    for listing in IDOS.values():
        site = ListedField(sql=listing.company, kind="text")
        yield Listing(
            name=listing.name,
            origin=listing.origin,
            condition=listing.condition,
            key=listing.key,
            fields={**listing.fields, "SiteRef": site},
            company=listing.company,
            stamp=listing.stamp,
        )


def _listed(listing: Listing, zone: str) -> LakeTable:
    erp = tuple(TABLES[name] for name in dict.fromkeys(_ERP_NAME.findall(listing.origin)))
    counted = listing.origin.startswith("(")  # a list of companies: no table of its own
    gone = "0" if counted else f"{erp[0].prefix}GONE"
    columns: dict[str, LakeColumn] = {}
    for name, field in listing.fields.items():
        if field.kind == "stamp":
            columns |= _local_stamp(name, field.sql, zone)
        else:
            columns[name] = _column(field)
    return LakeTable(
        name=listing.name,
        origin=listing.origin,
        condition=listing.condition,
        columns={**columns, **_replication(gone, listing.stamp)},
        erp=() if counted else erp,
    )


def _local_stamp(name: str, sql: str, zone: str) -> dict[str, LakeColumn]:
    """SX.e keeps the day and HHMM of the last change; of the others the lake has only its own ``timestamp``."""
    if name != distribution.STAMP_DATE:
        return {}
    clock = f"wall_clock({sql}, '{zone}')"
    day = " || '-' || ".join(
        f"substr({clock}, {first}, {length})" for first, length in ((1, 4), (5, 2), (7, 2))
    )
    time = f"substr({clock}, 10, 2) || substr({clock}, 13, 2)"
    return {
        name: LakeColumn(sql=day, type="varchar"),
        distribution.STAMP_TIME: LakeColumn(sql=time, type="varchar"),
    }


def _column(field: ListedField) -> LakeColumn:
    sql = field.sql
    match field.kind:
        case "integer":
            return LakeColumn(sql=sql, type="integer")
        case "decimal":
            return LakeColumn(sql=sql, type="decimal")
        case "negated":
            turned = f"iif({sql} LIKE '-%', substr({sql}, 2), '-' || {sql})"
            return LakeColumn(sql=f"iif({sql} GLOB '*[1-9]*', {turned}, {sql})", type="decimal")
        case "date":
            text = " || '-' || ".join(
                f"substr({sql}, {first}, {length})" for first, length in ((1, 4), (5, 2), (7, 2))
            )
            return LakeColumn(
                sql=f"CASE WHEN {sql} IN (0, '') THEN NULL WHEN length({sql}) = 8 THEN {text} ELSE {sql} END",
                type="varchar",
            )
        case "flag":
            return LakeColumn(
                sql=f"CASE {sql} WHEN 0 THEN 'false' WHEN 1 THEN 'true' ELSE {sql} END",
                type="varchar",
            )
        case _:
            return LakeColumn(sql=f"CAST({sql} AS TEXT)", type="varchar")
