"""I/O managers: they carry references, and the one of a destination does the delivery.

Dagster's stock I/O managers are no use here: they refuse an output of several partitions (``UPathIOManager``), or
delete by partition before they insert (``DbIOManager``), which loses rows whose modified day has changed.
"""

from collections.abc import Iterator

import dagster as dg

from ml_connector_dagster.defs.deliveries import Shipping
from ml_connector_dagster.defs.partitions import days_by_company
from ml_connector_dagster.defs.references import Delivered, Shipment, Staged
from ml_connector_dagster.defs.resources import LazyWorkspace


class StagingIOManager(dg.ConfigurableIOManager):
    """Hands a destination the reference to what is staged. The rows are Parquet files that staging looks after."""

    tenant: str

    def handle_output(self, context: dg.OutputContext, obj: Staged) -> None:
        """Nothing is left to store: a batch is committed to staging and ledger while it is read."""

    def load_input(self, context: dg.InputContext) -> Staged:
        return Staged(
            tenant=self.tenant,
            entity=context.asset_key.path[-1],
            days=days_by_company(context.asset_partition_keys),
        )


class DestinationIOManager(dg.ConfigurableIOManager):
    """Delivers what is staged to one connection."""

    connection: str
    workspace: dg.ResourceDependency[LazyWorkspace]

    def handle_output(self, context: dg.OutputContext, obj: Shipment) -> Iterator[dg.DagsterEvent]:
        """One company after the other; one that fails does not hold the others."""
        shipping = Shipping(workspace=self.workspace.current, shipment=obj, run_id=context.run_id)
        for company in obj.staged.companies:
            shipping.deliver(company)
        yield from shipping.record(context)

    def load_input(self, context: dg.InputContext) -> Delivered:
        return Delivered(connection=self.connection, key=tuple(context.asset_key.path))
