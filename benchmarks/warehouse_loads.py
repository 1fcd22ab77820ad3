"""What a delivery to a warehouse costs on this side: CPU and memory of the process that delivers, statements and requests.

    python benchmarks/warehouse_loads.py                                       (a quick look: Snowflake, 100,000 rows)
    python benchmarks/warehouse_loads.py --destination snowflake databricks --rows 100000 1000000 --rounds 3

A first process stages purchase order lines. The stand-in runs in a second one. A third delivers a whole load, and then
a change of every hundredth row, each as one batch; it alone is measured. Its wall time says how fast the stand-in is,
which nobody needs to know: a warehouse is faster. ``--inline`` sends the change through the statements themselves.
"""

import argparse
import contextlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
from pydantic import BaseModel, TypeAdapter

from ml_connector_dagster.config.project import Connection, FlowDestination
from ml_connector_dagster.config.warehouses import DatabricksConnection, SnowflakeConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.registry import open_destination
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import (
    DECIMAL_PRECISION,
    DECIMAL_SCALE,
    ENTITIES,
    Column,
    ColumnType,
)
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.staging import Staging


LINES = ENTITIES["purchase_order_lines"]
PAGE = 10_000
DAY = datetime(2026, 11, 1, tzinfo=UTC)
TENANT, COMPANY = "erp", "100"
#: Every so many rows change.
EVERY: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured."""

    destination: str
    rows: int
    inline: bool

    def __str__(self) -> str:
        return f"{self.destination}, {self.rows:,} rows of {len(LINES.all_columns)} columns"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one delivery took. ``start_megabytes`` is the peak before it, vendor packages imported."""

    rows: int
    wall_seconds: float
    cpu_seconds: float
    start_megabytes: float
    peak_megabytes: float
    statements: int
    requests: int


# The stand-ins, each in a process of its own


def serve_snowflake() -> None:
    """Say how to connect, then count for whoever asks, until stdin ends."""
    from ml_connector_dagster.sandbox.snowflake import loader_account as loader

    sandbox, login = loader.loader_account()
    with sandbox.listen():
        connection = SnowflakeConnection(
            name="target",
            account=loader.ACCOUNT,
            user=loader.USER,
            credential="target",
            role=loader.ROLE,
            warehouse=loader.WAREHOUSE,
            database=loader.DATABASE,
            host=sandbox.host,
            port=sandbox.port,
            protocol="http",
        )
        _answer(
            connection,
            login,
            lambda: {"statements": len(sandbox.statements), "requests": sandbox.requests},
        )


def serve_databricks() -> None:
    """As ``serve_snowflake``."""
    from ml_connector_dagster.sandbox.databricks import DatabricksSandbox

    with DatabricksSandbox.start() as sandbox:
        options = sandbox.options
        connection = DatabricksConnection(
            name="target",
            host=sandbox.url,
            warehouse_id=options.warehouse_id,
            catalog=options.catalogs[0],
            credential="target",
        )
        _answer(
            connection,
            {"token": options.token},
            lambda: {
                "statements": len(sandbox.executions.texts),
                "requests": len(sandbox.calls),
            },
        )


def _answer(
    connection: BaseModel, login: Mapping[str, str], used: Callable[[], dict[str, int]]
) -> None:
    print(json.dumps({"connection": connection.model_dump(), "login": dict(login)}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(used()), flush=True)


#: Name → what serves its stand-in.
SERVERS: Final[Mapping[str, Callable[[], None]]] = {
    "snowflake": serve_snowflake,
    "databricks": serve_databricks,
}


# What is staged


def stage(home: Path, rows: int) -> None:
    """Write the load and the change as batches; print their folders."""
    staging = Staging(str(home / "staging"))
    folders = [
        _stage_batch(staging, "load", range(rows), amount=1),
        _stage_batch(staging, "change", range(0, rows, EVERY), amount=2),
    ]
    print(json.dumps(folders))


def _stage_batch(staging: Staging, batch_id: str, numbers: range, *, amount: int) -> str:
    with staging.write(
        tenant=TENANT,
        entity=LINES,
        company=COMPANY,
        window=Window(start=None, end=DAY),
        batch_id=batch_id,
        run_id=f"run of {batch_id}",
        started_at=DAY,
        timezone=ZoneInfo("UTC"),
    ) as writer:
        for begin in range(0, len(numbers), PAGE):
            writer.append(_page(numbers[begin : begin + PAGE], batch_id, amount))
        batch = writer.commit(
            route="benchmark", finished_at=DAY, requests=0, rejected_cells=0, dead_letters=0
        )
    return staging.locate(batch)


def _page(numbers: Sequence[int], batch_id: str, amount: int) -> pa.Table:
    own = {
        "record_id": [f"{TENANT}/{COMPANY}/{number}/1/0" for number in numbers],
        "_row_hash": [f"{batch_id}-{number:032}" for number in numbers],
        "line_amount": pa.array([number % 10_000 + amount for number in numbers]).cast(
            pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE)
        ),
    }
    same = {
        "tenant": TENANT,
        "company": COMPANY,
        "_batch_id": batch_id,
        "_run_id": f"run of {batch_id}",
        "_source_system": "m3",
        "_deleted_at": None,
        "_problems": None,
    }
    arrays = {}
    for column in LINES.all_columns:
        kind = _ARROW[column.type]
        if column.name in own:
            arrays[column.name] = pa.array(own[column.name], kind)
        elif column.name in same:
            arrays[column.name] = pa.repeat(pa.scalar(same[column.name], kind), len(numbers))
        else:
            arrays[column.name] = pa.array([_value(column, number) for number in numbers], kind)
    return pa.table(arrays)


