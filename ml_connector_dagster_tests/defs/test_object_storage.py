"""Dagster runs with batches in a bucket: what it shows names the bucket, and nothing that is secret."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.sandbox.s3 import S3Sandbox
from ml_connector_dagster_tests.defs.conftest import Installation
from ml_connector_dagster_tests.spec.staging_places import S3Place


@pytest.fixture
def place() -> Iterator[S3Place]:
    with S3Sandbox.start() as s3:
        yield S3Place(s3)


@pytest.fixture
def settings(tmp_path: Path, place: S3Place) -> Settings:
    return read_settings(
        {
            "ML_CONNECTOR_HOME": str(tmp_path / "home"),
            "ML_CONNECTOR_STAGING_URL": place.url,
            "ML_CONNECTOR_STAGING_CREDENTIAL": "bucket",
        }
    )


def test_an_entity_is_read_into_a_bucket_and_delivered_from_it(
    installation: Installation, place: S3Place
) -> None:
    open_store(installation.settings).add("bucket", "s3", place.credential.values)
    result = installation.materialize("suppliers", full=True)

    assert result.success
    assert {path.split("/")[:3][-1] for path in place.paths()} == {"100"}
    assert not (installation.settings.home / "staging").exists()
    (staged_at,) = {
        event.metadata["staged_at"].value
        for event in result.all_events
        if event.is_step_materialization
        for event in [event.step_materialization_data.materialization]
        if "staged_at" in event.metadata
    }
    assert str(staged_at).startswith("s3://staging/erp/staged/acme/suppliers/100/")
    spec = installation.defs.resolve_asset_graph().get(dg.AssetKey(["acme", "suppliers"]))
    assert spec.metadata["dagster/uri"] == "s3://staging/erp/staged/acme/suppliers"
    shown = " ".join(str(event) for event in result.all_events)
    assert place.s3.options.secret_access_key not in shown
    assert place.s3.url not in shown
