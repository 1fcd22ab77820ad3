"""Staging on S3 keeps the contract of staging, whatever S3 and the line to it do."""

from collections.abc import Iterator

import pytest

from ml_connector_dagster.sandbox.s3 import S3Options, S3Sandbox
from ml_connector_dagster_tests.contracts.staging import StagingContract
from ml_connector_dagster_tests.spec.staging_places import S3Place


@pytest.fixture(scope="module")
def running() -> Iterator[S3Sandbox]:
    #: Pages of three keys: every list of more than a few files is one of several pages.
    with S3Sandbox.start(S3Options(page_size=3)) as s3:
        yield s3


@pytest.fixture
def s3(running: S3Sandbox) -> S3Sandbox:
    running.reset()
    return running


@pytest.fixture
def place(s3: S3Sandbox) -> S3Place:
    return S3Place(s3)


class TestS3(StagingContract):
    """Signed requests over HTTP."""
