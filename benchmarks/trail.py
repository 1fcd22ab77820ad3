"""What it takes to ask what happened, when much has: one record's story (trace), and all records by SQL (trail).

    python benchmarks/trail.py                                       (2 million receipts in 4,005 batches; some minutes to fill)
    python benchmarks/trail.py --increments 200 --first-load 200000  (a quick look)

It fills a ledger and a staging folder as a year of one busy table would: a first load in batches of 200,000 rows, then one
small change set after the other, each delivered to one destination, of which the receipts are written as a destination
writes them. Then, each in a process of its own, with nothing of it in memory: ``trace`` of a record that changed often,
``trail`` for the first time (it takes everything over), ``trail`` again, ``trail`` after one more delivery. Of each the
median of ``--rounds``; the first ``trail`` once.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa

from ml_connector_dagster.config.project import Project
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.destinations.contract import RECEIPT_SCHEMA
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import (
    DECIMAL_PRECISION,
    DECIMAL_SCALE,
    ENTITIES,
    ColumnType,
)
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts
from ml_connector_dagster.model.sweeps import Sweep, SweepState
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.trace import trace
from ml_connector_dagster.sync.trail import Trail
from ml_connector_dagster.sync.workspace import Workspace


ENTITY = ENTITIES["suppliers"]
TENANT, COMPANY, DESTINATION = "acme", "100", "warehouse.erp"
START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_BATCH: Final = 200_000

#: A record that every fiftieth change set holds.
OFTEN: Final = f"{TENANT}/{COMPANY}/{4_711:08}"
QUERY: Final = "SELECT place, outcome, count(*) FROM trail WHERE what = 'delivered' GROUP BY ALL"

_TYPES: Final = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.DECIMAL: pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIMESTAMP: pa.timestamp("us", "UTC"),
    ColumnType.BOOLEAN: pa.bool_(),
}
SCHEMA: Final = pa.schema(
    [(one.name, _TYPES.get(one.type, pa.string())) for one in ENTITY.all_columns]
)


def opened(home: Path) -> Workspace:
    settings = read_settings({"ML_CONNECTOR_HOME": str(home)})
    return Workspace.open(settings, project=Project(connections={}, flows={}))


# Filling


def fill(home: Path, first_load: int, increments: int, size: int) -> None:
    chance = random.Random(7)
    with opened(home) as workspace:
        batches = [
            _staged(workspace, f"a{start:09}", START, range(start, start + FIRST_BATCH), "inserted")
            for start in range(0, first_load, FIRST_BATCH)
        ]
        batches += [
            _change_set(workspace, chance, number, first_load, size) for number in range(increments)
        ]
        _into_ledger(workspace, batches, "fill")


def one_more(home: Path, first_load: int, size: int) -> None:
    """One more change set."""
    with opened(home) as workspace:
        number = len(workspace.ledger.batch_ids())
        batch = _change_set(workspace, random.Random(number), number, first_load, size)
        _into_ledger(workspace, [batch], "one more")


def _change_set(
    workspace: Workspace, chance: random.Random, number: int, records: int, size: int
) -> tuple[Batch, DeliveryReport]:
    keys = sorted(chance.sample(range(records), size))
    if number % 50 == 0:
        keys = sorted({*keys[1:], 4_711})
    at = START + timedelta(minutes=15 * (number + 1))
    return _staged(workspace, f"b{number:09}", at, keys, "updated")


def _staged(
    workspace: Workspace, batch_id: str, at: datetime, keys: Sequence[int], outcome: str
) -> tuple[Batch, DeliveryReport]:
    """A batch with its receipts, as a destination would have answered."""
    ids = pa.array([f"{TENANT}/{COMPANY}/{key:08}" for key in keys])
    known = {
        "record_id": ids,
        "tenant": pa.repeat(TENANT, len(ids)),
        "company": pa.repeat(COMPANY, len(ids)),
        "supplier_id": pa.array([f"{key:08}" for key in keys]),
        "name": pa.array([f"Supplier {key}, {batch_id}" for key in keys]),
        "_extracted_at": pa.repeat(pa.scalar(at, pa.timestamp("us", "UTC")), len(ids)),
        "_modified_at": pa.repeat(pa.scalar(at, pa.timestamp("us", "UTC")), len(ids)),
        "_batch_id": pa.repeat(batch_id, len(ids)),
        "_row_hash": pa.array([f"{hash((key, batch_id)):032x}" for key in keys]),
    }
    rows = pa.table(
        {
            field.name: known.get(field.name, pa.nulls(len(ids), field.type))
            for field in SCHEMA
        },
        schema=SCHEMA,
    )  # fmt: skip
    with workspace.staging.write(
        tenant=TENANT,
        entity=ENTITY,
        company=COMPANY,
        window=Window(start=None, end=at),
        batch_id=batch_id,
        run_id=f"run of {batch_id}",
        started_at=at,
        timezone=ZoneInfo("UTC"),
    ) as writer:
        writer.append(rows)
        batch = writer.commit(
            route="list", finished_at=at, requests=1, rejected_cells=0, dead_letters=0
        )
    answers = {
        "record_id": ids,
        "entity": pa.repeat(ENTITY.name, len(ids)),
        "outcome": pa.repeat(outcome, len(ids)),
        "batch_id": pa.repeat(batch_id, len(ids)),
        "run_id": pa.repeat(f"run of {batch_id}", len(ids)),
        "delivered_at": pa.repeat(pa.scalar(at, pa.timestamp("us", "UTC")), len(ids)),
    }
    receipts = pa.table(
        {one.name: answers.get(one.name, pa.nulls(len(ids), one.type)) for one in RECEIPT_SCHEMA},
        schema=RECEIPT_SCHEMA,
    )
    path = workspace.staging.open(batch).write_receipts(DESTINATION, receipts)
    return batch, DeliveryReport(counts=OutcomeCounts(**{outcome: len(ids)}), receipts=path)


def _into_ledger(
    workspace: Workspace, batches: Sequence[tuple[Batch, DeliveryReport]], run_id: str
) -> None:
    ledger = workspace.ledger
    sweep = Sweep(
        tenant=TENANT,
        entity=ENTITY.name,
        company=COMPANY,
        run_id=run_id,
        started_at=START,
        ended_at=START,
        state=SweepState.COMPLETE,
    )
    ledger.record_sweep(sweep, batches=[batch for batch, _ in batches])
    for batch, report in batches:
        ledger.start_delivery(batch.batch_id, DESTINATION, batch.run_id)
        ledger.finish_delivery(
            batch.batch_id, DESTINATION, report, dead_letters=[], resolved=[], ended_edits=[]
        )


# Measuring: each in a process of its own


def ask_trace(workspace: Workspace) -> int:
    (story,) = trace(workspace, OFTEN, entity=ENTITY.name)
    return len(story.events)


def ask_trail(workspace: Workspace) -> int:
    trail = Trail(workspace)
    trail.update()
    return int(sum(row["count_star()"] for row in trail.ask(QUERY).to_pylist()))


ASKED: Final[dict[str, Callable[[Workspace], int]]] = {"trace": ask_trace, "trail": ask_trail}


def asked(home: Path, what: str) -> dict[str, Any]:
    """Ask in this process; what it took."""
    started = time.perf_counter()
    with opened(home) as workspace:
        found = ASKED[what](workspace)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "found": found,
        "wall_seconds": time.perf_counter() - started,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_megabytes": usage.ru_maxrss / 1024,
    }


def measured(home: Path, what: str, name: str, rounds: int, before: Callable[[], None]) -> None:
    """Print the medians of some rounds; ``before`` happens before each, unmeasured."""
    taken = []
    for _ in range(rounds):
        before()
        command = [sys.executable, __file__, "--ask", what, "--home", str(home)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        taken.append(json.loads(done.stdout))
    numbers = {key: statistics.median(one[key] for one in taken) for key in taken[0]}
    print(
        f"{name:<34} {numbers['wall_seconds']:8.2f} s  {numbers['cpu_seconds']:8.2f} CPU s "
        f"{numbers['peak_megabytes']:6.0f} MB  {numbers['found']:>10,.0f} found",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--first-load", type=int, default=1_000_000)
    parser.add_argument("--increments", type=int, default=4_000)
    parser.add_argument("--size", type=int, default=250, help="records of a change set")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--home", type=Path, help="keep it there; filled only when it is not there")
    parser.add_argument("--ask", choices=tuple(ASKED), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        print(json.dumps(asked(options.home, options.ask)))
        return
    with tempfile.TemporaryDirectory(prefix="trail-") as aside:
        home = options.home or Path(aside) / "home"
        started = time.perf_counter()
        if not home.exists():
            home.mkdir(parents=True)
            fill(home, options.first_load, options.increments, options.size)
        receipts = options.first_load + options.increments * options.size
        print(
            f"{receipts:,} receipts in {options.increments + options.first_load // FIRST_BATCH:,} batches, filled in "
            f"{time.perf_counter() - started:.0f} s",
            flush=True,
        )

        def deliver() -> None:
            one_more(home, options.first_load, options.size)

        nothing = lambda: None  # noqa: E731
        (home / "trail.duckdb").unlink(missing_ok=True)
        measured(home, "trace", "trace, trail never asked", options.rounds, nothing)
        measured(home, "trail", "trail, the first time", 1, nothing)
        measured(home, "trace", "trace, after trail", options.rounds, nothing)
        measured(home, "trail", "trail, nothing new", options.rounds, nothing)
        measured(home, "trail", "trail, one delivery more", options.rounds, deliver)


if __name__ == "__main__":
    main()
