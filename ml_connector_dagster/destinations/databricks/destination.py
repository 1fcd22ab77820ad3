"""Databricks as a destination: one schema of a catalog. Facts: reference/warehouses.md §B1 to §B4."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa

from ml_connector_dagster.destinations.contract import Scope, TableFacts
from ml_connector_dagster.destinations.databricks.deliveries import Load
from ml_connector_dagster.destinations.databricks.inspections import Reader
from ml_connector_dagster.destinations.databricks.tables import (
    Columns,
    Names,
    entity_columns,
    make_schema,
    make_tables,
    table_columns,
)
from ml_connector_dagster.destinations.databricks.views import (
    define_view,
    shows_company,
    union_views,
)
from ml_connector_dagster.destinations.databricks.workspace import Workspace
from ml_connector_dagster.destinations.views import translated
from ml_connector_dagster.model.batches import StagedBatch
from ml_connector_dagster.model.capabilities import Capabilities, Support, WriteMode
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.receipts import DeliveryReport
from ml_connector_dagster.model.views import View


CAPABILITIES = Capabilities(
    write_modes=frozenset(WriteMode),
    history=Support.NATIVE,
    audit=Support.EMULATED,  # a commit of its own, which a redo finds and does not double
    schema_evolution=Support.NATIVE,
)


class DatabricksDestination:
    """One schema of one catalog.

    Args:
        name: ``<connection>.<schema>``.
        volume: the volume of the schema that staged files go through; made when it is not there.
        inline_rows: batches of up to so many rows go as a parameter of the statement, without files.
        per_company: a table per company, and a view over all of them under the entity's name.
        flow: name of the flow that loads; the warehouse's query history tells it.
        now: the clock of ``delivered_at`` and ``_replaced_at``.
        checkpoint: called with the name of every point of a delivery (``deliveries.CHECKPOINTS``).
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        name: str,
        workspace: Workspace,
        catalog: str,
        schema: str,
        *,
        volume: str,
        inline_rows: int,
        per_company: bool = False,
        flow: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        checkpoint: Callable[[str], None] = lambda point: None,
    ) -> None:
        self.name = name
        self._workspace = workspace.labelled(flow=flow)
        self._flow = flow
        self._catalog = catalog.lower()
        self._schema = schema.lower()
        self._volume = volume.lower()
        self._inline_rows = inline_rows
        self._per_company = per_company
        self._now = now
        self._checkpoint = checkpoint
        self._reader = Reader(self._workspace, self._catalog, self._schema)
        self._has_schema = False
        #: Table → the columns that it surely has (as a batch brought them), and all of its own.
        self._known: dict[str, tuple[dict[str, str], Columns]] = {}
        #: Table → its CHECK constraints, once it has refused a row for one.
        self._checks: dict[str, dict[str, str]] = {}

    def prepare(self, entity: Entity) -> None:
        workspace = self._workspace.labelled(flow=self._flow, entity=entity.name)
        names = self._names(entity, "")
        self._make_schema(workspace, names)
        if not self._per_company:
            self._make_tables(workspace, names, entity, entity_columns(entity), again=True)

    def deliver(self, entity: Entity, staged: StagedBatch, mode: WriteMode) -> DeliveryReport:
        batch = staged.batch
        workspace = self._workspace.labelled(
            flow=self._flow, entity=entity.name, run=batch.run_id, batch=batch.batch_id
        )
        before = workspace.usage.requests
        names = self._names(entity, batch.company)
        self._checkpoint("opened")
        self._make_schema(workspace, names)
        load = Load(
            workspace=workspace,
            destination=self.name,
            names=names,
            entity=entity,
            staged=staged,
            mode=mode,
            expected=entity_columns(entity),
            inline_rows=self._inline_rows,
            volume=self._volume,
            make_tables=lambda columns, again: self._make_tables(
                workspace, names, entity, columns, again=again
            ),
            checks=self._checks.setdefault(names.table, {}),
            now=self._now(),
            checkpoint=self._checkpoint,
        )
        return replace(load.apply(), requests=workspace.usage.requests - before)

    def _make_schema(self, workspace: Workspace, names: Names) -> None:
        if not self._has_schema:
            make_schema(workspace, names)
            self._has_schema = True

    def _make_tables(
        self,
        workspace: Workspace,
        names: Names,
        entity: Entity,
        columns: Mapping[str, str],
        *,
        again: bool,
    ) -> Columns:
        """What is known is not asked for, unless ``again``: another process may have added columns."""
        brought, table = self._known.get(names.table, ({}, {}))
        fits = bool(brought) and columns.items() <= brought.items()
        if fits and not (again and table_columns(workspace, names) != table):
            return table
        table, changed = make_tables(workspace, names, entity, columns)
        if self._per_company and (changed or not (brought or shows_company(workspace, names))):
            union_views(workspace, names, entity)
        self._known[names.table] = (brought | dict(columns), table)
        return table

    def inspect(self, entity: Entity, scope: Scope) -> TableFacts:
        return self._reader.facts(entity, scope)

    def rows(self, entity: Entity, scope: Scope, limit: int | None = None) -> pa.Table:
        return self._reader.rows(entity, scope, limit)

    def history(self, entity: Entity, record_id: str) -> pa.Table:
        return self._reader.versions(entity, record_id)

    def audit(self, entity: Entity, record_id: str) -> pa.Table:
        return self._reader.receipts(entity, record_id)

    def define_view(self, view: View) -> None:
        define_view(self._workspace, self._path(view.name), view, self._own(view.query))

    def ask(self, query: str) -> pa.Table:
        return self._workspace.fetch(self._own(query))

    def _own(self, query: str) -> str:
        return translated(query, "databricks", self._path)

    def _path(self, table: str) -> tuple[str, str, str]:
        return self._catalog, self._schema, table

    def table_name(self, entity: Entity, company: str) -> str:
        names = self._names(entity, company)
        return names.shown(names.table)

    def close(self) -> None:
        """Give the connections back."""
        self._workspace.close()

    def _names(self, entity: Entity, company: str) -> Names:
        return Names(
            catalog=self._catalog,
            schema=self._schema,
            entity=entity.name,
            company=company,
            per_company=self._per_company,
        )
