"""Records through Collections and Bulk: the right one, once, with its reason (reference §1.1, §1.2, §5 rows 3 to 5)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ml_connector_dagster.config.mappings import EntityMapping
from ml_connector_dagster.destinations.applications.contract import (
    Change,
    ChangeKind,
    FieldValue,
    Link,
    Placement,
    Status,
)
from ml_connector_dagster.destinations.applications.placements import mapped_entity
from ml_connector_dagster.destinations.salesforce.calls import chains
from ml_connector_dagster.model.errors import ContractError, CredentialError, TransientError
from ml_connector_dagster.sandbox.salesforce import (
    DuplicateRule,
    Fault,
    OrgOptions,
    SalesforceSandbox,
)
from ml_connector_dagster_tests.spec.salesforce_org import (
    ORDERS,
    SUPPLIERS,
    Sent,
    furnish,
    opened,
    order,
    send,
    supplier,
)


HOSTILE_KEYS = (
    "A/1",
    "A#1",
    "A?1",
    "A%1",
    "A%2F1",
    "A+1",
    "A&b=1",
    "..",
    "http://x",
    "A\n1",
    "A\u20281",
    "A\u00851",
    'A"1',
    "A'1",
    "A\\1",
    "A,1",
    "A_1",
    "😀",
    "a",
    "A",
    "#N/A?",
)
#: Thresholds that send everything by one way.
WAYS = {"collections": 100_000, "bulk": 0}


@pytest.fixture(scope="module")
def _org() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox.start() as org:
        yield org


@pytest.fixture
def org(_org: SalesforceSandbox) -> SalesforceSandbox:
    """Suppliers and purchase orders can be written."""
    _org.reset()
    furnish(_org, SUPPLIERS, ORDERS)
    return _org


@pytest.mark.parametrize("way", WAYS)
def test_hostile_keys_reach_exactly_their_records(org: SalesforceSandbox, way: str) -> None:
    changes = [supplier(key, Name=f"Name of {key!a}") for key in HOSTILE_KEYS]
    with opened(org, bulk_threshold=WAYS[way]) as application:
        sent = send(application, SUPPLIERS, changes)
        again = send(application, SUPPLIERS, changes)
        ids = [one.external_id for one in changes]
        found = list(application.target.find(SUPPLIERS, external_ids=ids, prefix=""))
    stored = org.by_key("Account")
    assert set(stored) == set(ids)
    for change in changes:
        row = stored[change.external_id]
        assert row["Name"] == change.fields["Name"]
        assert sent.answers[change.external_id].remote_id == row["Id"]
        assert again.answers[change.external_id].remote_id == row["Id"]
    assert {one.external_id: one.values["Name"] for one in found} == {
        one.external_id: one.fields["Name"] for one in changes
    }


@pytest.mark.parametrize("way", WAYS)
def test_the_error_report_names_hostile_keys_as_they_are(org: SalesforceSandbox, way: str) -> None:
    changes = [supplier(key, Name=None) for key in HOSTILE_KEYS] + [supplier("good")]
    with opened(org, bulk_threshold=WAYS[way]) as application:
        sent = send(application, SUPPLIERS, changes)
    assert sent.of(Status.REJECTED) == {f"SUP-acme/100/{key}" for key in HOSTILE_KEYS}
    assert sent.of(Status.ACCEPTED) == {"SUP-acme/100/good"}
    for one in sent.answers.values():
        if one.status is Status.REJECTED:
            assert one.reason == "REQUIRED_FIELD_MISSING: Required fields are missing: [Name]"


@pytest.mark.parametrize("way", WAYS)
def test_values_arrive_as_they_are_and_null_clears(org: SalesforceSandbox, way: str) -> None:
    values: dict[str, FieldValue] = {
        "Order_Date__c": date(2026, 2, 28),
        "Net_Amount__c": Decimal("123456789012.345678"),
        "Our_Reference__c": 'line\nbreak, "quotes"; é 😀 \u2028.',
        "ERP_Deleted_At__c": datetime(2026, 11, 21, 9, 30, 15, 250_000, tzinfo=UTC),
        "Status__c": "Ordered",
    }
    with opened(org, bulk_threshold=WAYS[way]) as application:
        send(application, SUPPLIERS, [supplier(1)])
        send(application, ORDERS, [order(7, 1, **values)])
        [full] = application.target.find(ORDERS, external_ids=["acme/100/7"], prefix="")
        cleared = replace(order(7, 1), links={"Account__c": None})
        send(application, ORDERS, [cleared])
        [empty] = application.target.find(ORDERS, external_ids=["acme/100/7"], prefix="")
    seconds = datetime(2026, 11, 21, 9, 30, 15, tzinfo=UTC)  # the org keeps no fractions
    assert {name: full.values[name] for name in values} == values | {"ERP_Deleted_At__c": seconds}
    assert full.values["Account__c"] == "SUP-acme/100/1"
    assert {name for name, value in empty.values.items() if value is not None} == {"Name"}
    assert full.remote_id == empty.remote_id


@pytest.mark.parametrize("way", WAYS)
def test_a_missing_parent_is_a_matter_of_its_record(org: SalesforceSandbox, way: str) -> None:
    with opened(org, bulk_threshold=WAYS[way]) as application:
        send(application, SUPPLIERS, [supplier(1)])
        changes = [order(1, 1), order(2, "nowhere"), order(3, 1)]
        sent = send(application, ORDERS, changes)
        assert sent.of(Status.ACCEPTED) == {"acme/100/1", "acme/100/3"}
        reason = sent.answers["acme/100/2"].reason
        assert reason.startswith("INVALID_FIELD: Foreign key external ID: SUP-acme/100/nowhere")
        send(application, SUPPLIERS, [supplier("nowhere")])
        after = send(application, ORDERS, changes[1:2])
    assert after.of(Status.ACCEPTED) == {"acme/100/2"}


@pytest.mark.parametrize(("way", "most"), [("collections", 50), ("bulk", 10)])
def test_ten_thousand_changed_accounts_are_fifty_calls_or_one_job(
    org: SalesforceSandbox, way: str, most: int
) -> None:
    changes = [supplier(number, Phone=str(number)) for number in range(10_000)]
    with opened(org, bulk_threshold=WAYS[way]) as application:
        sent = send(application, SUPPLIERS, changes)
    assert len(sent.of(Status.ACCEPTED)) == 10_000
    polls = org.requests("GET", "jobs/ingest/[^/]+$")
    assert len(org.requests()) - len(polls) <= most


def test_exactly_the_locked_records_are_sent_again(org: SalesforceSandbox) -> None:
    for key in ("/17$", "/42$", "/99$"):
        org.faults.add(Fault(kind="record", key=key))
    with opened(org) as application:
        sent = send(application, SUPPLIERS, map(supplier, range(200)))
    assert len(sent.of(Status.ACCEPTED)) == 200
    first, second = org.requests("PATCH", "composite")
    assert first.body.count(b"attributes") == 200
    assert second.body.count(b"attributes") == 3


def test_a_lock_that_stays_is_the_records_reason_after_our_patience(
    org: SalesforceSandbox,
) -> None:
    org.faults.add(Fault(kind="record", key="/1$", times=None))
    with opened(org, retry_seconds=0.01) as application:
        sent = send(application, SUPPLIERS, [supplier(1), supplier(2)])
    assert sent.of(Status.ACCEPTED) == {"SUP-acme/100/2"}
    assert sent.answers["SUP-acme/100/1"].reason.startswith("UNABLE_TO_LOCK_ROW: unable to obtain")


def test_too_many_batch_retries_are_met_with_smaller_calls(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="chunk", size=50, times=None))
    with opened(org) as application:
        sent = send(application, SUPPLIERS, map(supplier, range(200)))
    assert len(sent.of(Status.ACCEPTED)) == 200
    sizes = [one.body.count(b"attributes") for one in org.requests("PATCH", "composite")]
    assert sizes == [200, 100, 100, 50, 50, 50, 50]


def test_locks_inside_a_job_are_settled_record_by_record(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="record", key="/(3|5)$", times=2))
    with opened(org, bulk_threshold=0) as application:
        sent = send(application, SUPPLIERS, map(supplier, range(9)))
    assert len(sent.of(Status.ACCEPTED)) == 9
    [call] = org.requests("PATCH", "composite")
    assert call.body.count(b"attributes") == 2


def test_no_parent_is_in_two_calls_at_once() -> None:
    with SalesforceSandbox.start(_slow_writes()) as org:
        furnish(org, SUPPLIERS, ORDERS)
        with opened(org, workers=8) as application:
            send(application, SUPPLIERS, map(supplier, range(4)))
            sizes = (450, 120, 60, 30)  # children of each parent
            orders = [
                order(f"{parent}-{number}", parent)
                for parent, size in enumerate(sizes)
                for number in range(size)
            ]
            before = len(org.requests("PATCH"))
            sent = send(application, ORDERS, orders)
            calls = len(org.requests("PATCH")) - before
    # The stand-in refuses at once what finds its parent locked; it was asked no more than planned.
    assert len(sent.of(Status.ACCEPTED)) == sum(sizes)
    assert calls == sum(map(len, chains(ORDERS, orders))) == 5


def test_a_duplicate_rule_refuses_unless_the_connection_overrules_it(
    org: SalesforceSandbox,
) -> None:
    org.add_duplicate_rule("Account", DuplicateRule(fields=("Name",)))
    twins = [supplier(1, Name="Acme"), supplier(2, Name="Acme")]
    with opened(org) as application:
        sent = send(application, SUPPLIERS, twins)
    assert sent.of(Status.REJECTED) == {"SUP-acme/100/2"}
    assert sent.answers["SUP-acme/100/2"].reason == "DUPLICATES_DETECTED: Use one of these records?"
    for threshold in WAYS.values():
        with opened(org, allow_duplicates=True, bulk_threshold=threshold) as application:
            sent = send(application, SUPPLIERS, [*twins, supplier(threshold + 3, Name="Acme")])
        assert len(sent.of(Status.ACCEPTED)) == 3


def test_a_call_refused_as_a_whole_is_cut_until_the_culprit_is_alone(
    org: SalesforceSandbox,
) -> None:
    # A text where a date belongs does not parse, and takes its whole call with it.
    orders = [order(number, 1) for number in range(64)]
    culprit = order(33, 1, Order_Date__c="yesterday")
    orders[33] = culprit
    with opened(org) as application:
        send(application, SUPPLIERS, [supplier(1)])
        sent = send(application, ORDERS, orders)
    assert sent.of(Status.REJECTED) == {culprit.external_id}
    assert len(sent.of(Status.ACCEPTED)) == 63
    assert "JSON_PARSER_ERROR" in sent.answers[culprit.external_id].reason


def test_an_error_of_all_records_is_not_searched_for_in_each(org: SalesforceSandbox) -> None:
    orders = [order(number, 1, Order_Date__c="yesterday") for number in range(200)]
    with opened(org) as application, pytest.raises(ContractError, match="JSON_PARSER_ERROR"):
        send(application, ORDERS, orders)
    assert len(org.requests("PATCH", "composite")) <= 30


def test_the_reason_of_a_refused_record_is_salesforces_own(org: SalesforceSandbox) -> None:
    org.schema.rights.read_only.add("Account.Phone")
    changes = [
        supplier(1, Name="x" * 300),
        supplier(2, ERP_Role__c="Friend"),
        replace(supplier(3), fields={"Name": "n", "Phone": "1"}),
    ]
    without_phone = [
        replace(one, fields={k: v for k, v in one.fields.items() if k != "Phone"})
        for one in changes[:2]
    ]
    with opened(org) as application:
        answers = send(application, SUPPLIERS, [*without_phone, changes[2]]).answers
    assert "STRING_TOO_LONG: Account Name: data value too large" in answers["SUP-acme/100/1"].reason
    assert (
        "(Name)" not in answers["SUP-acme/100/1"].reason
        or "max length=255" in answers["SUP-acme/100/1"].reason
    )
    assert answers["SUP-acme/100/2"].reason == (
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST: ERP role: bad value for restricted picklist field: Friend "
        "(ERP_Role__c)"
    )
    assert "Unable to create/update fields: Phone" in answers["SUP-acme/100/3"].reason


@pytest.mark.parametrize("kind", ["lost", "half", "page"])
def test_an_answer_lost_after_the_write_doubles_nothing(org: SalesforceSandbox, kind: str) -> None:
    org.faults.add(Fault(kind=kind, method="PATCH", path="composite"))
    with opened(org) as application:
        sent = send(application, SUPPLIERS, map(supplier, range(10)))
    assert len(sent.of(Status.ACCEPTED)) == 10
    assert len(org.rows("Account")) == 10
    first = 0 if kind == "lost" else 200
    assert [one.status for one in org.requests("PATCH", "composite")] == [first, 200]


def test_what_was_answered_before_an_error_is_not_lost(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="limit", method="PATCH", path="composite", nth=3, times=None))
    sent = Sent()
    with (
        opened(org, workers=1) as application,
        pytest.raises(TransientError, match="REQUEST_LIMIT_EXCEEDED") as raised,
    ):
        send(application, SUPPLIERS, map(supplier, range(1000)), sent)
    assert len(sent.of(Status.ACCEPTED)) == 400
    assert "delivered later" in str(raised.value)


def test_a_delivery_stops_at_the_usage_ceiling(org: SalesforceSandbox) -> None:
    org.used = org.options.daily_requests * 9 // 10
    sent = Sent()
    with opened(org, usage_ceiling=0.5) as application:
        application.structure.describe(["Account"])
        [budget] = application.target.usage().budgets
        assert budget.ceiling == 50_000
        assert budget.used == 90_001
        with pytest.raises(TransientError, match="usage_ceiling leaves 50% of them to others"):
            send(application, SUPPLIERS, [supplier(1)], sent)
    assert not sent.calls


def test_an_object_out_of_reach_says_which_rights_to_give(org: SalesforceSandbox) -> None:
    org.schema.rights.objects.pop("ERP_PO__c")
    with opened(org) as application, pytest.raises(ContractError, match="ml-connector setup shows"):
        send(application, ORDERS, [order(1, 1)])
    org.faults.add(
        Fault(kind="status", status=403, code="API_DISABLED_FOR_ORG", message="API is not enabled")
    )
    with opened(org) as application, pytest.raises(CredentialError, match="permission set"):
        send(application, SUPPLIERS, [supplier(1)])


def test_a_prefix_finds_its_records_and_no_others(org: SalesforceSandbox) -> None:
    keys = ("SUP-a_b/1", "SUP-axb/1", "SUP-a%b/1", "SUP-A_B/1", "SUP-a_b/2")
    changes = [replace(supplier(0), external_id=key) for key in keys]
    with opened(org) as application:
        send(application, SUPPLIERS, changes)
        found = application.target.find(SUPPLIERS, external_ids=None, prefix="SUP-a_b/")
        assert {one.external_id for one in found} == {"SUP-a_b/1", "SUP-a_b/2"}
        totals = application.census.count(
            SUPPLIERS, prefix="SUP-a_b/", numbers=(), deleted_field="ERP_Deleted_At__c"
        )
    assert (totals.rows, totals.deleted, totals.duplicates) == (2, 0, 0)


def test_many_keys_are_looked_up_in_queries_that_fit_a_url(org: SalesforceSandbox) -> None:
    keys = [f"{number:05}-{'é' * 60}" for number in range(300)]
    with opened(org) as application:
        send(application, SUPPLIERS, map(supplier, keys))
        ids = [f"SUP-acme/100/{key}" for key in keys]
        found = list(application.target.find(SUPPLIERS, external_ids=ids, prefix=""))
    assert {one.external_id for one in found} == set(ids)
    assert all(one.status == 200 for one in org.requests("GET", "query"))


def test_totals_are_exact_and_leave_out_what_is_deleted(org: SalesforceSandbox) -> None:
    gone = datetime(2026, 1, 1, tzinfo=UTC)
    with opened(org) as application:
        send(application, SUPPLIERS, [supplier(1)])
        send(
            application,
            ORDERS,
            [
                order(1, 1, Net_Amount__c=Decimal("0.1")),
                order(2, 1, Net_Amount__c=Decimal("123456789012.2")),
                order(3, 1, Net_Amount__c=Decimal("99"), ERP_Deleted_At__c=gone),
                order(4, 1),
            ],
        )
        count = application.census.count
        totals = count(
            ORDERS, prefix="acme/", numbers=["Net_Amount__c"], deleted_field="ERP_Deleted_At__c"
        )
        none = count(ORDERS, prefix="other/", numbers=["Net_Amount__c"], deleted_field="")
        missing = replace(ORDERS, object="Nowhere__c")
        nothing = count(missing, prefix="acme/", numbers=["Net_Amount__c"], deleted_field="")
    assert (totals.rows, totals.deleted) == (4, 1)
    assert totals.sums == {"Net_Amount__c": Decimal("123456789012.3")}
    assert (none.rows, none.sums) == (0, {"Net_Amount__c": Decimal(0)})
    assert (nothing.rows, nothing.sums) == (0, {"Net_Amount__c": Decimal(0)})


def test_tasks_are_found_by_their_key_and_hang_on_the_account_by_its_id(
    org: SalesforceSandbox,
) -> None:
    placement = _styled("task")
    furnish(org, placement)
    for threshold in WAYS.values():
        with opened(org, bulk_threshold=threshold) as application:
            [account] = send(application, SUPPLIERS, [supplier(1)]).answers.values()
            sent = send(application, placement, [_note_or_task(placement, account.remote_id)])
        assert len(sent.of(Status.ACCEPTED)) == 1
        [task] = org.rows("Task")
        assert task["WhatId"] == account.remote_id
        assert task["ERP_Id__c"] == "acme/100/I1"


@pytest.mark.parametrize("kind", ["lost", "half"])
def test_notes_are_created_once_updated_by_id_and_never_blindly_repeated(
    org: SalesforceSandbox, kind: str
) -> None:
    placement = _styled("note")
    with opened(org) as application:
        [account] = send(application, SUPPLIERS, [supplier(1)]).answers.values()
        new = _note_or_task(placement, account.remote_id)
        org.faults.add(Fault(kind=kind, method="POST", path="composite"))
        sent = send(application, placement, [new])
        assert sent.of(Status.UNKNOWN) == {"acme/100/I1"}, "it may be there: look, do not repeat"
        [found] = application.target.find(placement, external_ids=["acme/100/I1"], prefix="")
        [note] = org.rows("Note")
        assert found.remote_id == note["Id"]
        changed = replace(
            new, kind=ChangeKind.UPDATE, remote_id=found.remote_id, fields={"Body": "paid"}
        )
        assert send(application, placement, [changed]).of(Status.ACCEPTED) == {"acme/100/I1"}
        assert [row["Body"] for row in org.rows("Note")] == ["paid"]
        gone = replace(changed, remote_id="002Sb0000000zzzzzz")
        assert send(application, placement, [gone]).of(Status.GONE) == {"acme/100/I1"}


def _styled(style: str) -> Placement:
    flow = {"supplier_invoices": EntityMapping(style=style)}
    return mapped_entity("salesforce", "supplier_invoices", flow).placement


def _note_or_task(placement: Placement, account: str) -> Change:
    parent = Link(
        object="Account", key_field="ERP_Id__c", external_id="SUP-acme/100/1", remote_id=account
    )
    fields: dict[str, FieldValue] = dict.fromkeys(placement.fields)
    if placement.object == "Task":
        fields |= {"Subject": "I1", "Status": "Not Started", "Priority": "Normal"}
    else:
        fields |= {"Body": "due"}
    link = next(iter(placement.links))
    return Change(
        kind=ChangeKind.CREATE, external_id="acme/100/I1", fields=fields, links={link: parent}
    )


def _slow_writes() -> OrgOptions:
    return OrgOptions(write_seconds=0.05)
