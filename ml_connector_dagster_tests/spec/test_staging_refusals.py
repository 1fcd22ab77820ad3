"""What a cloud refuses is told with bucket, key and what to grant; secrets are told nowhere."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.model.errors import (
    ConfigError,
    ConnectorError,
    ContractError,
    CredentialError,
    TransientError,
)
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.s3 import Fault, S3Options, S3Sandbox
from ml_connector_dagster.sandbox.s3.operations import ACTIONS
from ml_connector_dagster.staging import Staging, clouds
from ml_connector_dagster_tests.spec.staging_places import S3Place
from ml_connector_dagster_tests.spec.staging_samples import many, receipts, stage


OPTIONS = S3Options(buckets={"staging": "eu-north-1", "far": "us-west-2"})


@pytest.fixture(scope="module")
def running() -> Iterator[S3Sandbox]:
    with S3Sandbox.start(OPTIONS) as s3:
        yield s3


@pytest.fixture
def place(running: S3Sandbox, monkeypatch: pytest.MonkeyPatch) -> S3Place:
    monkeypatch.setattr(clouds, "TRIES", 1)
    running.reset()
    return S3Place(running)


def opened(place: S3Place, url: str = "", **values: str) -> Staging:
    given = {name: Secret(value) for name, value in values.items()}
    credential = Credential(name="bucket", kind="s3", values={**place.credential.values, **given})
    return Staging(url or place.url, credential=credential)


def refused(staging: Staging, kind: type[ConnectorError]) -> str:
    with pytest.raises(kind) as raised:
        stage(staging, many(3))
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    text = str(raised.value)
    assert OPTIONS.secret_access_key not in text
    assert OPTIONS.access_key_id not in text
    assert "127.0.0.1" not in text
    return text


def test_no_such_bucket(place: S3Place) -> None:
    told = refused(opened(place, place.url.replace("//staging/", "//stagnig/")), ConfigError)
    assert "could not write s3://stagnig/erp/staged/acme/payments" in told
    assert "there is no bucket 'stagnig' (NoSuchBucket)" in told
    assert "ML_CONNECTOR_STAGING_URL" in told


def test_a_request_signed_for_another_region(place: S3Place) -> None:
    told = refused(opened(place, place.url.replace("eu-north-1", "us-east-1")), ConfigError)
    assert "?region=eu-north-1" in told


def test_a_bucket_of_another_region(place: S3Place) -> None:
    told = refused(opened(place, place.url.replace("//staging/", "//far/")), ConfigError)
    assert "'far' is in another region" in told
    assert "?region=" in told


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"access_key_id": "AKIAOTHER"}, "InvalidAccessKeyId"),
        ({"secret_access_key": "not-the-secret"}, "SignatureDoesNotMatch"),
        ({"session_token": "of-yesterday"}, "InvalidToken"),
    ],
)
def test_keys_that_are_not_accepted(place: S3Place, values: dict[str, str], code: str) -> None:
    told = refused(opened(place, **values), CredentialError)
    assert f"the credentials are not accepted ({code})" in told
    assert all(value not in told for value in values.values())


@pytest.mark.parametrize(
    ("action", "grant"),
    [
        ("s3:PutObject", "s3:PutObject and s3:AbortMultipartUpload on the prefix"),
        ("s3:GetObject", "s3:GetObject on the prefix, and s3:ListBucket on the bucket"),
        ("s3:ListBucket", "s3:ListBucket on the bucket"),
        ("s3:DeleteObject", "s3:DeleteObject on the prefix"),
    ],
)
def test_a_right_that_is_missing_is_named(place: S3Place, action: str, grant: str) -> None:
    staging = opened(place)
    batch = stage(staging, many(3))
    place.s3.denied.add(action)

    def use() -> None:
        stage(staging, many(3), batch_id="b2")
        staging.find(batch, ["acme/100/0000001"])
        staging.discard(staging.locate(batch))

    with pytest.raises(CredentialError) as raised:
        use()
    assert "access is denied (AccessDenied)" in str(raised.value)
    assert f"Grant {grant} 'staging'" in str(raised.value)
    assert "s3://staging/erp/staged" in str(raised.value)


def test_the_policy_of_the_documentation_is_enough(place: S3Place) -> None:
    """Everything that staging does, with every other action of S3 denied."""
    page = Path(__file__).parents[2] / "docs" / "how-to" / "object-storage.md"
    policies = re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    granted = {
        action
        for statement in json.loads(policies[0])["Statement"]
        for action in statement["Action"]
    }
    place.s3.denied.update({action for action in ACTIONS.values() if action} - granted)
    assert place.s3.denied

    staging = opened(place)
    batch = stage(staging, many(3))
    staging.open(batch).write_receipts("w", receipts("r1"))
    assert staging.receipts(batch).num_rows == 1
    with staging.open(batch) as staged:
        assert len(staged.files) == 1
    assert staging.find(batch, ["acme/100/0000001"]).num_rows == 1
    (orphan,) = staging.orphans([])
    staging.discard(orphan)
    assert place.paths() == set()


def test_a_clock_that_is_wrong(running: S3Sandbox, place: S3Place) -> None:
    with S3Sandbox.start(
        replace(OPTIONS, now=lambda: datetime.now(UTC) + timedelta(hours=1))
    ) as later:
        told = refused(S3Place(later).staging(), CredentialError)
    assert "this machine's clock is wrong (RequestTimeTooSkewed)" in told


def test_a_service_that_is_not_there(place: S3Place) -> None:
    gone = place.url.replace(place.s3.url, "http://127.0.0.1:9")
    told = refused(opened(place, gone), TransientError)
    assert "no answer, after several tries" in told


def test_an_answer_that_nobody_understands(place: S3Place) -> None:
    place.s3.faults.add(Fault(kind="timeout", operation="PutObject"))
    assert "RequestTimeout" in refused(opened(place), TransientError)
    staging = opened(place)
    batch = stage(staging, many(3))
    name = f"{batch.path}/{batch.parts[0]}"
    staged = staging.open(batch)
    assert staged.reader().read_all().num_rows == 3
    place.remove(name)  # while the batch is open
    with pytest.raises(ContractError, match="went away while it was read"):
        staged.reader().read_all()


def test_a_conflict_on_the_manifest_is_a_matter_of_time(place: S3Place) -> None:
    place.s3.faults.add(Fault(kind="conflict", operation="PutObject", key="manifest", times=None))
    assert "(409). Run again" in refused(opened(place), TransientError)
    assert place.paths() == set()


def test_a_machine_without_an_identity(monkeypatch: pytest.MonkeyPatch, place: S3Place) -> None:
    """Nobody answers where AWS tells a machine who it is."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    told = refused(Staging(place.url), CredentialError)
    assert "this machine has no identity that the cloud knows" in told
    assert "ML_CONNECTOR_STAGING_CREDENTIAL" in told


