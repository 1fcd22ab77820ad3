"""What an application still lacks for a mapping: objects, fields, labels. ``setup`` shows and makes it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ml_connector_dagster.destinations.applications.contract import (
    FieldFacts,
    FieldKind,
    ObjectFacts,
    Structure,
)
from ml_connector_dagster.destinations.applications.placements import Mapped


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What one object lacks. ``wanted`` holds the missing fields and groups, and fields that lack labels, whole.

    ``missing`` says it in words, one thing a line; empty when nothing is missing.
    """

    wanted: ObjectFacts
    is_new: bool
    missing: tuple[str, ...]


def wanted_shapes(mapped: Iterable[Mapped]) -> list[ObjectFacts]:
    """The objects that mappings write to, parents first; entities that share an object share its shape."""
    shapes: dict[str, ObjectFacts] = {}
    for one in mapped:
        shape = one.placement.shape
        known = shapes.get(shape.name)
        if known is None:
            shapes[shape.name] = shape
        else:
            shapes[shape.name] = replace(
                known,
                fields=_united(known.fields, shape.fields),
                groups=tuple(dict.fromkeys((*known.groups, *shape.groups))),
            )
    return _parents_first(shapes)


def find_gaps(structure: Structure, wanted: Sequence[ObjectFacts]) -> list[Gap]:
    """What each of ``wanted`` lacks, asked of the application."""
    there = structure.describe([shape.name for shape in wanted])
    return [_gap(shape, there.get(shape.name)) for shape in wanted]


def _gap(wanted: ObjectFacts, found: ObjectFacts | None) -> Gap:
    if found is None:
        lines = [f"{wanted.name}: to be made, with {len(wanted.fields)} fields"]
        lines += [f"{wanted.name} · {_described(field)}" for field in wanted.fields.values()]
        lines += [f"{wanted.name} · group {group}" for group in wanted.groups]
        return Gap(wanted=wanted, is_new=True, missing=tuple(lines))
    fields: dict[str, FieldFacts] = {}
    lines = []
    for name, field in wanted.fields.items():
        there = found.fields.get(name)
        if there is None:
            fields[name] = field
            lines.append(f"{wanted.name} · {_described(field)}")
            continue
        labels = [label for label in field.choices if label not in there.choices]
        if labels and there.kind is FieldKind.CHOICE and not there.open_choices:
            fields[name] = field
            lines.append(f"{wanted.name} · {name}: labels {', '.join(labels)}")
    # What has no group at all knows no groups.
    groups = tuple(one for one in wanted.groups if found.groups and one not in found.groups)
    lines += [f"{wanted.name} · group {group}" for group in groups]
    return Gap(
        wanted=replace(wanted, fields=fields, groups=groups), is_new=False, missing=tuple(lines)
    )


def _described(field: FieldFacts) -> str:
    details = [field.kind.value]
    if field.key:
        details.append("external id, unique")
    if field.length is not None:
        details.append(f"{field.length} characters")
    if field.digits is not None:
        details.append(f"{field.digits[0] - field.digits[1]}.{field.digits[1]} digits")
    if field.choices:
        details.append(f"labels {', '.join(field.choices)}")
    if field.links_to:
        details.append(f"to {', '.join(field.links_to)}")
    return f"{field.name}: {', '.join(details)}"


def _united(
    known: Mapping[str, FieldFacts], more: Mapping[str, FieldFacts]
) -> dict[str, FieldFacts]:
    united = dict(known)
    for name, field in more.items():
        other = united.get(name)
        choices = (*(other.choices if other else ()), *field.choices)
        united[name] = replace(other or field, choices=tuple(dict.fromkeys(choices)))
    return united


def _parents_first(shapes: Mapping[str, ObjectFacts]) -> list[ObjectFacts]:
    ordered: dict[str, ObjectFacts] = {}

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in ordered or name not in shapes or name in above:
            return
        for field in shapes[name].fields.values():
            for parent in field.links_to:
                add(parent, (*above, name))
        ordered[name] = shapes[name]

    for name in shapes:
        add(name, ())
    return list(ordered.values())
