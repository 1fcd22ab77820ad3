"""SQL as the database behind Looker's connection speaks it, and the one way in which a value gets into a statement.

SQL Runner takes no bound values, and who looks at a statement on its way (Looker's own templates, a driver, a splitter)
is not documented. So a value never stands in a statement as it is: a *cell* is a quoted text of letters, digits and a
few harmless signs, and the statement itself turns it back. There is nothing to escape, in any dialect.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from ml_connector_dagster.model.entities import DECIMAL_PRECISION, DECIMAL_SCALE, ColumnType


_PLAIN: Final = re.compile(r"(?:[A-Za-z0-9_ .,+/=]|-(?!-)|/(?!\*))*")
_DECIMAL: Final = f"DECIMAL({DECIMAL_PRECISION},{DECIMAL_SCALE})"


def cell(value: Any) -> str:
    """``value`` in a statement: NULL, ``'p…'`` for plain text, or ``'x…'`` with the bytes of its UTF-8 in hex."""
    if value is None:
        return "NULL"
    text = _text(value)
    # "/" and "*" never meet: "*" is not plain.
    if _PLAIN.fullmatch(text) and "--" not in text and not text.endswith("-"):
        return f"'p{text}'"
    return f"'x{text.encode().hex()}'"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f").rjust(26, "0")
    return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One kind of database.

    Attributes:
        types: of our columns; the same as the connector's own destination of that kind gives them.
        from_hex: makes a text of hex digits, ``{0}``.
        to_moment: makes a moment of a text in UTC, ``{0}``.
        moment_text: makes such a text of a moment, ``{0}``; with a T between date and time.
        folds: plain names are stored in upper case.
        define: statements that make a view ``{name}``, or give it another ``{query}``, and leave its readers.
    """

    name: str
    text: str
    types: Mapping[ColumnType, str]
    from_hex: str
    to_moment: str
    moment_text: str
    folds: bool = False
    define: tuple[str, ...]

    def value(self, column: str, kind: ColumnType = ColumnType.STRING) -> str:
        """The expression that turns ``column``, which holds cells, into values of ``kind``."""
        rest = f"substr({column}, 2)"
        text = f"CASE WHEN {column} LIKE 'x%' THEN {self.from_hex.format(rest)} ELSE {rest} END"
        if kind in (ColumnType.STRING, ColumnType.JSON):
            return text
        if kind is ColumnType.TIMESTAMP:
            return self.to_moment.format(text)
        return f"CAST({text} AS {self.types[kind]})"

    def shown(self, column: str, kind: ColumnType) -> str:
        """The expression that hands a column out as text: JSON numbers would not be exact."""
        if kind is ColumnType.TIMESTAMP:
            return self.moment_text.format(column)
        return f"CAST({column} AS {self.text})"

    def relation(self, kinds: Mapping[str, ColumnType], rows: Sequence[Sequence[str]]) -> str:
        """Rows of cells as a relation with the columns ``kinds``."""
        values = ", ".join(f"({', '.join(row)})" for row in rows)
        names = [f"c{number}" for number in range(len(kinds))]
        columns = ", ".join(
            f"{self.value(name, kind)} AS {column}"
            for name, (column, kind) in zip(names, kinds.items(), strict=True)
        )
        return f"(SELECT {columns} FROM (VALUES {values}) AS v({', '.join(names)}))"

    def stored(self, name: str) -> str:
        """A plain name as the database keeps it."""
        return name.upper() if self.folds else name


def _types(text: str, integer: str, moment: str) -> dict[ColumnType, str]:
    return {
        ColumnType.STRING: text,
        ColumnType.JSON: text,
        ColumnType.INTEGER: integer,
        ColumnType.DECIMAL: _DECIMAL,
        ColumnType.DATE: "DATE",
        ColumnType.TIMESTAMP: moment,
        ColumnType.BOOLEAN: "BOOLEAN",
    }


DIALECTS: Final[Mapping[str, Dialect]] = {
    one.name: one
    for one in (
        Dialect(
            name="duckdb",
            text="VARCHAR",
            types=_types("VARCHAR", "BIGINT", "TIMESTAMP WITH TIME ZONE"),
            from_hex="decode(from_hex({0}))",
            to_moment="CAST(({0}) || '+00' AS TIMESTAMP WITH TIME ZONE)",
            moment_text="strftime({0} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%f')",
            define=("CREATE OR REPLACE VIEW {name} AS {query}",),
        ),
        Dialect(
            name="snowflake",
            text="VARCHAR",
            types=_types("VARCHAR", "NUMBER(19,0)", "TIMESTAMP_TZ"),
            from_hex="TRY_HEX_DECODE_STRING({0})",
            to_moment="TO_TIMESTAMP_TZ(({0}) || ' +00:00', 'YYYY-MM-DD HH24:MI:SS.FF6 TZH:TZM')",
            moment_text="TO_VARCHAR(CONVERT_TIMEZONE('UTC', {0}), 'YYYY-MM-DD\"T\"HH24:MI:SS.FF6')",
            folds=True,
            define=("CREATE OR REPLACE VIEW {name} COPY GRANTS AS {query}",),
        ),
        Dialect(
            name="databricks",
            text="STRING",
            types=_types("STRING", "BIGINT", "TIMESTAMP"),
            from_hex="decode(unhex({0}), 'UTF-8')",
            to_moment="CAST(concat({0}, ' UTC') AS TIMESTAMP)",
            moment_text="date_format(to_utc_timestamp({0}, current_timezone()),"
            " \"yyyy-MM-dd'T'HH:mm:ss.SSSSSS\")",
            define=(
                "CREATE VIEW IF NOT EXISTS {name} AS {query}",
                "ALTER VIEW {name} AS {query}",
            ),
        ),
    )
}
