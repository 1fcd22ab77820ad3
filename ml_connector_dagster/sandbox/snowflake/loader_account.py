"""An account as an administrator would set it up for a loader: one user with a key, one role, one database."""

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ml_connector_dagster.sandbox.snowflake.accounts import Role, User
from ml_connector_dagster.sandbox.snowflake.server import SnowflakeSandbox


ACCOUNT = "ACME"
USER = "ETL"
ROLE = "LOADER"
WAREHOUSE = "LOADING"
#: Not "ERP": DuckDB makes no views in a schema that is named like its database.
DATABASE = "ANALYTICS"


def loader_account() -> tuple[SnowflakeSandbox, dict[str, str]]:
    """An account that is not listening yet, and the fields of the credential that its user logs in with."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    grants = {
        ("USAGE", "WAREHOUSE", WAREHOUSE),
        ("USAGE", "DATABASE", DATABASE),
        ("CREATE SCHEMA", "DATABASE", DATABASE),
    }
    sandbox = SnowflakeSandbox(
        account=ACCOUNT,
        users={USER: User(roles=(ROLE,), public_key=public.decode())},
        roles={ROLE: Role(grants=grants)},
        warehouses=(WAREHOUSE,),
        databases=(DATABASE,),
    )
    return sandbox, {"private_key": private.decode()}
