"""A whole installation over the sandbox, for tests that look at the end of the pipe."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from ml_connector_dagster.cloudsuite.pauses import Pause
from ml_connector_dagster.config.applications import is_application
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Flow, FlowDestination, Project
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.config.warehouses import DuckDBConnection
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.destinations.contract import Destination, Scope
from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination
from ml_connector_dagster.destinations.registry import application_destination
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.flows import EntityResult, ReadMode, run_flow
from ml_connector_dagster.sync.replay import choose_letters, replay
from ml_connector_dagster.sync.workspace import Workspace, open_staging


Row = Mapping[str, Any]


class Crash(BaseException):
    """A process that dies: not an Exception, so nobody may catch it and tidy up."""


class NoPause(Pause):
    """Waits for nothing: retries follow each other at once."""

    def __call__(self, seconds: float) -> None:
        super().__call__(0)


@dataclass(slots=True)
class CrashPoints:
    """Counts the write points that are passed, and crashes at a chosen one."""

    crash_at: int | None = None
    passed: list[str] = field(default_factory=list)

    def __call__(self, name: str) -> None:
        self.passed.append(name)
        if self.crash_at is not None and len(self.passed) >= self.crash_at:
            raise Crash(name)


class CrashingWorkspace(Workspace):
    """A workspace whose staging and warehouse pass their write points through ``points``."""

    points: CrashPoints

    def destination(
        self, target: FlowDestination, flow: str = ""
    ) -> AbstractContextManager[Destination]:
        connection = self.project.connections[target.connection]
        if is_application(connection):
            return _opened(
                application_destination(
                    self.application(target.connection),
                    connection,
                    target,
                    self.ledger.remote,
                    now=self.now,
                    checkpoint=self.points,
                )
            )
        assert isinstance(connection, DuckDBConnection)
        return _opened(
            DuckDBDestination(
                target.name,
                DatabaseFile(
                    path=self.settings.home / connection.path,
                    memory_limit=connection.memory_limit,
                    threads=connection.threads,
                ),
                target.schema_name,
                per_company=target.tables == "per_company",
                now=self.now,
                checkpoint=self.points,
            )
        )


@contextmanager
def _opened(destination: Destination) -> Iterator[Destination]:
    try:
        yield destination
    finally:
        destination.close()


@dataclass
class World:
    """One flow of ``entities`` from the sandbox into a DuckDB file under ``folder``."""

    sandbox: Sandbox
    folder: Path
    entities: Sequence[str]
    companies: Sequence[str] = ("100", "200")
    page_rows: int = 10_000
    tables: str = "shared"
    catalog: Path | None = None
    points: CrashPoints = field(default_factory=CrashPoints)
    runs: int = 0

    def __post_init__(self) -> None:
        self.settings.home.mkdir(parents=True, exist_ok=True)
        text = self.sandbox.ionapi_text("ACME_TST")
        open_store(self.settings).add("acme", "ionapi", {"ionapi": Secret(text)})

    @property
    def settings(self) -> Settings:
        return read_settings({"ML_CONNECTOR_HOME": str(self.folder / "home")})

    @property
    def project(self) -> Project:
        return Project(
            connections={
                "acme": CloudSuiteConnection(
                    name="acme",
                    product_line="m3",
                    credential="acme",
                    timezone="Europe/Stockholm",
                    requests_per_minute=6000,
                    page_rows=self.page_rows,
                    catalog=self.catalog,
                ),
                "warehouse": DuckDBConnection(name="warehouse", path=Path("warehouse.duckdb")),
            },
            flows={"flow": self.flow},
        )

    @property
    def flow(self) -> Flow:
        return Flow(
            name="flow",
            source="acme",
            companies=tuple(self.companies),
            entities=tuple(self.entities),
            destinations=(
                FlowDestination.model_validate(
                    {"connection": "warehouse", "schema": "erp", "tables": self.tables}
                ),
            ),
            start_date=self.sandbox.clock.today() - timedelta(days=20),
        )

    def open(self) -> CrashingWorkspace:
        settings = self.settings
        workspace = CrashingWorkspace(
            settings,
            self.project,
            Ledger.open(settings.ledger_url, now=self.sandbox.clock.now),
            open_staging(settings, self.points),
            self.sandbox.clock.now,
            make_pause=NoPause,
        )
        workspace.points = self.points
        return workspace

    def run(self, mode: ReadMode = ReadMode.INCREMENTAL, **chosen: Any) -> tuple[EntityResult, ...]:
        self.runs += 1
        with self.open() as workspace:
            return run_flow(workspace, self.flow, run_id=f"run-{self.runs}", mode=mode, **chosen)

    def run_well(self) -> tuple[EntityResult, ...]:
        results = self.run()
        assert [result.error for result in results if result.error] == []
        return results

    def replay(self) -> None:
        """Every record that was refused, again."""
        with self.open() as workspace:
            replay(workspace, self.flow, choose_letters(workspace, self.flow), run_id="replay")

    def crash(self, at: int) -> str | None:
        """Run, and die at the ``at``-th write point; answers its name, None when the run ended before."""
        self.points.passed.clear()
        self.points.crash_at = at
        try:
            self.run()
        except Crash as crash:
            return str(crash)
        finally:
            self.points.crash_at = None
        return None

    def found(self, entity: str, company: str | None = None) -> dict[str, Row]:
        """What the warehouse holds: record id → row."""
        with self.open() as workspace:
            return rows_by_record(
                workspace, workspace.destination(self.flow.destinations[0]), entity, company
            )

    def assert_equals_the_erp(self) -> None:
        """Each table holds exactly the ERP's records, value by value."""
        for entity in self.entities:
            for company in self.companies:
                found = {
                    key_of(entity, row): business(entity, row)
                    for row in self.found(entity, company).values()
                }
                truth = {
                    key_of(entity, row): business(entity, row)
                    for row in self.sandbox.erp.truth(entity, company)
                }
                assert found == truth, f"{entity} of company {company}"


def rows_by_record(
    workspace: Workspace,
    opening: AbstractContextManager[Destination],
    entity: str,
    company: str | None,
) -> dict[str, Row]:
    with opening as destination:
        table = destination.rows(ENTITIES[entity], Scope(tenant="acme", company=company))
    rows = table.to_pylist()
    by_record = {row["record_id"]: row for row in rows}
    assert len(by_record) == len(rows), f"{entity}: a record occurs twice"
    return by_record


def key_of(entity: str, row: Row) -> tuple[Any, ...]:
    """A record's key, company first."""
    return (row["company"], *(row[name] for name in ENTITIES[entity].key))


def business(entity: str, row: Row) -> dict[str, Any]:
    """The columns that come from the ERP."""
    return {column.name: row[column.name] for column in ENTITIES[entity].columns}
