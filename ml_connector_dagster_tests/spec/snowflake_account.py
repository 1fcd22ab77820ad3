"""An account for tests: the sandbox's, or the real one that the environment names (docs/how-to/snowflake.md)."""

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ml_connector_dagster.config.warehouses import SnowflakeConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.snowflake import SnowflakeDestination
from ml_connector_dagster.destinations.snowflake.access import Access
from ml_connector_dagster.destinations.snowflake.sql_api import SqlApi
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.snowflake import Role, SnowflakeSandbox, User


#: JSON of a connection: account, user, role, warehouse, database; host, port and protocol if need be.
CONNECTION = "ML_CONNECTOR_TEST_SNOWFLAKE"
#: Path of the user's private key (and its passphrase), or a programmatic access token.
KEY_FILE = "ML_CONNECTOR_TEST_SNOWFLAKE_KEY"
PASSPHRASE = "ML_CONNECTOR_TEST_SNOWFLAKE_PASSPHRASE"
TOKEN = "ML_CONNECTOR_TEST_SNOWFLAKE_TOKEN"

GRANTS = frozenset(
    {
        ("USAGE", "DATABASE", "ERP"),
        ("CREATE SCHEMA", "DATABASE", "ERP"),
        ("USAGE", "WAREHOUSE", "LOADING"),
    }
)


def pem(key: rsa.RSAPrivateKey, passphrase: str = "") -> str:
    """The private key as a file holds it."""
    protection: Any = (
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption()
    )
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection
    ).decode()


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = (
    KEY.public_key()
    .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    .decode()
)


def credential(**values: str) -> Credential:
    secrets = {name: Secret(value) for name, value in values.items()}
    return Credential(name="snow", kind="snowflake", values=secrets)


BY_KEY = credential(private_key=pem(KEY))
PAT = "pat-of-etl"


def connection(sandbox: SnowflakeSandbox, **changes: Any) -> SnowflakeConnection:
    """The loader's way to the sandbox."""
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
    """Polls soon: the stand-in is quick."""
    time.sleep(min(seconds, 0.005))


@dataclass(kw_only=True)
class Account:
    """How to reach an account. ``sandbox`` is None for a real one."""

    connection: SnowflakeConnection
    proof: Credential
    sandbox: SnowflakeSandbox | None = None
    schemas: set[str] = field(default_factory=set)
    opened: list[SnowflakeDestination] = field(default_factory=list)

    def schema_of(self, home: Path) -> str:
        """A schema of its own for each home."""
        digest = hashlib.md5(str(home).encode(), usedforsecurity=False).hexdigest()[:12]
        self.schemas.add(f"test_{digest}")
        return f"test_{digest}"

    def destination(
        self,
        schema: str,
        *,
        proof: Credential | None = None,
        changes: dict[str, Any] | None = None,
        per_company: bool = False,
        inline_rows: int = 1_000_000,
        flow: str = "nightly",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.time,
        checkpoint: Callable[[str], None] = lambda point: None,
    ) -> SnowflakeDestination:
        changes = {"inline_rows": inline_rows} | (changes or {})
        destination = SnowflakeDestination(
            "snow.erp",
            self.connection.model_copy(update=changes),
            proof or self.proof,
            schema,
            per_company=per_company,
            flow=flow,
            now=now,
            clock=clock,
            pause=no_pause if self.sandbox else time.sleep,
            checkpoint=checkpoint,
        )
        self.opened.append(destination)
        return destination

    def path_of(self, schema: str) -> str:
        """As it is written in SQL."""
        return f'"{self.connection.database}"."{schema.upper()}"'

    def run(self, sql: str, *binds: str | int | None) -> list[list[str | None]]:
        """What a user types, as the loader's role."""
        api = SqlApi(self.connection, Access(self.connection, self.proof), pause=no_pause)
        try:
            return api.run(sql, *binds).rows
        finally:
            api.close()

    def clear(self) -> None:
        """Close what was opened, and drop what was made in a real account; the sandbox's goes with it."""
        for opened in self.opened:
            opened.close()
        if self.sandbox is None:
            for schema in self.schemas:
                self.run(f"DROP SCHEMA IF EXISTS {self.path_of(schema)} CASCADE")


@contextmanager
def sandbox_account() -> Iterator[Account]:
    """The sandbox's, with a loader, a guest who may only look, and a role that nobody has."""
    users = {"ETL": User(roles=("LOADER", "GUEST"), public_key=PUBLIC, tokens={PAT})}
    guest = Role(grants={("USAGE", "DATABASE", "ERP"), ("USAGE", "WAREHOUSE", "LOADING")})
    roles = {"LOADER": Role(grants=set(GRANTS)), "GUEST": guest, "SECRET": Role()}
    with SnowflakeSandbox(users=users, roles=roles).listen() as sandbox:
        account = Account(connection=connection(sandbox), proof=BY_KEY, sandbox=sandbox)
        yield account
        account.clear()


@contextmanager
def account_for_tests() -> Iterator[Account]:
    """A real account when the environment names one, else the sandbox's."""
    if CONNECTION not in os.environ:
        with sandbox_account() as local:
            yield local
        return
    named = {"name": "snow", "credential": "snow", **json.loads(os.environ[CONNECTION])}
    if TOKEN in os.environ:
        proof = credential(token=os.environ[TOKEN])
    else:
        secrets = {"private_key": Path(os.environ[KEY_FILE]).read_text()}
        if PASSPHRASE in os.environ:
            secrets["passphrase"] = os.environ[PASSPHRASE]
        proof = credential(**secrets)
    real = Account(connection=SnowflakeConnection.model_validate(named), proof=proof)
    yield real
    real.clear()


def import_vendor_packages() -> None:
    """Quietly: dagster-snowflake and its dependencies warn of their own old habits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("dagster_snowflake")
