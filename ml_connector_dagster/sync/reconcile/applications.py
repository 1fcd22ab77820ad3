"""An application counts and adds up by its own query API, as one group; its records are asked for when that differs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from ml_connector_dagster.destinations.applications.contract import Found
from ml_connector_dagster.destinations.applications.destination import ApplicationDestination
from ml_connector_dagster.destinations.applications.drafts import meets
from ml_connector_dagster.destinations.applications.inspections import amount_fields, record_prefix
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.model.controls import Control
from ml_connector_dagster.model.reconciliations import Group, Side
from ml_connector_dagster.sync.reconcile.books import Shape
from ml_connector_dagster.sync.reconcile.places import FoundRow


class ApplicationPlace:
    """``Place`` of an object or board. ``wanted``: the flag of the records that the flow's filter lets through."""

    def __init__(
        self, destination: ApplicationDestination, control: Control, scope: Scope, wanted: str
    ) -> None:
        self._destination = destination
        self._mapped = destination.mapped(control.entity)
        self._control = control
        self._scope = scope
        self._amounts = amount_fields(self._mapped)
        self._doubles = False
        self.shape = Shape(
            amounts=tuple(self._amounts),
            grouped=False,
            marked=False,
            archives=destination.application.archives,
            decimals={
                column: decimals
                for column, name in self._amounts.items()
                if (decimals := self._mapped.rules[name].decimals) is not None
            },
            wanted=wanted,
        )

    def groups(self) -> dict[tuple[int, str], Side]:
        facts = self._destination.inspect(self._control.entity, self._scope)
        self._doubles = facts.duplicates > 0
        sums = tuple(facts.control_totals[column] for column in self._amounts)
        return {(0, ""): Side(rows=facts.rows, sums=sums)}

    def has_doubles(self) -> bool:
        return self._doubles

    def records(self, groups: Sequence[Group]) -> Iterator[list[FoundRow]]:
        prefix = self._mapped.key_prefix + record_prefix(self._scope)
        yield self._found(external_ids=None, prefix=prefix)

    def records_of(self, record_ids: Sequence[str]) -> Iterator[list[FoundRow]]:
        yield self._found(
            external_ids=[self._mapped.external_id(one) for one in record_ids], prefix=""
        )

    def _found(self, *, external_ids: Sequence[str] | None, prefix: str) -> list[FoundRow]:
        rows: dict[str, dict[str, object]] = {}
        for one in self._destination.application.target.find(
            self._mapped.placement, external_ids=external_ids, prefix=prefix
        ):
            record_id = self._mapped.record_id(one.external_id)
            known = rows.get(record_id)
            rows[record_id] = self._row(record_id, one, 1 if known is None else 2)
        return list(rows.values())

    def _row(self, record_id: str, one: Found, copies: int) -> dict[str, object]:
        mark = self._mapped.deleted_field
        return {
            "record_id": record_id,
            "period": 0,
            "currency": "",
            "deleted": bool(mark) and one.values.get(mark) not in (None, False),
            "copies": copies,
            **{
                column: None if one.values.get(name) is None else str(one.values[name])
                for column, name in self._amounts.items()
            },
        }


def filter_columns(mapped: Mapped) -> tuple[str, ...]:
    """The columns that decide whether a record belongs there."""
    return tuple(dict.fromkeys(one.column for one in mapped.conditions))


def wanted_rows(mapped: Mapped, rows: pa.Table) -> pa.Array:
    """Which of ``rows`` the filter lets through."""
    columns: Mapping[str, list[Any]] = {
        one.column: rows[one.column].to_pylist() for one in mapped.conditions
    }
    return pa.array(
        [
            all(meets(one, columns[one.column][number]) for one in mapped.conditions)
            for number in range(rows.num_rows)
        ],
        pa.bool_(),
    )
