"""Snowflake: any sequence of batches, crashes and repetitions leaves it equal to the oracle, whichever way each goes in."""

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.destinations.snowflake.deliveries import CHECKPOINTS
from ml_connector_dagster_tests.contracts.sequences import CrashingPair, Step, steps
from ml_connector_dagster_tests.spec.snowflake_account import (
    Account,
    account_for_tests,
    import_vendor_packages,
)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    import_vendor_packages()
    with account_for_tests() as found:
        yield found


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(sequence=steps(CHECKPOINTS), per_company=st.booleans())
def test_any_sequence_of_batches_equals_the_oracle(
    account: Account, tmp_path: Path, sequence: list[Step], per_company: bool
) -> None:
    folder = tmp_path / uuid.uuid4().hex
    schema = account.schema_of(folder)

    def inline(now: Callable[[], datetime], checkpoint: Callable[[str], None]) -> Destination:
        return account.destination(schema, per_company=per_company, now=now, checkpoint=checkpoint)

    def staged(now: Callable[[], datetime], checkpoint: Callable[[str], None]) -> Destination:
        return account.destination(
            schema, per_company=per_company, inline_rows=0, now=now, checkpoint=checkpoint
        )

    CrashingPair(folder, [inline, staged]).run(sequence)
