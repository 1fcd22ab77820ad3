"""Which way rows would go into a system, and how many calls that takes: said before, and nothing is sent.

An application's target says it itself (``Target.plan``); for a warehouse it follows from the size of the batch. How many
statements a batch takes is known best from batches that went the same way; before there are any, from what the first ones
take here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from ml_connector_dagster.config.applications import MondayConnection
from ml_connector_dagster.config.looker import LookerConnection
from ml_connector_dagster.config.project import Connection, FlowDestination
from ml_connector_dagster.config.warehouses import (
    DatabricksConnection,
    DuckDBConnection,
    SnowflakeConnection,
)
from ml_connector_dagster.destinations.applications.contract import (
    Application,
    Budget,
    Change,
    ChangeKind,
    Portion,
)
from ml_connector_dagster.destinations.registry import mapping_of


if TYPE_CHECKING:
    from ml_connector_dagster.destinations.looker.quotas import CallCounts


#: More changes than this are not made up to be counted: what they take is proportional.
_MADE_UP: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way into a warehouse. ``calls``: of a first batch of one part, as the sandbox's stand-in sees them."""

    name: str
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """What bringing some batches takes. ``seconds``: the least that limits of the system allow, where it has any."""

    ways: tuple[str, ...]
    calls: int
    basis: str
    seconds: float = 0.0


def _duckdb(connection: DuckDBConnection, rows: int) -> Way:
    del connection, rows
    return Way(name="in process", calls=0)


def _snowflake(connection: SnowflakeConnection, rows: int) -> Way:
    if rows > connection.inline_rows:
        return Way(name="staged file", calls=24)
    return Way(name="inline", calls=15)


def _databricks(connection: DatabricksConnection, rows: int) -> Way:
    if rows > connection.inline_rows:
        return Way(name="staged file", calls=42)
    return Way(name="inline", calls=36)


def _looker(connection: LookerConnection, rows: int) -> Way:
    statements = -(-rows // connection.statement_rows)
    return Way(name="SQL Runner", calls=2 * (8 + statements))  # each statement is made, then run


#: The model of a connection → how a batch of so many rows goes into it.
WAYS: Final[Mapping[type[Connection], Callable[..., Way]]] = {
    DatabricksConnection: _databricks,
    DuckDBConnection: _duckdb,
    LookerConnection: _looker,
    SnowflakeConnection: _snowflake,
}


def warehouse_loading(
    connection: Connection, batches: Sequence[int], past: Sequence[tuple[int, int]]
) -> Loading:
    """Batches of so many rows into a warehouse; ``past``: rows and requests of earlier ones, newest first."""
    way_of = WAYS[type(connection)]
    ways = [way_of(connection, rows) for rows in batches]
    calls, known = 0, 0
    for way in ways:
        alike = [requests for rows, requests in past if way_of(connection, rows).name == way.name]
        known += bool(alike)
        calls += round(median(alike)) if alike else way.calls
    basis = "what earlier batches took" if known == len(ways) else "what first batches take"
    return Loading(ways=tuple(dict.fromkeys(way.name for way in ways)), calls=calls, basis=basis)


def application_loading(
    application: Application,
    connection: Connection,
    target: FlowDestination,
    entity: str,
    rows: int,
) -> Loading:
    """So many changed records into an application: its own target cuts them into calls. Nothing is sent."""
    mapped = mapping_of(connection, target)(entity)
    made_up = min(rows, _MADE_UP)
    changes = [
        Change(kind=ChangeKind.CREATE, external_id=f"{number:012d}") for number in range(made_up)
    ]
    portions = application.target.plan(mapped.placement, changes) if changes else ()
    calls = sum(portion.calls for portion in portions)
    if made_up < rows:
        calls = -(-calls * rows // made_up)
    ways = tuple(dict.fromkeys(portion.route for portion in portions))
    basis = "if every record is new or changed"
    if mapped.conditions:
        basis += " and passes the filter"
    seconds = _monday_seconds(portions) if isinstance(connection, MondayConnection) else 0.0
    return Loading(ways=ways, calls=calls, basis=basis, seconds=seconds)


def _monday_seconds(portions: Sequence[Portion]) -> float:
    from ml_connector_dagster.destinations.monday.costs import least_seconds
    from ml_connector_dagster.destinations.monday.target import MUTATIONS

    return least_seconds(sum(len(one.changes) for one in portions if one.route == MUTATIONS))


def application_budgets(
    application: Application,
    connection: Connection,
    target: FlowDestination,
    entities: Sequence[str],
) -> tuple[Budget, ...]:
    """What is left of the application's limits; it is asked what it has, since only its answers tell."""
    mapped = mapping_of(connection, target)
    application.structure.describe([mapped(name).placement.object for name in entities])
    return application.target.usage().budgets


def looker_budgets(
    connection: LookerConnection, counts: "CallCounts", month: str
) -> Mapping[str, tuple[int, int]]:
    """Kind of call → (made this month, may be made). Looker is not asked: what counts is what we have counted."""
    from ml_connector_dagster.destinations.looker.quotas import limits_of

    return {
        kind.value: (counts.counted(month, kind), limit)
        for kind, limit in limits_of(connection).items()
    }
