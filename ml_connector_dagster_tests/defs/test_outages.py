"""A warehouse that goes away in the middle of a run: the run says so, and the replay sensor finishes it, each row once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dagster as dg
import pytest

from ml_connector_dagster.config.project import Connection, Flow, FlowDestination, Project
from ml_connector_dagster.config.warehouses import DatabricksConnection
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.defs import assets
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.destinations.contract import Destination, Scope
from ml_connector_dagster.destinations.snowflake import sql_api
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.databricks import DatabricksSandbox, Fault
from ml_connector_dagster.sandbox.snowflake import Fault as SnowflakeFault
from ml_connector_dagster_tests.defs.conftest import Installation
from ml_connector_dagster_tests.defs.test_replay import ask_sensor
from ml_connector_dagster_tests.spec.snowflake_account import (
    KEY,
    import_vendor_packages,
    pem,
    sandbox_account,
)


ENTITY = "suppliers"
HERE = FlowDestination(connection="warehouse")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A warehouse over HTTP, and how it goes away (after some answers) and comes back."""

    connection: Connection
    secrets: dict[str, Secret]
    go_away: Callable[[], None]
    come_back: Callable[[], None]

    @property
    def there(self) -> FlowDestination:
        return FlowDestination.model_validate({"connection": "cloud", "schema": "outage"})


@pytest.fixture
def snowflake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    import_vendor_packages()
    monkeypatch.setattr(sql_api, "LONGEST_PAUSE", 0.01)
    with sandbox_account() as account:
        assert account.sandbox is not None
        faults = account.sandbox.faults
        yield Cloud(
            connection=account.connection.model_copy(
                update={"name": "cloud", "credential": "cloud"}
            ),
            secrets={"private_key": Secret(pem(KEY))},
            go_away=lambda: faults.add(SnowflakeFault.UNAVAILABLE, 100_000, after=5),
            come_back=faults.clear,
        )


@pytest.fixture
def databricks_warehouse(databricks: DatabricksSandbox) -> Iterator[Cloud]:
    options = databricks.options
    yield Cloud(
        connection=DatabricksConnection(
            name="cloud",
            host=databricks.url,
            warehouse_id=options.warehouse_id,
            catalog=options.catalogs[0],
            credential="cloud",
            retry_seconds=1,
        ),
        secrets={"token": Secret(options.token)},
        go_away=lambda: _go_away(databricks),
        come_back=databricks.faults.clear,
    )
    databricks.faults.clear()


def _go_away(databricks: DatabricksSandbox) -> None:
    """Once the replaced versions are in the history, and the new ones are not in the table yet."""
    databricks.faults.add(
        Fault(kind="refused", statement=r"MERGE INTO .*`suppliers` AS t", times=None)
    )
    databricks.faults.add(Fault(kind="refused", path="/sql/", nth=12, times=None))


@pytest.fixture(params=["snowflake", "databricks_warehouse"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    found: Cloud = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def both(installation: Installation, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """The installation, which also loads the cloud. A step is tried once more, at once."""
    monkeypatch.setattr(assets, "RETRIES", dg.RetryPolicy(max_retries=1, delay=0))
    kind = cloud.connection.type
    open_store(installation.settings).add("cloud", kind, cloud.secrets)
    flow: Flow = installation.flow.model_copy(
        update={"destinations": (HERE, cloud.there), "entities": (ENTITY,), "marts": ()}
    )
    project = Project(
        connections={**installation.project.connections, "cloud": cloud.connection},
        flows={"purchasing": flow},
    )
    return Installation(
        sandbox=installation.sandbox,
        settings=installation.settings,
        project=project,
        defs=build_definitions(project, installation.settings, now=installation.sandbox.clock.now),
        instance=installation.instance,
    )


def run(installation: Installation) -> dg.ExecuteInProcessResult:
    return installation.defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=installation.instance,
        asset_selection=[
            key
            for key in installation.defs.resolve_asset_graph().materializable_asset_keys
            if key.path[-1] == ENTITY
        ],
        partition_key=f"100|{installation.today}",
        tags={"ml_connector/mode": "incremental"},
        raise_on_error=False,
    )


def story(destination: Destination, record_ids: list[str]) -> list[tuple[object, ...]]:
    """Of each record: its versions, and what was done in which batch."""
    entity = ENTITIES[ENTITY]
    return [
        (
            one,
            destination.history(entity, one)["_batch_id"].to_pylist(),
            destination.audit(entity, one).select(["outcome", "batch_id"]).to_pylist(),
        )
        for one in record_ids
    ]


def test_an_outage_in_the_middle_of_a_run_is_said_and_the_replay_sensor_finishes_it(
    both: Installation, cloud: Cloud
) -> None:
    assert run(both).success
    both.sandbox.clock.advance(hours=1)
    both.sandbox.erp.change(ENTITY, 6, "100")
    both.sandbox.erp.insert(ENTITY, 2, "100")
    cloud.go_away()

    failed = run(both)

    assert not failed.success
    (step,) = [event for event in failed.all_events if event.is_step_failure]
    shown = step.step_failure_data.user_failure_data
    assert shown is not None
    assert f"{ENTITIES[ENTITY].label} did not reach {cloud.there.name}" in shown.description
    assert "deliver" in shown.description.split("What to do")[0].split("reach", 1)[1]
    both.sandbox.clock.advance(minutes=11)
    assert "does not answer" in str(ask_sensor(both, "purchasing_replay"))

    cloud.come_back()
    (request,) = ask_sensor(both, "purchasing_replay")
    assert isinstance(request, dg.RunRequest)
    replayed = both.defs.resolve_job_def("replay").execute_in_process(
        instance=both.instance, run_config=request.run_config
    )

    assert replayed.success
    assert "Nothing is due" in str(ask_sensor(both, "purchasing_replay"))
    scope = Scope(tenant="acme", company="100")
    truth = both.sandbox.erp.truth(ENTITY, "100")
    with (
        both.open() as workspace,
        workspace.destination(HERE) as here,
        workspace.destination(cloud.there) as there,
    ):
        facts = there.inspect(ENTITIES[ENTITY], scope)
        assert facts == here.inspect(ENTITIES[ENTITY], scope)
        assert (facts.rows, facts.duplicates) == (len(truth), 0)
        found = here.rows(ENTITIES[ENTITY], scope)["record_id"].to_pylist()
        assert story(there, found) == story(here, found)
