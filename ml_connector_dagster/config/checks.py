"""What one connection or flow cannot know alone: names that must exist, flows that must agree.

References are checked on what is written, so that a flow with a bad date still hears of its unknown source.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from ml_connector_dagster.config.looker import LookerPublication
from ml_connector_dagster.config.mapping_checks import mapping_problems
from ml_connector_dagster.config.mappings import APPLICATION_TYPES
from ml_connector_dagster.config.merging import Written
from ml_connector_dagster.config.problems import KeyPath, did_you_mean, shown
from ml_connector_dagster.config.project import CONNECTION_TYPES, Flow, FlowDestination
from ml_connector_dagster.config.warehouses import DuckDBConnection
from ml_connector_dagster.model.companions import COMPANIONS, source_of


#: Types of connection that a flow reads. Nothing is ever written to them.
SOURCE_TYPES = frozenset({"cloudsuite"})

#: (flow, path inside it) → path inside the files: a value may come from ``defaults:``.
Locate = Callable[[str, KeyPath], KeyPath]


def check_references(
    written: Written, flows: Mapping[str, Mapping[str, object]], locate: Locate
) -> None:
    """Sources and destinations are connections of the right type."""
    types = {
        name: str(body.get("type")) if isinstance(body, dict) else ""
        for name, body in written.connections.items()
    }
    sources = {name for name, kind in types.items() if kind in SOURCE_TYPES}
    untyped = {name for name, kind in types.items() if kind not in CONNECTION_TYPES}  # told already
    for flow, body in flows.items():
        source = body.get("source")
        if isinstance(source, str) and source not in sources | untyped:
            path = locate(flow, ("source",))
            written.problem(path, _not_a_source(source, types, sources))
        for position, name in _destination_names(body.get("destinations")):
            if name not in types:
                hint = did_you_mean(name, set(types) - sources)
                path = locate(flow, ("destinations", position, "connection"))
                written.problem(path, f"unknown connection {shown(name)}{hint}")
            elif name in sources:
                path = locate(flow, ("destinations", position, "connection"))
                written.problem(
                    path,
                    f"{name} is a {types[name]} connection, and nothing is ever written to CloudSuite"
                    f"{did_you_mean('', set(types) - sources)}",
                )


def _not_a_source(source: str, types: Mapping[str, str], sources: set[str]) -> str:
    hint = did_you_mean(source, sources)
    if source not in types:
        return f"unknown connection {shown(source)}{hint}"
    return f"{source} is not a cloudsuite connection, so it cannot be read{hint}"


def _destination_names(destinations: object) -> Iterator[tuple[int, str]]:
    for position, one in enumerate(destinations if isinstance(destinations, list) else []):
        if isinstance(one, dict) and isinstance(one.get("connection"), str):
            yield position, one["connection"]


def check_warehouses(written: Written, warehouses: Mapping[str, object]) -> None:
    """A DuckDB file has one writer, so it is one connection."""
    first: dict[object, str] = {}
    for name, connection in warehouses.items():
        if not isinstance(connection, DuckDBConnection):
            continue
        other = first.setdefault(connection.path, name)
        if other != name:
            written.problem(
                ("connections", name, "path"),
                f"{connection.path} is already the file of connection {other!r}; use that one",
            )


def check_agreement(written: Written, flows: Mapping[str, Flow], locate: Locate) -> None:
    """Flows that read the same entity of the same tenant share its partitions, so they must agree on them."""
    known = list(flows.values())
    for position, flow in enumerate(known):
        for other in known[:position]:
            shared = [entity for entity in flow.entities if entity in other.entities]
            if flow.source != other.source or not shared:
                continue
            both = f"{_listed(shared)} of {flow.source}, which flow {other.name!r} reads"
            if set(flow.companies) != set(other.companies):
                written.problem(
                    locate(flow.name, ("companies",)),
                    f"other companies for {both} for {', '.join(other.companies)}; "
                    "an entity has the same companies in every flow",
                )
            if flow.start_date != other.start_date:
                written.problem(
                    locate(flow.name, ("start_date",)),
                    f"another start_date for {both} from {other.start_date}; "
                    "an entity has the same start_date in every flow",
                )


def check_deliveries(written: Written, flows: Mapping[str, Flow], locate: Locate) -> None:
    """No two flows write the same entity to the same place."""
    taken: dict[tuple[str, str], str] = {}
    for flow in flows.values():
        for position, destination in enumerate(flow.destinations):
            place = destination.name.casefold()
            clashes: dict[str, list[str]] = {}
            for entity in flow.entities:
                other = taken.setdefault((place, entity), flow.name)
                if other != flow.name:
                    clashes.setdefault(other, []).append(entity)
            for other, entities in clashes.items():
                written.problem(
                    locate(flow.name, ("destinations", position)),
                    f"flow {other!r} already delivers {_listed(entities)} to {destination.name}; "
                    "give one of them another schema",
                )


def check_applications(
    written: Written, flows: Mapping[str, Flow], types: Mapping[str, str], locate: Locate
) -> None:
    """Applications have mappings and no schemas, warehouses the other way round; ``types`` are the connections'."""
    delivered: dict[str, set[str]] = {}
    for flow in flows.values():
        for destination in flow.destinations:
            delivered.setdefault(destination.connection, set()).update(flow.entities)
    for flow in flows.values():
        for position, destination in enumerate(flow.destinations):
            kind = types.get(destination.connection, "")
            path: KeyPath = ("destinations", position)
            if kind in APPLICATION_TYPES:
                for key in ("schema", "tables"):
                    place = locate(flow.name, (*path, key))
                    if place in written.places:
                        written.problem(
                            place,
                            f"{destination.connection} is a {kind} connection, which has none",
                        )
                problems = _mapping_problems(
                    kind, flow.entities, destination, frozenset(delivered[destination.connection])
                )
            else:
                problems = _warehouse_problems(kind, destination)
            for inner, message in problems:
                written.problem(locate(flow.name, (*path, *inner)), message)


