"""Our own check of LookML, before Looker's: that every name leads somewhere, and every column is in the warehouse.

Looker's validator is the authority (``validate_project``); this one needs no Looker, and says all at once.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch

from ml_connector_dagster.lookml.dashboard_checks import dashboard_problems
from ml_connector_dagster.lookml.parsed import (
    Declared,
    Problem,
    Tree,
    columns,
    parse,
    references,
    table_name,
)
from ml_connector_dagster.lookml.view_checks import ViewFields, view_fields, view_problems


#: Table → its columns, both in lower case.
TableColumns = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How LookML fits the tables that are there.

    Attributes:
        problems: what would break in Looker.
        unseen: (table, column) that no field of the LookML shows; writing it again adds them.
    """

    problems: tuple[Problem, ...]
    unseen: tuple[tuple[str, str], ...]


def check(files: Mapping[str, str]) -> tuple[Problem, ...]:
    """What is wrong with LookML in itself. ``files``: path → text."""
    tree, problems = parse(files)
    found = view_fields(tree.views)
    problems += _same_names(tree)
    problems += _models(tree)
    problems += view_problems(tree.views, _companions(tree))
    for explore in tree.explores:
        problems += _explore(explore, found)
    problems += dashboard_problems(tree, found)
    return tuple(problems)


def fit(files: Mapping[str, str], tables: TableColumns) -> Fit:
    """How LookML fits ``tables``: those of the warehouse's schema, as they really are."""
    tree, problems = parse(files)
    there = {name.lower(): {one.lower() for one in found} for name, found in tables.items()}
    shown: set[tuple[str, str]] = set()
    for view in tree.views:
        if "sql_table_name" not in view.block:
            continue
        table = table_name(view.block["sql_table_name"])
        where = f"view {view.name}"
        if table not in there:
            problems.append(
                Problem(
                    file=view.file, where=where, message=f"the warehouse has no table {table!r}"
                )
            )
            continue
        for kind, field in _fields(view):
            for column in columns(field.get("sql", "")):
                shown.add((table, column))
                if column not in there[table]:
                    message = f"table {table!r} has no column {column!r}"
                    place = f"{where}, {kind} {field.get('name', '')}"
                    problems.append(Problem(file=view.file, where=place, message=message))
    known = {table for table, _ in shown}
    unseen = [
        (table, column)
        for table in sorted(known)
        for column in sorted(there[table])
        if (table, column) not in shown
    ]
    return Fit(problems=tuple(problems), unseen=tuple(unseen))


def _fields(view: Declared) -> Iterator[tuple[str, dict[str, str]]]:
    for kind in ("dimension", "dimension_group", "measure"):
        for one in view.block.get(f"{kind}s", ()):
            yield kind, one


def _same_names(tree: Tree) -> Iterator[Problem]:
    for kind, declared in (
        ("view", tree.views),
        ("explore", tree.explores),
        ("datagroup", tree.datagroups),
        ("dashboard", tree.dashboards),
    ):
        first: dict[str, str] = {}
        for one in declared:
            if one.name in first:
                message = f"is declared in {first[one.name]}, too"
                yield Problem(file=one.file, where=f"{kind} {one.name}", message=message)
            first.setdefault(one.name, one.file)


def _models(tree: Tree) -> Iterator[Problem]:
    if not tree.models:
        yield Problem(file="models", where="", message="there is no model file")
    groups = {one.name for one in tree.datagroups}
    for path, model in tree.models.items():
        if not model.get("connection"):
            yield Problem(file=path, where="", message="the model names no connection")
        chosen = model.get("persist_with")
        if chosen and chosen not in groups:
            message = f"there is no datagroup {chosen!r}"
            yield Problem(file=path, where="persist_with", message=message)
        for pattern in model.get("includes", ()):
            if not any(fnmatch(f"/{one}", f"/{pattern.lstrip('/')}") for one in tree.files):
                message = f"{pattern!r} hits no file"
                yield Problem(file=path, where="include", message=message)
    for one in tree.explores:
        chosen = one.block.get("persist_with")
        if chosen and chosen not in groups:
            message = f"there is no datagroup {chosen!r}"
            yield Problem(file=one.file, where=f"explore {one.name}", message=message)


def _explore(explore: Declared, views: Mapping[str, ViewFields]) -> Iterator[Problem]:
    where = f"explore {explore.name}"
    joins = explore.block.get("joins", [])
    base = str(explore.block.get("view_name") or explore.block.get("from") or explore.name)
    there = {explore.name if "from" in explore.block else base: base}
    for join in joins:
        if join["name"] in there:
            message = f"{join['name']!r} is joined twice, or joins itself"
            yield Problem(file=explore.file, where=where, message=message)
        there[join["name"]] = str(join.get("from", join["name"]))
    for name, view in there.items():
        if view not in views:
            message = f"there is no view {view!r}"
            yield Problem(file=explore.file, where=f"{where}, {name}", message=message)
    texts = [(where, str(explore.block.get("sql_always_where", "")))]
    for join in joins:
        place = f"{where}, join {join['name']}"
        texts.append((place, str(join.get("sql_on", ""))))
        if "sql_on" not in join and "foreign_key" not in join:
            yield Problem(file=explore.file, where=place, message="has no sql_on")
        if join.get("relationship", "many_to_one") not in (
            "many_to_one",
            "one_to_one",
            "one_to_many",
            "many_to_many",
        ):
            message = f"unknown relationship {join['relationship']!r}"
            yield Problem(file=explore.file, where=place, message=message)
    for place, sql in texts:
        for name in references(sql):
            view, _, field = name.partition(".")
            fields = views.get(there.get(view, ""))
            if fields is None or field not in fields.all:
                message = f"${{{name}}} is no field of this explore"
                yield Problem(file=explore.file, where=place, message=message)


def _companions(tree: Tree) -> Mapping[str, frozenset[str]]:
    """View → the views that are with it in every explore that has it."""
    found: dict[str, frozenset[str]] = {}
    for explore in tree.explores:
        names = frozenset(
            {explore.name, *(str(join["name"]) for join in explore.block.get("joins", ()))}
        )
        for name in names:
            found[name] = found[name] & names if name in found else names
    return found
