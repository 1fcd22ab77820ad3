"""What the engine decides, seen at the stand-ins: versions, filters, deletions, refusals, parents.

Rows are staged as in the contract of destinations; both applications are reached by their own client libraries.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml_connector_dagster.config.mappings import EntityMapping
from ml_connector_dagster.config.project import FlowDestination
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.applications.destination import ApplicationDestination
from ml_connector_dagster.destinations.applications.previews import preview
from ml_connector_dagster.destinations.applications.structures import find_gaps, wanted_shapes
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.registry import application_destination, mapping_of
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ENTITIES, Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.monday import MondayOptions
from ml_connector_dagster_tests.application_worlds import NAME, Stand
from ml_connector_dagster_tests.contracts.staged import DAYS, TENANT, StagedFiles, row, staged_rows
from ml_connector_dagster_tests.monday_stand import MondayStand
from ml_connector_dagster_tests.salesforce_stand import SalesforceStand


SUPPLIERS = ENTITIES["suppliers"]
ORDERS = ENTITIES["purchase_orders"]
LINES = ENTITIES["purchase_order_lines"]


class Bench:
    """One destination over a stand-in, fed batch by batch."""

    def __init__(self, stand: Stand, folder: Path, **mapping: dict[str, Any]) -> None:
        self.stand = stand
        self.folder = folder
        self.ledger = Ledger.open(f"sqlite:///{folder}/ledger.db")
        self.connection = stand.connection(NAME)
        secrets = {name: Secret(value) for name, value in stand.secrets().items()}
        self.credential = Credential(name=NAME, kind=stand.system, values=secrets)
        self.remap(**mapping)
        self.batches = 0

    def remap(self, **mapping: dict[str, Any]) -> None:
        """The same destination with another mapping, as after a change of the flow."""
        flow = {name: EntityMapping.model_validate(body) for name, body in mapping.items()}
        self.target = FlowDestination(connection=NAME, mapping=flow).without_schema()
        self.destination: ApplicationDestination = application_destination(
            self.stand.open(self.connection, self.credential),
            self.connection,
            self.target,
            self.ledger.remote,
            now=lambda: datetime.now(UTC),
        )

    def set_up(self, *entities: Entity) -> None:
        mapping = mapping_of(self.connection, self.target)
        structure = self.destination.application.structure
        for gap in find_gaps(structure, wanted_shapes(mapping(one.name) for one in entities)):
            if gap.missing:
                structure.create(gap.wanted)

    def stage(self, entity: Entity, rows: Sequence[dict[str, Any]]) -> StagedFiles:
        self.batches += 1
        return staged_rows(self.folder, entity, rows, batch_id=f"batch-{self.batches:03d}")

    def deliver(self, entity: Entity, staged: StagedFiles) -> DeliveryReport:
        return self.destination.deliver(entity, staged, WriteMode.UPSERT)

    def send(self, entity: Entity, *rows: dict[str, Any]) -> OutcomeCounts:
        return self.deliver(entity, self.stage(entity, rows)).counts

    def held(self, entity: Entity) -> dict[str, Mapping[str, str | None]]:
        """Key without tenant and company → field → text."""
        mapped = mapping_of(self.connection, self.target)(entity.name)
        found = self.stand.held(mapped)
        assert len(dict(found)) == len(found)
        return {mapped.record_id(key).split("/", 2)[2]: values for key, values in found}


@pytest.fixture(scope="module")
def stands() -> Iterator[Mapping[str, Stand]]:
    made: Mapping[str, Stand] = {
        "salesforce": SalesforceStand(),
        "monday": MondayStand(MondayOptions(tier="enterprise")),
    }
    yield made
    for stand in made.values():
        stand.close()


@pytest.fixture(params=["salesforce", "monday"])
def stand(request: pytest.FixtureRequest, stands: Mapping[str, Stand]) -> Stand:
    chosen = stands[request.param]
    chosen.reset()
    return chosen


@pytest.fixture
def bench(stand: Stand, tmp_path: Path) -> Bench:
    made = Bench(stand, tmp_path)
    made.set_up(SUPPLIERS, ORDERS, LINES)
    return made


@pytest.mark.parametrize(
    ("stored", "incoming", "written"),
    [
        # (_modified_at, _extracted_at) of the stored and of the incoming version
        ((DAYS[2], DAYS[2]), (DAYS[1], DAYS[3]), False),
        ((DAYS[2], DAYS[2]), (DAYS[3], DAYS[1]), True),
        ((DAYS[2], DAYS[2]), (DAYS[2], DAYS[1]), False),
        ((DAYS[2], DAYS[2]), (None, DAYS[3]), True),
        ((None, DAYS[2]), (DAYS[1], DAYS[1]), False),
    ],
)
def test_an_older_version_that_comes_late_changes_nothing(
    bench: Bench, stored: tuple[Any, Any], incoming: tuple[Any, Any], written: bool
) -> None:
    bench.send(SUPPLIERS, row(SUPPLIERS, "1", name="a", modified=stored[0], extracted=stored[1]))
    counts = bench.send(
        SUPPLIERS, row(SUPPLIERS, "1", name="b", modified=incoming[0], extracted=incoming[1])
    )
    assert counts == (OutcomeCounts(updated=1) if written else OutcomeCounts(unchanged=1))
    assert bench.held(SUPPLIERS)["1"]["Name"] == ("b" if written else "a")


def test_a_change_of_what_is_not_mapped_costs_no_call_and_still_counts_as_newer(
    bench: Bench,
) -> None:
    bench.send(SUPPLIERS, row(SUPPLIERS, "1", name="a", language="EN"))
    newer = row(SUPPLIERS, "1", name="a", language="SV", modified=DAYS[5], extracted=DAYS[5])
    report = bench.deliver(SUPPLIERS, bench.stage(SUPPLIERS, [newer]))
    assert (report.counts, report.requests) == (OutcomeCounts(unchanged=1), 0)
    late = row(SUPPLIERS, "1", name="late", modified=DAYS[3], extracted=DAYS[3])
    assert bench.send(SUPPLIERS, late) == OutcomeCounts(unchanged=1)
    assert bench.held(SUPPLIERS)["1"]["Name"] == "a"


def test_the_same_batch_again_answers_the_same_report_and_sends_nothing(bench: Bench) -> None:
    rows = [row(SUPPLIERS, "1", name="a"), row(SUPPLIERS, "2", name="b")]
    staged = bench.stage(SUPPLIERS, rows)
    first = bench.deliver(SUPPLIERS, staged)
    again = bench.deliver(SUPPLIERS, staged)
    assert again.requests == 0
    assert again.counts == first.counts == OutcomeCounts(inserted=2)
    told = [one["remote_id"] for one in staged.receipts(again.receipts)]
    assert sorted(told) == sorted(one["remote_id"] for one in staged.receipts(first.receipts))


def test_of_several_rows_of_a_record_the_newest_is_sent(bench: Bench) -> None:
    counts = bench.send(
        SUPPLIERS,
        row(SUPPLIERS, "1", name="first", modified=None),
        row(SUPPLIERS, "1", name="newest", modified=DAYS[3]),
        row(SUPPLIERS, "1", name="older", modified=DAYS[1]),
    )
    assert counts == OutcomeCounts(inserted=1)
    assert bench.held(SUPPLIERS)["1"]["Name"] == "newest"


def test_another_mapping_sends_the_same_version_again(bench: Bench) -> None:
    one = row(SUPPLIERS, "1", name="a", search_key="AAA")
    bench.send(SUPPLIERS, one)
    bench.remap(suppliers={"fields": {"Name": "search_key"}})
    assert bench.send(SUPPLIERS, one) == OutcomeCounts(updated=1)
    assert bench.held(SUPPLIERS)["1"]["Name"] == "AAA"


def test_a_deleted_record_is_marked_or_archived_and_may_come_back(bench: Bench) -> None:
    bench.send(SUPPLIERS, row(SUPPLIERS, "1", name="a"), row(SUPPLIERS, "2", name="b"))
    gone = row(SUPPLIERS, "1", name="a", deleted=DAYS[1], extracted=DAYS[1])
    assert bench.send(SUPPLIERS, gone) == OutcomeCounts(deleted=1)
    facts = bench.destination.inspect(SUPPLIERS, Scope(tenant=TENANT))
    assert (facts.rows, facts.deleted) == (1, 1)
    assert bench.send(SUPPLIERS, gone) == OutcomeCounts(unchanged=1)
    back = row(SUPPLIERS, "1", name="a", extracted=DAYS[2])
    assert bench.send(SUPPLIERS, back) == OutcomeCounts(updated=1)
    assert set(bench.held(SUPPLIERS)) == {"1", "2"}
    assert bench.destination.inspect(SUPPLIERS, Scope(tenant=TENANT)).rows == 2


def test_what_the_filter_drops_is_not_sent_and_no_older_version_slips_through(
    bench: Bench,
) -> None:
    bench.remap(suppliers={"filter": [{"column": "status", "equals": "20"}]})
    blocked = row(SUPPLIERS, "1", name="a", status="90", modified=DAYS[4])
    assert bench.send(SUPPLIERS, blocked) == OutcomeCounts(unchanged=1)
    active = row(SUPPLIERS, "1", name="a", status="20", modified=DAYS[2])
    assert bench.send(SUPPLIERS, active) == OutcomeCounts(unchanged=1)
    assert bench.held(SUPPLIERS) == {}
    active = row(SUPPLIERS, "1", name="a", status="20", modified=DAYS[6])
    assert bench.send(SUPPLIERS, active) == OutcomeCounts(inserted=1)


def test_what_falls_out_of_the_filter_leaves_or_is_kept_up_to_date(bench: Bench) -> None:
    bench.remap(suppliers={"filter": [{"column": "status", "equals": "20"}]})
    bench.send(SUPPLIERS, row(SUPPLIERS, "1", name="a", status="20"))
    counts = bench.send(SUPPLIERS, row(SUPPLIERS, "1", name="b", status="90", modified=DAYS[3]))
    if bench.destination.application.archives:
        assert counts == OutcomeCounts(deleted=1)
        assert bench.held(SUPPLIERS) == {}
    else:
        assert counts == OutcomeCounts(updated=1)
        assert bench.held(SUPPLIERS)["1"]["Name"] == "b"


def test_a_record_that_the_metadata_rules_out_is_refused_without_a_write(bench: Bench) -> None:
    mapping = {"fields": {"Name": {"column": "name", "cut": False}}}
    bench.remap(suppliers=mapping)
    staged = bench.stage(
        SUPPLIERS, [row(SUPPLIERS, "1", name="x" * 300), row(SUPPLIERS, "2", name="b")]
    )
    report = bench.deliver(SUPPLIERS, staged)
    assert report.counts == OutcomeCounts(inserted=1, rejected=1)
    assert report.rejected[0].reason.startswith("Name: 300 characters, ")
    assert set(bench.held(SUPPLIERS)) == {"2"}


def test_a_child_waits_for_its_parent_and_is_then_linked(bench: Bench) -> None:
    order = row(ORDERS, "PO1", supplier_id="1", status_lowest="20")
    staged = bench.stage(ORDERS, [order])
    report = bench.deliver(ORDERS, staged)
    assert report.counts == OutcomeCounts(rejected=1)
    assert f"suppliers {TENANT}/100/1 is not at {NAME} yet" in report.rejected[0].reason
    bench.send(SUPPLIERS, row(SUPPLIERS, "1", name="a"))
    assert bench.send(ORDERS, order) == OutcomeCounts(inserted=1)
    mapped = mapping_of(bench.connection, bench.target)("purchase_orders")
    (link,) = mapped.parents
    expected = mapped.parents[link].key_prefix + f"{TENANT}/100/1"
    assert bench.held(ORDERS)["PO1"][link] == expected


def test_lines_of_an_order_that_the_filter_drops_are_not_sent(bench: Bench) -> None:
    bench.remap(purchase_orders={"filter": [{"column": "status_lowest", "below": "85"}]})
    bench.send(ORDERS, row(ORDERS, "PO1", status_lowest="85"))
    assert bench.send(LINES, row(LINES, "PO1", 1, 0)) == OutcomeCounts(unchanged=1)
    assert bench.held(LINES) == {}


def test_a_mapping_that_does_not_fit_is_told_at_once_with_every_problem(bench: Bench) -> None:
    bench.remap(
        suppliers={"fields": {"Nmae": "name", "Status": {"column": "status", "kind": "choice"}}},
    )
    with pytest.raises(ConfigError) as refused:
        bench.send(SUPPLIERS, row(SUPPLIERS, "1", name="a"))
    told = str(refused.value)
    assert "Nmae: there is no such field, or our login may not see it; did you mean 'Name'?" in told
    assert f"ml-connector setup {NAME}" in told
    assert bench.held(SUPPLIERS) == {}


def test_a_preview_counts_shows_old_and_new_and_writes_nothing(bench: Bench) -> None:
    bench.send(SUPPLIERS, row(SUPPLIERS, "1", name="a"), row(SUPPLIERS, "2", name="b"))
    staged = bench.stage(
        SUPPLIERS,
        [
            row(SUPPLIERS, "1", name="new name", modified=DAYS[3]),
            row(SUPPLIERS, "2", name="b"),
            row(SUPPLIERS, "3", name="c"),
        ],
    )
    seen = preview(bench.destination, SUPPLIERS, [staged], {})
    assert (seen.new, seen.changed, seen.unchanged, seen.refused) == (1, 1, 1, ())
    assert [(one.field, one.old, one.new) for one in seen.changes] == [("Name", "a", "new name")]
    # A new item is looked up first, lest it is there already.
    assert seen.calls == {"salesforce": 1, "monday": 2}[bench.stand.system]
    assert bench.held(SUPPLIERS)["1"]["Name"] == "a"
    orders = bench.stage(
        ORDERS, [row(ORDERS, "PO1", supplier_id="3"), row(ORDERS, "PO2", supplier_id="9")]
    )
    later = preview(bench.destination, ORDERS, [orders], {"suppliers": seen.present})
    assert (later.new, len(later.refused)) == (1, 1)
    assert bench.deliver(SUPPLIERS, staged).counts == OutcomeCounts(
        inserted=1, updated=1, unchanged=1
    )


def test_the_rows_of_an_application_are_its_fields(bench: Bench) -> None:
    bench.send(SUPPLIERS, row(SUPPLIERS, "1", name="a"), row(SUPPLIERS, "2", name="b"))
    scope = Scope(tenant=TENANT, company="100")
    found = bench.destination.rows(SUPPLIERS, scope).to_pylist()
    assert [(one["record_id"], one["Name"]) for one in found] == [
        (f"{TENANT}/100/1", "a"),
        (f"{TENANT}/100/2", "b"),
    ]
    assert bench.destination.rows(SUPPLIERS, replace(scope, company="200")).num_rows == 0
    assert bench.destination.rows(SUPPLIERS, scope, 1).num_rows == 1
