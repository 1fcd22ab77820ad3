"""Publishing a load in Looker: the order, the proof, the plans, and what stops them."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import duckdb
import pytest


pytest.importorskip("looker_sdk", reason="the extra 'looker' is not installed")

from ml_connector_dagster.model.errors import ConfigError, StaleError, TransientError
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster.sandbox.looker import Fault
from ml_connector_dagster.sync.flows import ReadMode, extract_company
from ml_connector_dagster.sync.lookml import check_lookml, validate_lookml, write_lookml
from ml_connector_dagster.sync.marts import refresh_marts
from ml_connector_dagster.sync.ping import ping_connection
from ml_connector_dagster.sync.plans import PlanState
from ml_connector_dagster.sync.publish import Proof, Publication, publish
from ml_connector_dagster_tests.looker_world import LookerWorld, looker_world
from ml_connector_dagster_tests.world import NoPause


RUN_ONCE = "POST /scheduled_plans/21/run_once"


@pytest.fixture(scope="module")
def loaded(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LookerWorld]:
    with (
        Sandbox.start(SandboxOptions(size=ErpSize.tiny())) as erp,
        looker_world(erp, tmp_path_factory.mktemp("looker")) as world,
    ):
        world.load()
        yield world


@pytest.fixture
def world(loaded: LookerWorld) -> Iterator[LookerWorld]:
    """Loaded, not published; what a test changes is set back."""
    loaded.looker.faults.clear()
    loaded.looker.calls.clear()
    yield loaded
    loaded.looker.faults.clear()
    loaded.wanted.clear()
    loaded.settings_of_looker.clear()


def test_after_a_load_come_the_trigger_the_proof_and_the_plan(world: LookerWorld) -> None:
    done = world.publish("sync-order")

    assert done.proof is Proof.FRESH
    assert [one.state for one in done.plans] == [PlanState.SENT]
    calls = world.calls()
    order = ["POST /login", "PATCH /datagroups/1", "POST /queries/run/json_detail", RUN_ONCE]
    assert [one for one in calls if one in order] == order
    assert calls[-1].startswith("GET /scheduled_plans/")
    assert marker(world) == "sync-order"
    assert world.looker.instance.queries.asked[0].cache is False


def marker(world: LookerWorld) -> str:
    with duckdb.connect(str(world.settings.home / "warehouse.duckdb"), read_only=True) as found:
        return str(found.execute("SELECT sync_id FROM erp._looker_sync").fetchall()[0][0])


def test_the_id_of_the_datagroup_is_asked_for_once(world: LookerWorld) -> None:
    world.publish("sync-a")
    world.looker.calls.clear()
    world.publish("sync-b")

    assert "GET /datagroups" not in world.calls()


def test_an_old_answer_stops_the_plans_and_says_so(world: LookerWorld) -> None:
    world.publish("sync-before")
    world.looker.calls.clear()
    world.looker.faults.add(Fault(kind="stale", call="POST /queries/run", times=None))

    with pytest.raises(StaleError, match=r"is at sync sync-before, and warehouse.erp is at sync-x"):
        world.publish("sync-x")
    assert RUN_ONCE not in world.calls()


def test_a_load_that_did_not_end_stops_everything(world: LookerWorld) -> None:
    with world.open() as workspace, workspace.source("acme") as source:
        extract_company(
            workspace,
            source,
            world.flow,
            entity="suppliers",
            company="100",
            mode=ReadMode.FULL,
            run_id="run-undelivered",
        )
    with pytest.raises(TransientError, match=r"lacks batches of suppliers"):
        world.publish("sync-undelivered")
    assert world.calls() == []
    world.run_well()


def test_a_token_that_dies_between_load_and_trigger_costs_one_login(world: LookerWorld) -> None:
    world.looker.faults.add(Fault(kind="expired", call="PATCH /datagroups"))
    done = world.publish("sync-expired")

    assert done.proof is Proof.FRESH
    assert world.calls().count("POST /login") == 2


def test_the_same_sync_again_sends_no_plan_twice(world: LookerWorld) -> None:
    first = world.publish("sync-twice")
    world.looker.calls.clear()
    second = world.publish("sync-twice")

    assert RUN_ONCE not in world.calls()
    assert [one.run_id for one in second.plans] == [one.run_id for one in first.plans]


def test_a_plan_whose_answer_is_lost_is_not_sent_again(world: LookerWorld) -> None:
    world.looker.faults.add(Fault(kind="lost", call="run_once"))
    assert [one.state for one in world.publish("sync-lost").plans] == [PlanState.UNKNOWN]
    sent = len(world.looker.instance.plans.deliveries)
    assert [one.state for one in world.publish("sync-lost").plans] == [PlanState.UNKNOWN]

    assert world.calls().count(RUN_ONCE) == 1
    assert len(world.looker.instance.plans.deliveries) == sent


def test_a_plan_that_fails_is_told_and_holds_no_other(world: LookerWorld) -> None:
    world.wanted["plans"] = ["21", "404", "22"]
    world.looker.faults.add(Fault(kind="broken_plan", call="plans/21/run_once"))
    done = world.publish("sync-broken")

    assert [one.state for one in done.plans] == [
        PlanState.FAILED,
        PlanState.FAILED,
        PlanState.SENT,
    ]
    assert "failure" in done.plans[0].error
    assert "404" in done.plans[1].error


def test_sampled_proofs_are_asked_for_once_a_day(world: LookerWorld) -> None:
    world.wanted["verify"] = "sampled"
    with world.open() as workspace:
        workspace.ledger.publications("looker").save("proof of flow", "")
    proofs = [world.publish(f"sync-sampled-{n}").proof for n in range(2)]
    assert proofs == [Proof.FRESH, Proof.NOT_ASKED]


def test_a_month_whose_calls_are_used_up_stops_before_the_first_call(world: LookerWorld) -> None:
    world.settings_of_looker["monthly_query_calls"] = 1
    with pytest.raises(ConfigError, match=r"of the 1 query calls to Looker"):
        world.publish("sync-quota")
    assert world.calls() == ["POST /login"] or world.calls() == []


def test_our_count_of_calls_is_the_one_of_looker(world: LookerWorld) -> None:
    instance = world.looker.instance
    done = world.publish("sync-count")
    before = {one.kind.value: one.used for one in done.quota}
    billed = {"query": instance.calls("db_query"), "admin": instance.calls("non_query")}
    done = world.publish("sync-count-2")
    after = {one.kind.value: one.used for one in done.quota}

    assert {name: after[name] - before[name] for name in after} == {
        "query": instance.calls("db_query") - billed["query"],
        "admin": instance.calls("non_query") - billed["admin"],
    }


def test_lookml_fits_until_a_column_is_dropped(world: LookerWorld, tmp_path: Path) -> None:
    with world.open() as workspace:
        problems, fitting = check_lookml(workspace, world.flow)
        assert (problems, fitting.problems) == ((), ())
        write_lookml(workspace.project, world.flow, tmp_path)
        file = tmp_path / "views" / "suppliers.view.lkml"
        file.write_text(file.read_text().replace('${TABLE}."name"', '${TABLE}."town"'))
        _, fitting = check_lookml(workspace, world.flow, tmp_path)
    assert {one.message for one in fitting.problems} == {"table 'suppliers' has no column 'town'"}
    assert ("suppliers", "name") in fitting.unseen


def test_looker_validates_what_is_deployed(world: LookerWorld) -> None:
    with world.open() as workspace:
        assert validate_lookml(workspace, world.flow) == ()


def test_ping_tells_of_the_login_the_datagroup_the_plans_and_the_quota(world: LookerWorld) -> None:
    with world.open() as workspace:
        found = {one.check: one for one in ping_connection(workspace, "looker")}
    assert all(one.ok for one in found.values())
    assert "ML Connector" in found["login"].detail
    assert {"datagroup erp_sync", "plan 21"} <= set(found)


def test_a_plan_waits_until_every_company_is_loaded(loaded: LookerWorld, tmp_path: Path) -> None:
    with looker_world(loaded.sandbox, tmp_path) as world:
        world.companies = ("100", "200")
        world.run(companies=["100"])
        with world.open() as workspace:
            first = publish(workspace, world.flow, sync_id="of-100", companies=["100"])
        assert [one.state for one in first.plans] == [PlanState.WAITING]
        assert "company 200" in first.plans[0].error

        world.run(companies=["200"])
        with world.open() as workspace:
            refresh_marts(workspace, world.flow)
            second = publish(workspace, world.flow, sync_id="of-200", companies=["200"])
            third = publish(workspace, world.flow, sync_id="of-100-again", companies=["100"])
        assert [one.state for one in second.plans] == [PlanState.SENT]
        assert [one.state for one in third.plans] == [PlanState.WAITING]


def test_of_two_companies_that_end_at_once_one_sends_the_plans(
    loaded: LookerWorld, tmp_path: Path
) -> None:
    """Companies are runs of their own: while one waits for the plan's status, the other comes to the same point."""
    with looker_world(loaded.sandbox, tmp_path) as world, ThreadPoolExecutor(1) as other_run:
        world.companies = ("100", "200")
        world.load()
        of_200: list[Future[Publication]] = []

        def publish_200() -> Publication:
            with world.open() as workspace:
                return publish(workspace, world.flow, sync_id="of-200", companies=["200"])

        class Meanwhile(NoPause):
            def __call__(self, seconds: float) -> None:
                if not of_200:
                    of_200.append(other_run.submit(publish_200))
                    wait(of_200, timeout=60)

        with world.open() as workspace:
            workspace.make_pause = Meanwhile
            of_100 = publish(workspace, world.flow, sync_id="of-100", companies=["100"])

        assert [one.state for one in of_100.plans] == [PlanState.SENT]
        assert [one.state for one in of_200[0].result().plans] == [PlanState.WAITING]
        assert world.calls().count(RUN_ONCE) == 1
