"""From a query of an explore to SQL, as Looker writes it: only the joins that are needed, grouped by dimensions.

A measure of a joined view counts each of that view's rows once, whatever the join multiplies: Looker's symmetric
aggregates, by the view's primary key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from ml_connector_dagster.sandbox.looker.filters import condition
from ml_connector_dagster.sandbox.looker.lookml import REFERENCE, Explore, Field
from ml_connector_dagster.sandbox.looker.refusals import Refused


#: Of a timestamp. DuckDB reads one with a zone as UTC.
_TIMEFRAMES: Final = {
    "raw": "{}",
    "time": "STRFTIME({}, '%Y-%m-%d %H:%M:%S')",
    "date": "CAST({} AS DATE)",
    "week": "CAST(DATE_TRUNC('week', {}) AS DATE)",
    "month": "STRFTIME({}, '%Y-%m')",
    "quarter": "STRFTIME(DATE_TRUNC('quarter', {}), '%Y-%m')",
    "year": "CAST(EXTRACT(YEAR FROM {}) AS INTEGER)",
}
_AGGREGATES: Final = {
    "average": "AVG({})",
    "min": "MIN({})",
    "max": "MAX({})",
    "count_distinct": "COUNT(DISTINCT {})",
}
_DEFAULT_LIMIT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked of an explore. Names are whole: ``view.field``."""

    fields: tuple[str, ...]
    filters: Mapping[str, str] = field(default_factory=dict)
    sorts: tuple[str, ...] = ()
    limit: int | None = _DEFAULT_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The SQL, and which of its columns are shown: the first ``len(fields)``; required ones come behind."""

    sql: str
    fields: tuple[Field, ...]


def compiled(explore: Explore, query: Query, today: date) -> Compiled:
    """The SQL of a query. Raises Refused for fields that the explore does not have."""
    return _Compiler(explore, today).compile(query)


class _Compiler:
    def __init__(self, explore: Explore, today: date) -> None:
        self._explore = explore
        self._today = today
        self._views: set[str] = set()

    def compile(self, query: Query) -> Compiled:
        if not query.fields:
            raise Refused(400, "Must query at least one dimension or measure")
        shown = [self._field(name) for name in query.fields]
        selected = self._with_required(shown)
        self._views = {self._explore.base}
        self._note_views([*selected, *(self._field(name) for name in query.filters)])
        where, having = self._conditions(query.filters)
        columns = [f"{self._value(one)} AS c{n}" for n, one in enumerate(selected)]
        groups = [str(n) for n, one in enumerate(selected, start=1) if not one.is_measure]
        parts = [f"SELECT {', '.join(columns)}", self._from()]
        if where:
            parts.append(f"WHERE {' AND '.join(where)}")
        # Looker groups whenever there are dimensions, so a row of an answer is never there twice.
        if groups:
            parts.append(f"GROUP BY {', '.join(groups)}")
        if having:
            parts.append(f"HAVING {' AND '.join(having)}")
        parts.append(f"ORDER BY {self._order(query.sorts, shown)}")
        if query.limit is not None:
            parts.append(f"LIMIT {query.limit}")
        return Compiled(sql="\n".join(parts), fields=tuple(shown))

    def _field(self, name: str) -> Field:
        found = self._explore.field(name)
        if found is None:
            raise Refused(400, f'Unknown or inaccessible field "{name}"')
        return found

    def _with_required(self, shown: list[Field]) -> list[Field]:
        selected = list(shown)
        for one in selected:
            for name in one.required:
                needed = self._field(name)
                if needed not in selected:
                    selected.append(needed)
        return selected

    def _note_views(self, fields: list[Field]) -> None:
        """Every view that the fields, and the joins to them, lead to."""
        texts = [self._explore.always_where]
        waiting = list(fields)
        while waiting or texts:
            while texts:
                waiting += [self._field(name) for name in REFERENCE.findall(texts.pop())]
            one = waiting.pop() if waiting else None
            if one is None:
                continue
            if one.view not in self._views:
                self._views.add(one.view)
                texts.append(self._explore.joins[one.view].sql_on)
            for name in REFERENCE.findall(one.sql):
                whole = name if "." in name else f"{one.view}.{name}"
                if self._field(whole).view not in self._views:
                    waiting.append(self._field(whole))

    def _from(self) -> str:
        explore = self._explore
        text = f"FROM {explore.views[explore.base].table} AS {explore.base}"
        joined, waiting = {explore.base}, [one for one in explore.joins if one in self._views]
        while waiting:
            ready = [
                one
                for one in waiting
                if {name.partition(".")[0] for name in REFERENCE.findall(explore.joins[one].sql_on)}
                <= {*joined, one}
            ]
            if not ready:
                raise Refused(400, f"The joins of explore {explore.name} go in a circle")
            join = explore.joins[ready[0]]
            kind = {"inner": "INNER", "full_outer": "FULL OUTER", "cross": "CROSS"}.get(
                join.type, "LEFT"
            )
            table = explore.views[join.view].table
            text += f"\n{kind} JOIN {table} AS {join.view} ON {self._expanded(join.sql_on, '')}"
            joined.add(join.view)
            waiting.remove(ready[0])
        return text

    def _conditions(self, filters: Mapping[str, str]) -> tuple[list[str], list[str]]:
        where: list[str] = []
        having: list[str] = []
        if self._explore.always_where:
            where.append(f"({self._expanded(self._explore.always_where, '')})")
        for name, expression in filters.items():
            one = self._field(name)
            sql, kind = self._filtered(one)
            found = condition(kind, sql, str(expression), self._today)
            if found is not None:
                (having if one.is_measure else where).append(found)
        return where, having

    def _filtered(self, one: Field) -> tuple[str, str]:
        if one.is_measure:
            return self._value(one), "number"
        if one.timeframe and one.timeframe != "year":
            return self._plain(one), "time"
        return self._value(one), "number" if one.timeframe == "year" else one.type

    def _order(self, sorts: tuple[str, ...], shown: list[Field]) -> str:
        names = [one.full_name for one in shown]
        found = []
        for sort in sorts:
            name, _, way = sort.partition(" ")
            if name not in names:
                raise Refused(400, f'Sort "{name}" is not among the fields')
            found.append(f"{names.index(name) + 1} {'DESC' if way.startswith('desc') else 'ASC'}")
        if not found:
            measures = [n for n, one in enumerate(shown, start=1) if one.is_measure]
            found = [f"{measures[0]} DESC"] if measures else ["1 ASC"]
        return ", ".join(found)

    def _value(self, one: Field) -> str:
        if one.is_measure:
            return self._measure(one)
        plain = self._plain(one)
        if one.timeframe:
            return _timed(one, plain)
        if one.type == "yesno":
            return f"CASE WHEN {plain} THEN 'Yes' ELSE 'No' END"
        return plain

    def _plain(self, one: Field) -> str:
        """A dimension's SQL, before its timeframe."""
        return self._expanded(one.sql, one.view)

    def _expanded(self, sql: str, view: str) -> str:
        text = sql.replace("${TABLE}", view)

        def replaced(name: str) -> str:
            one = self._field(name if "." in name else f"{view}.{name}")
            if one.is_measure:
                return self._measure(one)
            plain = self._plain(one)
            # A comparison needs no cast of a raw moment.
            is_timed = one.timeframe and one.timeframe != "raw"
            return _timed(one, plain) if is_timed else f"({plain})"

        return REFERENCE.sub(lambda found: replaced(found[1]), text)

    def _measure(self, one: Field) -> str:
        once = one.view != self._explore.base or self._is_multiplied
        if one.type == "number":
            return self._expanded(one.sql, one.view)
        if one.type == "count":
            return f"COUNT(DISTINCT {self._key(one)})" if once else "COUNT(*)"
        value = self._expanded(one.sql, one.view)
        if one.type == "sum" and not once:
            return f"COALESCE(SUM({value}), 0)"
        if one.type == "sum":
            key = self._key(one)
            pairs = (
                f"LIST(DISTINCT STRUCT_PACK(k := {key}, v := {value})) FILTER ({key} IS NOT NULL)"
            )
            return f"COALESCE(LIST_SUM(LIST_TRANSFORM({pairs}, LAMBDA x: x.v)), 0)"
        if one.type not in _AGGREGATES or (once and one.type == "average"):
            raise Refused(400, f'Measures of type "{one.type}" are not simulated here')
        return _AGGREGATES[one.type].format(value)

    @property
    def _is_multiplied(self) -> bool:
        """Whether a join of this query repeats the rows of the base."""
        joins = self._explore.joins
        return any(
            joins[name].relationship in ("one_to_many", "many_to_many")
            for name in self._views
            if name in joins
        )

    def _key(self, one: Field) -> str:
        key = self._explore.views[one.view].key
        if key is None:
            raise Refused(400, f"Non-unique value/primary key: view {one.view} has no primary key")
        return f"({self._plain(key)})"


def _timed(one: Field, sql: str) -> str:
    kind = "TIMESTAMP" if one.datatype in ("timestamp", "datetime") else "DATE"
    return _TIMEFRAMES[one.timeframe].format(f"CAST({sql} AS {kind})")
