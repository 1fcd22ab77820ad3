"""Two hosts on one PostgreSQL ledger are one installation: one budget, one login, and whoever dies is made up for.

A host is a process with a home of its own; a kill is SIGKILL, so nothing can be tidied up.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from ml_connector_dagster.credentials.keys import new_key
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.receipts import DeliveryState
from ml_connector_dagster.sandbox import Fault, Sandbox
from ml_connector_dagster_tests.hosts import Host, Site, finished, wait_for
from ml_connector_dagster_tests.postgres import Postgres, running_postgres
from ml_connector_dagster_tests.world import business, key_of, rows_by_record


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres() as running:
        yield running


@pytest.fixture
def site(sandbox: Sandbox, server: Postgres, tmp_path: Path) -> Site:
    return Site(sandbox=sandbox, folder=tmp_path / "site", ledger_url=server.database())


def assert_equals_the_erp(site: Site, host: Host) -> None:
    """Each table holds exactly the ERP's records, and as many as the ledger says were ever inserted."""
    with host.open() as workspace:
        flow = workspace.project.flows["purchasing"]
        target = flow.destinations[0]
        for entity in flow.entities:
            for company in flow.companies:
                opening = workspace.destination(target)
                rows = rows_by_record(workspace, opening, entity, company).values()
                found = {key_of(entity, row): business(entity, row) for row in rows}
                truth = site.sandbox.erp.truth(entity, company)
                assert found == {key_of(entity, row): business(entity, row) for row in truth}
                inserted = workspace.ledger.delivered_counts(
                    destination=target.name, tenant="acme", entity=entity, company=company
                ).inserted
                assert inserted == len(rows), f"{entity} of {company}"


def test_two_hosts_that_run_one_flow_at_once_log_in_once_and_double_nothing(site: Site) -> None:
    running = [site.host(name).start("run", "purchasing", "--json") for name in ("one", "two")]
    for process in running:
        assert [line["error"] for line in finished(process) if line.get("error")] == []
    assert site.sandbox.logins("ACME_TST") == 1
    assert_equals_the_erp(site, site.hosts[0])


def test_two_hosts_share_one_budget(sandbox: Sandbox, server: Postgres, tmp_path: Path) -> None:
    url, key = server.database(), new_key().reveal()
    Ledger.open(url).close()
    calls, limit, span = 40, 30, 1.0
    pullers = []
    for name in ("one", "two"):
        home = tmp_path / name
        home.mkdir()
        (home / "acme.ionapi").write_text(sandbox.ionapi_text("ACME_TST"))
        command = [sys.executable, "-m", "ml_connector_dagster_tests.spec.puller", str(home), key]
        command += [str(calls), str(limit), str(span), url]
        pullers.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    for puller in pullers:
        assert puller.stdin is not None
        puller.stdin.write("go\n")
        puller.stdin.flush()
    complaints = [puller.communicate()[1] for puller in pullers]
    assert [puller.returncode for puller in pullers] == [0, 0], complaints
    assert [request.status for request in sandbox.requests("ACME_TST")] == [200] * 2 * calls
    assert sandbox.logins("ACME_TST") == 1
    assert sandbox.max_requests_in_any_span("ACME_TST", span) <= limit


def test_a_host_that_is_killed_while_it_reads_is_made_up_for_by_the_other(site: Site) -> None:
    one, two = site.host("one"), site.host("two")
    stuck = site.sandbox.faults.add(Fault(kind="slow", program="CRS620MI", nth=3, seconds=300))
    killed = one.start("run", "purchasing", "--json")
    wait_for("the page on which the first host is stuck", lambda: stuck.fired)
    kill(killed)
    site.sandbox.faults.clear()

    two.run("run", "purchasing")

    assert_equals_the_erp(site, two)
    assert site.sandbox.logins("ACME_TST") == 1, "the token of the dead host is still good"


def test_a_host_that_is_killed_while_it_delivers_is_made_up_for_without_reading_again(
    site: Site,
) -> None:
    one, two = site.host("one"), site.host("two")
    with Ledger.open(site.ledger_url) as ledger:
        # Holding the warehouse's lock keeps the first host in the middle of its first delivery.
        with FileLock(str(site.folder / "warehouse.duckdb.lock")):
            killed = one.start("run", "purchasing", "--json")
            wait_for(
                "the delivery that has begun",
                lambda: ledger.deliveries(states=[DeliveryState.STARTED]),
            )
            kill(killed)
        begun = ledger.deliveries(states=[DeliveryState.STARTED])
        staged = ledger.batch_ids("acme")
        asked = len(site.sandbox.requests("ACME_TST"))

        two.run("deliver", "purchasing")

        assert len(site.sandbox.requests("ACME_TST")) == asked, "what is staged is not read again"
        assert ledger.batch_ids("acme") == staged
        done = ledger.deliveries(batch_ids=[one.batch_id for one in begun])
        assert [(one.state, one.attempts) for one in done] == [(DeliveryState.DONE, 2)]

    two.run("run", "purchasing")
    assert_equals_the_erp(site, two)


def kill(process: "subprocess.Popen[str]") -> None:
    os.kill(process.pid, 9)
    process.communicate()
    assert process.returncode == -9
