"""DuckDB: any sequence of batches, crashes and repetitions leaves it equal to the oracle."""

import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination
from ml_connector_dagster.destinations.duckdb.deliveries import CHECKPOINTS
from ml_connector_dagster_tests.contracts.sequences import CrashingPair, Step, steps


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sequence=steps(CHECKPOINTS), per_company=st.booleans())
def test_any_sequence_of_batches_equals_the_oracle(sequence: list[Step], per_company: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = DatabaseFile(path=Path(folder) / "warehouse.duckdb", memory_limit="128MB", threads=1)

        def opened(now: Callable[[], datetime], checkpoint: Callable[[str], None]) -> Destination:
            return DuckDBDestination(
                "warehouse.erp",
                file,
                "erp",
                per_company=per_company,
                now=now,
                checkpoint=checkpoint,
            )

        CrashingPair(Path(folder), [opened, opened]).run(sequence)
