"""One process of a tenant that pulls on four threads, for tests that need several: see ``test_gateway_processes``."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ml_connector_dagster.cloudsuite.auth import BearerAuth
from ml_connector_dagster.cloudsuite.breaker import Breaker
from ml_connector_dagster.cloudsuite.budget import RequestBudget
from ml_connector_dagster.cloudsuite.gateway import Gateway
from ml_connector_dagster.cloudsuite.ionapi import IonApi
from ml_connector_dagster.cloudsuite.pauses import Pause
from ml_connector_dagster.credentials.keys import KeyRing
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.secrets import Secret


PATH = "/m3api-rest/v2/execute/CRS620MI/LstSuppliers;maxrecs=1"


def pull(home: Path, key: str, calls: int, limit: int, span: float, ledger_url: str) -> None:
    """So many calls, within a budget that counts in spans of ``span`` seconds and stands in ``ledger_url``."""
    ionapi = IonApi.parse((home / "acme.ionapi").read_text())
    pause = Pause()
    with (
        Ledger.open(ledger_url) as ledger,
        Gateway(
            ionapi,
            tenant="acme",
            suite="M3",
            auth=BearerAuth(
                ionapi,
                ledger.token_store("acme", KeyRing([Secret(key)], source="the test")),
                tenant="acme",
                pause=pause,
            ),
            budget=RequestBudget(
                ledger.budget_store("acme"), tenant="acme", limit=limit, span=span, pause=pause
            ),
            breaker=Breaker(ledger.breaker_store("acme"), tenant="acme"),
            pause=pause,
        ) as gateway,
        ThreadPoolExecutor(4) as threads,
    ):
        sys.stdin.readline()  # everybody is ready: go
        assert all(reply.status == 200 for reply in threads.map(gateway.get, [PATH] * calls))


if __name__ == "__main__":
    folder, key, calls, limit, span, url = sys.argv[1:]
    pull(Path(folder), key, int(calls), int(limit), float(span), url)