def _warehouse_problems(kind: str, destination: FlowDestination) -> Iterator[tuple[KeyPath, str]]:
    if destination.mapping and kind:
        yield (
            ("mapping",),
            f"{destination.connection} is a {kind} connection, which takes every column as it is",
        )


def _mapping_problems(
    kind: str, entities: Sequence[str], destination: FlowDestination, delivered: frozenset[str]
) -> Iterator[tuple[KeyPath, str]]:
    for entity in destination.mapping:
        if source_of(entity) not in entities:
            yield (
                ("mapping", entity),
                f"the flow does not read {source_of(entity)}{did_you_mean(entity, entities)}",
            )
    companions = [one for one in destination.mapping if one in COMPANIONS]
    for entity in (*entities, *(one for one in companions if source_of(one) in entities)):
        flow = destination.mapping.get(entity)
        for inner, message in mapping_problems(kind, entity, flow, delivered):
            yield ("mapping", entity, *inner) if flow else (), message


def check_looker(
    written: Written, flows: Mapping[str, Flow], types: Mapping[str, str], locate: Locate
) -> None:
    """A publication names a looker connection, and the one destination of its flow that Looker reads."""
    for flow in flows.values():
        for position, destination in enumerate(flow.destinations):
            if types.get(destination.connection) == "looker":
                place = locate(flow.name, ("destinations", position))
                for message in _sql_runner_problems(destination):
                    written.problem(place, message)
        if flow.looker is not None:
            for key, message in _publication_problems(flow, flow.looker, types):
                written.problem(locate(flow.name, ("looker", key)), message)


def _sql_runner_problems(destination: FlowDestination) -> Iterator[str]:
    if destination.tables != "shared":
        yield f"{destination.connection} is a looker connection, which has shared tables only"


def _publication_problems(
    flow: Flow, publication: LookerPublication, types: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    of_looker = [name for name, kind in types.items() if kind == "looker"]
    if publication.connection not in of_looker:
        yield (
            "connection",
            f"{shown(publication.connection)} is not a looker connection"
            f"{did_you_mean(publication.connection, of_looker)}",
        )
    named = publication.warehouse
    found = [one for one in flow.destinations if named in (one.name, one.connection)]
    if len(found) != 1:
        names = [one.name for one in flow.destinations]
        why = "is not a destination of the flow" if not found else "is several destinations"
        yield "warehouse", f"{shown(named)} {why}{did_you_mean(named, names)}"
        return
    kind = types.get(found[0].connection, "")
    if publication.write_mode == "sql_runner" and found[0].connection != publication.connection:
        yield (
            "warehouse",
            f"with write_mode: sql_runner the rows go through {publication.connection}, so that must be a destination of "
            "the flow, and named here",
        )
    elif publication.write_mode == "warehouse" and kind in (*APPLICATION_TYPES, "looker"):
        yield (
            "warehouse",
            f"{found[0].name} is no warehouse that Looker could read; rows that go through Looker itself need "
            "write_mode: sql_runner",
        )


def _listed(entities: list[str]) -> str:
    return (
        ", ".join(entities) if len(entities) <= 3 else f"{entities[0]} and {len(entities) - 1} more"
    )
