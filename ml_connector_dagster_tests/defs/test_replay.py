"""What failed is tried again: from the launchpad, and by the sensor."""

from dataclasses import replace

import dagster as dg
import duckdb
import pytest

from ml_connector_dagster.config.project import FlowDestination, Project
from ml_connector_dagster.config.warehouses import DuckDBConnection
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.model.receipts import DeliveryState
from ml_connector_dagster.sandbox import Fault
from ml_connector_dagster_tests.defs.conftest import Installation


def replay(installation: Installation, **config: object) -> dg.ExecuteInProcessResult:
    return installation.defs.resolve_job_def("replay").execute_in_process(
        instance=installation.instance,
        run_config={"ops": {"try_again": {"config": config}}},
        raise_on_error=False,
    )


def ask_sensor(installation: Installation, name: str) -> list[dg.RunRequest] | str:
    repository = installation.defs.get_repository_def()
    resources = {"workspace": (installation.defs.resources or {})["workspace"]}
    with dg.build_sensor_context(
        instance=installation.instance, resources=resources, repository_def=repository
    ) as context:
        data = repository.get_sensor_def(name).evaluate_tick(context)
    return list(data.run_requests or ()) or str(data.skip_message)


def output(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    events = [event for event in result.all_events if event.is_successful_output]
    return {name: one.value for name, one in events[-1].step_output_data.metadata.items()}


def staged_but_not_delivered(installation: Installation) -> None:
    """An extraction whose delivery was never run."""
    defs = installation.defs
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=installation.instance,
        asset_selection=[dg.AssetKey(["acme", "suppliers"])],
        partition_key=f"100|{installation.today}",
        run_config={"ops": {"acme__suppliers": {"config": {"full": True}}}},
        raise_on_error=False,
    )
    assert result.success


def test_with_nothing_open_a_replay_is_green(installation: Installation) -> None:
    result = replay(installation)
    assert result.success
    assert output(result)["tried"] == 0


def test_a_delivery_that_never_ended_is_delivered(installation: Installation) -> None:
    staged_but_not_delivered(installation)

    result = replay(installation)

    assert result.success
    assert output(result)["rows_changed"] == len(installation.sandbox.erp.truth("suppliers", "100"))
    assert output(replay(installation))["rows_changed"] == 0


def test_the_sensor_waits_until_nobody_is_at_it(installation: Installation) -> None:
    assert "Nothing is due" in str(ask_sensor(installation, "purchasing_replay"))
    staged_but_not_delivered(installation)
    assert "Nothing is due" in str(ask_sensor(installation, "purchasing_replay"))

    installation.sandbox.clock.advance(minutes=11)

    requests = ask_sensor(installation, "purchasing_replay")
    assert not isinstance(requests, str), requests
    assert requests[0].run_config == {
        "ops": {"try_again": {"config": {"flow": "purchasing", "only_due": True}}}
    }


def test_the_change_sensor_runs_what_has_changed(installation: Installation) -> None:
    requests = ask_sensor(installation, "purchasing_changes")
    assert not isinstance(requests, str), requests
    assert [one.tags["ml_connector/company"] for one in requests] == ["100", "200"]

    for company in ("100", "200"):
        assert installation.materialize(
            *installation.flow.entities, companies=(company, company), incremental=True
        ).success
    installation.sandbox.clock.advance(minutes=30)
    assert "nothing has changed" in str(ask_sensor(installation, "purchasing_changes"))

    installation.sandbox.erp.change("purchase_orders", 1, "200")
    requests = ask_sensor(installation, "purchasing_changes")
    assert not isinstance(requests, str), requests
    assert [one.tags["ml_connector/company"] for one in requests] == ["200"]
    assert requests[0].asset_selection == [
        dg.AssetKey(["acme", "purchase_orders"]),
        dg.AssetKey(["acme", "warehouse", "purchase_orders"]),
        dg.AssetKey(["acme", "warehouse", "marts", "purchase_commitments"]),
        dg.AssetKey(["acme", "warehouse", "reconciliation_purchasing"]),
    ]


