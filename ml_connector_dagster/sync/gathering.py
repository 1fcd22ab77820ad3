"""Small pages made into rows together: typing has a price per column and call, whatever the number of rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa


#: Rows that are worth a call: from here on more of them save nothing.
ENOUGH_ROWS = 8_000


@dataclass(slots=True, kw_only=True)
class Gathering:
    """Records of consecutive pages, kept until there are enough of them.

    ``use`` gets records and when each was asked for: one moment, or a column of them.
    """

    use: Callable[[pa.Table, datetime | pa.Array], None]
    rows: int = 0
    _pages: list[tuple[pa.Table, datetime]] = field(default_factory=list)

    def add(self, records: pa.Table, requested_at: datetime) -> None:
        """Take one page. Pages of other fields than those that wait are kept apart from them."""
        if self._pages and not self._pages[0][0].schema.equals(records.schema):
            self.flush()
        self._pages.append((records, requested_at))
        self.rows += records.num_rows
        # A table without columns has rows all the same, and only by itself it remembers how many.
        if self.rows >= ENOUGH_ROWS or not records.num_columns:
            self.flush()

    def flush(self) -> None:
        """Hand on what waits."""
        pages, self._pages, self.rows = self._pages, [], 0
        if len(pages) == 1:
            self.use(*pages[0])
        elif pages:
            self.use(
                pa.concat_tables([records for records, _ in pages]),
                pa.concat_arrays(
                    [
                        pa.repeat(pa.scalar(moment, pa.timestamp("us", "UTC")), records.num_rows)
                        for records, moment in pages
                    ]
                ),
            )
