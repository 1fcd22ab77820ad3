"""One EXPORTMI Select: columns of one table as text rows, cut into columns again, with nothing silently lost.

Reference cloudsuite-api §2.8. A row's text has at most 984 characters and is cut there without a word, a value may hold the separator, and
the header row may not be what was asked: each is looked at here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.catalog.fields import ErpType, FieldSpec
from ml_connector_dagster.cloudsuite.product_lines.m3.api import ListCall, M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.queries import Types, select
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.columns.delimited import split
from ml_connector_dagster.model.errors import ConfigError, ContractError


#: Length of EXPORTMI's QERY.
QUERY_LENGTH = 984
#: Names of columns take seven characters each in the query; the rest is left to its conditions.
_COLUMNS_PER_SELECT = 60
_UNKNOWN_WIDTH = 36
_DEPTH_OF_NUMBER = 2  # sign and decimal point


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePart:
    """Columns of a table that go into one select; the key leads them."""

    table: str
    prefix: str
    key: tuple[str, ...]
    fields: tuple[str, ...]
    types: Types


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """``cut``: there may be more rows than these."""

    rows: pa.Table
    unreadable: tuple[tuple[str, str], ...]
    cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """In which company (and session division) to look, and for what."""

    company: str
    conditions: tuple[str, ...]

    def and_(self, *conditions: str) -> "Where":
        return Where(company=self.company, conditions=(*self.conditions, *conditions))


class Selects:
    """Selects of one tenant."""

    def __init__(self, api: M3Api, separators: Sequence[str], reply_length: int) -> None:
        self._api = api
        self._reply_length = reply_length
        self._separators = tuple(separators)

    def read(
        self, part: TablePart, where: Where, *, ordered: bool, limit: int, meter: Meter
    ) -> Selected:
        """At most ``limit`` rows (0: no limit), by key when ``ordered``."""
        query = select(
            part.table, part.prefix, part.fields, where.conditions, part.key if ordered else ()
        )
        if len(query) > QUERY_LENGTH:
            raise ConfigError(
                f"EXPORTMI select on {part.table} has a query of {len(query)} characters, {QUERY_LENGTH} are the most: "
                "map fewer fields or write fewer values below where"
            )
        selected: Selected | None = None
        for separator in self._separators:
            selected = self._read(part, where.company, query, separator, limit, meter)
            if not selected.unreadable:
                break
        assert selected is not None  # noqa: S101 - the catalog has at least one separator
        return selected

    def _read(
        self, part: TablePart, company: str, query: str, separator: str, limit: int, meter: Meter
    ) -> Selected:
        maxrecs = limit + 1 if limit else 0  # the header counts as a row
        call = ListCall(
            program="EXPORTMI",
            transaction="Select",
            company=company,
            division="",
            inputs={"SEPC": separator, "HDRS": "1", "QERY": query},
            maxrecs=maxrecs,
        )
        answer = self._api.rows(call, meter)
        if answer.num_rows == 0:
            return Selected(rows=pa.table({}), unreadable=(), cut=False)
        if "REPL" not in answer.column_names:
            raise ContractError(f"EXPORTMI select on {part.table}: the answer has no field REPL")
        texts = answer.column("REPL").combine_chunks()
        _check_header(part, texts[0].as_py() or "", separator)
        rows = texts.slice(1)
        longest = pc.max(pc.utf8_length(rows)).as_py() or 0
        if longest >= self._reply_length:
            raise ContractError(
                f"EXPORTMI select on {part.table}: a row has {longest} characters, the most that fit, and may be cut short; "
                "correct the lengths of its fields in the catalog, so that they are read in several selects"
            )
        table, unreadable = split(rows, header=part.fields, separator=separator)
        count = len(rows)
        cut = (0 < limit <= count) or self._api.is_cut(count, 0) or self._api.is_cut(count + 1, 0)
        return Selected(rows=table, unreadable=unreadable, cut=cut and count > 0)


def _check_header(part: TablePart, header: str, separator: str) -> None:
    asked = [part.prefix + field for field in part.fields]
    found = [
        name.strip().upper() for name in header.rstrip().removesuffix(separator).split(separator)
    ]
    if found != asked:
        differing = next((f"{a} ≠ {f}" for a, f in zip(asked, found, strict=False) if a != f), "")
        raise ContractError(
            f"EXPORTMI select on {part.table}: the header row is not the {len(asked)} columns that were asked for "
            f"({len(found)} columns; {differing or 'their number differs'})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """What EXPORTMI/LstFields says about a table; empty when it would not say."""

    types: Mapping[str, ErpType]
    widths: Mapping[str, int]

    def has(self, field: str) -> bool:
        return not self.types or field in self.types


def describe(api: M3Api, company: str, table: str, prefix: str, meter: Meter) -> TableColumns:
    """Columns of ``table``, by name without prefix. Raises as ``M3Api.rows`` does."""
    call = ListCall(
        program="EXPORTMI",
        transaction="LstFields",
        company=company,
        inputs={"FILE": table},
        maxrecs=0,
    )
    types: dict[str, ErpType] = {}
    widths: dict[str, int] = {}
    found = api.rows(call, meter)
    if api.may_be_capped(found.num_rows, bulk=False):
        return TableColumns(types={}, widths={})  # there may be more: nothing is known for sure
    for row in found.to_pylist():
        name = str(row.get("FLDN") or "").strip()
        length = str(row.get("FLLE") or "").strip()
        if not name.startswith(prefix):
            continue
        field = name.removeprefix(prefix)
        types[field] = (
            ErpType.TEXT if str(row.get("FLTY") or "A").strip() == "A" else ErpType.NUMBER
        )
        margin = 0 if types[field] is ErpType.TEXT else _DEPTH_OF_NUMBER
        widths[field] = (int(length) if length.isdigit() else _UNKNOWN_WIDTH) + margin
    return TableColumns(types=types, widths=widths)


def parts_of(
    table: str,
    prefix: str,
    key: Sequence[str],
    fields: Sequence[str],
    *,
    specs: Mapping[str, FieldSpec],
    types: Types,
    columns: TableColumns,
    reply_length: int,
) -> tuple[TablePart, ...]:
    """``fields`` (those the table has) in as few parts as keep a row below ``reply_length``; each part has the key."""

    def width(field: str) -> int:
        known = specs.get(field)
        declared = columns.widths.get(field) or (known.width if known else _UNKNOWN_WIDTH)
        return declared + 1

    known_types = {
        **{source: spec.type for source, spec in specs.items()},
        **types,
        **columns.types,
    }
    start = sum(map(width, key))
    groups: list[list[str]] = [[]]
    used = start
    for field in dict.fromkeys(fields):
        if field in key or not columns.has(field):
            continue
        if groups[-1] and (
            used + width(field) >= reply_length or len(groups[-1]) + len(key) >= _COLUMNS_PER_SELECT
        ):
            groups.append([])
            used = start
        groups[-1].append(field)
        used += width(field)
    return tuple(
        TablePart(
            table=table, prefix=prefix, key=tuple(key), fields=(*key, *group), types=known_types
        )
        for group in groups
    )
