"""What a project is made of: connections to systems, and flows between them.

A new kind of connection is one class here and one line in ``Connection``; everything else follows from that.
The descriptions become the JSON schema that editors show.
"""

from typing import Annotated, Literal, Self, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
)

from ml_connector_dagster.config.alerts import Alerts
from ml_connector_dagster.config.applications import MondayConnection, SalesforceConnection
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.looker import LookerConnection, LookerPublication
from ml_connector_dagster.config.mappings import EntityMapping
from ml_connector_dagster.config.models import StrictModel
from ml_connector_dagster.config.problems import shown
from ml_connector_dagster.config.reconciling import Reconcile
from ml_connector_dagster.config.replays import Replay
from ml_connector_dagster.config.retention import Retention
from ml_connector_dagster.config.schedules import Schedule
from ml_connector_dagster.config.sweeps import Sweep
from ml_connector_dagster.config.values import (
    Company,
    Day,
    EntityName,
    MappedName,
    MartName,
    Name,
    Owner,
    SchemaName,
)
from ml_connector_dagster.config.warehouses import (
    DatabricksConnection,
    DuckDBConnection,
    SnowflakeConnection,
)
from ml_connector_dagster.marts import MARTS, Mart, missing_entities
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ENTITIES


Connection = Annotated[
    CloudSuiteConnection
    | DatabricksConnection
    | DuckDBConnection
    | LookerConnection
    | MondayConnection
    | SalesforceConnection
    | SnowflakeConnection,
    Field(discriminator="type"),
]

#: The word after ``type:`` → its model, as listed in ``Connection``.
CONNECTION_TYPES: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["type"].annotation)[0]: model
    for model in get_args(get_args(Connection)[0])
}


class FlowDestination(StrictModel):
    """Where a flow's records go: a schema of a warehouse, or an application."""

    connection: str = Field(description="Name of a connection.")
    schema_name: SchemaName = Field(
        default="erp",
        validation_alias="schema",
        serialization_alias="schema",
        description="Warehouses only: schema that holds the tables; made when it is not there.",
    )
    tables: Literal["shared", "per_company"] = Field(
        default="shared",
        description="Warehouses only. shared: one table per entity with a company column; per_company: a table for each.",
    )
    write_mode: Literal[WriteMode.UPSERT] = Field(
        default=WriteMode.UPSERT,
        description="upsert: the newest version of each record, older ones in <entity>_history.",
    )

    mapping: dict[MappedName, EntityMapping] = Field(
        default_factory=dict,
        description="Applications only: entity → what is different from the usual mapping. supplier_contacts and "
        "customer_contacts are delivered where they are named here ({}: as shipped).",
    )

    @property
    def name(self) -> str:
        """The destination's id in the ledger, in assets and in commands.

        ``<connection>.<schema>`` of a warehouse; ``<connection>`` of an application, which has no schemas.
        """
        return f"{self.connection}.{self.schema_name}" if self.schema_name else self.connection

    def without_schema(self) -> Self:
        """As a destination in an application."""
        return self.model_copy(update={"schema_name": ""})


def _all_entities(value: object) -> object:
    """``all`` stands for every entity, in the canonical order."""
    return list(ENTITIES) if value in ("all", ["all"], ("all",)) else value


def _all_or_no_marts(value: object) -> object:
    """``all`` is what a flow has when it says nothing."""
    return None if value == "all" else () if value == "none" else value


