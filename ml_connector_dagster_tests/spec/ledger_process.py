"""One process that uses a ledger, for tests that need several: see ``test_ledger_processes``.

It says "ready", waits for a line, does what its arguments say and answers one JSON line.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ml_connector_dagster.credentials.keys import KeyRing
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.ledger.databases import open_database
from ml_connector_dagster.model.secrets import Secret


def wait_for_the_start() -> None:
    print("ready", flush=True)  # noqa: T201 -- the way to the test
    sys.stdin.readline()


def open_fresh(url: str) -> int:
    wait_for_the_start()
    with Ledger.open(url) as ledger:
        return len(ledger.batch_ids())


def pull(url: str, calls: str, limit: str, span: str) -> list[float]:
    """So many calls within the budget; answers when each one "arrived": somewhere between its grant and its end."""
    arrivals: list[float] = []
    with Ledger.open(url) as ledger:
        budget = ledger.budget_store("acme")
        in_flight: list[tuple[str, float]] = []

        def end(keep: int) -> None:
            while len(in_flight) > keep:
                call_id, granted = in_flight.pop(0)
                now = time.time()
                arrivals.append(random.uniform(granted, now))
                budget.finish(call_id, now)

        wait_for_the_start()
        for number in range(int(calls)):
            call_id = f"{os.getpid()}-{number}"
            while (wait := budget.try_start(call_id, time.time(), int(limit), float(span))) > 0:
                end(keep=0)
                time.sleep(wait)
            in_flight.append((call_id, time.time()))
            end(keep=3)
        end(keep=0)
    return arrivals


def login(url: str, key: str) -> tuple[int, str]:
    """Get the token as the gateway does; answers how many logins this took, and the token."""
    logins = 0
    with Ledger.open(url) as ledger:
        store = ledger.token_store("acme", KeyRing([Secret(key)], source="the test"))
        wait_for_the_start()
        while (token := store.load()) is None:
            if store.lease(str(os.getpid()), 60.0, 0):
                logins += 1
                now = datetime.now(UTC)
                store.save(
                    Secret(f"of {os.getpid()}"), now, now + timedelta(hours=1), str(os.getpid())
                )
    return logins, token.value.reveal()


def die_while_writing(url: str) -> None:
    wait_for_the_start()
    database = open_database(url)
    with database.write("a test") as connection:
        connection.exec_driver_sql("DELETE FROM schema_version")
        os._exit(9)


TASKS: dict[str, Callable[..., object]] = {
    "open": open_fresh,
    "pull": pull,
    "login": login,
    "die": die_while_writing,
}


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    print(json.dumps(TASKS[task](*arguments)), flush=True)  # noqa: T201 -- the way to the test
