"""Four processes that pull one tenant at once stay within its budget, and log in once (S2, S3)."""

import subprocess
import sys
from pathlib import Path

from ml_connector_dagster.credentials.keys import new_key
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.sandbox import Sandbox


PROCESSES, CALLS, LIMIT, SPAN = 4, 25, 30, 1.0


def test_four_processes_share_one_budget_and_one_login(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "acme.ionapi").write_text(sandbox.ionapi_text("ACME_TST"))
    url = f"sqlite:///{tmp_path}/ledger.db"
    Ledger.open(url).close()
    command = [sys.executable, "-m", "ml_connector_dagster_tests.spec.puller", str(tmp_path)]
    command += [new_key().reveal(), str(CALLS), str(LIMIT), str(SPAN), url]
    pullers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(PROCESSES)
    ]
    for puller in pullers:
        assert puller.stdin is not None
        puller.stdin.write("go\n")
        puller.stdin.flush()
    complaints = [puller.communicate()[1] for puller in pullers]
    assert [puller.returncode for puller in pullers] == [0] * PROCESSES, complaints
    requests = sandbox.requests("ACME_TST")
    assert [request.status for request in requests] == [200] * PROCESSES * CALLS
    assert sandbox.logins("ACME_TST") == 1
    assert sandbox.max_requests_in_any_span("ACME_TST", SPAN) <= LIMIT
