"""EXPORTMI's QERY: ``columns from table where conditions [order by columns]`` (reference §2.8).

The subset: one table, = <> < <= > >=, and / or / parentheses, 'text' and number literals. Everything else is refused,
as is a comparison of unlike types.
"""

import re
from dataclasses import dataclass

from ml_connector_dagster.sandbox.erp.tables import TABLES, Table
from ml_connector_dagster.sandbox.ion.m3.contracts import Refused


_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+(?:\.\d+)?)|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<operator><>|<=|>=|=|<|>)|(?P<mark>[(),]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A QERY that was understood. ``companies`` are the values that the company column was compared with."""

    table: Table
    columns: tuple[str, ...]
    where: str
    values: tuple[int | str | float, ...]
    order: tuple[str, ...]
    companies: tuple[int, ...]


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        text = text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                raise Refused(f"Syntax error in query near {text[position : position + 20]!r}")
            self.tokens.append((found.lastgroup, found.group(found.lastgroup)))
            position = found.end()
        self.place = 0
        self.table: Table | None = None
        self.values: list[int | str | float] = []
        self.companies: list[int] = []

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def take(self, kind: str) -> str:
        found, value = self.peek()
        if found != kind:
            raise Refused(f"Syntax error in query: expected {kind}, found {value or 'the end'!r}")
        self.place += 1
        return value

    def word(self, *words: str) -> bool:
        kind, value = self.peek()
        if kind == "name" and value.lower() == words[0]:
            self.place += 1
            for word in words[1:]:
                if self.take("name").lower() != word:
                    raise Refused(f"Syntax error in query: expected {word}")
            return True
        return False

    def names(self) -> list[str]:
        names = [self.take("name").upper()]
        while self.peek() == ("mark", ","):
            self.place += 1
            names.append(self.take("name").upper())
        return names

    def column(self, name: str) -> str:
        if self.table is None or self.table.definition(name) is None:
            table = self.table.name if self.table else "?"
            raise Refused(f"Column {name} does not exist in table {table}", "CPF9898", "QERY")
        return name

    def either(self) -> str:
        sides = [self.both()]
        while self.word("or"):
            sides.append(self.both())
        return sides[0] if len(sides) == 1 else f"({' OR '.join(sides)})"

    def both(self) -> str:
        sides = [self.comparison()]
        while self.word("and"):
            sides.append(self.comparison())
        return " AND ".join(sides)

    def comparison(self) -> str:
        if self.peek() == ("mark", "("):
            self.place += 1
            inner = self.either()
            if self.peek() != ("mark", ")"):
                raise Refused("Syntax error in query: a closing parenthesis is missing")
            self.place += 1
            return f"({inner})"
        name = self.column(self.take("name").upper())
        operator = self.take("operator")
        kind, literal = self.peek()
        if kind not in {"text", "number"}:
            raise Refused(f"Syntax error in query: {name} {operator} needs a value")
        self.place += 1
        assert self.table is not None  # noqa: S101 - column() has refused otherwise
        definition = self.table.definition(name)
        assert definition is not None  # noqa: S101 - column() has refused otherwise
        if (definition.type == "A") != (kind == "text"):
            raise Refused(f"Column {name} cannot be compared with {literal}", "CPF9898", "QERY")
        if kind == "text":
            self.values.append(literal[1:-1].replace("''", "'").rstrip(" "))
            return f"{name} {operator} ?"
        if definition.decimals:
            self.values.append(float(literal))
            return f"CAST({name} AS REAL) {operator} ?"
        if definition.name == "CONO":
            self.companies.append(int(float(literal)))
        self.values.append(float(literal) if "." in literal else int(literal))
        return f"{name} {operator} ?"


def parse(text: str, *, order_by_supported: bool) -> Query:
    """Understand a QERY or refuse it."""
    parser = _Parser(text)
    names = parser.names()
    if not parser.word("from"):
        raise Refused("Syntax error in query: FROM is missing", "CPF9898", "QERY")
    table = TABLES.get(parser.take("name").upper())
    if table is None or not table.exported:
        raise Refused(f"Table in query {text[:60]!r} does not exist", "CPF9898", "QERY")
    parser.table = table
    columns = [parser.column(name) for name in names]
    where = parser.either() if parser.word("where") else ""
    order: list[str] = []
    if parser.word("order", "by"):
        if not order_by_supported:
            raise Refused("ORDER BY is not allowed in the query", "CPF9898", "QERY")
        order.extend(parser.column(name) for name in parser.names())
    if parser.peek()[0] != "end":
        raise Refused(f"Syntax error in query near {parser.peek()[1]!r}", "CPF9898", "QERY")
    return Query(
        table=table,
        columns=tuple(columns),
        where=where,
        values=tuple(parser.values),
        order=tuple(order),
        companies=tuple(parser.companies),
    )
