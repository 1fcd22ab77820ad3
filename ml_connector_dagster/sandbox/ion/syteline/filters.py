"""Filters of a load: SQL-like comparisons of properties (reference §3.2)."""

from collections.abc import Sequence
from datetime import datetime

from ml_connector_dagster.sandbox.ion.conditions import BadConditionError, Literal, parse_condition
from ml_connector_dagster.sandbox.ion.listings import Condition, ListedField, Listing, plain_number


#: As a date may be written in a filter.
_FORMS = ("%Y%m%d", "%Y%m%d %H:%M:%S", "%Y%m%d %H:%M:%S.%f", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S.%f")


def filter_condition(text: str, listing: Listing, shown: Sequence[str]) -> Condition:
    """SQL of a filter. Raises BadConditionError in Mongoose's words."""
    if '"' in text:
        raise BadConditionError("IllegalFilterException: double quotes are not allowed in a filter")

    def compare(name: str, sign: str, literal: Literal) -> Condition:
        field = listing.fields.get(name)
        if field is None or name not in shown:
            raise BadConditionError(f"Property {name} not found on IDO {listing.name}.")
        if literal.text.lower() == "null" and not literal.quoted:
            if sign != "=":
                raise BadConditionError("IllegalFilterException: null is compared by IS only")
            return f"{field.sql} IS NULL", ()
        return _comparison(field, sign, literal)

    try:
        return parse_condition(text, compare, {"is": "="})
    except BadConditionError as error:
        message = str(error)
        known = message.startswith(("Property ", "IllegalFilterException"))
        raise BadConditionError(
            message if known else f"IllegalFilterException: {message}"
        ) from None


def _comparison(field: ListedField, sign: str, literal: Literal) -> Condition:
    if field.kind in ("stamp", "date"):
        moment = _moment(literal)
        if field.kind == "stamp":
            return f"{field.sql} {sign} ?", (
                f"{moment:%Y%m%d %H:%M:%S}.{moment.microsecond // 1000:03d}",
            )
        return f"{field.sql} {sign} ?", (int(f"{moment:%Y%m%d}"),)
    if literal.quoted:
        return f"trim({field.sql}) {sign} ?", (literal.text.strip(),)
    number = plain_number(literal.text, negated=field.kind == "negated")
    if number is None:
        raise BadConditionError(f"IllegalFilterException: {literal.text} is not a value")
    return f"{field.comparable()} {sign} CAST(? AS NUMERIC)", (number,)


def _moment(literal: Literal) -> datetime:
    for form in _FORMS if literal.quoted else ():
        try:
            return datetime.strptime(literal.text, form)  # noqa: DTZ007 - the site's clock has no zone
        except ValueError:
            continue
    raise BadConditionError(f"IllegalFilterException: '{literal.text}' is not a date")
