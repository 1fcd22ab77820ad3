"""The benchmark runs, and what it tells can be true."""

import json
import subprocess
import sys
from pathlib import Path


BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "extract_load.py"


def test_a_small_round_reports_what_was_read() -> None:
    command = [sys.executable, BENCHMARK, "--rows", "3000", "--page-rows", "1000", "--json"]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    first, second = (one["median"] for one in json.loads(process.stdout))
    assert (first["rows"], second["rows"]) == (3000, 30)
    assert (first["fewest_requests"], second["fewest_requests"]) == (3, 1)
    assert first["requests"] <= 3 + 7, (
        "the last page, what M3 is asked first, and how long the list is"
    )
    assert second["requests"] == 1