def _value(column: Column, number: int) -> Any:
    values: dict[ColumnType, Any] = {
        ColumnType.STRING: f"{column.name[:12]} {number * 7919 % 5000}",
        ColumnType.INTEGER: number % 1000,
        ColumnType.DECIMAL: number % 10_000,
        ColumnType.DATE: DAY.date(),
        ColumnType.TIMESTAMP: DAY,
        ColumnType.BOOLEAN: number % 2 == 0,
        ColumnType.JSON: f'{{"ZZFIELD":"{number % 5000}"}}',
    }
    return values[column.type]


_ARROW: Final = {
    ColumnType.STRING: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.DECIMAL: pa.decimal128(DECIMAL_PRECISION, DECIMAL_SCALE),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIMESTAMP: pa.timestamp("us", "UTC"),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.JSON: pa.string(),
}


# The measured process


def deliver_here(home: Path, access: dict[str, Any], folder: str, expected: int) -> None:
    """Deliver one batch; print what it took."""
    connection: Any = TypeAdapter(Connection).validate_python(access["connection"])
    secrets = {name: Secret(value) for name, value in access["login"].items()}
    credential = Credential(name="target", kind=connection.type, values=secrets)
    staging = Staging(str(home / "staging"))
    batch = staging.manifest(folder)
    target = FlowDestination(connection=connection.name)
    with open_destination(
        connection, target, home, lambda name: credential, flow="benchmark"
    ) as destination:
        destination.inspect(LINES, Scope(tenant=TENANT))
        if batch.rows > connection.inline_rows:
            _import_vendor(connection.type)
        start, began, before = _peak(), time.perf_counter(), _cpu()
        with staging.open(batch) as staged:
            report = destination.deliver(LINES, staged, WriteMode.UPSERT)
        taken = Reading(
            rows=batch.rows,
            wall_seconds=time.perf_counter() - began,
            cpu_seconds=_cpu() - before,
            start_megabytes=start,
            peak_megabytes=_peak(),
            statements=0,
            requests=report.requests,
        )
    if report.counts.written != expected:
        sys.exit(f"{expected:,} rows were to be written, {report.counts}")
    print(json.dumps(asdict(taken)))


def _import_vendor(kind: str) -> None:
    """What a process pays once, not per delivery."""
    if kind == "snowflake":
        import dagster_snowflake
        import snowflake.connector  # noqa: F401

        assert dagster_snowflake


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# Around it


def measure(case: Case) -> dict[str, Reading]:
    """One round: the load, then the change."""
    with tempfile.TemporaryDirectory(prefix="warehouse_loads.") as folder:
        home = Path(folder)
        folders = json.loads(_apart("--stage", str(home), str(case.rows)))
        with _server(case.destination) as server:
            access = json.loads(_line(server.stdout))
            changed = len(range(0, case.rows, EVERY))
            taken = {}
            for what, batch, rows in zip(
                ("load", "change"), folders, (case.rows, changed), strict=True
            ):
                inline = rows if case.inline and what == "change" else 0
                access["connection"]["inline_rows"] = inline
                taken[what] = _delivered(home, access, batch, rows, server)
    return taken


def _delivered(
    home: Path, access: dict[str, Any], batch: str, rows: int, server: "subprocess.Popen[str]"
) -> Reading:
    before = _used(server)
    found = json.loads(_apart("--deliver", str(home), json.dumps(access), batch, str(rows)))
    after = _used(server)
    found |= {name: after[name] - before[name] for name in after}
    return Reading(**found)


def _used(server: "subprocess.Popen[str]") -> dict[str, int]:
    assert server.stdin is not None
    server.stdin.write("used\n")
    server.stdin.flush()
    found: dict[str, int] = json.loads(_line(server.stdout))
    return found


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()


def _apart(*arguments: str) -> str:
    command = [sys.executable, "-W", "ignore", __file__, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


@contextlib.contextmanager
def _server(name: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-W", "ignore", __file__, "--serve", name]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def median(readings: Sequence[Reading]) -> Reading:
    """The median of every figure."""
    return Reading(
        **{
            name: statistics.median(getattr(one, name) for one in readings)
            for name in Reading.__slots__
        }
    )


def line(what: str, one: Reading) -> str:
    """A reading for people."""
    return (
        f"  {what:8} {one.rows:9,} rows  {one.wall_seconds:7.1f} s  {one.cpu_seconds:6.1f} CPU s"
        f" = {one.cpu_seconds / one.rows * 1_000_000:6.1f} per million rows"
        f"  {one.start_megabytes:5.0f} MB before, {one.peak_megabytes:5.0f} MB at most"
        f"  {one.statements:,.0f} statements, {one.requests:,.0f} requests"
    )


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--serve"]:
        SERVERS[sys.argv[2]]()
        return
    if sys.argv[1:2] == ["--stage"]:
        stage(Path(sys.argv[2]), int(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--deliver"]:
        home, access, folder, expected = sys.argv[2:]
        deliver_here(Path(home), json.loads(access), folder, int(expected))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--destination", nargs="+", choices=[*SERVERS], default=["snowflake"])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--inline", action="store_true", help="the change goes in without files")
    parser.add_argument("--json", action="store_true", help="print medians and readings as JSON")
    options = parser.parse_args()
    report = []
    for destination in options.destination:
        for rows in options.rows:
            case = Case(destination=destination, rows=rows, inline=options.inline)
            rounds = [measure(case) for _ in range(options.rounds)]
            if not options.json:
                print(case)
            for what in rounds[0]:
                readings = [one[what] for one in rounds]
                if not options.json:
                    print(line(what, median(readings)), flush=True)
                report.append(
                    {"case": asdict(case), "run": what, "median": asdict(median(readings))}
                    | {"readings": [asdict(one) for one in readings]}
                )
    if options.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
