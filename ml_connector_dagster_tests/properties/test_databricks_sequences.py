"""Databricks: any sequence of batches, crashes and repetitions leaves it equal to the oracle. Few: each takes seconds."""

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings


pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")
pytest.importorskip("sqlglot", reason="the extra 'sandbox-databricks' is not installed")

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.destinations.databricks.deliveries import CHECKPOINTS
from ml_connector_dagster_tests.contracts.sequences import CrashingPair, Step, steps
from ml_connector_dagster_tests.spec.databricks_workspace import Access, access_to_workspace


@pytest.fixture
def access(request: pytest.FixtureRequest) -> Iterator[Access]:
    with access_to_workspace(lambda: request.getfixturevalue("databricks")) as workspace:
        yield workspace


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(sequence=steps(CHECKPOINTS, at_most=5), per_company=st.booleans())
def test_any_sequence_of_batches_equals_the_oracle(
    access: Access, tmp_path: Path, sequence: list[Step], per_company: bool
) -> None:
    folder = tmp_path / uuid.uuid4().hex
    schema = access.schema_of(folder)

    def inline(now: Callable[[], datetime], checkpoint: Callable[[str], None]) -> Destination:
        return access.destination(schema, per_company=per_company, now=now, checkpoint=checkpoint)

    def staged(now: Callable[[], datetime], checkpoint: Callable[[str], None]) -> Destination:
        return access.destination(
            schema, per_company=per_company, inline_rows=0, now=now, checkpoint=checkpoint
        )

    CrashingPair(folder, [inline, staged]).run(sequence)