def test_what_the_environment_says_is_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/not/there.json")
    with pytest.raises(ConfigError, match="could not open gs://erp/x: what this machine's"):
        Staging("gs://erp/x")


def test_a_stored_key_counts_alone(place: S3Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session token of the environment belongs to another key."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of another key")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "another key")
    staging = opened(place)
    staging.open(stage(staging, many(3))).write_receipts("w", receipts("r1"))


def test_temporary_keys_are_sent_with_their_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with S3Sandbox.start(replace(OPTIONS, session_token="temporary")) as s3:
        place = S3Place(s3)
        assert stage(opened(place, session_token="temporary"), many(3)).rows == 3
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", OPTIONS.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", OPTIONS.secret_access_key)
        monkeypatch.setenv("AWS_SESSION_TOKEN", "temporary")
        assert stage(Staging(place.url), many(3), batch_id="b2").rows == 3


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("s3://staging", {"access_key_id": "x"}),
        ("s3://staging", {"account_key": "x"}),
        ("abfss://erp@acme.dfs.core.windows.net", {"access_key_id": "x", "secret_access_key": "y"}),
        ("abfss://erp@acme.dfs.core.windows.net", {"account_key": "x", "sas_key": "y"}),
        ("gs://staging", {}),
    ],
)
def test_a_credential_of_other_fields_says_which_are_needed(url: str, fields: Any) -> None:
    credential = Credential(
        name="bucket", kind="x", values={name: Secret(value) for name, value in fields.items()}
    )
    with pytest.raises(CredentialError, match=r"credential 'bucket' has the fields .* it needs .*"):
        Staging(url, credential=credential)
