"""Several processes with one ledger, on either database: they open it together, share a budget and a login, and survive
one that dies.
"""

import json
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_connector_dagster.credentials.keys import new_key
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster_tests.postgres import Postgres, running_postgres


PROCESSES = 4


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: Postgres = request.getfixturevalue("server")
    return server.database()


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


def run(count: int, task: str, *arguments: str, status: int = 0) -> list[Any]:
    """``count`` processes do ``task`` at once; what each answered."""
    command = [sys.executable, "-m", "ml_connector_dagster_tests.spec.ledger_process", task]
    processes = [
        subprocess.Popen(
            [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    answers = []
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        answers.append(process.communicate()[0])
        assert process.returncode == status
    return [json.loads(answer) for answer in answers if answer]


def most_in_any_span(moments: list[float], span: float) -> int:
    return max(
        bisect_right(moments, first + span - 1e-6) - number for number, first in enumerate(moments)
    )


def test_processes_may_open_a_fresh_ledger_together(url: str) -> None:
    assert run(6, "open", url) == [0] * 6


def test_no_span_at_the_server_holds_more_than_the_limit(url: str) -> None:
    limit, span, calls = 40, 2.0, 40
    Ledger.open(url).close()
    answers = run(PROCESSES, "pull", url, str(calls), str(limit), str(span))
    arrivals = sorted(moment for answer in answers for moment in answer)
    assert len(arrivals) == PROCESSES * calls
    assert most_in_any_span(arrivals, span) <= limit


def test_processes_make_one_login(url: str) -> None:
    Ledger.open(url).close()
    answers = run(PROCESSES, "login", url, new_key().reveal())
    assert sum(logins for logins, _ in answers) == 1
    assert len({token for _, token in answers}) == 1


def test_a_process_that_dies_while_it_writes_leaves_no_trace_and_no_lock(url: str) -> None:
    Ledger.open(url).close()
    run(1, "die", url, status=9)
    with Ledger.open(url) as ledger:
        ledger.breaker_store("acme").load()
        ledger.budget_store("acme").block_until(1.0)
