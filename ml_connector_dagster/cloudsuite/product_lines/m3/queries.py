"""EXPORTMI's query text (reference cloudsuite-api §2.8): names checked, values quoted in one place.

The query is one text: there is nothing to bind values to. Text is quoted with doubled quotes, numbers must be digits.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from ml_connector_dagster.cloudsuite.catalog.fields import ErpType
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import Span, day_text
from ml_connector_dagster.model.errors import ContractError


_NUMBER = re.compile(r"-?\d+(\.\d+)?")

Types = Mapping[str, ErpType]


def literal(field: str, value: str, types: Types) -> str:
    """``value`` as it stands in a query; a number that is none raises ContractError."""
    if types.get(field, ErpType.TEXT) is ErpType.TEXT:
        return "'" + value.replace("'", "''") + "'"
    text = value.strip() or "0"
    if not _NUMBER.fullmatch(text):
        raise ContractError(
            f"{field} holds {value[:40]!r}, which is no number; correct its type in the catalog"
        )
    return text


def equal(prefix: str, field: str, value: str, types: Types) -> str:
    """``FIELD=value``."""
    return f"{prefix}{field}={literal(field, value, types)}"


def among(prefix: str, fields: Sequence[str], keys: Sequence[Sequence[str]], types: Types) -> str:
    """Any of ``keys``."""
    options = [
        " and ".join(
            equal(prefix, field, value, types) for field, value in zip(fields, key, strict=True)
        )
        for key in keys
    ]
    if len(options) == 1:
        return options[0]
    return (
        "(" + " or ".join(f"({option})" if len(fields) > 1 else option for option in options) + ")"
    )


def beyond(
    prefix: str,
    fields: Sequence[str],
    key: Sequence[str],
    types: Types,
    *,
    sign: str,
    inclusive: bool,
) -> str:
    """Keys after (``sign`` ">") or before ("<") ``key`` in index order, a composite key written out field by field."""
    options: list[str] = []
    for place, field in enumerate(fields):
        last = place == len(fields) - 1
        operator = f"{sign}=" if inclusive and last else sign
        same = [
            equal(prefix, name, value, types)
            for name, value in zip(fields[:place], key[:place], strict=True)
        ]
        here = f"{prefix}{field}{operator}{literal(field, key[place], types)}"
        options.append(" and ".join([*same, here]))
    if len(options) == 1:
        return options[0]
    return "(" + " or ".join(f"({option})" for option in options) + ")"


def changed(prefix: str, field: str, span: Span) -> list[str]:
    """Change dates inside ``span``; a blank date is 0, and belongs to what is open to the past."""
    until = f"{prefix}{field}<{day_text(_next(span.last))}"
    return [until] if span.first is None else [f"{prefix}{field}>={day_text(span.first)}", until]


def select(
    table: str, prefix: str, fields: Sequence[str], conditions: Sequence[str], order: Sequence[str]
) -> str:
    """The whole QERY."""
    text = f"{','.join(prefix + field for field in fields)} from {table}"
    if conditions:
        text += f" where {' and '.join(conditions)}"
    if order:
        text += f" order by {','.join(prefix + field for field in order)}"
    return text


def _next(day: date) -> date:
    return day + timedelta(1)
