"""A flow from the sandbox's ERP into an application's stand-in, through the real client library."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from ml_connector_dagster.config.mappings import EntityMapping
from ml_connector_dagster.config.project import Connection, Flow, FlowDestination, Project
from ml_connector_dagster.credentials import Credential, open_store
from ml_connector_dagster.destinations.applications.contract import Application
from ml_connector_dagster.destinations.applications.drafts import Draft, draft
from ml_connector_dagster.destinations.applications.placements import Mapped, mapped_entity
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.memory import MemoryDestination
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.applications import set_up
from ml_connector_dagster.sync.workspace import open_staging
from ml_connector_dagster_tests.world import CrashingWorkspace, NoPause, World


NAME = "app"


class Stand(Protocol):
    """One application's stand-in, as tests use it."""

    @property
    def system(self) -> str: ...

    def connection(self, name: str) -> Connection: ...

    def secrets(self) -> Mapping[str, str]: ...

    def open(self, connection: Connection, credential: Credential) -> Application:
        """The application, which waits for nothing."""
        ...

    def held(self, mapped: Mapped) -> list[tuple[str, Mapping[str, str | None]]]:
        """Every record with a key: (external id, field → text), read past the client."""
        ...

    def break_call(self, kind: str, nth: int) -> None:
        """Arm a fault: lost, cut, unavailable or unauthorized, at the ``nth`` write."""
        ...

    def heal(self) -> None: ...

    def reset(self) -> None:
        """As right after the start."""
        ...

    def close(self) -> None: ...


class ApplicationWorkspace(CrashingWorkspace):
    """A workspace whose application is the stand-in, without pauses."""

    stand: Stand

    def application(self, name: str) -> Application:
        return self.stand.open(self.project.connections[name], self.credential(NAME))


@dataclass
class ApplicationWorld(World):
    """One flow of ``entities`` into one application. ``stand`` is needed."""

    stand: Stand | None = None
    mapping: dict[str, EntityMapping] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        secrets = {name: Secret(value) for name, value in self.there.secrets().items()}
        open_store(self.settings).add(NAME, self.there.system, secrets)

    @property
    def there(self) -> Stand:
        assert self.stand is not None
        return self.stand

    @property
    def project(self) -> Project:
        usual = super().project
        return Project(
            connections={
                "acme": usual.connections["acme"],
                NAME: self.there.connection(NAME),
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
            destinations=(FlowDestination(connection=NAME, mapping=self.mapping).without_schema(),),
            start_date=self.sandbox.clock.today() - timedelta(days=20),
        )

    def open(self) -> ApplicationWorkspace:
        settings = self.settings
        workspace = ApplicationWorkspace(
            settings,
            self.project,
            Ledger.open(settings.ledger_url, now=self.sandbox.clock.now),
            open_staging(settings, self.points),
            self.sandbox.clock.now,
            make_pause=NoPause,
        )
        workspace.points = self.points
        workspace.stand = self.there
        return workspace

    def set_up(self) -> None:
        with self.open() as workspace:
            assert set_up(workspace, NAME, dry_run=False).by_hand == ""

    def mapped(self, entity: str) -> Mapped:
        return mapped_entity(self.there.system, entity, self.mapping)

    def rows(self, entity: str) -> list[dict[str, Any]]:
        """Every staged record, as the oracle of warehouses has it."""
        oracle = MemoryDestination("oracle.erp")
        with self.open() as workspace:
            for batch in workspace.ledger.batches(tenant="acme", entity=entity):
                if not batch.for_destination:
                    staged = workspace.staging.open(batch)
                    oracle.deliver(ENTITIES[entity], staged, WriteMode.UPSERT)
        return oracle.rows(ENTITIES[entity], Scope(tenant="acme")).to_pylist()

    def expected(self, entity: str) -> dict[str, Mapping[str, str | None]]:
        """What the application must hold: every batch into memory, then mapped. External id → field → text."""
        mapped = self.mapped(entity)
        drafts = [draft(mapped, row) for row in self.rows(entity)]
        owners = {
            name: self.expected(parent.reference.entity)
            for name, parent in mapped.parents.items()
            if parent.owner
        }
        return {
            one.external_id: self._texts(mapped, one)
            for one in drafts
            if one.wanted
            and not one.deleted
            and all(
                mapped.parents[name].key_prefix + str(one.parents[name]) in there
                for name, there in owners.items()
            )
        }

    def _texts(self, mapped: Mapped, one: Draft) -> Mapping[str, str | None]:
        links = {
            name: None if parent is None else mapped.parents[name].key_prefix + parent
            for name, parent in one.parents.items()
        }
        return {name: text(value) for name, value in {**one.fields, **links}.items()}

    def assert_application_equals_the_oracle(self) -> None:
        """No record twice, none missing, every field as mapped."""
        for entity in self.entities:
            mapped = self.mapped(entity)
            held = [one for one in self.there.held(mapped) if one[0].startswith(mapped.key_prefix)]
            found = dict(held)
            assert len(found) == len(held), f"{entity}: a record is there twice"
            assert found == self.expected(entity), entity


def application_world(
    sandbox: Sandbox,
    stand: Stand,
    folder: Path,
    *entities: str,
    page_rows: int = 10_000,
    **mapping: EntityMapping,
) -> ApplicationWorld:
    """Entities of company 100, in an application that is set up for them."""
    world = ApplicationWorld(
        sandbox,
        folder,
        entities,
        companies=("100",),
        page_rows=page_rows,
        stand=stand,
        mapping=mapping,
    )
    world.set_up()
    return world


def text(value: Any) -> str | None:
    """A value in one spelling, whichever side it comes from."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | Decimal):
        number = Decimal(str(value)).normalize()
        return f"{number:f}" if number else "0"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
