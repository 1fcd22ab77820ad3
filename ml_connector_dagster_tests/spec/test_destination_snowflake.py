"""Snowflake keeps the contract, both ways in: through the SQL API, and as Parquet through the vendor's connector.

Against a real account: set ML_CONNECTOR_TEST_SNOWFLAKE to the JSON of a connection (account, user, role, warehouse,
database), and ML_CONNECTOR_TEST_SNOWFLAKE_KEY to the path of its private key. Each test then makes a schema of its own.
"""

import json
import os
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
from ml_connector_dagster.destinations.snowflake.deliveries import CHECKPOINTS
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
        "network_timeout_seconds": 20,
    }
    return SnowflakeConnection.model_validate(values | changes)


def no_pause(seconds: float) -> None:
    time.sleep(min(seconds, 0.01))


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
        real = os.environ.get("ML_CONNECTOR_TEST_SNOWFLAKE")
        if real:
            values = {"name": "snow", "credential": "snow", **json.loads(real)}
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


class TestInline(SnowflakeContract):
    inline_rows = 1_000_000


@pytest.mark.usefixtures("vendor_packages")
class TestStaged(SnowflakeContract):
    inline_rows = 0
