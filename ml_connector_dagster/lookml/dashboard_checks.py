"""The check of dashboards: each tile's fields are in its explore, each filter it listens to is there."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from ml_connector_dagster.lookml.parsed import Declared, Problem, Tree
from ml_connector_dagster.lookml.view_checks import ViewFields


def dashboard_problems(tree: Tree, views: Mapping[str, ViewFields]) -> Iterator[Problem]:
    """What is wrong in dashboards."""
    models = {PurePosixPath(path).name.removesuffix(".model.lkml") for path in tree.models}
    explores = {one.name: _explore_fields(one, views) for one in tree.explores}
    for dashboard in tree.dashboards:
        where = f"dashboard {dashboard.name}"
        filters = {str(one.get("name", "")) for one in dashboard.block.get("filters", ())}
        for one in dashboard.block.get("filters", ()):
            place = f"{where}, filter {one.get('name', '')}"
            for message in _source(one, models, explores, [str(one.get("field", ""))]):
                yield Problem(file=dashboard.file, where=place, message=message)
        for one in dashboard.block.get("elements", ()):
            place = f"{where}, element {one.get('name', '')}"
            for message in _element(one, models, explores, filters):
                yield Problem(file=dashboard.file, where=place, message=message)


def _element(
    element: Mapping[str, Any],
    models: set[str],
    explores: Mapping[str, frozenset[str]],
    filters: set[str],
) -> Iterator[str]:
    fields = [str(name) for name in element.get("fields", ())]
    if not fields:
        yield "has no fields"
    used = [
        *fields,
        *(str(name) for name in element.get("filters", {})),
        *(str(name).split(" ")[0] for name in element.get("sorts", ())),
        *(str(name) for name in element.get("listen", {}).values()),
    ]
    yield from _source(element, models, explores, list(dict.fromkeys(used)))
    for name in element.get("pivots", ()):
        if name not in fields:
            yield f"pivot {name!r} is not among its fields"
    for name in element.get("listen", {}):
        if name not in filters:
            yield f"listens to a filter {name!r} that the dashboard does not have"


def _source(
    block: Mapping[str, Any],
    models: set[str],
    explores: Mapping[str, frozenset[str]],
    fields: list[str],
) -> Iterator[str]:
    if block.get("model") not in models:
        yield f"there is no model {block.get('model')!r}"
    explore = str(block.get("explore", ""))
    if explore not in explores:
        yield f"there is no explore {explore!r}"
        return
    for name in fields:
        if name not in explores[explore]:
            yield f"explore {explore!r} has no field {name!r}"


def _explore_fields(explore: Declared, views: Mapping[str, ViewFields]) -> frozenset[str]:
    names = {explore.name: str(explore.block.get("from", explore.name))}
    names |= {
        join["name"]: join.get("from", join["name"]) for join in explore.block.get("joins", ())
    }
    return frozenset(
        f"{name}.{field}"
        for name, view in names.items()
        if view in views
        for field in views[view].all
    )
