"""What ledger and staging keep of an error is masked, also when a server's page quoted the whole request."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_connector_dagster.credentials.redaction import redact, register, register_url
from ml_connector_dagster.destinations.memory import MemoryDestination
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.batches import StagedBatch
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import TransientError
from ml_connector_dagster.model.receipts import DeliveryReport
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster.sync.deliver import deliver
from ml_connector_dagster_tests.security.leaks import everything_in, leaks_in
from ml_connector_dagster_tests.world import World


PLANTED = "dapiCANARY77c0ffee"
PAGE = (
    f"400: <pre>GET /api/2.0/sql authorization: Bearer {PLANTED}</pre> {PLANTED} is not known here"
)


class Echoing(MemoryDestination):
    """A destination behind a server that quotes what it was sent."""

    def deliver(self, entity: Entity, staged: StagedBatch, mode: WriteMode) -> DeliveryReport:
        raise TransientError(f"the statement was not taken: {PAGE}")


def fails(ledger: Ledger, world: World) -> None:
    with pytest.raises(TransientError):
        send(Echoing("memory.erp"), ledger, world)


def refuses(ledger: Ledger, world: World) -> None:
    send(MemoryDestination("memory.erp", refusal=lambda row: PAGE), ledger, world)


def send(destination: MemoryDestination, ledger: Ledger, world: World) -> None:
    with world.open() as workspace:
        deliver(
            destination,
            ledger,
            workspace.staging,
            tenant="acme",
            entity="suppliers",
            companies=["100"],
            run_id="one",
        )


@pytest.mark.parametrize("happens", [fails, refuses])
def test_no_secret_of_an_error_page_is_kept(
    sandbox: Sandbox, tmp_path: Path, happens: Callable[[Ledger, World], Any]
) -> None:
    register(Secret(PLANTED))
    world = World(sandbox, tmp_path, ["suppliers"], companies=("100",))
    world.run_well()
    with world.open() as workspace:
        happens(workspace.ledger, world)
        told = [one.error for one in workspace.ledger.deliveries(destination="memory.erp")]
        told += [one.reason for one in workspace.ledger.dead_letters(destination="memory.erp")]
        for batch in workspace.ledger.batches(tenant="acme"):
            told += workspace.staging.receipts(batch, "memory.erp")["reason"].to_pylist()
    assert any("authorization" in (text or "") for text in told), "it is told"
    assert leaks_in(everything_in(world.settings.home), {"the key": PLANTED}) == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://connector:pw-{}@127.0.0.1:1/ledger",
        "postgresql://connector@127.0.0.1:1/ledger?password=pw-{}",
    ],
)
def test_the_password_in_the_url_of_a_database_is_not_shown(url: str) -> None:
    with pytest.raises(TransientError, match=r"127\.0\.0\.1:1/ledger") as told:
        Ledger.open(url.format(PLANTED))
    assert PLANTED not in str(told.value)
    assert PLANTED not in redact(f"psycopg2 was given {PLANTED!r}")


def test_a_password_that_is_the_name_of_its_user_masks_no_ordinary_words() -> None:
    register_url("postgresql://canarybird:canarybird@db/ledger")
    assert redact("a canarybird sings") == "a canarybird sings"