class Flow(StrictModel):
    """Entities of one tenant, and where they go."""

    name: Name = Field(description="The flow's name in schedules and commands.")
    source: str = Field(description="Name of the cloudsuite connection that is read.")
    companies: tuple[Company, ...] = Field(
        min_length=1,
        description='Company numbers, quoted: ["100", "007"]. Each is a partition of its own.',
    )
    entities: Annotated[tuple[EntityName, ...], BeforeValidator(_all_entities)] = Field(
        min_length=1, description="all, or a list of entities."
    )
    destinations: tuple[FlowDestination, ...] = Field(
        min_length=1, description="Where each entity goes; every destination gets every batch."
    )
    marts: Annotated[tuple[MartName, ...] | None, BeforeValidator(_all_or_no_marts)] = Field(
        default=None,
        description="Views that are kept beside the tables: all (of those whose entities the flow has), none, or a "
        "list of marts.",
    )
    looker: LookerPublication | None = Field(
        default=None,
        description="What is published in Looker after each load; nothing when left out.",
    )
    start_date: Day = Field(
        description="First daily partition, like 2025-11-01. Older records belong to it. A recent day is "
        "best: each day and company is a partition."
    )
    schedule: Schedule | None = Field(
        default=None, description="When the flow runs by itself; never when left out."
    )
    sweep: Sweep = Field(
        default=Sweep(),
        description="How records that the ERP deleted are found, and when.",
    )
    reconcile: Reconcile = Field(
        default=Reconcile(),
        description="How destinations are compared with the ERP, and when.",
    )
    replay: Replay = Field(
        default=Replay(), description="How often the flow tries again by itself what failed."
    )
    owners: tuple[Owner, ...] = Field(
        default=(), description="E-mail addresses or team:NAME, shown on the assets."
    )
    description: str = Field(default="", description="What the flow is for, shown on the assets.")

    @property
    def warehouses(self) -> tuple[FlowDestination, ...]:
        """The destinations that have tables, and so marts; applications have neither."""
        return tuple(target for target in self.destinations if target.schema_name)

    @property
    def looker_reads(self) -> FlowDestination:
        """The destination whose tables Looker reads. Raises ValueError when the flow publishes nothing there."""
        if self.looker is None:
            raise ValueError(f"flow {self.name} publishes nothing in Looker")
        named = self.looker.warehouse
        return next(one for one in self.destinations if named in (one.name, one.connection))

    @property
    def own_marts(self) -> tuple[Mart, ...]:
        """The marts that this flow keeps, in each of its warehouses."""
        names = MARTS if self.marts is None else self.marts
        return tuple(MARTS[name] for name in names if name not in self.marts_left_out)

    @property
    def marts_left_out(self) -> dict[str, tuple[str, ...]]:
        """Marts that this flow cannot have, and the entities that it lacks for each."""
        lacking = {name: missing_entities(mart, self.entities) for name, mart in MARTS.items()}
        return {name: missing for name, missing in lacking.items() if missing}

    @field_validator("marts", mode="after")
    @classmethod
    def _entities_of_marts(
        cls, values: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        for name in values or ():
            missing = missing_entities(MARTS[name], info.data.get("entities", ENTITIES))
            if missing:
                raise ValueError(
                    f"mart {shown(name)} needs {', '.join(missing)}; add to entities, or leave the mart out"
                )
        return values

    @field_validator("companies", "entities", "marts", "owners", mode="after")
    @classmethod
    def _no_repetition(cls, values: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for position, value in enumerate(values or ()):
            if value in (values or ())[:position]:
                raise ValueError(f"{shown(value)} is listed twice")
        return values

    @field_validator("destinations", mode="after")
    @classmethod
    def _no_destination_twice(
        cls, values: tuple[FlowDestination, ...]
    ) -> tuple[FlowDestination, ...]:
        names = [value.name.casefold() for value in values]
        for position, value in enumerate(values):
            if names[position] in names[:position]:
                raise ValueError(f"destination {value.name} is listed twice")
        return values


class Project(StrictModel):
    """Everything that the YAML files say."""

    connections: dict[str, Connection] = Field(
        default_factory=dict, description="Systems, by the name that flows use for them."
    )
    flows: dict[str, Flow] = Field(
        default_factory=dict, description="What is read and where it goes, by flow name."
    )
    retention: Retention = Field(
        default=Retention(), description="How long is kept what nobody needs any more."
    )
    alerts: Alerts = Field(
        default=Alerts(), description="Who is told when something needs a person."
    )

    def stored_by(self, credential: str) -> str:
        """The options of ``ml-connector credentials add`` for a credential that is named here; "" when it is not."""
        intakes = (getattr(one, "bods", None) for one in self.connections.values())
        for part in (*self.connections.values(), *intakes, *self.alerts.channels):
            if getattr(part, "credential", None) == credential:
                return str(getattr(part, "stored_by", ""))
        return ""
