"""What a destination's I/O manager does with a shipment: deliver each company, and say what became of the rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import dagster as dg

from ml_connector_dagster.defs.failures import Problem, failure
from ml_connector_dagster.defs.metadata import moment, table
from ml_connector_dagster.defs.partitions import partition_key, where_details_are
from ml_connector_dagster.defs.references import Shipment
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.receipts import DeliveryReport
from ml_connector_dagster.sync.days import DayCounts, delivered_by_day, onto_days
from ml_connector_dagster.sync.deliver import DeliverySummary
from ml_connector_dagster.sync.flows import deliver_entity
from ml_connector_dagster.sync.workspace import Workspace


#: What every partition of a run shows unless it has more to say.
NOTHING_DELIVERED: Final[Mapping[str, int]] = {
    "rows_loaded": 0,
    "rows_changed": 0,
    "rows_rejected": 0,
    "requests": 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyDelivery:
    """What became of one company's batches."""

    company: str
    summary: DeliverySummary
    by_day: Mapping[date, DayCounts]
    seconds: float


@dataclass(slots=True, kw_only=True)
class Shipping:
    """One delivery step: ``deliver`` each company, then ``record`` it all."""

    workspace: Workspace
    shipment: Shipment
    run_id: str
    done: list[CompanyDelivery] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def deliver(self, company: str) -> None:
        """Deliver what the destination lacks of ``company``; a failure is kept for ``record``."""
        try:
            self.done.append(self._deliver(company))
        except Exception as error:  # the others go on; it is raised, explained, by ``record``
            self.problems.append(Problem(subject=f"company {company}", error=error))

    def record(self, context: dg.OutputContext) -> Iterator[dg.DagsterEvent]:
        """Put the numbers on the partitions; raises Failure when a company failed."""
        step = context.step_context
        target, staged = self.shipment.target, self.shipment.staged
        events = [(one, self._numbers(one), self._summary(one)) for one in self.done]
        if self.problems:
            for one, by_day, summary in events:
                for event in self._materializations(context.asset_key, one, by_day, summary):
                    yield dg.DagsterEvent.asset_materialization(step, event)
            raise failure(
                f"{ENTITIES[staged.entity].label} did not reach {target.name}",
                self.problems,
                unharmed=", ".join(f"company {one.company}: delivered" for one in self.done),
            )
        # On all of them: the overview shows whichever partition Dagster happened to write last.
        step.add_asset_metadata(
            {
                **NOTHING_DELIVERED,
                "dagster/row_count": self._rows_held(),
                **where_details_are(staged.days),
            }
        )
        for one, by_day, summary in events:
            for day, values in by_day.items():
                step.add_asset_metadata(values, partition_key=partition_key(one.company, day))
            newest = partition_key(one.company, staged.days[one.company][-1])
            step.add_asset_metadata(summary, partition_key=newest)

    def _deliver(self, company: str) -> CompanyDelivery:
        workspace, shipment = self.workspace, self.shipment
        days = shipment.staged.days[company]
        zone = workspace.cloudsuite(shipment.flow.source).zone
        by_day: dict[date, DayCounts] = {}

        def on_batch(batch: Batch, report: DeliveryReport) -> None:
            counts = delivered_by_day(workspace.staging, batch, report, shipment.target.name, zone)
            onto_days(counts, days, by_day)

        started = workspace.now()
        summary = deliver_entity(
            workspace,
            shipment.flow,
            shipment.target,
            entity=shipment.staged.entity,
            companies=[company],
            run_id=self.run_id,
            on_batch=on_batch,
        )
        return CompanyDelivery(
            company=company,
            summary=summary,
            by_day=by_day,
            seconds=(workspace.now() - started).total_seconds(),
        )

    def _summary(self, one: CompanyDelivery) -> dict[str, Any]:
        counts, batches = one.summary.counts, one.summary.batches
        address = one.summary.address
        return {
            **({"link": dg.MetadataValue.url(address)} if address else {}),
            **({"limits": "; ".join(one.summary.limits)} if one.summary.limits else {}),
            "company": one.company,
            "inserted": counts.inserted,
            "updated": counts.updated,
            "unchanged": counts.unchanged,
            "deleted": counts.deleted,
            "rejected": counts.rejected,
            "dead_letters_resolved": one.summary.resolved,
            "batches_delivered": len(batches),
            "seconds": round(one.seconds, 3),
            "extracted_at": moment(max((b.started_at for b in batches), default=None)),
            "batches": table(
                ["batch", "window", "rows", "bytes"],
                [[batch.batch_id, batch.window, batch.rows, batch.bytes] for batch in batches],
            ),
        }

    def _rows_held(self) -> int:
        """Nothing is erased at a destination: what it has ever accepted is what it holds."""
        flow, target = self.shipment.flow, self.shipment.target
        return sum(
            self.workspace.ledger.expected_rows(
                destination=target.name,
                tenant=flow.source,
                entity=self.shipment.staged.entity,
                company=company,
            )
            for company in flow.companies
        )

    def _materializations(
        self,
        key: dg.AssetKey,
        one: CompanyDelivery,
        by_day: Mapping[date, Mapping[str, int]],
        summary: Mapping[str, Any],
    ) -> Iterator[dg.AssetMaterialization]:
        days = self.shipment.staged.days[one.company]
        for day in days:
            extra = summary if day == days[-1] else {}
            yield dg.AssetMaterialization(
                asset_key=key,
                partition=dg.MultiPartitionKey({"company": one.company, "day": day.isoformat()}),
                metadata={**NOTHING_DELIVERED, **by_day.get(day, {}), **extra},
            )

    def _numbers(self, one: CompanyDelivery) -> dict[date, dict[str, int]]:
        """Plottable numbers of the days that have any. Requests count on the newest day."""
        numbers: dict[date, dict[str, int]] = {}
        for day, counts in one.by_day.items():
            numbers[day] = {
                "rows_loaded": counts.loaded,
                "rows_changed": counts.changed,
                "rows_rejected": counts.rejected,
            }
        if one.summary.requests:
            newest = self.shipment.staged.days[one.company][-1]
            numbers.setdefault(newest, {})["requests"] = one.summary.requests
        return numbers
