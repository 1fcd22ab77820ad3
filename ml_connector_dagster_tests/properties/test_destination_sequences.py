"""Any sequence of batches, crashes and repetitions leaves DuckDB equal to the oracle."""

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination
from ml_connector_dagster.destinations.duckdb.deliveries import CHECKPOINTS
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster_tests.contracts.destinations import (
    REGION,
    SUPPLIERS,
    Clock,
    Crash,
    Pair,
)
from ml_connector_dagster_tests.contracts.staged import DAYS, TENANT, StagedFiles, row


COMPANIES = ("100", "200")
MOMENTS = st.sampled_from(DAYS[:4])

#: One row: few keys, few contents, few moments, so that everything meets everything.
ROWS = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["1", "2", "3", "ä/%"]),
        "name": st.sampled_from([None, "a", "b", "'\n\u2028"]),
        "modified": st.none() | MOMENTS,
        "extracted": MOMENTS,
        "deleted": st.none() | st.just(DAYS[5]),
    }
)

#: One delivery: of new rows, or of an earlier batch again; perhaps with a crash on the way.
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


class CrashingPair(Pair):
    """Crashes where it is told to, and then delivers again."""

    def __init__(self, folder: Path, *, per_company: bool) -> None:
        self.crash_at: str | None = None
        clock = Clock()
        destination = DuckDBDestination(
            "warehouse.erp",
            DatabaseFile(path=folder / "warehouse.duckdb", memory_limit="128MB", threads=1),
            "erp",
            per_company=per_company,
            now=clock,
            checkpoint=self._checkpoint,
        )
        super().__init__(folder, clock, destination)

    def _checkpoint(self, point: str) -> None:
        if point == self.crash_at:
            self.crash_at = None
            raise Crash(point)


def rows_of(step: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        row(
            SUPPLIERS,
            one["key"],
            company=step["company"],
            modified=one["modified"],
            extracted=one["extracted"],
            deleted=one["deleted"],
            name=one["name"],
            **({REGION.name: one["name"]} if step["wider"] else {}),
        )
        for one in step["rows"]
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(STEPS, min_size=1, max_size=6), per_company=st.booleans())
def test_any_sequence_of_batches_equals_the_oracle(
    steps: list[dict[str, Any]], per_company: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pair = CrashingPair(Path(folder), per_company=per_company)
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
