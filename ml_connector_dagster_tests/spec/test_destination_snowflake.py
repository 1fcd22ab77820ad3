"""Snowflake keeps the contract, both ways in: through the SQL API, and as Parquet through the vendor's connector.

Against a real account: set ML_CONNECTOR_TEST_SNOWFLAKE to the JSON of a connection (account, user, role, warehouse,
database), and ML_CONNECTOR_TEST_SNOWFLAKE_KEY to the path of its private key. Each test then makes a schema of its own.
"""

import json
import os
import re
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ml_connector_dagster.config.project import SnowflakeConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.contract import Destination, Scope
from ml_connector_dagster.destinations.snowflake import SnowflakeDestination
from ml_connector_dagster.destinations.snowflake.access import Access
from ml_connector_dagster.destinations.snowflake.bulk import Bulk
from ml_connector_dagster.destinations.snowflake.deliveries import CHECKPOINTS
from ml_connector_dagster.destinations.snowflake.refusals import Refused, explained
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.errors import ConfigError, CredentialError, TransientError
from ml_connector_dagster.model.receipts import OutcomeCounts
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.snowflake import Fault, Role, SnowflakeSandbox, User
from ml_connector_dagster_tests.contracts.destinations import (
    SUPPLIERS,
    Clock,
    DestinationContract,
    Pair,
)
from ml_connector_dagster_tests.contracts.staged import DAYS, TENANT, row


REAL = os.environ.get("ML_CONNECTOR_TEST_SNOWFLAKE")
GRANTS = {
    ("USAGE", "DATABASE", "ERP"),
    ("CREATE SCHEMA", "DATABASE", "ERP"),
    ("USAGE", "WAREHOUSE", "LOADING"),
}


