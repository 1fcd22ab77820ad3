"""The records of the org: by id, and by the values of their keys."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Final

from ml_connector_dagster.sandbox.salesforce.cells import Cell, same
from ml_connector_dagster.sandbox.salesforce.fields import Field, SObject


Row = dict[str, Cell]
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def new_id(prefix: str, number: int) -> str:
    """An id of 18 characters: 15 that tell cases apart, and 3 that make it safe where cases are lost."""
    tail = ""
    while number:
        number, digit = divmod(number, 62)
        tail = _DIGITS[digit] + tail
    short = f"{prefix}Sb{tail:0>{13 - len(prefix)}}"
    checks = (short[start : start + 5] for start in (0, 5, 10))
    return short + "".join(
        _CHECK[sum((1 << place) for place, one in enumerate(part) if one.isupper())]
        for part in checks
    )


class Table:
    """The records of one object. Every external id and unique field has an index."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._indexes: dict[str, dict[Cell, list[str]]] = {}
        self._keys: dict[str, Field] = {}

    def index(self, fields: Iterable[Field]) -> None:
        """Make indexes for what has none; definitions may have changed."""
        for one in fields:
            if (one.external_id or one.unique) and self._keys.get(one.name) != one:
                self._keys[one.name] = one
                self._indexes[one.name] = {}
                for record_id, row in self.rows.items():
                    self._remember(one, row.get(one.name), record_id)

    def find(self, field: Field, cell: Cell) -> list[str]:
        """Ids of the records with this value of a key; nothing is found by null."""
        if cell is None:
            return []
        return self._indexes.get(field.name, {}).get(same(field, cell), [])

    def by_id(self, text: str) -> str | None:
        """The full id of a record, from its 15 or 18 characters."""
        if text in self.rows:
            return text
        if len(text) != 15:
            return None
        return next((one for one in self.rows if one.startswith(text)), None)

    def put(self, record_id: str, row: Row) -> None:
        """Store a record, new or changed."""
        before = self.rows.get(record_id, {})
        for one in self._keys.values():
            if before.get(one.name) != row.get(one.name):
                self._forget(one, before.get(one.name), record_id)
                self._remember(one, row.get(one.name), record_id)
        self.rows[record_id] = row

    def remove(self, record_id: str) -> None:
        row = self.rows.pop(record_id)
        for one in self._keys.values():
            self._forget(one, row.get(one.name), record_id)

    def _remember(self, field: Field, cell: Cell, record_id: str) -> None:
        if cell is not None:
            self._indexes[field.name].setdefault(same(field, cell), []).append(record_id)

    def _forget(self, field: Field, cell: Cell, record_id: str) -> None:
        ids = self._indexes[field.name].get(same(field, cell), [])
        if record_id in ids:
            ids.remove(record_id)


class Records:
    """All tables."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}
        self._numbers = count(1)

    def clear(self) -> None:
        self._tables.clear()

    def table(self, sobject: SObject) -> Table:
        """The object's records, indexed as it is defined now."""
        table = self._tables.setdefault(sobject.name, Table())
        table.index(sobject.fields.values())
        return table

    def new_id(self, prefix: str) -> str:
        """The next free id."""
        return new_id(prefix, next(self._numbers))

    def object_of(self, objects: Iterable[SObject], record_id: str) -> SObject | None:
        """Whose record it is, by the prefix of its id."""
        return next((one for one in objects if record_id.startswith(one.prefix)), None)

    def __iter__(self) -> Iterator[tuple[str, Table]]:
        return iter(self._tables.items())
