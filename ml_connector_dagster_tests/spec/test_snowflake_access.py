"""Who we are to Snowflake: keys, tokens, roles; and what is said when one of them will not do."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.snowflake.access import Access
from ml_connector_dagster.destinations.snowflake.bulk import Bulk
from ml_connector_dagster.destinations.snowflake.refusals import Refused, explained
from ml_connector_dagster.model.errors import CredentialError
from ml_connector_dagster_tests.contracts.destinations import SUPPLIERS, Clock, Pair
from ml_connector_dagster_tests.contracts.staged import TENANT, row
from ml_connector_dagster_tests.spec.snowflake_account import (
    BY_KEY,
    KEY,
    PAT,
    Account,
    connection,
    credential,
    import_vendor_packages,
    no_pause,
    pem,
    sandbox_account,
)


OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with sandbox_account() as found:
        yield found


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
    account: Account, tmp_path: Path, proof: Credential, changes: dict[str, str], words: str
) -> None:
    schema = account.schema_of(tmp_path)
    destination = account.destination(schema, proof=proof, changes=changes)
    with pytest.raises(CredentialError, match=words) as caught:
        destination.prepare(SUPPLIERS)
    assert "wrong-token" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "role", "words"),
    [(OTHER_KEY, "LOADER", "390144.*RSA_PUBLIC_KEY"), (KEY, "SECRET", 'GRANT ROLE "SECRET"')],
)
def test_the_connector_is_refused_in_the_same_words(
    account: Account, key: rsa.RSAPrivateKey, role: str, words: str
) -> None:
    import_vendor_packages()
    assert account.sandbox is not None
    to = connection(account.sandbox, role=role)
    bulk = Bulk(to, Access(to, credential(private_key=pem(key))), pause=no_pause)
    with pytest.raises(Refused) as caught:
        bulk.load([], table="t", stage="s", rows=0, script=list, tag="")
    assert re.search(words, str(explained(caught.value, to, "key", "It failed")))


@pytest.mark.parametrize(
    "proof",
    [
        credential(token=PAT),
        credential(private_key="".join(pem(KEY).splitlines()[1:-1])),
        credential(private_key=pem(KEY, "open sesame"), passphrase="open sesame"),
    ],
    ids=["token", "key in one line", "encrypted key"],
)
@pytest.mark.parametrize("inline_rows", [1_000, 0], ids=["inline", "staged"])
def test_tokens_and_encrypted_keys_are_taken_by_both_ways_in(
    account: Account, tmp_path: Path, proof: Credential, inline_rows: int
) -> None:
    import_vendor_packages()
    clock = Clock()
    destination = account.destination(
        account.schema_of(tmp_path), proof=proof, inline_rows=inline_rows, now=clock
    )
    pair = Pair(tmp_path, clock, destination)
    pair.send(SUPPLIERS, row(SUPPLIERS, "1"))
    assert destination.inspect(SUPPLIERS, Scope(tenant=TENANT)).rows == 1
    assert account.sandbox is not None
    assert account.sandbox.connector.sessions == {}


def test_a_key_without_its_passphrase_is_told(account: Account) -> None:
    proof = credential(private_key=pem(KEY, "open sesame"))
    with pytest.raises(CredentialError, match="needs its passphrase"):
        account.destination("s", proof=proof)
