"""What a list lacks, by bulk POST: fields of each of its rows, and rows below them (reference cloudsuite-api §2.4, §7 lesson 4)."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ml_connector_dagster.cloudsuite.catalog.routes import Children, Complete
from ml_connector_dagster.cloudsuite.product_lines.m3.api import BulkCall, ListCall, M3Api
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    AuthorityError,
    NotThereError,
    RefusedError,
)
from ml_connector_dagster.cloudsuite.product_lines.tables import (
    column,
    concatenated,
    distinct_keys,
    renamed,
    with_column,
    with_fields_from,
)
from ml_connector_dagster.model.errors import ContractError


#: Remembered answers of a chain; beyond this the oldest memory is dropped as a whole, so that it stays bounded.
_REMEMBERED = 100_000


class Completion:
    """Brings the fields of one ``Complete``. One object serves one chain: it remembers what it asked."""

    def __init__(
        self, api: M3Api, spec: Complete, *, company: str, division: str | None, chunk: int
    ) -> None:
        self._api = api
        self._spec = spec
        self._company = company
        self._division = division
        self._chunk = chunk
        self._known: dict[tuple[str, ...], tuple[str | None, ...] | None] = {}

    def apply(self, rows: pa.Table, meter: Meter, *, whole: bool) -> pa.Table:
        """``rows`` with the fields; null where the record was gone when it was asked for.

        ``whole``: the rows are all there are between the first and the last of them.
        """
        by = tuple(self._spec.key.values())
        keys = distinct_keys(rows, by)
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        if whole and len(keys) > self._chunk:
            self._ask_many(keys[0], len(keys), meter)
        missing = [key for key in keys if key not in self._known and any(key)]
        for start in range(0, len(missing), self._chunk):
            self._ask(missing[start : start + self._chunk], meter)
        found = [(key, values) for key in keys if (values := self._known.get(key)) is not None]
        other = pa.table(
            {
                **{
                    name: pa.array([key[place] for key, _ in found], pa.string())
                    for place, name in enumerate(by)
                },
                **{
                    name: pa.array([values[place] for _, values in found], pa.string())
                    for place, name in enumerate(self._spec.fields)
                },
            }
        )
        return with_fields_from(rows, other, by, self._spec.fields)

    def _ask_many(self, start: tuple[str, ...], count: int, meter: Meter) -> None:
        """The fields of the next ``count`` records by one list; what it does not bring is left to Gets."""
        many = self._spec.many
        if many is None:
            return
        call = ListCall(
            program=self._spec.program,
            transaction=many.transaction,
            company=self._company,
            division=self._division,
            inputs=dict(zip(many.position, start, strict=True)),
            maxrecs=count,
        )
        try:
            found = self._api.rows(call, meter)
        except (AuthorityError, RefusedError, NotThereError):
            return
        if not {*self._spec.fields, *many.position.values()} <= set(found.column_names):
            return
        values = zip(*(found.column(name).to_pylist() for name in self._spec.fields), strict=True)
        keys = zip(
            *(
                pc.utf8_rtrim(found.column(name), characters=" ").to_pylist()
                for name in many.position.values()
            ),
            strict=True,
        )
        self._known.update(zip(keys, values, strict=True))

    def _ask(self, keys: Sequence[tuple[str, ...]], meter: Meter) -> None:
        inputs = tuple(self._spec.key)
        call = BulkCall(
            program=self._spec.program,
            transaction=self._spec.transaction,
            company=self._company,
            division=self._division,
            records=[dict(zip(inputs, key, strict=True)) for key in keys],
            columns=self._spec.fields,
        )
        answer = self._api.bulk(call, meter)
        for key in keys:
            self._known[key] = None
        values = zip(
            *(column(answer.rows, name).to_pylist() for name in self._spec.fields), strict=True
        )
        for index, row in zip(answer.index.to_pylist(), values, strict=True):
            self._known[keys[index]] = row


def children_of(
    api: M3Api,
    spec: Children,
    parents: pa.Table,
    *,
    company: str,
    division: str | None,
    meter: Meter,
) -> pa.Table:
    """The rows below ``parents``; a parent that has none, or is gone, has none. Raises ContractError where rows may be missing."""
    if parents.num_rows == 0:
        return pa.table({})
    inputs = tuple(spec.inputs)
    columns = [column(parents, field).to_pylist() for field in spec.inputs.values()]
    records = [
        {name: value for name, value in zip(inputs, row, strict=True) if value}
        for row in zip(*columns, strict=True)
    ]
    tables: list[pa.Table] = []
    for start in range(0, len(records), spec.chunk):
        call = BulkCall(
            program=spec.program,
            transaction=spec.transaction,
            company=company,
            division=division,
            records=records[start : start + spec.chunk],
        )
        answer = api.bulk(call, meter)
        rows, index = answer.rows, answer.index
        for place, count in enumerate(answer.counts):
            if api.may_be_capped(count, bulk=True):
                rows, index = _asked_again(api, call, place, count, rows, index, meter)
        places = pc.add(index, start)
        for name in spec.carry:
            rows = with_column(rows, name, pc.take(column(parents, name).combine_chunks(), places))
        tables.append(renamed(rows, spec.names))
    return concatenated(tables)


def _asked_again(
    api: M3Api,
    call: BulkCall,
    place: int,
    count: int,
    rows: pa.Table,
    index: pa.Array,
    meter: Meter,
) -> tuple[pa.Table, pa.Array]:
    """One parent's rows by a call of its own, whose limit is known to work or not."""
    inputs: Mapping[str, str] = call.records[place]
    alone = ListCall(
        program=call.program,
        transaction=call.transaction,
        company=call.company,
        division=call.division,
        inputs=inputs,
        maxrecs=0,
    )
    again = api.rows(alone, meter)
    if again.num_rows <= count and api.may_be_capped(again.num_rows, bulk=False):
        raise ContractError(
            f"{alone}, {dict(inputs)}: exactly {count} rows came, a known cap of row counts, and this list has no next page. "
            f"If {count} is their true number, take it out of row_caps in the tenant's catalog; else use another route"
        )
    keep = pc.not_equal(index, place)
    rows = concatenated([rows.filter(keep), again])
    index = pa.concat_arrays([index.filter(keep), pa.array([place] * again.num_rows, index.type)])
    return rows, index
