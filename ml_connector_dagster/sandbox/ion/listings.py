"""Rows of the ERP under the names of another API: what a list of that API can show, filter by and page through.

Which canonical value stands where is taken from ``erp.sources``; what it is called, and how it is written, is the API's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from ml_connector_dagster.sandbox.erp.database import Database
from ml_connector_dagster.sandbox.erp.sources import SOURCES, Kind


Scalar = int | str
#: Values of the key columns of a row: where a page ended.
Place = tuple[Scalar, ...]
#: A SQL condition with its values.
Condition = tuple[str, tuple[Scalar, ...]]

ListedKind = Kind | Literal["stamp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedField:
    """One field of a list: the SQL of its value and how to read it. A stamp is epoch milliseconds, 0 for never."""

    sql: str
    kind: ListedKind

    def comparable(self) -> str:
        """SQL that compares as the value does; decimals are kept as text."""
        return f"CAST({self.sql} AS NUMERIC)" if self.kind in ("decimal", "negated") else self.sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One list. ``key``: SQL columns that identify a row and order the list."""

    name: str
    origin: str
    condition: str
    key: tuple[str, ...]
    fields: Mapping[str, ListedField]
    company: str  # SQL column
    stamp: str  # SQL of the change time, epoch milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRow:
    """One row: its place in the list, and its values in the order that was asked for."""

    place: Place
    values: tuple[Scalar | None, ...]


def listing_of(
    name: str, entity: str, names: str, *, company: str, stamp: str = "", condition: str = ""
) -> Listing:
    """The list ``name`` of a canonical entity. ``names``: lines of "API name, canonical name".

    ``company``: what the API calls the company; ``stamp``: what it calls the change time, "" when it does not show it.
    """
    source = SOURCES[entity]
    prefix = source.table.prefix
    known = {canonical: (sql, kind) for canonical, sql, kind in source.columns}
    changed = source.stamp.replace("LMDT", "LMTS")
    fields = {company: ListedField(sql=f"{prefix}CONO", kind="text")}
    for line in names.strip().splitlines():
        api_name, canonical = line.split()
        sql, kind = known[canonical]
        fields[api_name] = ListedField(sql=sql, kind=kind)
    if stamp:
        fields[stamp] = ListedField(sql=changed, kind="stamp")
    return Listing(
        name=name,
        origin=f"{source.table.name} {source.joined}",
        condition=f"{source.condition} AND {condition}" if condition else source.condition,
        key=source.table.key_columns,
        fields=fields,
        company=f"{prefix}CONO",
        stamp=changed,
    )


def companies_of(name: str, number: str, text: str) -> Listing:
    """The list of companies: their ``number`` and a ``text`` for people."""
    return Listing(
        name=name,
        origin="(SELECT CCCONO, min(CCCONM) AS CCCONM FROM CMNDIV GROUP BY CCCONO)",
        condition="1 = 1",
        key=("CCCONO",),
        fields={
            number: ListedField(sql="CCCONO", kind="text"),
            text: ListedField(sql="CCCONM", kind="text"),
        },
        company="CCCONO",
        stamp="0",
    )


def rows_of(
    database: Database,
    listing: Listing,
    names: Sequence[str],
    conditions: Sequence[Condition],
    *,
    after: Place | None,
    limit: int | None,
    order: Sequence[str] = (),
) -> list[ListedRow]:
    """Rows in key order (or by the SQL of ``order``, ascending), beyond the place ``after``, at most ``limit``."""
    by = tuple(order) or listing.key
    where = list(conditions)
    if after is not None:
        marks = ", ".join("?" * len(after))
        where.append((f"({', '.join(by)}) > ({marks})", after))
    wanted = ", ".join([*by, *(listing.fields[name].sql for name in names)])
    sql, values = _selected(listing, wanted, where)
    sql += f" ORDER BY {', '.join(by)}"
    sql += "" if limit is None else f" LIMIT {limit}"
    width = len(by)
    return [
        ListedRow(place=row[:width], values=row[width:]) for row in database.select(sql, values)
    ]


def count_of(database: Database, listing: Listing, conditions: Sequence[Condition]) -> int:
    """How many rows there are."""
    return database.number(*_selected(listing, "count(*)", conditions))


def has_row(database: Database, listing: Listing, place: Place) -> bool:
    """Whether the row at ``place`` is (still) there."""
    condition = " AND ".join(f"{column} = ?" for column in listing.key)
    return bool(database.number(*_selected(listing, "count(*)", [(condition, place)])))


def plain_number(value: Scalar, *, negated: bool = False) -> str | None:
    """A stored number as text, its sign turned on demand; None when it is no number."""
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return format(-number if negated and number else number, "f")


def _selected(
    listing: Listing, wanted: str, conditions: Sequence[Condition]
) -> tuple[str, tuple[Scalar, ...]]:
    where = " AND ".join(f"({text})" for text, _ in ((listing.condition, ()), *conditions))
    values = tuple(value for _, bound in conditions for value in bound)
    return f"SELECT {wanted} FROM {listing.origin} WHERE {where}", values
