"""Can this route serve this company: does the tenant have it, may the service user call it, does it answer what is needed.

One row is asked for, at most; the reasons are for people (``ml-connector ping``).
"""

from collections.abc import Iterable

import pyarrow as pa

from ml_connector_dagster.cloudsuite.catalog.m3 import M3Catalog, M3Entity
from ml_connector_dagster.cloudsuite.catalog.routes import ExportRoute, ListRoute
from ml_connector_dagster.cloudsuite.product_lines.m3.api import BulkCall, ListCall, M3Api
from ml_connector_dagster.cloudsuite.product_lines.m3.chains import OLDEST, day_text
from ml_connector_dagster.cloudsuite.product_lines.m3.repository import Repository
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.cloudsuite.product_lines.tables import column, with_constants
from ml_connector_dagster.model.entities import ENTITIES


class Probe:
    """Tries routes of one company."""

    def __init__(
        self, api: M3Api, repository: Repository, catalog: M3Catalog, company: str
    ) -> None:
        self._api = api
        self._repository = repository
        self._catalog = catalog
        self._company = company

    def why_not(self, entity: str, route: ListRoute | ExportRoute) -> str:
        """Why ``route`` cannot serve; "" when it can. Raises what M3 refuses it with, ConfigError for an unknown company."""
        catalog = self._catalog.entities[entity]
        if isinstance(route, ExportRoute):
            return self._export(entity, catalog, route)
        return self._absent(route) or self._fields(entity, catalog, route) or self._list(route)

    def filters_changes(self, route: ListRoute) -> bool:
        """Whether the tenant's transaction has the change inputs that the catalog names."""
        if route.changed_between is not None:
            between = route.changed_between
            transaction = between.transaction or route.transaction
            wanted = {between.first, between.last}
        elif route.changed_since is not None:
            transaction, wanted = route.transaction, {route.changed_since.input}
        else:
            return False
        known = self._repository.fields(route.program, transaction, "I", self._company)
        return known is None or wanted <= known

    def _absent(self, route: ListRoute) -> str:
        for program, transaction in _transactions(route):
            known = self._repository.transactions(program, self._company)
            if known is None:
                continue
            if not known:
                return f"this tenant has no program {program} (MRS001MI)"
            if transaction not in known:
                return (
                    f"program {program} of this tenant has no transaction {transaction} (MRS001MI)"
                )
        return ""

    def _fields(self, entity: str, catalog: M3Entity, route: ListRoute) -> str:
        inputs = self._repository.fields(route.program, route.transaction, "I", self._company)
        for name in (*route.position, *route.inputs):
            if inputs is not None and name not in inputs:
                return f"{route.program}/{route.transaction} of this tenant has no input {name}, which the catalog names"
        given: set[str] = set(route.constants) | set(route.keep_inputs)
        for program, transaction in _transactions(route):
            outputs = self._repository.fields(program, transaction, "O", self._company)
            if outputs is None:
                return ""
            if (program, transaction) != (route.program, route.transaction) or not route.children:
                given |= outputs
        given |= {name for spec in route.children for name in spec.carry}
        given |= {name for spec in route.children for name in spec.names} | set(route.names)
        for key in ENTITIES[entity].key:
            source = catalog.fields[key].source
            if source not in given:
                return f"it answers no field {source}, which the key column {key} needs"
        return ""

    def _list(self, route: ListRoute) -> str:
        division = self._division(route.per_division)
        inputs = {name: values[0] for name, values in route.inputs.items()}
        if route.per_division and division and self._takes_division(route):
            inputs[route.division_input] = division
        rows = self._one(route.program, route.transaction, division, {**inputs, **route.start})
        if route.changed_between is not None and route.changed_between.transaction:
            days = {
                route.changed_between.first: day_text(OLDEST),
                route.changed_between.last: day_text(OLDEST),
            }
            self._one(
                route.program, route.changed_between.transaction, division, {**inputs, **days}
            )
        constants = {name: values[0] for name, values in route.constants.items()}
        if route.per_division and division is not None:
            constants["DIVI"] = division
        rows = with_constants(rows, constants)
        for child in route.children:
            if rows.num_rows == 0:
                return ""
            above = rows
            rows = self._some(child.program, child.transaction, division, child.inputs, rows)
            rows = with_constants(rows, {name: _first(above, name) for name in child.carry})
        for spec in route.complete:
            if rows.num_rows:
                self._some(spec.program, spec.transaction, division, spec.key, rows)
        return ""

    def _takes_division(self, route: ListRoute) -> bool:
        known = self._repository.fields(route.program, route.transaction, "I", self._company)
        return known is None or route.division_input in known

    def _export(self, entity: str, catalog: M3Entity, route: ExportRoute) -> str:
        known = self._repository.transactions("EXPORTMI", self._company)
        if known is not None and "Select" not in known:
            return "this tenant has no EXPORTMI/Select (MRS001MI)"
        tables = [
            (route.table, route.prefix, route.key),
            *((lookup.table, lookup.prefix, lookup.key) for lookup in route.lookups),
        ]
        for table, prefix, key in tables:
            columns = self._repository.columns(table, prefix, self._company)
            for field in key:
                if not columns.has(field):
                    return f"table {table} of this tenant has no column {prefix}{field} (EXPORTMI/LstFields)"
            query = f"{prefix}{key[0]} from {table}"
            if self._catalog.company_condition:
                query += f" where {prefix}CONO={self._company}"
            self._one(
                "EXPORTMI", "Select", "", {"SEPC": self._catalog.separators[0], "QERY": query}
            )
        main = self._repository.columns(route.table, route.prefix, self._company)
        for key_column in ENTITIES[entity].key:
            source = catalog.fields[key_column].source
            field = route.names.get(source, source)
            if not main.has(field) and field not in route.absent:
                return (
                    f"table {route.table} of this tenant has no column {route.prefix}{field}, "
                    f"which the key column {key_column} needs"
                )
        return ""

    def _one(
        self, program: str, transaction: str, division: str | None, inputs: dict[str, str]
    ) -> pa.Table:
        call = ListCall(
            program=program,
            transaction=transaction,
            company=self._company,
            division=division,
            inputs=inputs,
            maxrecs=1,
        )
        return self._api.rows(call, Meter())

    def _some(
        self,
        program: str,
        transaction: str,
        division: str | None,
        inputs: dict[str, str],
        rows: pa.Table,
    ) -> pa.Table:
        record = {name: value for name, field in inputs.items() if (value := _first(rows, field))}
        call = BulkCall(
            program=program,
            transaction=transaction,
            company=self._company,
            division=division,
            records=[record],
        )
        rows = self._api.bulk(call, Meter()).rows
        return rows.slice(0, min(1, rows.num_rows))  # Arrow makes a row out of nothing otherwise

    def _division(self, per_division: bool) -> str | None:
        if not per_division:
            return None
        return next(iter(self._repository.divisions(self._company)), "")


def _transactions(route: ListRoute) -> Iterable[tuple[str, str]]:
    yield route.program, route.transaction
    if route.changed_between is not None and route.changed_between.transaction:
        yield route.program, route.changed_between.transaction
    yield from ((spec.program, spec.transaction) for spec in route.children)
    yield from ((spec.program, spec.transaction) for spec in route.complete)


def _first(rows: pa.Table, field: str) -> str:
    return str(column(rows, field)[0].as_py() or "") if rows.num_rows else ""
