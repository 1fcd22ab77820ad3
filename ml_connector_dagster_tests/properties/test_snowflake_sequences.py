"""Any sequence of batches, crashes and repetitions leaves Snowflake equal to the oracle, whichever way each batch goes in."""

import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from ml_connector_dagster.destinations.contract import Destination, Scope
from ml_connector_dagster.destinations.snowflake.deliveries import CHECKPOINTS
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
from ml_connector_dagster_tests.spec.snowflake_account import (
    Account,
    account_for_tests,
    import_vendor_packages,
)


STEPS = st.fixed_dictionaries(
    {
        "rows": st.lists(ROWS, max_size=6),
        "company": st.sampled_from(COMPANIES),
        "wider": st.booleans(),
        "parts": st.integers(1, 2),
        "again": st.none() | st.integers(0, 5),
        "crash": st.none() | st.sampled_from(CHECKPOINTS),
        "inline": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    import_vendor_packages()
    with account_for_tests() as found:
        yield found


class CrashingPair(Pair):
    """Crashes where it is told to, and then delivers again; each batch by the way in that it is told."""

    def __init__(self, folder: Path, account: Account, *, per_company: bool) -> None:
        self.crash_at: str | None = None
        clock = Clock()
        self.ways: dict[bool, Destination] = {
            inline: account.destination(
                account.schema_of(folder),
                per_company=per_company,
                inline_rows=1000 if inline else 0,
                now=clock,
                checkpoint=self._checkpoint,
            )
            for inline in (False, True)
        }
        super().__init__(folder, clock, self.ways[True])

    def _checkpoint(self, point: str) -> None:
        if point == self.crash_at:
            self.crash_at = None
            raise Crash(point)


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(steps=st.lists(STEPS, min_size=2, max_size=6), per_company=st.booleans())
def test_any_sequence_of_batches_equals_the_oracle(
    account: Account, tmp_path: Path, steps: list[dict[str, Any]], per_company: bool
) -> None:
    folder = tmp_path / uuid.uuid4().hex
    pair = CrashingPair(folder, account, per_company=per_company)
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
        pair.tested = pair.ways[step["inline"]]
        if step["crash"] is not None:
            pair.crash_at = step["crash"]
            with suppress(Crash):
                pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
            pair.crash_at = None
        pair.deliver_now(SUPPLIERS, staged)
    scopes = [Scope(tenant=TENANT), *(Scope(tenant=TENANT, company=one) for one in COMPANIES)]
    pair.assert_equal(SUPPLIERS, scopes=scopes)
