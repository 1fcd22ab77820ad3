"""How a change stands in a call: as JSON for Collections, as a row of CSV for a bulk job."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.destinations.applications.contract import (
    Change,
    ChangeKind,
    Link,
    Placement,
)
from ml_connector_dagster.destinations.salesforce.jsons import Json
from ml_connector_dagster.destinations.salesforce.tables import Cell


#: Parents that may be of several objects: resolved by id, since by external id is not proved to work (reference §7).
_POLYMORPHIC: Final = ("WhatId", "WhoId")
#: Objects that take no fields of ours, and so no external id: created once, then updated by id.
KEYLESS: Final = ("Note",)


def relationship(sobject: str, field: str) -> str | None:
    """The name under which the parent is reached through ``field``; None: by id only."""
    if field in _POLYMORPHIC or sobject in KEYLESS:
        return None
    if field.endswith("__c"):
        return f"{field[:-1]}r"
    return field.removesuffix("Id") if field.endswith("Id") else None


def parent_key(change: Change) -> str:
    """The parent whose row a write of ``change`` locks; "" for none."""
    return next((one.external_id for one in change.links.values() if one is not None), "")


def json_record(placement: Placement, change: Change) -> dict[str, Json]:
    """One record of a Collections call. Null clears a field."""
    record: dict[str, Json] = dict(change.fields)
    for field, link in change.links.items():
        name = relationship(placement.object, field)
        if link is None:
            record[field] = None
        elif name is None:
            record[field] = link.remote_id
        else:
            record[name] = {link.key_field: link.external_id}
    record[placement.key_field] = change.external_id
    if placement.object in KEYLESS and change.kind is not ChangeKind.CREATE:
        record["Id"] = change.remote_id
        for field in change.links:
            record.pop(field, None)  # a note stays where it was made
    return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The columns of an upload: names, and the field or link that each one shows."""

    columns: tuple[str, ...]
    fields: tuple[str, ...]
    links: tuple[str, ...]
    by_id: frozenset[str]

    def rows(self, changes: Iterable[Change]) -> Iterable[Sequence[Cell]]:
        """One row for each change."""
        for change in changes:
            links = (self._link(name, change.links.get(name)) for name in self.links)
            yield [change.external_id, *map(change.fields.get, self.fields), *links]

    def _link(self, name: str, link: Link | None) -> Cell:
        if link is None:
            return None
        return link.remote_id if name in self.by_id else link.external_id


def sheet(placement: Placement, changes: Sequence[Change]) -> Sheet:
    """The columns for ``changes``, always in the same order."""
    fields = tuple(sorted(set(placement.fields) - {placement.key_field}))
    links = tuple(sorted(placement.links))
    keys = _keys(changes)
    columns = [placement.key_field, *fields]
    by_id = set()
    for name in links:
        parent = relationship(placement.object, name)
        if parent is None or name not in keys:
            by_id.add(name)
            columns.append(name)
        else:
            columns.append(f"{parent}.{keys[name]}")
    return Sheet(columns=tuple(columns), fields=fields, links=links, by_id=frozenset(by_id))


def _keys(changes: Sequence[Change]) -> Mapping[str, str]:
    """link → the field of its parent's external id; a link that is null everywhere has none."""
    return {
        name: link.key_field
        for change in changes
        for name, link in change.links.items()
        if link is not None
    }
