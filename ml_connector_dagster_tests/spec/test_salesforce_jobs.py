"""Bulk API 2.0 jobs: they outlive tokens and processes, and every row ends with an answer (reference §5 row 2)."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ml_connector_dagster.destinations.applications.contract import Portion, Status, Ticket
from ml_connector_dagster.destinations.salesforce.ingest import Ingest
from ml_connector_dagster.model.errors import ContractError, TransientError
from ml_connector_dagster.sandbox.salesforce import Fault, OrgOptions, SalesforceSandbox
from ml_connector_dagster_tests.spec.salesforce_org import (
    ORDERS,
    SUPPLIERS,
    Sent,
    furnish,
    opened,
    order,
    send,
    send_portion,
    supplier,
    transport_of,
)


@pytest.fixture(scope="module")
def _org() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox.start(OrgOptions(bulk_polls=3)) as org:
        yield org


@pytest.fixture
def org(_org: SalesforceSandbox) -> SalesforceSandbox:
    _org.reset()
    furnish(_org, SUPPLIERS, ORDERS)
    return _org


class Killed(BaseException):
    """What a killed process looks like from inside."""


def test_a_job_is_five_calls_and_polls_however_many_rows(org: SalesforceSandbox) -> None:
    with opened(org, bulk_threshold=0) as application:
        changes = [
            supplier(number, Name=None if number % 1000 == 7 else "n") for number in range(5000)
        ]
        [portion] = application.target.plan(SUPPLIERS, changes)
        sent = Sent()
        send_portion(application, SUPPLIERS, portion, sent)
    assert portion.calls == 5
    assert len(sent.of(Status.ACCEPTED)) == 4995
    assert sent.of(Status.REJECTED) == {f"SUP-acme/100/{number}" for number in range(7, 5000, 1000)}
    polls = org.requests("GET", "jobs/ingest/[^/]+$")
    assert len(org.requests()) - len(polls) == 5


def test_the_upload_names_its_columns_in_one_order_and_parents_by_key(
    org: SalesforceSandbox,
) -> None:
    with opened(org, bulk_threshold=0) as application:
        send(application, SUPPLIERS, [supplier(1)])
        sent = send(application, ORDERS, [order(2, 1), order(1, 1)])
    assert len(sent.of(Status.ACCEPTED)) == 2
    upload = org.requests("PUT")[-1]
    header, first, *_ = upload.body.decode().split("\n")
    columns = header.split(",")
    assert columns[0] == "ERP_Id__c"
    assert columns[-1] == "Account__r.ERP_Id__c"
    assert columns[1:-1] == sorted(columns[1:-1])
    assert first.startswith("acme/100/1,#N/A,")
    assert upload.headers["content-type"] == "text/csv; charset=UTF-8"


def test_a_token_that_dies_while_a_job_is_polled_costs_one_login(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="expired", method="GET", path="jobs/ingest", nth=2))
    with opened(org, bulk_threshold=0) as application:
        sent = send(application, SUPPLIERS, map(supplier, range(10)))
    assert len(sent.of(Status.ACCEPTED)) == 10
    assert org.identity.logins == 2


@pytest.mark.parametrize("deadly", ["complete", "poll", "results"])
def test_a_killed_process_leaves_a_job_that_the_next_one_collects(
    org: SalesforceSandbox, deadly: str
) -> None:
    ids = [f"SUP-acme/100/{number}" for number in range(20)]
    sent = Sent()
    with opened(org, bulk_threshold=0) as application:
        [portion] = application.target.plan(SUPPLIERS, list(map(supplier, range(20))))
        ticket = Ticket(id="t", remember=sent.jobs.append)
        if deadly == "results":
            answers = application.target.write(SUPPLIERS, portion, ticket)
            next(iter(answers))  # and nobody writes them down
        else:
            _die_at(org, deadly)
            with pytest.raises(TransientError):
                list(application.target.write(SUPPLIERS, portion, ticket))
    org.faults.clear()
    [job] = sent.jobs
    with opened(org) as application:
        for answers in application.target.collect(SUPPLIERS, job, ids):
            sent.calls.append(answers)
    assert sent.of(Status.ACCEPTED) == set(ids)
    assert len(org.rows("Account")) == 20
    assert len(org.bulk.jobs) == 1


def _die_at(org: SalesforceSandbox, deadly: str) -> None:
    """From here on the process hears nothing any more; the call at hand is carried out."""
    # Create, upload, complete, poll: the fault of the last one is not seen by the other.
    method, after = {"complete": ("PATCH", 3), "poll": ("GET", 4)}[deadly]
    org.faults.add(Fault(kind="lost", method=method, path="jobs/ingest"))
    org.faults.add(Fault(kind="cut", path="jobs/ingest", nth=after, times=None))


def test_a_process_killed_between_a_job_and_its_data_leaves_nothing_to_collect(
    org: SalesforceSandbox,
) -> None:
    def die(job_id: str) -> None:
        raise Killed

    with opened(org, bulk_threshold=0) as application:
        [portion] = application.target.plan(SUPPLIERS, [supplier(1)])
        with pytest.raises(Killed):
            list(application.target.write(SUPPLIERS, portion, Ticket(id="t", remember=die)))
        [job] = org.bulk.jobs
        assert list(application.target.collect(SUPPLIERS, job, ["SUP-acme/100/1"])) == []
        assert org.bulk.jobs[job].state == "Aborted"
        gone = "750Sb000000000000AAA"
        assert list(application.target.collect(SUPPLIERS, gone, ["SUP-acme/100/1"])) == []


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "batches"), ("PATCH", "ingest"), ("GET", "failedResults")]
)
def test_an_answer_lost_on_the_way_of_a_job_changes_nothing(
    org: SalesforceSandbox, method: str, path: str
) -> None:
    org.faults.add(Fault(kind="lost", method=method, path=path))
    changes = [supplier(1), supplier(2, Name=None)]
    with opened(org, bulk_threshold=0) as application:
        sent = send(application, SUPPLIERS, changes)
    assert sent.of(Status.ACCEPTED) == {"SUP-acme/100/1"}
    assert sent.of(Status.REJECTED) == {"SUP-acme/100/2"}


def test_a_job_that_fails_midway_answers_for_what_it_did(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="job_failed", size=15))
    sent = Sent()
    with (
        opened(org, bulk_threshold=0) as application,
        pytest.raises(TransientError, match="Retried more than 10 times"),
    ):
        send(application, SUPPLIERS, map(supplier, range(40)), sent)
    assert len(sent.of(Status.ACCEPTED)) == 15
    assert len(org.rows("Account")) == 15


def test_a_job_over_a_hidden_field_says_so(org: SalesforceSandbox) -> None:
    org.schema.rights.hidden.add("Account.ERP_Buyer__c")
    with (
        opened(org, bulk_threshold=0) as application,
        pytest.raises(ContractError, match=r"Field name not found : ERP_Buyer__c.*not visible"),
    ):
        send(application, SUPPLIERS, [supplier(1)])


def test_a_job_that_takes_too_long_goes_on_without_us(org: SalesforceSandbox) -> None:
    stuck = org.faults.add(Fault(kind="job_stuck"))
    sent = Sent()
    with (
        opened(org, bulk_threshold=0, job_timeout_seconds=0.01) as application,
        pytest.raises(TransientError, match="collected by the next delivery"),
    ):
        send(application, SUPPLIERS, [supplier(1)], sent)
    stuck.released.set()
    with opened(org) as application:
        [[written]] = application.target.collect(SUPPLIERS, sent.jobs[0], ["SUP-acme/100/1"])
    assert written.status is Status.ACCEPTED


def test_rows_that_go_again_get_no_answer_from_a_collected_job(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="record", key="/2$"))
    sent = Sent()
    with opened(org, bulk_threshold=0) as application:
        [portion] = application.target.plan(SUPPLIERS, [supplier(1), supplier(2)])
        _die_at(org, "complete")
        with pytest.raises(TransientError):
            send_portion(application, SUPPLIERS, portion, sent)
        org.faults.clear()
        ids = [one.external_id for one in portion.changes]
        collected = [
            one for call in application.target.collect(SUPPLIERS, sent.jobs[0], ids) for one in call
        ]
    assert [one.external_id for one in collected] == ["SUP-acme/100/1"]


def test_uploads_are_cut_before_they_are_too_large(
    org: SalesforceSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_connector_dagster.destinations.salesforce.target.MOST_BYTES", 4000)
    with opened(org, bulk_threshold=0) as application:
        changes = [supplier(number, Name="n" * 200) for number in range(50)]
        portions = application.target.plan(SUPPLIERS, changes)
        assert len(portions) > 3
        assert sum(len(one.changes) for one in portions) == 50
        sent = send(application, SUPPLIERS, changes)
    assert len(sent.of(Status.ACCEPTED)) == 50
    assert all(len(one.body) <= 4000 for one in org.requests("PUT"))


def test_the_way_is_chosen_by_size(org: SalesforceSandbox) -> None:
    with opened(org, bulk_threshold=3) as application:
        plan = application.target.plan
        assert [one.route for one in plan(SUPPLIERS, list(map(supplier, range(3))))] == [
            "collections"
        ]
        assert [one.route for one in plan(SUPPLIERS, list(map(supplier, range(4))))] == ["bulk"]
        assert plan(SUPPLIERS, []) == ()


def test_a_plan_does_not_depend_on_the_order_of_the_changes(org: SalesforceSandbox) -> None:
    changes = [order(number, number % 7) for number in range(500)]
    with opened(org, bulk_threshold=100_000) as application:
        once: tuple[Portion, ...] = application.target.plan(ORDERS, changes)
        assert application.target.plan(ORDERS, changes[::-1]) == once


def test_an_aborted_job_does_nothing_more(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="job_stuck"))
    with transport_of(org) as transport:
        ingest = Ingest(transport)
        job_id = ingest.create("Account", "ERP_Id__c")
        ingest.upload(job_id, b"ERP_Id__c,Name\nSUP-1,One\n")
        assert ingest.job(job_id).state == "InProgress"
        ingest.abort(job_id)
        assert ingest.job(job_id).state == "Aborted"
    assert org.rows("Account") == []


def test_carriage_returns_do_not_break_the_upload(org: SalesforceSandbox) -> None:
    change = replace(supplier("a\r\nb"), fields={"Name": "one\r\ntwo\rthree"})
    placement = replace(SUPPLIERS, fields={"Name": SUPPLIERS.fields["Name"]})
    with opened(org, bulk_threshold=0) as application:
        sent = send(application, placement, [change])
    assert sent.of(Status.ACCEPTED) == {change.external_id}
    assert [row["Name"] for row in org.rows("Account")] == ["one\ntwo\nthree"]
