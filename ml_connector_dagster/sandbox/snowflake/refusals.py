"""What Snowflake answers when it does not do something: its numbers, SQL states and words."""

import re

import duckdb


class Refusal(Exception):
    """An error of Snowflake. ``code`` as it says it, e.g. "002003"."""

    def __init__(self, code: str, state: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.state = state
        self.message = message


def no_such_object(kind: str, name: str) -> Refusal:
    state = "42S02" if kind in ("Object", "Table") else "02000"
    return Refusal(
        "002003",
        state,
        f"SQL compilation error:\n{kind} '{name}' does not exist or not authorized.",
    )


def not_permitted(kind: str, name: str) -> Refusal:
    return Refusal(
        "003001",
        "42501",
        f"SQL access control error:\nInsufficient privileges to operate on {kind} '{name}'.",
    )


def cancelled() -> Refusal:
    return Refusal("000604", "57014", "SQL execution canceled")


def not_simulated(what: str) -> Refusal:
    """Louder than doing something else than Snowflake would."""
    return Refusal("000002", "0A000", f"The stand-in does not simulate this: {what}")


def translated(error: duckdb.Error) -> Refusal:
    """DuckDB's error in Snowflake's words."""
    text = str(error).split("\n")[0]
    if isinstance(error, duckdb.CatalogException):
        match = re.search(r'(?:name|Schema with name) "?([^"! ]+)', text)
        return no_such_object("Object", match[1] if match else text)
    if isinstance(error, duckdb.InvalidInputException) and "more than once" in text:
        return Refusal("100090", "42P18", "Duplicate row detected during DML action")
    if isinstance(error, duckdb.ConstraintException) and "CHECK" in text:
        return Refusal("100078", "22000", "String '…' is too long and would be truncated")
    if isinstance(error, duckdb.ConstraintException):
        return Refusal("100072", "22000", "NULL result in a non-nullable column")
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        number = re.search(r'(?:value|cast value) "?([-0-9.]+)"? to (?:type )?(DECIMAL\S+)', text)
        if number:
            kind = number[2].replace("DECIMAL", "NUMBER")
            words = f"Number out of representable range: type {kind}, value {number[1]}"
            return Refusal("100046", "22003", words)
        return Refusal("100038", "22018", text)
    if isinstance(error, duckdb.ParserException):
        return Refusal("001003", "42000", f"SQL compilation error:\n{text}")
    return Refusal("000904", "42000", f"SQL compilation error:\n{text}")
