"""The whole way, M3 list → typed, audited DuckDB table, measured: speed, CPU, memory, requests, use of the budget.

    python benchmarks/extract_load.py                                      (a quick look, 100,000 rows)
    python benchmarks/extract_load.py --rows 1000000 --page-rows 10000 1000 --rounds 3
    python benchmarks/extract_load.py --rows 1000000 --page-rows 1000 --latency-ms 200
    python benchmarks/extract_load.py --rows 1000000 --s3                  (staged in the S3 stand-in, in its own process)

Each round begins with nothing: an empty database, ledger and staging folder. A first process reads and loads
everything; every hundredth row changes; a second process runs the flow again. Only these two are measured. They run what
``ml-connector run`` runs, with nothing switched off; ``wide_rows`` and a tenant's catalog give them the list to read.
"""

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from urllib.request import urlopen

import duckdb
import wide_rows

from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Flow, FlowDestination, Project
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.config.warehouses import DuckDBConnection
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sync.flows import run_flow
from ml_connector_dagster.sync.workspace import Workspace


HERE = Path(__file__).parent
COMPANY = "790"
SPAN = 60.0

#: Requests a minute when a case is about speed, not about the budget (which is asked all the same).
UNLIMITED = 100_000
#: The default of a connection.
LIMIT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one process did and took. ``budget`` is None when the run was too short to tell."""

    rows: int
    wall_seconds: float
    cpu_seconds: float
    cpu_seconds_with_start: float
    peak_megabytes: float
    requests: int
    fewest_requests: int
    budget: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured."""

    rows: int
    page_rows: int
    latency_ms: int
    requests_per_minute: int
    s3: bool = False

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows, pages of {self.page_rows:,}, {self.latency_ms} ms"
            + f", {self.requests_per_minute} requests a minute" * (self.latency_ms > 0)
            + ", staged in S3" * self.s3
        )


# The measured process


def run_here(home: Path, case: Case) -> None:
    """Run the flow once in this process; print what it took."""
    ENTITIES[wide_rows.ENTITY] = wide_rows.entity()
    project = Project(
        connections={
            "erp": CloudSuiteConnection(
                name="erp",
                product_line="m3",
                credential="erp",
                timezone=wide_rows.ZONE,
                requests_per_minute=case.requests_per_minute,
                page_rows=case.page_rows,
                catalog=home / "catalog.yaml",
            ),
            "warehouse": DuckDBConnection(name="warehouse", path=home / "warehouse.duckdb"),
        },
        flows={
            "flow": Flow(
                name="flow",
                source="erp",
                companies=(COMPANY,),
                entities=(wide_rows.ENTITY,),
                destinations=(FlowDestination(connection="warehouse"),),
                start_date=date(2025, 1, 1),
            )
        },
    )
    began, before = time.perf_counter(), _cpu()
    with Workspace.open(_settings(home), project=project) as workspace:
        (result,) = run_flow(workspace, project.flows["flow"], run_id=f"run-{time.time_ns()}")
    if result.error:
        sys.exit(result.error)
    counts = result.counts
    taken = {
        "rows": result.rows,
        "written": counts.inserted + counts.updated,
        "wall_seconds": time.perf_counter() - began,
        "cpu_seconds": _cpu() - before,
        "cpu_seconds_with_start": _cpu(),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "requests": result.requests,
    }
    print(json.dumps(taken))


