"""A flow from the sandbox's ERP into a DuckDB file that a stand-in of Looker reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ml_connector_dagster.config.looker import LookerPublication
from ml_connector_dagster.config.project import Flow, Project
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sandbox.looker import LookerOptions, LookerSandbox, Plan
from ml_connector_dagster.sync.lookml import write_lookml
from ml_connector_dagster.sync.marts import refresh_marts
from ml_connector_dagster.sync.publish import Publication, publish
from ml_connector_dagster_tests.spec.looker_instance import connection_to
from ml_connector_dagster_tests.world import World


#: Of the one mart that the world's entities have.
PLANS = tuple(
    Plan(id=number, title=f"Commitments to {who}", dashboard="erp::purchase_commitments")
    for number, who in (("21", "finance"), ("22", "purchasing"))
)


@dataclass
class LookerWorld(World):
    """``looker`` reads the warehouse; ``wanted`` and ``settings`` are keys of the flow's block and of the connection."""

    looker: LookerSandbox = None  # type: ignore[assignment]  # given by ``looker_world``
    wanted: dict[str, Any] = field(default_factory=dict)
    settings_of_looker: dict[str, Any] = field(default_factory=dict)

    @property
    def project(self) -> Project:
        plain = super().project
        looker = connection_to(self.looker, **self.settings_of_looker)
        return Project(
            connections={**plain.connections, "looker": looker}, flows={"flow": self.flow}
        )

    @property
    def flow(self) -> Flow:
        plain: Flow = super().flow
        block = {"connection": "looker", "warehouse": "warehouse", "plans": ["21"], **self.wanted}
        return plain.model_copy(update={"looker": LookerPublication.model_validate(block)})

    def publish(self, sync_id: str = "sync-1") -> Publication:
        with self.open() as workspace:
            return publish(workspace, self.flow, sync_id=sync_id)

    def load(self) -> None:
        """What comes before a publication."""
        self.run_well()
        with self.open() as workspace:
            assert [one.error for one in refresh_marts(workspace, self.flow) if one.error] == []

    def calls(self) -> list[str]:
        """What Looker was asked since ``forget``."""
        return [one.call for one in self.looker.calls]


@contextmanager
def looker_world(erp: Sandbox, folder: Path, **options: Any) -> Iterator[LookerWorld]:
    """A world whose LookML is deployed; nothing is loaded yet."""
    lookml = folder / "lookml"
    file = folder / "home" / "warehouse.duckdb"
    settings = LookerOptions(
        **{
            "lookml": lookml,
            "plans": PLANS,
            "databases": {"warehouse": file},
            "edition": "embed",
            **options,
        }
    )
    with LookerSandbox.start(settings) as looker:
        world = LookerWorld(
            erp,
            folder,
            ("suppliers", "purchase_orders", "purchase_order_lines"),
            companies=("100",),
            looker=looker,
        )
        keys = {name: Secret(value) for name, value in looker.login.items()}
        open_store(world.settings).add("looker", "looker", keys)
        write_lookml(world.project, world.flow, lookml)
        yield world
