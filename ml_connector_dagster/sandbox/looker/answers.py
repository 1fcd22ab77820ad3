"""Rows in the formats that Looker gives them in."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ml_connector_dagster.sandbox.looker.lookml import Field
from ml_connector_dagster.sandbox.looker.refusals import Refused


#: A row: field → value as it stands in JSON.
Row = dict[str, Any]

FORMATS = ("json", "json_detail", "csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The result of a query. ``error`` is what the database said in place of rows."""

    names: tuple[str, ...]
    rows: tuple[Row, ...]
    sql: str
    at: float
    fields: tuple[Field, ...] = ()
    from_cache: bool = False
    error: str = ""


def cell(value: object) -> Any:
    """A value of the database, as JSON has it. A Decimal stays one: it is written with all its digits."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | bool | int | Decimal):
        return value
    if isinstance(value, float):
        return Decimal(repr(value)) if value == value else None
    return str(value)


def rendered(answer: Answer, form: str) -> tuple[bytes, str]:
    """The answer in a format, and its content type. A failed query is HTTP 200, too: so is Looker."""
    if form == "json":
        rows = [{"looker_error": answer.error}] if answer.error else list(answer.rows)
        return as_json(rows), "application/json; charset=utf-8"
    if form == "json_detail":
        return as_json(_detail(answer)), "application/json; charset=utf-8"
    if form == "csv":
        return _csv(answer).encode(), "text/csv; charset=utf-8"
    raise Refused(400, f"Invalid result format: {form}")


def as_json(content: object) -> bytes:
    """JSON with exact decimals."""
    return _text(content).encode()


def _text(content: object) -> str:
    if isinstance(content, Decimal):
        return format(content, "f")
    if isinstance(content, Mapping):
        return "{" + ",".join(f"{json.dumps(str(k))}:{_text(v)}" for k, v in content.items()) + "}"
    if isinstance(content, Sequence) and not isinstance(content, str):
        return "[" + ",".join(_text(one) for one in content) + "]"
    return json.dumps(content)


def _detail(answer: Answer) -> dict[str, Any]:
    data = [{name: {"value": value} for name, value in row.items()} for row in answer.rows]
    detail: dict[str, Any] = {
        "fields": {
            "dimensions": [_about(one) for one in answer.fields if not one.is_measure],
            "measures": [_about(one) for one in answer.fields if one.is_measure],
            "table_calculations": [],
            "pivots": [],
        },
        "data": data,
        "sql": answer.sql,
        "timezone": "UTC",
        "from_cache": answer.from_cache,
        "truncated": False,
    }
    if answer.error:
        detail["errors"] = [
            {
                "message": "The database reported an error.",
                "message_details": answer.error,
                "params": "",
                "error_pos": None,
                "level": "error",
                "fatal": True,
            }
        ]
    return detail


def _about(one: Field) -> dict[str, Any]:
    return {
        "name": one.full_name,
        "label": one.label,
        "label_short": one.label,
        "type": f"date_{one.timeframe}" if one.timeframe else one.type,
        "view": one.view,
        "measure": one.is_measure,
    }


def _csv(answer: Answer) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if answer.error:
        writer.writerow([answer.error])
        return out.getvalue()
    labels = [one.label for one in answer.fields] or list(answer.names)
    writer.writerow(labels)
    for row in answer.rows:
        writer.writerow(["" if row[name] is None else row[name] for name in answer.names])
    return out.getvalue()
