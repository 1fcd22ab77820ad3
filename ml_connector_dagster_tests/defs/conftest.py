"""A small project as Dagster sees it, alone and with the sandbox behind it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Flow, FlowDestination, Project
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.config.warehouses import DuckDBConnection
from ml_connector_dagster.credentials.keys import KeyRing
from ml_connector_dagster.credentials.store import CredentialStore
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.workspace import Workspace


#: Dagster marks parameters that are pinned with its version here; each use would be an error in our tests.
BETA = r"ignore:.*(is currently in beta|is currently in preview)"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings(BETA))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"ML_CONNECTOR_HOME": str(tmp_path / "home")})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two companies, three entities, one warehouse."""
    return Project(
        connections={
            "acme": CloudSuiteConnection(
                name="acme", product_line="m3", credential="ACME_TST", timezone="Europe/Stockholm"
            ),
            "warehouse": DuckDBConnection(
                name="warehouse", path=tmp_path / "home" / "warehouse.duckdb"
            ),
        },
        flows={
            "purchasing": Flow(
                name="purchasing",
                source="acme",
                companies=("100", "007"),
                entities=("suppliers", "purchase_orders", "purchase_order_lines"),
                destinations=(FlowDestination(connection="warehouse"),),
                start_date=date(2026, 1, 1),
                schedule=Schedule(every="2 hours"),
                owners=("team:finance",),
            )
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """A project with the sandbox behind it, and a Dagster instance of its own."""

    sandbox: Sandbox
    settings: Settings
    project: Project
    defs: dg.Definitions
    instance: dg.DagsterInstance

    @property
    def flow(self) -> Flow:
        return self.project.flows["purchasing"]

    @property
    def today(self) -> date:
        return self.sandbox.clock.today()

    def day(self, ago: int) -> date:
        return self.today - timedelta(days=ago)

    def open(self) -> Workspace:
        return Workspace.open(self.settings, project=self.project, now=self.sandbox.clock.now)

    def materialize(
        self,
        *entities: str,
        companies: tuple[str, str] = ("100", "100"),
        days: tuple[int, int] = (0, 0),
        incremental: bool = False,
        full: bool = False,
    ) -> dg.ExecuteInProcessResult:
        """Read and deliver ``entities``: first to last company, and days so many days ago."""
        first, last = (self.day(ago).isoformat() for ago in days)
        tags = {
            "dagster/asset_partition_range_start": f"{companies[0]}|{first}",
            "dagster/asset_partition_range_end": f"{companies[1]}|{last}",
        }
        keys = [
            dg.AssetKey(path)
            for entity in entities
            for path in (["acme", entity], ["acme", "warehouse", entity])
        ]
        return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=keys,
            tags=tags | ({"ml_connector/mode": "incremental"} if incremental else {}),
            run_config={
                "ops": {f"acme__{entity}": {"config": {"full": full}} for entity in entities}
            },
            raise_on_error=False,
        )

    def events(self, *path: str) -> dict[str, dict[str, Any]]:
        """Partition → metadata of its newest materialisation."""
        found: dict[str, dict[str, Any]] = {}
        for record in self.instance.fetch_materializations(dg.AssetKey(path), limit=1000).records:
            event = record.asset_materialization
            assert event is not None
            assert event.partition is not None
            values = {name: one.value for name, one in event.metadata.items()}
            found.setdefault(event.partition, values)
        return found

    def total(self, name: str, *path: str) -> int:
        """Sum of one number over all partitions of an asset."""
        return sum(values[name] for values in self.events(*path).values())


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def installation(
    sandbox: Sandbox, settings: Settings, project: Project, instance: dg.DagsterInstance
) -> Installation:
    settings.home.mkdir(parents=True)
    store = CredentialStore(settings.credentials_file, KeyRing.from_settings(settings))
    store.add("ACME_TST", "ionapi", {"ionapi": Secret(sandbox.ionapi_text("ACME_TST"))})
    source = project.connections["acme"].model_copy(update={"requests_per_minute": 6000})
    flow = project.flows["purchasing"].model_copy(
        update={
            "companies": ("100", "200"),
            "start_date": sandbox.clock.today() - timedelta(days=10),
        }
    )
    live = Project(connections={**project.connections, "acme": source}, flows={"purchasing": flow})
    defs = build_definitions(live, settings, now=sandbox.clock.now)
    return Installation(
        sandbox=sandbox, settings=settings, project=live, defs=defs, instance=instance
    )
