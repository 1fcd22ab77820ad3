"""Any sequence of batches, crashes and repetitions leaves Databricks equal to the oracle. Few examples: each takes seconds."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings


pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")
pytest.importorskip("sqlglot", reason="the extra 'sandbox-databricks' is not installed")

from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.databricks.deliveries import CHECKPOINTS
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster_tests.contracts.destinations import (
    REGION,
    SUPPLIERS,
    Clock,
    Crash,
    Pair,
)
from ml_connector_dagster_tests.contracts.staged import TENANT, StagedFiles
from ml_connector_dagster_tests.properties.test_destination_sequences import (
    COMPANIES,
    ROWS,
    rows_of,
)
from ml_connector_dagster_tests.spec.databricks_workspace import Access, access_to_workspace


STEPS = st.fixed_dictionaries(
    {
        "rows": st.lists(ROWS, max_size=6),
        "company": st.sampled_from(COMPANIES),
        "wider": st.booleans(),
        "parts": st.integers(1, 2),
        "again": st.none() | st.integers(0, 5),
        "crash": st.none() | st.sampled_from(CHECKPOINTS),
    }
)


@pytest.fixture
def access(request: pytest.FixtureRequest) -> Iterator[Access]:
    with access_to_workspace(lambda: request.getfixturevalue("databricks")) as workspace:
        yield workspace


class CrashingPair(Pair):
    """Crashes where it is told to, and then delivers again."""

    def __init__(self, folder: Path, access: Access, *, per_company: bool, inline: bool) -> None:
        self.crash_at: str | None = None
        clock = Clock()
        destination = access.destination(
            access.schema_of(folder),
            per_company=per_company,
            inline_rows=1000 if inline else 0,
            now=clock,
            checkpoint=self._checkpoint,
        )
        super().__init__(folder, clock, destination)

    def _checkpoint(self, point: str) -> None:
        if point == self.crash_at:
            self.crash_at = None
            raise Crash(point)


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(STEPS, min_size=2, max_size=5), per_company=st.booleans(), inline=st.booleans()
)
def test_any_sequence_of_batches_equals_the_oracle(
    access: Access,
    tmp_path: Path,
    steps: list[dict[str, Any]],
    per_company: bool,
    inline: bool,
) -> None:
    folder = tmp_path / uuid.uuid4().hex
    pair = CrashingPair(folder, access, per_company=per_company, inline=inline)
    delivered: list[StagedFiles] = []
    for step in steps:
        if step["again"] is not None and step["again"] < len(delivered):
            staged = delivered[step["again"]]
        else:
            staged = pair.stage(
                SUPPLIERS,
                rows_of(step),
                company=step["company"],
                more=[REGION] if step["wider"] else [],
                parts=step["parts"],
            )
            delivered.append(staged)
        pair.clock.tick()
        if step["crash"] is not None:
            pair.crash_at = step["crash"]
            with suppress(Crash):
                pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
            pair.crash_at = None
        pair.deliver_now(SUPPLIERS, staged)
    scopes = [Scope(tenant=TENANT), *(Scope(tenant=TENANT, company=one) for one in COMPANIES)]
    pair.assert_equal(SUPPLIERS, scopes=scopes)
