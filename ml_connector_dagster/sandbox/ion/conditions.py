"""Filter expressions of APIs: ``field operator literal`` joined by and, or and parentheses, turned into SQL.

What a field is and how a literal is written is the API's own: it gives ``compare``.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.sandbox.ion.listings import Condition


class BadConditionError(Exception):
    """The expression cannot be understood; the text says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal:
    """The right side of a comparison. ``quoted``: it stood in quotes."""

    text: str
    quoted: bool


#: Field, SQL operator and literal → a SQL condition; raises BadConditionError.
Compare = Callable[[str, str, Literal], Condition]

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"]|"")*"|'(?:[^']|'')*')|(?P<sign><>|!=|>=|<=|=|>|<)|(?P<bracket>[()])"""
    r"""|(?P<call>[A-Za-z]+\([0-9, ]*\))|(?P<word>[A-Za-z0-9_./:?-]+))"""
)
_SIGNS: Final = {"!=": "<>"}


def parse_condition(text: str, compare: Compare, words: Mapping[str, str]) -> Condition:
    """SQL of ``text``. ``words``: operators that the API writes as words (lower case) → their signs."""
    return _Parser(_tokens(text), compare, words).whole()


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise BadConditionError(
                f"unexpected text at {text[position : position + 20].strip()!r}"
            )
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


class _Parser:
    """One expression, read from left to right; "and" binds closer than "or"."""

    def __init__(
        self, tokens: list[tuple[str, str]], compare: Compare, words: Mapping[str, str]
    ) -> None:
        self._tokens = tokens[::-1]
        self._compare = compare
        self._words = words

    def whole(self) -> Condition:
        found = self._either()
        if self._tokens:
            raise BadConditionError(f"unexpected {self._tokens[-1][1]!r}")
        return found

    def _either(self) -> Condition:
        return self._joined("or", self._both)

    def _both(self) -> Condition:
        return self._joined("and", self._one)

    def _joined(self, word: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self._tokens and self._tokens[-1][1].lower() == word:
            self._tokens.pop()
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        sql = f" {word.upper()} ".join(f"({one})" for one, _ in parts)
        return sql, tuple(value for _, values in parts for value in values)

    def _one(self) -> Condition:
        kind, text = self._next()
        if kind == "bracket" and text == "(":
            inner = self._either()
            if self._next() != ("bracket", ")"):
                raise BadConditionError("a closing parenthesis is missing")
            return inner
        if kind != "word":
            raise BadConditionError(f"a field was expected, not {text!r}")
        sign_kind, sign = self._next()
        sign = self._words.get(sign.lower(), sign) if sign_kind == "word" else sign
        if sign not in ("=", "<>", "!=", ">", ">=", "<", "<="):
            raise BadConditionError(f"unknown operator {sign!r}")
        literal_kind, literal = self._next()
        if literal_kind in ("sign", "bracket"):
            raise BadConditionError(f"a value was expected, not {literal!r}")
        quoted = literal_kind == "quoted"
        if quoted:
            quote = literal[0]
            literal = literal[1:-1].replace(quote * 2, quote)
        return self._compare(text, _SIGNS.get(sign, sign), Literal(text=literal, quoted=quoted))

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise BadConditionError("the expression ends too early")
        return self._tokens.pop()
