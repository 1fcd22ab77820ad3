"""``$filter`` and ``$orderby``: what the sandbox understands of OData (reference §4.1)."""

from typing import Final

from ml_connector_dagster.sandbox.ion.conditions import BadConditionError, Literal, parse_condition
from ml_connector_dagster.sandbox.ion.listings import Condition, ListedField, plain_number
from ml_connector_dagster.sandbox.ion.ln.services import EntitySet
from ml_connector_dagster.sandbox.ion.ln.values import moment_of


_WORDS: Final = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def filter_condition(text: str, of: EntitySet, shown: frozenset[str]) -> Condition:
    """SQL of a $filter. Raises BadConditionError."""

    def compare(name: str, sign: str, literal: Literal) -> Condition:
        if name not in shown:
            raise BadConditionError(f"Could not find a property named '{name}' on type '{of.type}'")
        field = of.listing.fields[name]
        if literal.text == "null" and not literal.quoted:
            return _null(field, sign)
        return _comparison(field, sign, literal)

    if any(sign in text for sign in ("=", "<", ">")):
        raise BadConditionError("Syntax error: operators are eq, ne, gt, ge, lt, le")
    return parse_condition(text, compare, _WORDS)


def _null(field: ListedField, sign: str) -> Condition:
    if sign not in ("=", "<>"):
        raise BadConditionError("null can only be compared with eq and ne")
    negation = "" if sign == "=" else "NOT "
    return f"{negation}coalesce({field.sql}, 0) IN (0, '')", ()


def _comparison(field: ListedField, sign: str, literal: Literal) -> Condition:
    if field.kind in ("stamp", "date"):
        if literal.quoted:
            raise BadConditionError("A moment is written without quotes")
        try:
            seconds = moment_of(literal.text)
        except ValueError:
            raise BadConditionError(f"'{literal.text}' is not an Edm.DateTimeOffset") from None
        if field.kind == "date":
            raise BadConditionError("Filters on dates are not simulated")
        return f"({field.sql} {sign} ? AND {field.sql} > 0)", (seconds,)
    if literal.quoted != (field.kind in ("text", "division")):
        raise BadConditionError(f"A value of another type was expected than {literal.text!r}")
    if literal.quoted:
        return f"{field.sql} {sign} ?", (literal.text,)
    number = plain_number(literal.text, negated=field.kind == "negated")
    if number is None:
        raise BadConditionError(f"{literal.text!r} is not a value")
    return f"{field.comparable()} {sign} CAST(? AS NUMERIC)", (number,)
