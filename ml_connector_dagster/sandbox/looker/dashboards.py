"""Dashboards: the queries of their tiles, with the values of their filters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml_connector_dagster.sandbox.looker.answers import Answer
from ml_connector_dagster.sandbox.looker.compiler import Query
from ml_connector_dagster.sandbox.looker.queries import Queries
from ml_connector_dagster.sandbox.looker.refusals import Refused, not_found


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A tile with its answer."""

    title: str
    type: str
    pivots: tuple[str, ...]
    width: int
    note: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardFilter:
    """A filter of a dashboard, with the value that it has."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A dashboard as a person sees it."""

    id: str
    title: str
    description: str
    filters: tuple[DashboardFilter, ...]
    tiles: tuple[Tile, ...]


def dashboard_ids(queries: Queries) -> tuple[str, ...]:
    """``<model>::<dashboard>`` of all of them."""
    models = queries.project.project().models.values()
    return tuple(f"{model.name}::{name}" for model in models for name in model.dashboards)


def show(queries: Queries, dashboard_id: str, values: Mapping[str, str]) -> Shown:
    """Run a dashboard. ``values``: filter → what it is set to; its default when left out. Raises Refused."""
    model, _, name = dashboard_id.partition("::")
    found = queries.model(model).dashboards.get(name)
    if found is None:
        raise not_found()
    filters = tuple(
        DashboardFilter(
            name=str(one["name"]),
            value=values.get(str(one["name"]), str(one.get("default_value", ""))),
        )
        for one in found.get("filters", ())
    )
    for value in values:
        if value not in {one.name for one in filters}:
            raise Refused(400, f"Dashboard {dashboard_id} has no filter {value}")
    return Shown(
        id=dashboard_id,
        title=str(found.get("title", name)),
        description=str(found.get("description", "")),
        filters=filters,
        tiles=tuple(_tile(queries, one, filters) for one in found.get("elements", ())),
    )


def _tile(
    queries: Queries, element: Mapping[str, Any], filters: tuple[DashboardFilter, ...]
) -> Tile:
    answer = queries.ask(
        str(element["model"]),
        str(element["explore"]),
        tile_query(element, {one.name: one.value for one in filters}),
        cache=True,
        keep=True,
    )
    return Tile(
        title=str(element.get("title", element.get("name", ""))),
        type=str(element.get("type", "looker_grid")),
        pivots=tuple(element.get("pivots", ())),
        width=int(element.get("width", 12)),
        note=str(element.get("note_text", "")),
        answer=answer,
    )


def tile_query(element: Mapping[str, Any], values: Mapping[str, str]) -> Query:
    """The query of a tile: its own filters, and those that it listens to."""
    conditions = {str(name): str(value) for name, value in element.get("filters", {}).items()}
    for name, listened in element.get("listen", {}).items():
        if values.get(name):
            conditions[str(listened)] = values[name]
    return Query(
        fields=tuple(element["fields"]),
        filters=conditions,
        sorts=tuple(element.get("sorts", ())),
        limit=int(element.get("limit", 500)),
    )
