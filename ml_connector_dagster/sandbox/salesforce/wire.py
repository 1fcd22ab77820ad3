"""JSON as the API reads and writes it: decimal numbers stay exact in both directions."""

import json
import re
import secrets
from decimal import Decimal
from typing import Any

from ml_connector_dagster.sandbox.salesforce.refusals import ApiError


def read(body: bytes) -> Any:
    """A request's JSON. Raises ApiError JSON_PARSER_ERROR."""
    try:
        return json.loads(body, parse_float=Decimal)
    except ValueError as error:
        raise ApiError(
            400, "JSON_PARSER_ERROR", f"The HTTP entity body is not JSON: {error}"
        ) from error


def write(value: object) -> bytes:
    """An answer as JSON. Decimals are written as numbers, digit by digit."""
    numbers: list[str] = []
    sign = secrets.token_hex(8)  # that no text holds by accident

    def mark(number: object) -> str:
        if not isinstance(number, Decimal):
            raise TypeError(f"{type(number).__name__} is not JSON")
        numbers.append(format(number, "f"))
        return f"{sign}:{len(numbers) - 1}"

    text = json.dumps(value, default=mark)
    return re.sub(rf'"{sign}:(\d+)"', lambda found: numbers[int(found[1])], text).encode()
