"""The ERP as the sandbox holds it: rows, what can happen to them, and the truth about them."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

from ml_connector_dagster.sandbox.clock import Clock
from ml_connector_dagster.sandbox.erp.calendar import number_of
from ml_connector_dagster.sandbox.erp.changes import FIELD_CHANGES
from ml_connector_dagster.sandbox.erp.database import Database
from ml_connector_dagster.sandbox.erp.dictionary import DICTIONARY
from ml_connector_dagster.sandbox.erp.generation import build_database
from ml_connector_dagster.sandbox.erp.inserts import INSERTS, Copier, Record
from ml_connector_dagster.sandbox.erp.sizes import ErpSize
from ml_connector_dagster.sandbox.erp.sources import SOURCES, Source, Value, typed
from ml_connector_dagster.sandbox.erp.tables import TABLES, Table
from ml_connector_dagster.sandbox.erp.truth import total, truth_rows
from ml_connector_dagster.sandbox.erp.vouchers import reclassify


#: Company, then the entity's canonical key values.
RecordKey = tuple[str | int, ...]

CHANGED_BY = "SANDBOX"

_images: dict[tuple[int, ErpSize, date, str], bytes] = {}
_images_lock = threading.Lock()


def generated_image(seed: int, size: ErpSize, today: date, timezone: ZoneInfo) -> bytes:
    """The generated ERP as a database image. It is kept: a second sandbox starts at once."""
    key = (seed, size, today, timezone.key)
    with _images_lock:
        image = _images.get(key)
        if image is None:
            database = build_database(seed, size, today, timezone)
            image = _images[key] = database.image()
            database.close()
    return image


class Erp:
    """Rows, and what can happen to them. Every method is atomic against requests and other threads."""

    def __init__(
        self, *, seed: int, size: ErpSize, today: date, timezone: ZoneInfo, clock: Clock
    ) -> None:
        self._image = generated_image(seed, size, today, timezone)
        self.database = Database(self._image)
        self.size = size
        self.clock = clock
        self._serial = 0

    @property
    def companies(self) -> tuple[str, ...]:
        """Company numbers."""
        return self.size.companies

    def reset(self) -> None:
        """Undo every change since the start."""
        with self.database.lock:
            self.database.restore(self._image)
            self._serial = 0

    # What can happen

    def change(
        self,
        entity: str,
        count: int = 1,
        company: str | None = None,
        *,
        seed: int = 0,
        day: date | None = None,
        keys: Sequence[RecordKey] | None = None,
    ) -> list[RecordKey]:
        """Change the content of ``count`` records (or of those with ``keys``) and stamp them; answers their keys.

        Stamps are of the sandbox's clock, or of noon on ``day``. A GL balance changes by a voucher that is posted to it.
        """
        random = Random(f"change/{entity}/{seed}")
        source = _source(entity)
        with self.database.lock:
            records = self._pick(source, count, company, random, keys)
            for record in records:
                if entity == "gl_balances":
                    amount = Decimal(random.randrange(100, 10_000_000)) / 100
                    reclassify(self.database, record, record, amount, self._stamps(day))
                    continue
                for index, one in enumerate(FIELD_CHANGES[entity]):
                    if index and random.random() < 0.5:
                        continue
                    table = TABLES[one.table]
                    key = _shared_key(source.table, table, record)
                    column = table.prefix + one.field
                    new = one.change(record[column], random)
                    self._update(table, key, {column: new}, day)
                self._backdate(source, record, day)
            return [_record_key(source, record) for record in records]

    def touch(
        self,
        entity: str,
        count: int = 1,
        company: str | None = None,
        *,
        seed: int = 0,
        day: date | None = None,
        keys: Sequence[RecordKey] | None = None,
    ) -> list[RecordKey]:
        """Stamp records as changed without changing their content; answers their keys."""
        random = Random(f"touch/{entity}/{seed}")
        source = _source(entity)
        with self.database.lock:
            records = self._pick(source, count, company, random, keys)
            for record in records:
                self._update(source.table, _key(source.table, record), {}, day)
                self._backdate(source, record, day)
            return [_record_key(source, record) for record in records]

    def insert(
        self,
        entity: str,
        count: int = 1,
        company: str | None = None,
        *,
        seed: int = 0,
        day: date | None = None,
    ) -> list[RecordKey]:
        """Add records: copies of others under new keys, an order with its lines, an invoice with its batch."""
        if entity == "gl_balances":
            raise ValueError("gl_balances come from vouchers: use change")
        random = Random(f"insert/{entity}/{seed}")
        source = _source(entity)
        keys: list[RecordKey] = []
        with self.database.lock:
            copier = Copier(database=self.database, stamps=self._stamps(day) | self._made(day))
            for record in self._pick(source, count, company, random, None, repeated=True):
                self._serial += 1
                own: Record = {column: record[column] for column in source.table.columns}
                keys.append(
                    _record_key(source, record | INSERTS[entity](copier, own, self._serial))
                )
        return keys

    def delete(
        self,
        entity: str,
        count: int = 1,
        company: str | None = None,
        *,
        seed: int = 0,
        keys: Sequence[RecordKey] | None = None,
    ) -> list[RecordKey]:
        """Delete records; an order takes its lines along, an invoice its batch, a supplier its purchase data."""
        if entity == "gl_balances":
            raise ValueError("a ledger does not forget: gl_balances cannot be deleted")
        random = Random(f"delete/{entity}/{seed}")
        source = _source(entity)
        with self.database.lock:
            records = self._pick(source, count, company, random, keys)
            for record in records:
                self.database.delete(source.table, _key(source.table, record))
                for table, along in _dependents(entity, record):
                    self.database.delete(TABLES[table], along)
            return [_record_key(source, record) for record in records]

    def set_field(
        self,
        table: str,
        key: Mapping[str, int | str] | Sequence[int | str],
        field: str,
        value: int | str,
        *,
        stamp: bool = True,
        day: date | None = None,
    ) -> None:
        """Write any value into a field, hostile ones too. Names with or without the table's prefix.

        ``key`` is by name, or the table's key values in order, company first.
        """
        target = TABLES[table]
        given = dict(key) if isinstance(key, Mapping) else dict(zip(target.key, key, strict=True))
        where: dict[str, int | str] = {}
        for name, part in given.items():
            column = _column(target, name)
            is_text = DICTIONARY[column[len(target.prefix) :]].type == "A"
            where[column] = str(part) if is_text else int(part)
        with self.database.lock:
            values: dict[str, int | str] = {_column(target, field): value}
            touched = (
                self._update(target, where, values, day)
                if stamp
                else self.database.update(target, where, values)
            )
        if not touched:
            raise KeyError(f"{table} has no row with {given}")

    def write(self, entity: str, row: Mapping[str, Value], column: str, value: int | str) -> None:
        """Write any value behind a canonical ``column`` of ``row`` (one of ``truth``), stamped as changed now."""
        source = _source(entity)
        field = next(expression for name, expression, _ in source.columns if name == column)
        table = next(one for one in TABLES.values() if field in one.columns)
        key: RecordKey = (str(row["company"]), *(_key_part(row[name]) for name in source.key))
        with self.database.lock:
            record = self._pick(source, 1, None, Random(0), [key])[0]
            self._update(table, _shared_key(source.table, table, record), {field: value}, None)

    # The truth

    def truth(
        self,
        entity: str,
        company: str | None = None,
        *,
        changed_from: date | None = None,
        changed_until: date | None = None,
    ) -> list[dict[str, Value]]:
        """Every record of an entity as it should arrive: canonical names, Python types, ``company`` first.

        Texts are trimmed, blank is None ("" for a division), invoices and payments have positive amounts. With
        ``changed_from`` and ``changed_until`` (both included) only records whose change date lies there; records
        without one only when ``changed_from`` is None.
        """
        return truth_rows(self.database, _source(entity), company, changed_from, changed_until)

    def totals(self) -> dict[str, dict[str, dict[str, int | Decimal]]]:
        """Entity → company → rows and the sums of its amounts."""
        return {
            entity: {company: total(self.database, source, company) for company in self.companies}
            for entity, source in SOURCES.items()
        }

    # Parts of the above

    def _pick(
        self,
        source: Source,
        count: int,
        company: str | None,
        random: Random,
        keys: Iterable[RecordKey] | None,
        *,
        repeated: bool = False,
    ) -> list[Record]:
        """Random records (all columns of the entity's tables), or those with ``keys``."""
        prefix = source.table.prefix
        condition = "" if company is None else f" AND {prefix}CONO = {int(company)}"
        tables = [
            source.table,
            *(TABLES[name] for name in TABLES if f"JOIN {name} " in source.joined),
        ]
        columns = [column for table in tables for column in table.columns]
        rows = self.database.select(
            f"SELECT {', '.join(columns)} FROM {source.table.name} {source.joined}"
            f" WHERE {source.condition}{condition} ORDER BY {', '.join(source.table.key_columns)}"
        )
        if keys is not None:
            places = {
                _record_key(source, dict(zip(columns, row, strict=True))): row for row in rows
            }
            missing = [key for key in keys if key not in places]
            if missing:
                raise KeyError(f"{source.entity} has no record {missing[0]}")
            chosen = [places[key] for key in keys]
        elif repeated:
            chosen = [random.choice(rows) for _ in range(count)]
        else:
            if count > len(rows):
                raise ValueError(f"{source.entity} has {len(rows)} records, not {count}")
            chosen = random.sample(rows, count)
        return [dict(zip(columns, row, strict=True)) for row in chosen]

    def _backdate(self, source: Source, record: Record, day: date | None) -> None:
        """A record of two tables changed on the later of their days: a given day is therefore set in both."""
        if day is None:
            return
        for name in {one.table for one in FIELD_CHANGES.get(source.entity, ())}:
            if name != source.table.name:
                table = TABLES[name]
                self._update(table, _shared_key(source.table, table, record), {}, day)

    def _moment(self, day: date | None) -> datetime:
        if day is None:
            return self.clock.now().astimezone(self.clock.timezone)
        return datetime.combine(day, time(12), self.clock.timezone)

    def _stamps(self, day: date | None) -> dict[str, int | str]:
        moment = self._moment(day)
        return {
            "LMDT": number_of(moment.date()),
            "CHNO": 1,
            "CHID": CHANGED_BY,
            "LMTS": int(moment.timestamp() * 1000),
        }

    def _made(self, day: date | None) -> dict[str, int | str]:
        moment = self._moment(day)
        return {"RGDT": number_of(moment.date()), "RGTM": int(moment.strftime("%H%M%S"))}

    def _update(
        self,
        table: Table,
        key: Mapping[str, int | str],
        values: Mapping[str, int | str],
        day: date | None,
    ) -> int:
        """Set values and stamps; the change number counts on."""
        prefix = table.prefix
        stamps = self._stamps(day)
        condition = " AND ".join(f"{column} = ?" for column in key)
        number = self.database.number(
            f"SELECT {prefix}CHNO FROM {table.name} WHERE {condition}", tuple(key.values())
        )
        stamps["CHNO"] = number % 999 + 1
        stamped = {prefix + field: value for field, value in stamps.items()}
        return self.database.update(table, key, {**values, **stamped})


def _source(entity: str) -> Source:
    if entity not in SOURCES:
        raise KeyError(f"unknown entity {entity!r}; there are {', '.join(SOURCES)}")
    return SOURCES[entity]


def _column(table: Table, name: str) -> str:
    for column in (name, table.prefix + name):
        if column in table.columns:
            return column
    raise KeyError(f"{table.name} has no field {name!r}")


def _key(table: Table, record: Mapping[str, int | str]) -> dict[str, int | str]:
    return {column: record[column] for column in table.key_columns}


def _shared_key(main: Table, other: Table, record: Mapping[str, int | str]) -> dict[str, int | str]:
    """The other table's key, from the fields that both tables have."""
    return {other.prefix + field: record[main.prefix + field] for field in other.key}


def _record_key(source: Source, record: Mapping[str, int | str]) -> RecordKey:
    parts: list[str | int] = [str(record[f"{source.table.prefix}CONO"])]
    for name, expression, kind in source.columns:
        if name in source.key:
            parts.append(_key_part(typed(record[expression], kind)))
    return tuple(parts)


def _key_part(value: Value) -> str | int:
    return value if isinstance(value, int | str) else ""


def _dependents(entity: str, record: Record) -> list[tuple[str, dict[str, int | str]]]:
    """What goes when a record goes: tables with the key of the rows."""
    if entity == "suppliers":
        return [("CIDVEN", {"IICONO": record["IDCONO"], "IISUNO": record["IDSUNO"]})]
    if entity == "purchase_orders":
        return [("MPLINE", {"IBCONO": record["IACONO"], "IBPUNO": record["IAPUNO"]})]
    if entity == "supplier_invoices":
        company, batch = record["EPCONO"], record["EPINBN"]
        return [
            ("FAPIBH", {"E5CONO": company, "E5INBN": batch}),
            ("FAPIBL", {"E6CONO": company, "E6INBN": batch}),
        ]
    return []
