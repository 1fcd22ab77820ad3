"""A query's text into its parts: the part of SOQL that is simulated.

developer.salesforce.com, soql-sosl: SELECT fields FROM object [WHERE …] [GROUP BY …] [ORDER BY …] [LIMIT n] [OFFSET n].
Fields may reach parents (``Account__r.ERP_Id__c``); COUNT(), COUNT, COUNT_DISTINCT, SUM, MIN, MAX, AVG with an alias.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from ml_connector_dagster.sandbox.salesforce.refusals import ApiError


_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<moment>\d{4}-\d{2}-\d{2}(?:T[0-9:.]+(?:Z|[+-]\d{2}:?\d{2}))?)"
    r"|(?P<number>[+-]?\d+(?:\.\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_.]*)|(?P<sign><=|>=|!=|<>|[(),=<>]))"
)
ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_FUNCTIONS: Final = ("COUNT", "COUNT_DISTINCT", "SUM", "MIN", "MAX", "AVG")

Part = TypeVar("Part")
Comparison = Literal["=", "!=", "<", ">", "<=", ">=", "LIKE", "IN", "NOT IN"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Literally:
    """A value as it was written. ``pattern`` keeps the escapes of a text, for LIKE."""

    kind: Literal["text", "moment", "number", "word"]
    text: str
    pattern: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    field: str
    operator: Comparison
    values: tuple[Literally, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """AND or OR of its parts; NOT of its only part."""

    operator: Literal["AND", "OR", "NOT"]
    parts: tuple["Filter", ...]


Filter = Condition | Combination


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """A field, or a function of one (``""`` in COUNT())."""

    field: str
    function: str = ""
    alias: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    selected: tuple[Selected, ...]
    sobject: str
    filter: Filter | None
    group_by: tuple[str, ...]
    order_by: tuple[tuple[str, bool], ...]  # field, descending
    limit: int | None
    offset: int


def malformed(message: str) -> ApiError:
    """What the parser answers to a query that it does not understand."""
    return ApiError(400, "MALFORMED_QUERY", message)


class Parser:
    """One pass over the tokens of one query."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position, text = 0, text.rstrip()
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise malformed(f"unexpected token: '{text[position : position + 20].strip()}'")
            kind = found.lastgroup or ""
            self._tokens.append((kind, found[kind]))
            position = found.end()
        self._place = 0

    def query(self) -> Query:
        """The whole query. Raises ApiError MALFORMED_QUERY."""
        self._keyword("SELECT")
        selected = self._list(self._selected)
        self._keyword("FROM")
        sobject = self._name()
        condition = self._either() if self._take("WHERE") else None
        group_by: list[str] = []
        order_by: list[tuple[str, bool]] = []
        if self._take("GROUP"):
            self._keyword("BY")
            group_by = self._list(self._name)
        if self._take("ORDER"):
            self._keyword("BY")
            order_by = self._list(self._ordering)
        limit = self._whole() if self._take("LIMIT") else None
        offset = self._whole() if self._take("OFFSET") else 0
        if self._place < len(self._tokens):
            raise malformed(f"unexpected token: '{self._tokens[self._place][1]}'")
        return Query(
            selected=tuple(selected),
            sobject=sobject,
            filter=condition,
            group_by=tuple(group_by),
            order_by=tuple(order_by),
            limit=limit,
            offset=offset,
        )

    def _either(self) -> Filter:
        return self._joined("OR", self._both)

    def _both(self) -> Filter:
        return self._joined("AND", self._single)

    def _joined(self, operator: Literal["AND", "OR"], part: Callable[[], Filter]) -> Filter:
        parts = [part()]
        while self._take(operator):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        return Combination(operator=operator, parts=tuple(parts))

    def _single(self) -> Filter:
        if self._take("NOT"):
            return Combination(operator="NOT", parts=(self._single(),))
        if self._sign("("):
            inner = self._either()
            self._expect(")")
            return inner
        return self._condition()

    def _condition(self) -> Condition:
        name = self._name()
        if self._take("LIKE"):
            return Condition(field=name, operator="LIKE", values=(self._value(),))
        if self._take("NOT"):
            self._keyword("IN")
            return Condition(field=name, operator="NOT IN", values=self._values())
        if self._take("IN"):
            return Condition(field=name, operator="IN", values=self._values())
        for sign in ("<=", ">=", "!=", "<>", "=", "<", ">"):
            if self._sign(sign):
                operator: Comparison = "!=" if sign == "<>" else sign  # type: ignore[assignment]  # one of the literals
                return Condition(field=name, operator=operator, values=(self._value(),))
        raise malformed(f"unexpected token: '{self._peek()[1]}'")

    def _values(self) -> tuple[Literally, ...]:
        self._expect("(")
        values = self._list(self._value)
        self._expect(")")
        return tuple(values)

    def _value(self) -> Literally:
        kind, text = self._next()
        if kind == "text":
            inner = text[1:-1]
            return Literally(kind="text", text=_unescaped(inner), pattern=inner)
        if kind == "moment":
            return Literally(kind="moment", text=text)
        if kind == "number":
            return Literally(kind="number", text=text)
        if kind == "name" and text.lower() in ("true", "false", "null"):
            return Literally(kind="word", text=text.lower())
        raise malformed(f"unexpected token: '{text}'")

    def _selected(self) -> Selected:
        name = self._name()
        if not self._sign("("):
            return Selected(field=name)
        function = name.upper()
        if function not in _FUNCTIONS:
            raise malformed(f"unexpected token: '{name}'")
        field = "" if self._sign(")") else self._name()
        if field:
            self._expect(")")
        elif function != "COUNT":
            raise malformed(f"{function} needs a field")
        kind, text = self._peek()
        alias = ""
        if kind == "name" and text.upper() not in ("FROM",):
            alias = self._name()
        return Selected(field=field, function=function, alias=alias)

    def _ordering(self) -> tuple[str, bool]:
        name = self._name()
        descending = self._take("DESC")
        if not descending:
            self._take("ASC")
        return name, descending

    def _list(self, part: Callable[[], Part]) -> list[Part]:
        parts = [part()]
        while self._sign(","):
            parts.append(part())
        return parts

    def _whole(self) -> int:
        kind, text = self._next()
        if kind != "number" or not text.isdigit():
            raise malformed(f"unexpected token: '{text}'")
        return int(text)

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "name":
            raise malformed(f"unexpected token: '{text}'")
        return text

    def _keyword(self, word: str) -> None:
        if not self._take(word):
            raise malformed(f"unexpected token: '{self._peek()[1]}', expecting '{word}'")

    def _expect(self, sign: str) -> None:
        if not self._sign(sign):
            raise malformed(f"unexpected token: '{self._peek()[1]}', expecting '{sign}'")

    def _take(self, word: str) -> bool:
        kind, text = self._peek()
        if kind == "name" and text.upper() == word:
            self._place += 1
            return True
        return False

    def _sign(self, sign: str) -> bool:
        if self._peek() == ("sign", sign):
            self._place += 1
            return True
        return False

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "<EOF>")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._place += 1
        return token


def _unescaped(text: str) -> str:
    r"""A text without its escapes: \n \r \t \b \f \" \' \\ and \uXXXX; \_ and \% mean something to LIKE only."""

    def one(found: re.Match[str]) -> str:
        if found[1] is not None:
            return chr(int(found[1], 16))
        letter: str = found[2]
        if letter in ESCAPES:
            return ESCAPES[letter]
        if letter in "\"'\\_%":
            return letter
        raise malformed(f"Invalid string literal '{text}'. Illegal character sequence '\\{letter}'")

    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.))", one, text, flags=re.DOTALL)
