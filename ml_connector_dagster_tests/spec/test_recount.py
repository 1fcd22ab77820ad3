"""A row that somebody removed and the ERP brought back counts once; what is lost or doubled stays red, and is named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml_connector_dagster.cli.app import app
from ml_connector_dagster.config.project import FlowDestination
from ml_connector_dagster.model.recounts import Recount, RecountKind
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.deliver import deliver
from ml_connector_dagster.sync.flows import ReadMode
from ml_connector_dagster.sync.sweep import sweep_flow
from ml_connector_dagster.sync.trace import REPAIRED, RETURNED, trace
from ml_connector_dagster.sync.verify import CompanyVerification, verify_delivery
from ml_connector_dagster_tests.spec.test_cleanup import clean
from ml_connector_dagster_tests.spec.test_reconcile import ReconciledWorld
from ml_connector_dagster_tests.spec.test_reconcile_command import FLOWS


ENTITY = "suppliers"
FIRST = "SELECT min(record_id) FROM suppliers"


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path) -> ReconciledWorld:
    made = ReconciledWorld(sandbox, tmp_path, (ENTITY,), companies=("100",))
    made.run_well()
    return made


def verified(world: ReconciledWorld, target: FlowDestination | None = None) -> CompanyVerification:
    with world.open() as workspace:
        (found,) = verify_delivery(
            workspace,
            world.flow,
            target or world.flow.destinations[0],
            entity=ENTITY,
            companies=["100"],
            run_id="check",
        ).companies
    return found


def recounts(world: ReconciledWorld) -> tuple[Recount, ...]:
    with world.open() as workspace:
        return workspace.ledger.recounts(destination="warehouse.erp", tenant="acme")


def remove(world: ReconciledWorld, record: str) -> None:
    world.tamper(f"DELETE FROM suppliers WHERE record_id = '{record}'")


def change(world: ReconciledWorld, record: str, name: str) -> None:
    """The ERP changes the record, and the next run brings it."""
    world.sandbox.clock.advance(minutes=5)
    world.sandbox.erp.set_field(
        "CIDMAS", {"CONO": 100, "SUNO": record.rpartition("/")[2]}, "SUNM", name
    )
    world.run_well()


def remove_and_change(world: ReconciledWorld) -> str:
    record: str = world.one(FIRST)
    remove(world, record)
    change(world, record, "Back again")
    return record


def test_a_row_that_was_removed_and_came_back_with_a_change_counts_once(
    world: ReconciledWorld,
) -> None:
    before = verified(world)
    record = remove_and_change(world)
    found = verified(world)
    assert (found.problems, found.advice) == ((), "")
    assert found.held == found.expected_rows == before.expected_rows
    assert (
        f"somebody had removed 1 row, and a later change of the ERP brought them back ({record})"
        in found.note
    )
    (one,) = recounts(world)
    assert (one.kind, one.correction, one.returned) == (RecountKind.RECEIPTS, -1, 1)
    assert (one.examples, one.run_id) == ((record,), "check")
    assert verified(world).problems == ()
    assert len(recounts(world)) == 1  # said once
    with world.open() as workspace:
        expected = workspace.ledger.expected_rows(
            destination="warehouse.erp", tenant="acme", entity=ENTITY, company="100"
        )
        (story,) = trace(workspace, record, entity=ENTITY)
    assert expected == before.expected_rows
    inserted = [one.detail for one in story.events if one.outcome == "inserted"]
    assert inserted == ["", RETURNED]


@pytest.mark.parametrize(
    ("harm", "difference", "advice"),
    [
        ("DELETE FROM suppliers WHERE record_id = (SELECT max(record_id) FROM suppliers)", -1, "--repair"),
        ("INSERT INTO suppliers SELECT * FROM suppliers LIMIT 1", 1, "delete them at the destination"),
        (
            "INSERT INTO suppliers BY NAME SELECT * REPLACE ('acme/100/X' AS record_id) FROM suppliers LIMIT 1",
            1,
            "delete them at the destination",
        ),
    ],
    ids=["lost", "doubled", "added"],
)  # fmt: skip
@pytest.mark.parametrize("returned", [False, True])
def test_rows_that_are_lost_doubled_or_added_stay_red(
    world: ReconciledWorld, harm: str, difference: int, advice: str, *, returned: bool
) -> None:
    if returned:
        remove_and_change(world)
        assert verified(world).problems == ()
    world.tamper(harm)
    for _ in range(2):
        found = verified(world)
        assert found.count.difference == difference
        assert f"({difference:+})" in found.problems[0]
        assert advice in found.advice


def test_a_lost_row_does_not_hide_behind_one_that_came_back(world: ReconciledWorld) -> None:
    remove_and_change(world)
    remove(world, world.one("SELECT max(record_id) FROM suppliers"))
    assert verified(world).count.difference == -1


def test_a_repair_is_no_return_and_neither_is_it_after_a_clean_up(world: ReconciledWorld) -> None:
    record: str = world.one(FIRST)
    remove(world, record)
    world.mend(world.reconcile())
    other: str = world.one("SELECT max(record_id) FROM suppliers")
    remove(world, other)
    change(world, other, "Back again")
    for _ in range(2):
        world.sandbox.clock.advance(days=40)  # receipts are kept for 30
        world.run_well()
    assert clean(world).removed > 2
    found = verified(world)
    assert found.problems == ()
    assert [(one.returned, one.examples) for one in recounts(world)] == [(1, (other,))]
    with world.open() as workspace:
        (story,) = trace(workspace, record, entity=ENTITY)
    assert [one.detail for one in story.events if one.detail] == [REPAIRED]


def test_a_record_that_comes_marked_deleted_is_one_row(world: ReconciledWorld) -> None:
    """A table that is new gets the newest version of each record from what a clean-up has kept: marked ones, too."""
    world.sandbox.erp.delete(ENTITY, 1, "100")
    for _ in range(2):
        world.sandbox.clock.advance(minutes=1)
        with world.open() as workspace:
            sweep_flow(workspace, world.flow, run_id="sweep")
    for _ in range(2):
        world.sandbox.clock.advance(days=9)
        world.run_well()
    assert clean(world).removed > 1
    late = FlowDestination(connection="warehouse", schema_name="late")
    with world.open() as workspace, workspace.destination(late) as destination:
        done = deliver(
            destination,
            workspace.ledger,
            workspace.staging,
            tenant="acme",
            entity=ENTITY,
            companies=["100"],
            run_id="late",
        )
    assert done.counts.deleted == 1
    found = verified(world, late)
    assert found.found.deleted == 1
    assert found.problems == ()


def test_a_table_that_was_emptied_and_read_again_in_full_counts_each_record_once(
    world: ReconciledWorld,
) -> None:
    world.tamper("DELETE FROM suppliers")
    assert verified(world).held == 0
    world.run(ReadMode.FULL)
    found = verified(world)
    assert found.problems == ()
    assert found.count.last is not None
    assert found.count.last.returned == found.held > 0


def test_without_all_receipts_nothing_is_guessed(world: ReconciledWorld) -> None:
    remove_and_change(world)
    with world.open() as workspace:
        first = workspace.ledger.batches(tenant="acme", entity=ENTITY)[0]
        folder = Path(workspace.staging.locate(first))
    for file in (folder / "receipts").rglob("*.parquet"):
        file.unlink()
    found = verified(world)
    assert found.count.difference == -1
    assert not found.count.explained
    assert "--accept" in found.advice
    assert recounts(world) == ()


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(world: ReconciledWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    flows = tmp_path / "flows.yaml"
    text = FLOWS.format(start=world.flow.start_date).replace("suppliers, payments", ENTITY)
    flows.write_text(text, encoding="utf-8")
    monkeypatch.setenv("ML_CONNECTOR_HOME", str(world.settings.home))
    monkeypatch.setenv("ML_CONNECTOR_FLOWS", str(flows))

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, ["recount", "flow", *words])
        return done.exit_code, done.output

    return run


def test_the_command_names_what_is_lost_and_too_many(
    world: ReconciledWorld, command: Command
) -> None:
    code, told = command()
    assert (code, "warehouse.erp" in told) == (0, True)
    lost: str = world.one(FIRST)
    remove(world, lost)
    world.tamper(
        "INSERT INTO suppliers BY NAME SELECT * REPLACE ('acme/100/X' AS record_id) FROM suppliers LIMIT 1"
    )
    world.tamper(
        "INSERT INTO suppliers SELECT * FROM suppliers WHERE record_id = (SELECT max(record_id) FROM suppliers"
        " WHERE record_id <> 'acme/100/X')"
    )
    code, told = command("--json")
    (one,) = json.loads(told)
    assert (code, one["difference"], one["missing"]) == (1, 1, [lost])
    assert "acme/100/X" in one["surplus"]
    assert len(one["surplus"]) == 2
    code, told = command()
    assert code == 1
    assert f"{lost}: accepted here, and not here any more" in told.replace("\n", "")
    assert "delete what is too many" in told


def test_an_accepted_difference_is_green_signed_and_ends_when_the_rows_are_there_again(
    world: ReconciledWorld, command: Command
) -> None:
    record: str = world.one(FIRST)
    remove(world, record)
    assert command("--accept")[0] == 2  # which table?
    code, told = command("--entity", ENTITY, "--accept")
    assert code != 0
    code, told = command("--entity", ENTITY, "--accept", "--by", "ana", "--why", "ticket 4711")
    assert (code, "ticket 4711" in told) == (0, True)
    found = verified(world)
    assert found.problems == ()
    assert "ana accepted -1 rows" in found.note
    assert command()[0] == 0

    world.mend(world.reconcile())  # it comes back after all
    assert verified(world).problems == ()
    kinds = [one.kind for one in recounts(world)]
    assert kinds == [RecountKind.ACCEPTED, RecountKind.HEALED]
    assert verified(world).note == ""
    remove(world, record)
    assert verified(world).count.difference == -1  # what was accepted once is not accepted for ever