def test_a_source_that_is_away_makes_the_sensor_say_so(installation: Installation) -> None:
    assert installation.materialize(*installation.flow.entities, incremental=True).success
    installation.sandbox.faults.add(Fault(kind="unauthorized", times=None))
    answer = ask_sensor(installation, "purchasing_changes")
    assert "ml-connector" in str(answer)


def test_a_record_that_could_not_be_read_is_replayed_when_the_fault_is_gone(
    installation: Installation,
) -> None:
    """An order without a number has no key: it cannot be a row, and must not be lost."""
    erp = installation.sandbox.erp
    order = str(erp.truth("purchase_orders", "100")[0]["purchase_order_id"])
    erp.set_field("MPHEAD", {"CONO": 100, "PUNO": order}, "PUNO", "")
    assert installation.materialize("purchase_orders", full=True).success
    with installation.open() as workspace:
        (letter,) = workspace.ledger.dead_letters(tenant="acme")
    assert letter.entity == "purchase_orders"

    failed = replay(installation)
    assert not failed.success

    erp.set_field("MPHEAD", {"CONO": 100, "PUNO": ""}, "PUNO", order)
    again = replay(installation, reason_contains=letter.reason[:10], dead_letter_ids=[letter.id])
    assert again.success
    assert output(again)["resolved"] == 1
    with installation.open() as workspace:
        assert workspace.ledger.dead_letters(tenant="acme") == ()


@pytest.fixture
def two(installation: Installation) -> Installation:
    """The installation with a second warehouse."""
    cellar = DuckDBConnection(name="cellar", path=installation.settings.home / "cellar.duckdb")
    targets = (*installation.flow.destinations, FlowDestination(connection="cellar"))
    flow = installation.flow.model_copy(update={"destinations": targets, "marts": ()})
    project = Project(
        connections={**installation.project.connections, "cellar": cellar},
        flows={"purchasing": flow},
    )
    defs = build_definitions(project, installation.settings, now=installation.sandbox.clock.now)
    return replace(installation, project=project, defs=defs)


def suppliers_of_company_100(installation: Installation) -> dg.ExecuteInProcessResult:
    keys = [
        ["acme", "suppliers"],
        *(["acme", name, "suppliers"] for name in ("warehouse", "cellar")),
    ]
    return installation.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=installation.instance,
        asset_selection=[dg.AssetKey(key) for key in keys],
        partition_key=f"100|{installation.today}",
        tags={"ml_connector/mode": "incremental"},
        raise_on_error=False,
    )


def test_what_one_destination_refused_is_replayed_while_another_one_is_away(
    two: Installation,
) -> None:
    """A run that tries the one that is away as well would be red, and use up its tries."""
    assert suppliers_of_company_100(two).success
    warehouse = two.settings.home / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("ALTER TABLE erp.suppliers ALTER COLUMN name SET NOT NULL")
    supplier = two.sandbox.erp.truth("suppliers", "100")[0]["supplier_id"]
    two.sandbox.erp.set_field("CIDMAS", {"CONO": 100, "SUNO": supplier}, "SUNM", "")
    (two.settings.home / "cellar.duckdb").write_text("not a database")
    assert not suppliers_of_company_100(two).success
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("ALTER TABLE erp.suppliers ALTER COLUMN name DROP NOT NULL")
    two.sandbox.clock.advance(minutes=11)

    (request,) = ask_sensor(two, "purchasing_replay")
    assert isinstance(request, dg.RunRequest)
    config = request.run_config["ops"]["try_again"]["config"]
    assert config == {"flow": "purchasing", "only_due": True, "destination": "warehouse.erp"}
    result = replay(two, **config)

    assert result.success
    assert output(result)["resolved"] == 1
    with two.open() as workspace:
        (waiting,) = workspace.ledger.deliveries(
            destination="cellar.erp", states=[DeliveryState.FAILED]
        )
    assert waiting.attempts == 1