def _cpu() -> float:
    """Seconds of all threads of this process, user and system, since it began."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _settings(home: Path) -> Settings:
    staged = {"ML_CONNECTOR_STAGING_URL": os.environ.get("ML_CONNECTOR_STAGING_URL", "")}
    return read_settings({"ML_CONNECTOR_HOME": str(home)} | staged)


# Around it


def measure(case: Case) -> tuple[Reading, Reading]:
    """One round: the first load and the run after the changes."""
    with (
        tempfile.TemporaryDirectory(prefix="extract_load.") as folder,
        _server(case) as url,
        _bucket(case),
    ):
        home = Path(folder)
        (home / "catalog.yaml").write_text(json.dumps(wide_rows.catalog()))
        open_store(_settings(home)).add("erp", "ionapi", {"ionapi": Secret(_ionapi(url))})
        first = _run_apart(case, home, url, case.rows)
        urlopen(f"{url}/_next", data=b"").close()  # noqa: S310  # our own server
        changed = sum(map(wide_rows.is_changed, range(case.rows)))
        second = _run_apart(case, home, url, changed)
        _check(home, case.rows, changed)
    return first, second


@contextlib.contextmanager
def _server(case: Case) -> Iterator[str]:
    command = [sys.executable, HERE / "m3_server.py", f"--rows={case.rows}"]
    command.append(f"--latency-ms={case.latency_ms}")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


@contextlib.contextmanager
def _bucket(case: Case) -> Iterator[None]:
    """The S3 stand-in, named in this process's environment, which the measured one inherits."""
    if not case.s3:
        yield
        return
    command = [sys.executable, "-m", "ml_connector_dagster.sandbox.s3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            name, _, value = process.stdout.readline().removeprefix("export ").partition("=")
            os.environ[name] = value.strip().strip("'")
        yield
        process.terminate()


def _ionapi(url: str) -> str:
    return json.dumps(
        {
            "ti": "BENCH_TST",
            "cn": "benchmark",
            "dt": "12",
            "ci": "BENCH_TST~client",
            "cs": "invented",
            "iu": url,
            "pu": f"{url}/BENCH_TST/as/",
            "oa": "authorization.oauth2",
            "ot": "token.oauth2",
            "or": "revoke_token.oauth2",
            "ev": "U1234567890",
            "v": "1.0",
            "saak": "BENCH_TST#user",
            "sask": "invented",
        }
    )


def _run_apart(case: Case, home: Path, url: str, expected: int) -> Reading:
    command = [sys.executable, __file__, "--measured", str(home), json.dumps(asdict(case))]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    taken = json.loads(process.stdout)
    written = taken.pop("written")
    if written != expected:
        sys.exit(f"{case}: {expected:,} rows were to be written, {written:,} were")
    with urlopen(f"{url}/_times") as answer:  # noqa: S310  # our own server
        times = json.load(answer)
    if len(times) < taken["requests"]:
        sys.exit(f"{case}: {taken['requests']} requests were reported, {len(times)} came")
    taken["requests"] = len(times)
    return Reading(
        **taken,
        fewest_requests=-(-expected // case.page_rows),
        budget=budget_used(times, case.requests_per_minute),
    )


def budget_used(times: Sequence[float], limit: int) -> float | None:
    """How fast full budgets were used up; None when there were not two of them.

    Whoever may send ``limit`` requests a minute can send the first one of the third minute after 120 seconds. What
    it took in fact is compared with that, at the last full minute; what remains after it says nothing.
    """
    minutes = (len(times) - 1) // limit
    if minutes < 2:
        return None
    ordered = sorted(times)
    return minutes * SPAN / (ordered[minutes * limit] - ordered[0])


def _check(home: Path, rows: int, changed: int) -> None:
    """What stands in the warehouse is what was read."""
    with duckdb.connect(home / "warehouse.duckdb", read_only=True) as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT row_id), count(*) FILTER (status = '85' AND line_amount = 7.25),"
            " (SELECT count(*) FROM erp._audit), (SELECT count(*) FROM erp.wide_rows_history)"
            " FROM erp.wide_rows"
        ).fetchone()
    expected = (rows, rows, changed, rows + changed, changed)
    if found != expected:
        sys.exit(f"the warehouse holds {found} instead of {expected}")


def median(readings: Sequence[Reading]) -> Reading:
    """The median of every figure."""
    figures = {}
    for name in Reading.__slots__:
        values = [value for one in readings if (value := getattr(one, name)) is not None]
        figures[name] = statistics.median(values) if values else None
    return Reading(**figures)


def line(what: str, one: Reading) -> str:
    """A reading for people."""
    budget = "" if one.budget is None else f"  {one.budget:6.1%} of the budget"
    return (
        f"  {what:12} {one.rows / one.wall_seconds:9,.0f} rows/s  {one.wall_seconds:7.1f} s"
        f"  {one.cpu_seconds:6.1f} CPU s ({one.cpu_seconds_with_start:.1f} with start)"
        f" = {one.cpu_seconds / one.rows * 1_000_000:6.1f} per million rows"
        f"  {one.peak_megabytes:5.0f} MB"
        f"  {one.requests:,.0f} requests (fewest {one.fewest_requests:,.0f}){budget}"
    )


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--measured"]:
        run_here(Path(sys.argv[2]), Case(**json.loads(sys.argv[3])))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--page-rows", type=int, nargs="+", default=[10_000])
    parser.add_argument("--latency-ms", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--requests-per-minute",
        type=int,
        help=f"default: {LIMIT} with latency, no limit that matters without",
    )
    parser.add_argument("--s3", action="store_true", help="stage in the S3 stand-in")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print medians and readings as JSON")
    options = parser.parse_args()
    cases = [
        Case(
            rows=rows,
            page_rows=page_rows,
            latency_ms=latency,
            requests_per_minute=options.requests_per_minute or (LIMIT if latency else UNLIMITED),
            s3=options.s3,
        )
        for rows in options.rows
        for latency in options.latency_ms
        for page_rows in options.page_rows
    ]
    report = []
    for case in cases:
        if not options.json:
            print(case, flush=True)
        rounds = [measure(case) for _ in range(options.rounds)]
        named = {
            "first load": [one for one, _ in rounds],
            "1 % changed": [one for _, one in rounds],
        }
        for what, readings in named.items():
            if not options.json:
                print(line(what, median(readings)), flush=True)
            report.append(
                {
                    "case": asdict(case),
                    "run": what,
                    "median": asdict(median(readings)),
                    "readings": [asdict(one) for one in readings],
                }
            )
    if options.json:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
