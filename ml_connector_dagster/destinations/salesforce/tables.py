"""CSV for Bulk API 2.0, in and out: UTF-8, LF, a fixed order of columns, ``#N/A`` for null.

Not through the library's dictionaries and readers, which mix the columns' order, leave null cells empty (an update then
ignores them) and lose newlines inside values (reference/saas-destinations.md §1.1, cases 8 and 9).
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from ml_connector_dagster.destinations.salesforce.jsons import moment_text


CSV_NULL: Final = "#N/A"
Cell = str | int | Decimal | bool | date | datetime | None


def written(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """An upload."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(columns)
    writer.writerows([cell_text(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def cell_text(cell: Cell) -> str:
    """One cell of an upload. Carriage returns would be read as wrong line ends: a newline stands for each."""
    if cell is None or cell == "":
        return CSV_NULL
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, datetime):
        return moment_text(cell)
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, Decimal):
        return format(cell, "f")
    return re.sub(r"\r\n?", "\n", str(cell))


def read(file: Path) -> Iterator[Mapping[str, str]]:
    """The rows of a result, newlines inside values included."""
    with file.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)
