"""Every destination against the truth of the ERP, record by record and value by value."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ml_connector_dagster.columns.content import id_part
from ml_connector_dagster.destinations.applications.drafts import draft
from ml_connector_dagster.destinations.applications.placements import mapped_entity
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.model.entities import ENTITIES as DEFINITIONS
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.application_worlds import text
from ml_connector_dagster_tests.chaos.installation import Installation
from ml_connector_dagster_tests.chaos.outside import (
    APPLICATION_ENTITIES,
    APPLICATIONS,
    COMPANIES,
    ENTITIES,
    WAREHOUSES,
)
from ml_connector_dagster_tests.world import business, key_of


#: More examples of one kind do not help anybody.
SHOWN = 5


@dataclass(slots=True, kw_only=True)
class Difference:
    """One entity at one destination, compared.

    Attributes:
        doubled: records that are there more than once, or that the ERP does not have.
        history_doubles: versions that the history holds twice, or that are current and history at once.
        audit_doubles: records that one batch has more than one receipt for.
    """

    destination: str
    entity: str
    rows: int = 0
    lost: int = 0
    doubled: int = 0
    differing: int = 0
    history_doubles: int = 0
    audit_doubles: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        return not (
            self.lost
            or self.doubled
            or self.differing
            or self.history_doubles
            or self.audit_doubles
        )


def compare(site: Installation) -> Iterator[Difference]:
    """One line per destination and entity."""
    truth = {
        entity: {
            key_of(entity, row): business(entity, row)
            for company in COMPANIES
            for row in site.sandbox.erp.truth(entity, company)
        }
        for entity in ENTITIES
    }
    with site.open() as workspace:
        for target in workspace.project.flows["tables"].destinations:
            if target.connection in WAREHOUSES:
                yield from _warehouse(workspace, target, truth)
        for name in site.outside.systems:
            if name in APPLICATIONS:
                yield from _application(site, workspace, name, truth)


def _warehouse(workspace: Workspace, target: Any, truth: Mapping[str, Any]) -> Iterator[Difference]:
    with workspace.warehouse(target) as warehouse:
        doubled_receipts = Counter(
            row["entity"]
            for row in warehouse.ask(
                "SELECT entity, record_id, batch_id FROM _audit "
                "GROUP BY entity, record_id, batch_id HAVING count(*) > 1"
            ).to_pylist()
        )
        for entity in ENTITIES:
            rows = warehouse.rows(DEFINITIONS[entity], Scope(tenant="acme")).to_pylist()
            found = [
                (key_of(entity, row), business(entity, row))
                for row in rows
                if row["_deleted_at"] is None
            ]
            one = _compared(target.connection, entity, found, truth[entity])
            twice = f"SELECT record_id, _batch_id FROM {entity}_history GROUP BY record_id, _batch_id HAVING count(*) > 1"
            both = (
                f"SELECT h.record_id, h._batch_id FROM {entity}_history AS h JOIN {entity} AS t "
                "ON t.record_id = h.record_id AND t._batch_id = h._batch_id"
            )
            doubles = [row for query in (twice, both) for row in warehouse.ask(query).to_pylist()]
            one.history_doubles = len(doubles)
            one.audit_doubles = doubled_receipts[entity]
            one.examples += [f"history: {row}" for row in doubles[:SHOWN]]
            yield one


def _application(
    site: Installation, workspace: Workspace, name: str, truth: Mapping[str, Any]
) -> Iterator[Difference]:
    """What the mapping makes of the ERP's records. Staged rows carry the ids that it needs beside them."""
    (target,) = workspace.project.flows[name].destinations
    for entity in APPLICATION_ENTITIES:
        mapped = mapped_entity(name, entity, target.mapping)
        expected = {}
        for row in _rows_of(truth[entity]):
            one = draft(mapped, row)
            if one.wanted:
                links = {
                    field_name: None
                    if parent is None
                    else mapped.parents[field_name].key_prefix + parent
                    for field_name, parent in one.parents.items()
                }
                fields = {**one.fields, **links}
                expected[one.external_id] = {key: text(value) for key, value in fields.items()}
        held = [
            (key, fields)
            for key, fields in site.outside.stands[name].held(mapped)
            if key.startswith(mapped.key_prefix)
            # Gone from the ERP: archived, or marked where the application has a field for that.
            and not (mapped.deleted_field and fields[mapped.deleted_field])
        ]
        yield _compared(name, entity, held, expected)


def _rows_of(truth: Mapping[Any, Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """Rows as a batch has them, made of the ERP's records."""
    for key, record in truth.items():
        yield {
            **record,
            "tenant": "acme",
            "company": key[0],
            "record_id": "/".join(id_part(str(part)) for part in ("acme", *key)),
            "_deleted_at": None,
            "_row_hash": "",
            "_modified_at": None,
            "_extracted_at": None,
        }


def _compared(
    destination: str,
    entity: str,
    found: Sequence[tuple[Any, Mapping[str, Any]]],
    expected: Mapping[Any, Mapping[str, Any]],
) -> Difference:
    times = Counter(key for key, _ in found)
    values = dict(found)
    lost = [key for key in expected if key not in values]
    unknown = [key for key in values if key not in expected]
    twice = [key for key, count in times.items() if count > 1]
    differing = [key for key in values if key in expected and values[key] != expected[key]]
    examples = [f"lost {key}" for key in lost[:SHOWN]]
    examples += [f"not in the ERP {key}" for key in unknown[:SHOWN]]
    examples += [f"twice {key}" for key in twice[:SHOWN]]
    for key in differing[:SHOWN]:
        changed = {
            name: (values[key].get(name), value)
            for name, value in expected[key].items()
            if values[key].get(name) != value
        }
        examples.append(f"differs {key}: found, expected: {changed}")
    return Difference(
        destination=destination,
        entity=entity,
        rows=len(found),
        lost=len(lost),
        doubled=len(unknown) + len(twice),
        differing=len(differing),
        examples=examples,
    )
