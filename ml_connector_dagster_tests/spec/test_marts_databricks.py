"""Marts in Databricks: the sandbox's, or a real workspace that the environment names."""

from collections.abc import Iterator

import pytest


pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster_tests.contracts.marts import MartContract
from ml_connector_dagster_tests.spec.databricks_workspace import access_to_workspace


class TestDatabricks(MartContract):
    @pytest.fixture(scope="class")
    @classmethod
    def destination(
        cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Destination]:
        with access_to_workspace(lambda: request.getfixturevalue("running_databricks")) as access:
            yield access.destination(access.schema_of(tmp_path_factory.mktemp("marts")))
