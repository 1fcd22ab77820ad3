"""I/O managers: they carry references, and the one of a destination does the delivery.

Dagster's stock I/O managers are no use here: they refuse an output of several partitions (``UPathIOManager``), or
delete by partition before they insert (``DbIOManager``), which loses rows whose modified day has changed.
"""

from collections.abc import Iterator

import dagster as dg

from ml_connector_dagster.defs.deliveries import Shipping
from ml_connector_dagster.defs.names import WORKSPACE
from ml_connector_dagster.defs.partitions import days_by_company
from ml_connector_dagster.defs.references import Delivered, Shipment, Staged
from ml_connector_dagster.defs.resources import LazyWorkspace


class StagingIOManager(dg.IOManager):
    """Hands a destination the reference to what is staged. The rows are Parquet files that staging looks after."""

    def handle_output(self, context: dg.OutputContext, obj: Staged) -> None:
        """Nothing is left to store: a batch is committed to staging and ledger while it is read."""

    def load_input(self, context: dg.InputContext) -> Staged:
        tenant, entity = context.asset_key.path
        return Staged(
            tenant=tenant, entity=entity, days=days_by_company(context.asset_partition_keys)
        )


class DestinationIOManager(dg.IOManager):
    """Delivers what is staged to one connection."""

    def __init__(self, connection: str, workspace: LazyWorkspace) -> None:
        self._connection = connection
        self._workspace = workspace

    def handle_output(  # type: ignore[override]  # Dagster takes a generator of events as well
        self, context: dg.OutputContext, obj: Shipment
    ) -> Iterator[dg.DagsterEvent]:
        """One company after the other; one that fails does not hold the others."""
        shipping = Shipping(workspace=self._workspace.current, shipment=obj, run_id=context.run_id)
        for company in obj.staged.companies:
            shipping.deliver(company)
        yield from shipping.record(context)

    def load_input(self, context: dg.InputContext) -> Delivered:
        return Delivered(connection=self._connection, key=tuple(context.asset_key.path))


def staging_io_manager(tenant: str) -> dg.IOManagerDefinition:
    """The I/O manager of a tenant's entities."""
    return dg.IOManagerDefinition.hardcoded_io_manager(
        StagingIOManager(), description=f"References to what is staged of {tenant}; never rows."
    )


def destination_io_manager(connection: str) -> dg.IOManagerDefinition:
    """The I/O manager of everything that is delivered to ``connection``."""

    @dg.io_manager(
        required_resource_keys={WORKSPACE},
        description=f"Delivers staged batches to the connection {connection!r} and notes what it answers.",
    )
    def destination(context: dg.InitResourceContext) -> DestinationIOManager:
        return DestinationIOManager(connection, context.resources.workspace)

    return destination