def pem(key: rsa.RSAPrivateKey, passphrase: str = "") -> str:
    protection: Any = (
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    ).decode()


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = (
    KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


def credential(**values: str) -> Credential:
    secrets = {name: Secret(value) for name, value in values.items()}
    return Credential(name="snow", kind="snowflake", values=secrets)


BY_KEY = credential(private_key=pem(KEY))


@pytest.fixture(scope="module")
def running() -> Iterator[SnowflakeSandbox]:
    users = {"ETL": User(roles=("LOADER", "GUEST"), public_key=PUBLIC, tokens={"pat-of-etl"})}
    guest = Role(grants={("USAGE", "DATABASE", "ERP"), ("USAGE", "WAREHOUSE", "LOADING")})
    roles = {"LOADER": Role(grants=set(GRANTS)), "GUEST": guest, "SECRET": Role()}
    with SnowflakeSandbox(users=users, roles=roles) as sandbox:
        yield sandbox


def connection(sandbox: SnowflakeSandbox, **changes: Any) -> SnowflakeConnection:
    values = {
        "name": "snow",
        "account": "ACME",
        "user": "ETL",
        "credential": "snow",
        "role": "LOADER",
        "warehouse": "LOADING",
        "database": "ERP",
        "host": sandbox.host,
        "port": sandbox.port,
        "protocol": "http",
        "login_timeout_seconds": 10,
        "network_timeout_seconds": 4,
    }
    return SnowflakeConnection.model_validate(values | changes)


def no_pause(seconds: float) -> None:
    time.sleep(min(seconds, 0.01))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def vendor_packages() -> None:
    """Imported once, quietly: dagster-snowflake and its dependencies warn of their own old habits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("dagster_snowflake")


class SnowflakeContract(DestinationContract):
    checkpoints = CHECKPOINTS
    inline_rows = 1_000_000
    sandbox: SnowflakeSandbox

    @pytest.fixture(autouse=True)
    def _sandbox(self, running: SnowflakeSandbox) -> Iterator[None]:
        self.sandbox = running
        self.opened: list[SnowflakeDestination] = []
        yield
        for destination in self.opened:  # those whose process "died"
            destination.close()
        running.faults.clear()

    def open(
        self, home: Path, *, now: Callable[[], datetime], checkpoint: Callable[[str], None]
    ) -> Destination:
        home.mkdir(parents=True, exist_ok=True)
        name = home / "schema"
        if not name.exists():
            name.write_text(f"test_{uuid.uuid4().hex[:12]}")
        if REAL:
            values = {"name": "snow", "credential": "snow", **json.loads(REAL)}
            to = SnowflakeConnection.model_validate(values | {"inline_rows": self.inline_rows})
            proof = credential(
                private_key=Path(os.environ["ML_CONNECTOR_TEST_SNOWFLAKE_KEY"]).read_text()
            )
        else:
            to, proof = connection(self.sandbox, inline_rows=self.inline_rows), BY_KEY
        destination = SnowflakeDestination(
            "snow.erp", to, proof, name.read_text(), now=now, pause=no_pause, checkpoint=checkpoint
        )
        self.opened.append(destination)
        return destination


class SnowflakeFaults(SnowflakeContract):
    """What happens between us and the service, on top of the contract."""

    @pytest.fixture
    def at(self, tmp_path: Path, clock: Clock) -> Iterator[Callable[[str, Fault, int], Pair]]:
        """A pair that holds one record, and a fault at the point of the next delivery that is named."""

        if REAL:
            pytest.skip("a real account has no switch for faults")

        def make(where: str, fault: Fault, times: int) -> Pair:
            def checkpoint(point: str) -> None:
                if armed and point == where:
                    armed.clear()
                    self.sandbox.faults.add(fault, times)

            armed: list[bool] = []
            destination = self.open(tmp_path / "home", now=clock, checkpoint=checkpoint)
            pair = Pair(tmp_path, clock, destination)
            pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="old"))
            armed.append(True)
            return pair

        yield make
        assert not self.sandbox.connector.sessions

    def change(self, pair: Pair) -> OutcomeCounts:
        return pair.send(
            SUPPLIERS, row(SUPPLIERS, "1", name="new", modified=DAYS[1]), row(SUPPLIERS, "2")
        )

    @pytest.mark.parametrize("fault", [Fault.LOST, Fault.EXPIRED, Fault.STARTING])
    def test_a_passing_fault_in_the_middle_is_not_noticed(
        self, at: Callable[[str, Fault, int], Pair], fault: Fault
    ) -> None:
        pair = at("rows loaded", fault, 1)
        assert self.change(pair) == OutcomeCounts(inserted=1, updated=1)
        pair.assert_equal(SUPPLIERS)

    def test_an_outage_in_the_middle_leaves_nothing_half_written(
        self, at: Callable[[str, Fault, int], Pair]
    ) -> None:
        pair = at("rows loaded", Fault.UNAVAILABLE, 10_000)
        staged = pair.stage(
            SUPPLIERS,
            [row(SUPPLIERS, "1", name="new", modified=DAYS[1]), row(SUPPLIERS, "2")],
        )
        with pytest.raises(TransientError, match=r"connection snow.*delivered again later"):
            pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
        self.sandbox.faults.clear()
        pair.assert_equal(SUPPLIERS)
        pair.deliver(SUPPLIERS, staged)
        pair.assert_equal(SUPPLIERS)

    def test_a_statement_that_fails_leaves_nothing_half_written(
        self, at: Callable[[str, Fault, int], Pair]
    ) -> None:
        pair = at("rows loaded", Fault.FAILS, 1)
        staged = pair.stage(SUPPLIERS, [row(SUPPLIERS, "1", name="new", modified=DAYS[1])])
        with pytest.raises(TransientError, match=r"user ETL, role LOADER.*000603"):
            pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
        pair.assert_equal(SUPPLIERS)
        pair.deliver(SUPPLIERS, staged)
        pair.assert_equal(SUPPLIERS)

    def test_json_arrives_as_objects(self, pair: Pair) -> None:
        extra = '{"CUNO":"O\'Brien \\\\ \\"x\\"","ZZ":"🏗️ \\n"}'
        one = row(SUPPLIERS, "1") | {"_extra": extra, "_problems": '{"phone":"too long: 1"}'}
        pair.send(SUPPLIERS, one, row(SUPPLIERS, "2"))
        pair.assert_equal(SUPPLIERS)

    def test_statements_carry_a_query_tag(self, pair: Pair) -> None:
        if REAL:
            pytest.skip("read back from the sandbox")
        pair.send(SUPPLIERS, row(SUPPLIERS, "1"))
        merges = [one for one in self.sandbox.statements if one.sql.startswith("MERGE")]
        tag = json.loads(merges[-1].tag)
        assert (tag["entity"], tag["run"], tag["batch"]) == ("suppliers", "run-1", "batch-001")


class TestInline(SnowflakeFaults):
    inline_rows = 1_000_000

    def test_an_answer_that_stays_lost_is_found_by_the_next_delivery(
        self, at: Callable[[str, Fault, int], Pair]
    ) -> None:
        pair = at("rows loaded", Fault.LOST, 6)
        staged = pair.stage(SUPPLIERS, [row(SUPPLIERS, "1", name="new", modified=DAYS[1])])
        pair.clock.tick()
        with pytest.raises(TransientError):
            pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
        assert pair.deliver_now(SUPPLIERS, staged).counts == OutcomeCounts(updated=1)
        pair.assert_equal(SUPPLIERS)

    def test_too_many_requests_are_waited_for(self, at: Callable[[str, Fault, int], Pair]) -> None:
        pair = at("tables made", Fault.TOO_MANY, 3)
        self.change(pair)
        pair.assert_equal(SUPPLIERS)


@pytest.mark.usefixtures("vendor_packages")
class TestStaged(SnowflakeFaults):
    inline_rows = 0


@pytest.mark.usefixtures("vendor_packages")
def test_files_go_in_with_a_token_too(
    running: SnowflakeSandbox, tmp_path: Path, clock: Clock
) -> None:
    to = connection(running, inline_rows=0)
    proof = credential(token="pat-of-etl")
    destination = SnowflakeDestination("snow.erp", to, proof, "tokens", now=clock, pause=no_pause)
    pair = Pair(tmp_path, clock, destination)
    pair.send(SUPPLIERS, row(SUPPLIERS, "1"))
    pair.tested.close()
    assert running.connector.sessions == {}


@pytest.mark.usefixtures("vendor_packages")
@pytest.mark.parametrize(
    ("key", "role", "words"),
    [(OTHER_KEY, "LOADER", "390144.*RSA_PUBLIC_KEY"), (KEY, "SECRET", 'GRANT ROLE "SECRET"')],
)
def test_the_connector_is_refused_in_the_same_words(
    running: SnowflakeSandbox, key: rsa.RSAPrivateKey, role: str, words: str
) -> None:
    to = connection(running, role=role)
    proof = credential(private_key=pem(key))
    bulk = Bulk(to, Access(to, proof), pause=no_pause)
    with pytest.raises(Refused) as caught:
        bulk.load([], table="t", stage="s", rows=0, script=[], tag="", loaded=lambda: None)
    assert re.search(words, str(explained(caught.value, to, "key", "It failed")))


def opened(sandbox: SnowflakeSandbox, proof: Credential, **changes: Any) -> SnowflakeDestination:
    return SnowflakeDestination(
        "snow.erp", connection(sandbox, **changes), proof, f"s_{uuid.uuid4().hex}", pause=no_pause
    )


@pytest.mark.parametrize(
    ("proof", "changes", "words"),
    [
        (
            credential(private_key=pem(OTHER_KEY)),
            {},
            r"user ETL, role LOADER\) says 390144.*key SHA256:.*ALTER USER \"ETL\" SET RSA_PUBLIC_KEY",
        ),
        (credential(token="wrong-token"), {}, r"394400.*ADD PROGRAMMATIC ACCESS TOKEN"),
        (BY_KEY, {"role": "SECRET"}, r'GRANT ROLE "SECRET" TO USER "ETL"'),
        (BY_KEY, {"role": "GUEST"}, r'CREATE SCHEMA ON DATABASE "ERP" TO ROLE "GUEST"'),
        (
            BY_KEY,
            {"database": "HR"},
            r'GRANT USAGE, CREATE SCHEMA ON DATABASE "HR" TO ROLE "LOADER"',
        ),
        (BY_KEY, {"warehouse": "X"}, r'GRANT USAGE ON WAREHOUSE "X" TO ROLE "LOADER"'),
    ],
)
def test_what_is_refused_says_who_and_what_to_grant(
    running: SnowflakeSandbox, proof: Credential, changes: dict[str, str], words: str
) -> None:
    destination = opened(running, proof, **changes)
    with pytest.raises(CredentialError, match=words) as caught:
        destination.prepare(SUPPLIERS)
    destination.close()
    assert "wrong-token" not in str(caught.value)


@pytest.mark.parametrize(
    "proof",
    [
        credential(token="pat-of-etl"),
        credential(private_key="".join(pem(KEY).splitlines()[1:-1])),
        credential(private_key=pem(KEY, "open sesame"), passphrase="open sesame"),
    ],
)
def test_tokens_and_encrypted_keys_are_taken(running: SnowflakeSandbox, proof: Credential) -> None:
    destination = opened(running, proof)
    destination.prepare(SUPPLIERS)
    assert destination.inspect(SUPPLIERS, Scope(tenant=TENANT)).rows == 0
    destination.close()


def test_a_key_without_its_passphrase_is_told(running: SnowflakeSandbox) -> None:
    with pytest.raises(CredentialError, match="needs its passphrase"):
        opened(running, credential(private_key=pem(KEY, "open sesame")))


def test_a_token_is_made_anew_before_its_hour_is_over(running: SnowflakeSandbox) -> None:
    late = [0.0]
    running.account.now = lambda: time.time() + late[0]
    destination = SnowflakeDestination(
        "snow.erp", connection(running), BY_KEY, "hours", clock=running.account.now, pause=no_pause
    )
    destination.prepare(SUPPLIERS)
    late[0] = 3_600.0
    assert destination.inspect(SUPPLIERS, Scope(tenant=TENANT)).rows == 0
    destination.close()
    running.account.now = time.time


def test_a_table_of_other_types_is_refused_by_both_names(running: SnowflakeSandbox) -> None:
    destination = opened(running, BY_KEY)
    destination.prepare(SUPPLIERS)
    schema = destination._schema
    destination._api.run(f"DROP TABLE {schema.sql('suppliers')}")
    destination._api.run(
        f"CREATE TABLE {schema.sql('suppliers')} (record_id VARCHAR, name NUMBER(9,0))"
    )
    again = SnowflakeDestination(
        "snow.erp", connection(running), BY_KEY, schema.name, pause=no_pause
    )
    with pytest.raises(ConfigError, match=r"column NAME is NUMBER\(9,0\), and VARCHAR is needed"):
        again.prepare(SUPPLIERS)
    again.close()
    destination.close()
