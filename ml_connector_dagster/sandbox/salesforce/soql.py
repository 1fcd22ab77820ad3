"""Queries over the records: which rows, which fields, in pages."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from ml_connector_dagster.sandbox.salesforce.cells import Cell, is_id
from ml_connector_dagster.sandbox.salesforce.fields import NUMBER_TYPES, Field, SObject
from ml_connector_dagster.sandbox.salesforce.records import Records, Row
from ml_connector_dagster.sandbox.salesforce.refusals import ApiError
from ml_connector_dagster.sandbox.salesforce.schema import Schema
from ml_connector_dagster.sandbox.salesforce.soql_parser import (
    ESCAPES,
    Combination,
    Condition,
    Filter,
    Literally,
    Parser,
    Query,
    Selected,
    malformed,
)


#: The longest query (statement), in characters.
LONGEST: Final = 100_000
_Test = Callable[[Row], bool]


class Queries:
    """Answers queries. ``version`` stands in the URLs of records."""

    def __init__(self, schema: Schema, records: Records) -> None:
        self._schema = schema
        self._records = records

    def run(self, text: str, version: str) -> tuple[int, list[dict[str, object]]]:
        """(totalSize, records) of a query; COUNT() alone has no records. Raises ApiError."""
        if len(text) > LONGEST:
            raise malformed("SOQL statements cannot be longer than 100000 characters.")
        query = Parser(text).query()
        sobject = self._schema.find(query.sobject)
        if sobject is None:
            raise ApiError(
                400,
                "INVALID_TYPE",
                f"sObject type '{query.sobject}' is not supported. If you are attempting to use a custom object, be "
                "sure to append the '__c' after the entity name.",
            )
        test = self._test(sobject, query.filter)
        rows = [row for row in self._records.table(sobject).rows.values() if test(row)]
        if query.group_by or any(one.function for one in query.selected):
            return self._aggregated(sobject, query, rows)
        for name, descending in reversed(query.order_by):
            read = self._reader(sobject, name)
            rows.sort(key=lambda row: _order(read(row)), reverse=descending)
        rows = rows[query.offset :]
        rows = rows if query.limit is None else rows[: query.limit]
        readers = [
            (one.field.split("."), self._reader(sobject, one.field)) for one in query.selected
        ]
        url = f"/services/data/v{version}/sobjects/{sobject.name}"
        return len(rows), [
            _told({"type": sobject.name, "url": f"{url}/{row['Id']}"}, readers, row) for row in rows
        ]

    def _aggregated(
        self, sobject: SObject, query: Query, rows: Sequence[Row]
    ) -> tuple[int, list[dict[str, object]]]:
        bare = [one for one in query.selected if not one.field]
        if bare and len(query.selected) == 1 and not query.group_by and not bare[0].alias:
            return len(rows), []
        for one in query.selected:
            if not one.function and one.field not in query.group_by:
                raise malformed(f"Field must be grouped or aggregated: {one.field}")
        keys = [self._reader(sobject, name) for name in query.group_by]
        groups: dict[tuple[Cell, ...], list[Row]] = {} if keys else {(): list(rows)}
        if keys:
            for row in rows:
                groups.setdefault(tuple(key(row) for key in keys), []).append(row)
        found: list[dict[str, object]] = []
        for group in groups.values():
            told: dict[str, object] = {"attributes": {"type": "AggregateResult"}}
            unnamed = 0
            for one in query.selected:
                name = one.alias or one.field.rsplit(".", 1)[-1]
                if one.function and not one.alias:
                    name, unnamed = f"expr{unnamed}", unnamed + 1
                told[name] = self._aggregate(sobject, one, group)
            found.append(told)
        return len(found), found[: query.limit]

    def _aggregate(self, sobject: SObject, one: Selected, rows: Sequence[Row]) -> Cell | int:
        if not one.field:
            return len(rows)
        read = self._reader(sobject, one.field)
        cells = [cell for cell in map(read, rows) if cell is not None]
        if not one.function:
            return read(rows[0])
        if one.function == "COUNT":
            return len(cells)
        if one.function == "COUNT_DISTINCT":
            return len(set(cells))
        if not cells:
            return None
        if one.function in ("MIN", "MAX"):
            return (min if one.function == "MIN" else max)(cells, key=_order)
        numbers = [cell for cell in cells if isinstance(cell, Decimal)]
        if len(numbers) < len(cells):
            raise malformed(f"field {one.field} does not support aggregate operator {one.function}")
        total = sum(numbers, Decimal(0))
        return total if one.function == "SUM" else total / len(numbers)

    def _reader(self, sobject: SObject, name: str) -> Callable[[Row], Cell]:
        """Reads a field, of a parent too, from a row."""
        head, dot, rest = name.partition(".")
        if dot:
            reference = self._schema.relationship(sobject, head)
            if reference is None:
                raise ApiError(
                    400,
                    "INVALID_FIELD",
                    f"Didn't understand relationship '{head}' in field path. If you are attempting to use a custom "
                    "relationship, be sure to append the '__r' after the custom relationship name.",
                )
            parent = self._schema.objects[reference.reference_to[0]]
            inner = self._reader(parent, rest)
            parents = self._records.table(parent).rows
            own = reference.name

            def through(row: Row) -> Cell:
                found = parents.get(str(row.get(own)))
                return None if found is None else inner(found)

            return through
        field = self._field(sobject, name)
        default: Cell = False if field.type == "boolean" else None
        return lambda row: row.get(field.name, default)

    def _field(self, sobject: SObject, name: str) -> Field:
        found = self._schema.field(sobject, name)
        if found is None:
            raise ApiError(
                400, "INVALID_FIELD", f"No such column '{name}' on entity '{sobject.name}'."
            )
        return found

    def _test(self, sobject: SObject, condition: Filter | None) -> _Test:
        if condition is None:
            return lambda row: True
        if isinstance(condition, Combination):
            tests = [self._test(sobject, one) for one in condition.parts]
            if condition.operator == "AND":
                return lambda row: all(test(row) for test in tests)
            if condition.operator == "OR":
                return lambda row: any(test(row) for test in tests)
            return lambda row: not tests[0](row)
        return self._condition(sobject, condition)

    def _condition(self, sobject: SObject, condition: Condition) -> _Test:
        owner = sobject
        *path, last = condition.field.split(".")
        for name in path:
            reference = self._schema.relationship(owner, name)
            if reference is None:
                raise ApiError(400, "INVALID_FIELD", f"Didn't understand relationship '{name}'")
            owner = self._schema.objects[reference.reference_to[0]]
        field = self._field(owner, last)
        if field.type in ("textarea", "base64"):
            raise ApiError(
                400,
                "INVALID_FIELD",
                f"field '{field.name}' can not be filtered in a query call",
            )
        read = self._reader(sobject, condition.field)
        fold = _folder(field)
        if condition.operator == "LIKE":
            pattern = _like(condition.values[0].pattern, folded=not field.case_sensitive)
            return lambda row: pattern.fullmatch(str(read(row) or "")) is not None
        wanted = [_wanted(field, one) for one in condition.values]
        if condition.operator in ("IN", "=", "NOT IN", "!="):
            keys = {fold(one) for one in wanted}
            inside = condition.operator in ("IN", "=")
            return lambda row: (fold(read(row)) in keys) is inside
        return _compared(condition.operator, _order(fold(wanted[0])), lambda row: fold(read(row)))


def _compared(operator: str, bound: tuple[int, object], read: Callable[[Row], Cell]) -> _Test:
    def test(row: Row) -> bool:
        cell = read(row)
        if cell is None:
            return False
        value = _order(cell)
        if operator == "<":
            return value < bound
        if operator == ">":
            return value > bound
        return value <= bound if operator == "<=" else value >= bound

    return test


def _told(
    attributes: dict[str, object],
    readers: Sequence[tuple[list[str], Callable[[Row], Cell]]],
    row: Row,
) -> dict[str, object]:
    """A record as a query answers it: parents are objects of their own, or null."""
    told: dict[str, object] = {"attributes": attributes}
    for (*path, last), read in readers:
        place = told
        for name in path:
            inner = place.setdefault(name, {})
            assert isinstance(inner, dict)  # noqa: S101  # a relationship is never selected as a field
            place = inner
        place[last] = read(row)
    return told


def _folder(field: Field) -> Callable[[Cell], Cell]:
    """What counts as equal: ids by 15 characters, texts whatever their case unless the field says otherwise."""
    if field.type in ("id", "reference"):
        return lambda cell: cell[:15] if isinstance(cell, str) else cell
    if field.case_sensitive:
        return lambda cell: cell
    return lambda cell: cell.lower() if isinstance(cell, str) else cell


def _wanted(field: Field, value: Literally) -> Cell:
    if value.kind == "word":
        return {"true": True, "false": False, "null": None}[value.text]
    is_number = field.type in NUMBER_TYPES or field.type == "int"
    if (value.kind == "number") != is_number or (
        (value.kind == "moment") != (field.type in ("date", "datetime"))
    ):
        raise ApiError(
            400,
            "INVALID_FIELD",
            f"value of filter criterion for field '{field.name}' must be of type {field.type} and should not be "
            "enclosed in quotes"
            if value.kind == "text"
            else f"value of filter criterion for field '{field.name}' must be of type {field.type}",
        )
    if is_number:
        return Decimal(value.text)
    if field.type == "datetime":
        moment = datetime.fromisoformat(value.text).astimezone(UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    if field.type in ("id", "reference") and not is_id(value.text):
        raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {value.text}")
    return value.text


def _like(pattern: str, *, folded: bool) -> re.Pattern[str]:
    r"""``%`` is any text, ``_`` any character; both may be escaped."""
    parts: list[str] = []
    for escaped, wild, plain in re.findall(r"\\(.)|([%_])|([^\\%_]+)", pattern, re.DOTALL):
        if wild:
            parts.append(".*" if wild == "%" else ".")
        else:
            parts.append(re.escape(ESCAPES.get(escaped, escaped) or plain))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if folded else 0))


def _order(cell: Cell) -> tuple[int, object]:
    """Sorts nulls first, then by value."""
    if cell is None:
        return (0, "")
    if isinstance(cell, bool):
        return (1, int(cell))
    return (1, cell)
