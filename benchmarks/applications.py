"""How many calls an application takes: 10,000 new records, the same again, a few changes, many changes.

    PYTHONPATH=. python benchmarks/applications.py [monday] [salesforce] [salesforce-collections] [--rows 10000]

The engine, the vendor's own client and the stand-in are the real ones; rows are invented, and nothing waits. Seconds
are those of this machine and of the stand-in: only the calls say something about the real system.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml_connector_dagster.config.applications import MondayConnection, SalesforceConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.applications.contract import Application
from ml_connector_dagster.destinations.applications.destination import ApplicationDestination
from ml_connector_dagster.destinations.applications.placements import mapped_entity
from ml_connector_dagster.destinations.monday import open_monday
from ml_connector_dagster.destinations.salesforce import open_salesforce
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.receipts import OutcomeCounts
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sandbox.monday import MondayOptions, MondaySandbox
from ml_connector_dagster.sandbox.salesforce import SalesforceSandbox


ENTITY = "suppliers"
TENANT, COMPANY = "acme", "100"
FEW = 200
START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class RowsOfSuppliers:
    """A batch in memory: ``changed`` rows differ from what batch 1 says."""

    number: int
    count: int
    changed: int
    receipts: list[pa.Table] = field(default_factory=list)

    @property
    def batch(self) -> Batch:
        moment = START + timedelta(days=self.number)
        return Batch(
            batch_id=f"batch-{self.number:06}",
            run_id=f"run-{self.number}",
            tenant=TENANT,
            entity=ENTITY,
            company=COMPANY,
            window=Window(start=None, end=moment),
            route="benchmark",
            path="",
            parts=("memory",),
            started_at=moment,
            finished_at=moment,
            rows=self.count,
            bytes=0,
            requests=0,
        )

    @property
    def files(self) -> tuple[str, ...]:
        return ()

    def reader(self) -> pa.RecordBatchReader:
        return pa.Table.from_pylist([self._row(n) for n in range(self.count)]).to_reader()

    def _row(self, number: int) -> dict[str, Any]:
        columns = {column.name: None for column in ENTITIES[ENTITY].columns}
        state = self.number if number < self.changed else 1
        moment = START + timedelta(days=self.number)
        return {
            "record_id": f"{TENANT}/{COMPANY}/{number:06}",
            "tenant": TENANT,
            "company": COMPANY,
            **columns,
            "supplier_id": f"{number:06}",
            "name": f'Supplier "{number}" of the benchmark',
            "status": "20",
            "country": "SE",
            "currency": "SEK",
            "phone": f"+46 8 {number:06}",
            "buyer": f"BUYER{state}",
            "_row_hash": f"{number}-{state}",
            "_modified_at": None,
            "_extracted_at": moment,
            "_deleted_at": None,
        }

    def write_receipts(self, destination: str, receipts: pa.Table | pa.RecordBatchReader) -> str:
        self.receipts.append(receipts)
        return "memory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What the stand-in has been asked so far. ``polls`` only ask how far a job is; ``files`` go to a storage."""

    calls: int
    polls: int
    files: int

    def __sub__(self, other: "Calls") -> "Calls":
        return Calls(
            calls=self.calls - other.calls,
            polls=self.polls - other.polls,
            files=self.files - other.files,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One delivery."""

    case: str
    counts: OutcomeCounts
    calls: Calls
    seconds: float


@contextmanager
def destination_of(
    system: str, application: Application, folder: Path
) -> Iterator[ApplicationDestination]:
    """The engine over a new ledger, with the boards or objects made."""
    mapped = mapped_entity(system, ENTITY, {})
    application.structure.create(mapped.placement.shape)
    ledger = Ledger.open(f"sqlite:///{folder / 'ledger.db'}", now=lambda: datetime.now(UTC))
    destination = ApplicationDestination(
        system,
        application,
        ledger,
        lambda entity: mapped_entity(system, entity, {}),
        now=lambda: datetime.now(UTC),
    )
    try:
        yield destination
    finally:
        destination.close()
        ledger.close()


def measure(
    destination: ApplicationDestination, rows: int, asked: Callable[[], Calls]
) -> Iterator[Measured]:
    """The cases, one after another."""
    cases = (
        (f"{rows:,} new", 1, rows, 0),
        ("the same again", 2, rows, 0),
        (f"{FEW} changed", 3, rows, FEW),
        (f"{rows:,} changed", 4, rows, rows),
    )
    for case, number, count, changed in cases:
        before, begun = asked(), time.perf_counter()
        batch = RowsOfSuppliers(number=number, count=count, changed=changed)
        report = destination.deliver(ENTITIES[ENTITY], batch, WriteMode.UPSERT)
        yield Measured(
            case=case,
            counts=report.counts,
            calls=asked() - before,
            seconds=time.perf_counter() - begun,
        )


def monday(rows: int) -> list[Measured]:
    """Monday.com on the Pro plan; its clock runs on when somebody waits."""
    with (
        MondaySandbox.start(MondayOptions(tier="pro")) as sandbox,
        tempfile.TemporaryDirectory() as folder,
    ):
        connection = MondayConnection(
            name="monday", credential="monday", base_url=f"{sandbox.url}/v2", plan="pro"
        )
        token = Credential(
            name="monday", kind="monday", values={"token": Secret(sandbox.options.token)}
        )
        application = open_monday(
            connection,
            token,
            pause=lambda seconds: sandbox.clock.advance(seconds=seconds),
            clock=lambda: sandbox.clock.now().timestamp(),
        )

        def asked() -> Calls:
            polls = sum("fetch_job_status" in call.fields for call in sandbox.calls)
            return Calls(
                calls=len(sandbox.calls) - polls,
                polls=polls,
                files=sandbox.uploads + sandbox.reports,
            )

        with destination_of("monday", application, Path(folder)) as destination:
            measured = []
            for one in measure(destination, rows, asked):
                measured.append(one)
                sandbox.clock.advance(hours=1)  # 19,000 imported items an hour
            return measured


def salesforce(rows: int, bulk_threshold: int = 2000) -> list[Measured]:
    """Salesforce: a bulk job above the threshold, Collections below it."""
    with SalesforceSandbox.start() as sandbox, tempfile.TemporaryDirectory() as folder:
        connection = SalesforceConnection(
            name="crm",
            domain="acme.my",
            credential="crm",
            base_url=sandbox.url,
            bulk_threshold=bulk_threshold,
        )
        client_id, client_secret = next(iter(sandbox.options.clients.items()))
        app = Credential(
            name="crm",
            kind="salesforce",
            values={"client_id": Secret(client_id), "client_secret": Secret(client_secret)},
        )
        application = open_salesforce(connection, app, pause=lambda seconds: None)

        def asked() -> Calls:
            polls = len(sandbox.requests("GET", "jobs/ingest/[^/]+$"))
            files = len(sandbox.requests("PUT")) + len(sandbox.requests("GET", "Results$"))
            return Calls(calls=sandbox.used - polls - files, polls=polls, files=files)

        with destination_of("salesforce", application, Path(folder)) as destination:
            return list(measure(destination, rows, asked))


def salesforce_collections(rows: int) -> list[Measured]:
    """Salesforce, everything by Collections."""
    return salesforce(rows, bulk_threshold=100_000)


SYSTEMS: Mapping[str, Callable[[int], Sequence[Measured]]] = {
    "monday": monday,
    "salesforce": salesforce,
    "salesforce-collections": salesforce_collections,
}


def print_table(system: str, measured: Sequence[Measured]) -> None:
    print(f"\n{system}\n\n| case | inserted | updated | unchanged | calls | polls | files | s |")
    print("| --- | --: | --: | --: | --: | --: | --: | --: |")
    for one in measured:
        counts, calls = one.counts, one.calls
        print(
            f"| {one.case} | {counts.inserted:,} | {counts.updated:,} | {counts.unchanged:,} | "
            f"{calls.calls} | {calls.polls} | {calls.files} | {Decimal(one.seconds):.1f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("systems", nargs="*", help=f"of {', '.join(SYSTEMS)}; all when left out")
    parser.add_argument("--rows", type=int, default=10_000)
    given = parser.parse_args()
    for system in given.systems or SYSTEMS:
        print_table(system, SYSTEMS[system](given.rows))


if __name__ == "__main__":
    main()
