"""Monday.com as a target: which way changes go, and what is found, taken over, cleared and archived."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from ml_connector_dagster.config.mappings import EntityMapping
from ml_connector_dagster.destinations.applications.checks import mapping_problems
from ml_connector_dagster.destinations.applications.contract import (
    Application,
    Change,
    ChangeKind,
    FieldKind,
    Link,
    Status,
    Ticket,
    Written,
)
from ml_connector_dagster.destinations.applications.placements import mapped_entity
from ml_connector_dagster.destinations.applications.structures import find_gaps, wanted_shapes
from ml_connector_dagster.model.errors import (
    ConfigError,
    ContractError,
    CredentialError,
    TransientError,
)
from ml_connector_dagster.sandbox.monday import Fault, MondaySandbox
from ml_connector_dagster_tests.spec.monday_account import (
    Waits,
    account,
    board_called,
    calls_of,
    items_by_key,
    opened,
    order,
    placement_of,
    set_up,
    supplier,
    text_in,
    write,
)


SUPPLIERS = placement_of("suppliers")
ORDERS = placement_of("purchase_orders")
SUBITEMS = placement_of(
    "purchase_order_lines", purchase_order_lines=EntityMapping(style="subitems")
)


@pytest.fixture
def sandbox() -> Iterator[MondaySandbox]:
    with account() as running:
        yield running


@pytest.fixture
def opening(sandbox: MondaySandbox) -> Iterator[tuple[Application, Waits]]:
    """The account with boards for suppliers and their orders."""
    with opened(sandbox, ingest_threshold=40) as (application, waits):
        set_up(application, SUPPLIERS, ORDERS)
        yield application, waits


@pytest.fixture
def application(opening: tuple[Application, Waits]) -> Application:
    return opening[0]


def many(number: int, **fields: str) -> list[Change]:
    """Changes that are more than a mutation takes."""
    return [supplier(f"K{n}", **fields) for n in range(number)]


def updated(changes: Sequence[Change], answers: dict[str, Written], **fields: str) -> list[Change]:
    """The same records, with other values."""
    return [
        supplier(one.external_id, ChangeKind.UPDATE, answers[one.external_id].remote_id, **fields)
        for one in changes
    ]


def archiving(answers: dict[str, Written]) -> list[Change]:
    return [
        Change(kind=ChangeKind.ARCHIVE, external_id=key, remote_id=one.remote_id)
        for key, one in answers.items()
    ]


def statuses(answers: dict[str, Written]) -> set[Status]:
    return {one.status for one in answers.values()}


# Which way


def test_few_go_by_mutations_and_many_as_a_file(application: Application) -> None:
    few = application.target.plan(SUPPLIERS, many(40))
    much = application.target.plan(SUPPLIERS, many(41))

    assert [(one.route, len(one.changes)) for one in few] == [("mutations", 25), ("mutations", 15)]
    assert [(one.route, len(one.changes)) for one in much] == [("import", 41)]
    assert sum(one.calls for one in few) == 3  # a look-up for the new ones


def test_a_file_has_at_most_10_000_rows(application: Application) -> None:
    portions = application.target.plan(SUPPLIERS, many(20_001))

    assert [len(one.changes) for one in portions] == [10_000, 10_000, 1]
    assert sum(one.calls for one in portions) <= 3 + 12


def test_a_plan_is_the_same_for_the_same_changes(application: Application) -> None:
    changes = [*many(60), supplier("odd", Buyer="<NULL>")]

    assert application.target.plan(SUPPLIERS, changes) == application.target.plan(
        SUPPLIERS, changes
    )


def test_a_text_that_would_clear_a_cell_of_a_file_goes_by_mutation(
    sandbox: MondaySandbox, application: Application
) -> None:
    answers = write(application, SUPPLIERS, [*many(60), supplier("odd", Buyer="<NULL>")])

    assert statuses(answers) == {Status.ACCEPTED}
    assert text_in(items_by_key(sandbox, "Suppliers")["odd"][0], "Buyer") == "<NULL>"
    assert (sandbox.uploads, len(calls_of(sandbox, "create_item"))) == (1, 1)


def test_flags_and_subitems_are_never_sent_as_a_file(application: Application) -> None:
    flags = replace(SUPPLIERS, fields={**SUPPLIERS.fields, "Buyer": FieldKind.FLAG})

    assert {one.route for one in application.target.plan(flags, many(60))} == {"mutations"}
    assert {one.route for one in application.target.plan(SUBITEMS, many(60))} == {"mutations"}


# Mutations


def test_values_of_every_kind_arrive_and_come_back(
    sandbox: MondaySandbox, application: Application
) -> None:
    made = write(application, SUPPLIERS, [supplier("S1", Name="Acme")])["S1"].remote_id
    fields = {
        "Order date": date(2026, 2, 28),
        "Net amount": Decimal("12345678901234.560000"),
        "Currency": "SEK",
    }

    write(application, ORDERS, [order("P1", made, "S1", **fields)])

    (item,) = items_by_key(sandbox, "Purchase orders")["P1"]
    assert text_in(item, "Supplier") == "Acme"
    assert text_in(item, "Net amount") == "12345678901234.56"
    (found,) = application.target.find(ORDERS, external_ids=["P1"], prefix="")
    assert found.values["Order date"] == date(2026, 2, 28)
    assert found.values["Net amount"] == Decimal("12345678901234.56")
    assert found.values["Status"] == "Ordered"
    assert found.values["Buyer"] is None


@pytest.mark.parametrize("number", [3, 60], ids=["mutations", "file"])
def test_null_clears_a_column_both_ways(
    sandbox: MondaySandbox, application: Application, number: int
) -> None:
    changes = many(number, Buyer="ANNA", Country="SE")
    answers = write(application, SUPPLIERS, changes)

    cleared = updated(changes, answers, Country="NO")
    assert statuses(write(application, SUPPLIERS, cleared, "second")) == {Status.ACCEPTED}

    items = [items[0] for items in items_by_key(sandbox, "Suppliers").values()]
    assert {(text_in(item, "Buyer"), text_in(item, "Country")) for item in items} == {("", "NO")}
    assert len(items) == number


def test_an_update_changes_the_name_too(sandbox: MondaySandbox, application: Application) -> None:
    changes = [supplier("K")]
    answers = write(application, SUPPLIERS, changes)

    write(application, SUPPLIERS, updated(changes, answers, Name="New name"), "second")

    assert [item.name for item in board_called(sandbox, "Suppliers").active] == ["New name"]


def test_an_item_that_is_gone_is_said_to_be_gone(
    sandbox: MondaySandbox, application: Application
) -> None:
    changes = [supplier("K1"), supplier("K2")]
    answers = write(application, SUPPLIERS, changes)
    sandbox.account.delete(sandbox.account.item(answers["K1"].remote_id))

    second = write(application, SUPPLIERS, updated(changes, answers, Buyer="ANNA"), "second")

    assert second["K1"].status is Status.GONE
    assert second["K2"].status is Status.ACCEPTED


def test_archived_items_leave_the_board_and_archiving_again_is_no_failure(
    sandbox: MondaySandbox, application: Application
) -> None:
    answers = write(application, SUPPLIERS, many(30))

    assert statuses(write(application, SUPPLIERS, archiving(answers), "a")) == {Status.ACCEPTED}
    assert statuses(write(application, SUPPLIERS, archiving(answers), "b")) == {Status.ACCEPTED}

    assert board_called(sandbox, "Suppliers").active == []
    assert list(application.target.find(SUPPLIERS, external_ids=["K1"], prefix="")) == []
    assert len(calls_of(sandbox, "archive_item")) == 4


@pytest.mark.parametrize("somebody_was_faster", [False, True])
def test_many_items_are_archived_by_a_job(
    sandbox: MondaySandbox, application: Application, somebody_was_faster: bool
) -> None:
    answers = write(application, SUPPLIERS, many(60))
    if somebody_was_faster:
        sandbox.account.archive(sandbox.account.item(answers["K7"].remote_id))

    archived = write(application, SUPPLIERS, archiving(answers), "a")

    assert board_called(sandbox, "Suppliers").active == []
    assert len(calls_of(sandbox, "bulk_archive_items")) == 1
    # A job does not say which items it missed: the engine looks them up.
    assert statuses(archived) == {Status.UNKNOWN if somebody_was_faster else Status.ACCEPTED}


def test_an_archiving_whose_answer_is_lost_is_asked_for_again(
    sandbox: MondaySandbox, application: Application
) -> None:
    answers = write(application, SUPPLIERS, many(60))
    sandbox.faults.add(Fault(kind="lost", field="bulk_archive_items"))

    assert statuses(write(application, SUPPLIERS, archiving(answers), "a")) == {Status.ACCEPTED}
    assert len(sandbox.jobs.archivings) == 1


# What is there already


def test_an_item_that_has_the_key_already_is_taken_over(sandbox: MondaySandbox) -> None:
    with opened(sandbox) as (application, _):
        set_up(application, SUPPLIERS)
        first = write(application, SUPPLIERS, [supplier("K", Name="old")])

    with opened(sandbox) as (application, _):  # another installation, which knows nothing
        second = write(application, SUPPLIERS, [supplier("K", Name="new"), supplier("L")])

    assert second["K"].remote_id == first["K"].remote_id
    assert sorted(item.name for item in board_called(sandbox, "Suppliers").active) == [
        "Supplier L",
        "new",
    ]


def test_new_keys_are_looked_up_together(sandbox: MondaySandbox) -> None:
    """Reference §2.3: 1,000 new rows by mutations are 40 calls, and the look-ups 1 more."""
    with opened(sandbox, ingest_threshold=2_000) as (application, _):
        set_up(application, SUPPLIERS)

        write(application, SUPPLIERS, many(1_000))

    assert len(calls_of(sandbox, "create_item")) == 40
    assert len(calls_of(sandbox, "items_page_by_column_values")) == 1


@pytest.mark.parametrize("archives", [False, True])
def test_of_items_with_one_key_the_oldest_counts_and_the_others_are_reported(
    sandbox: MondaySandbox, caplog: pytest.LogCaptureFixture, archives: bool
) -> None:
    with opened(sandbox, archive_duplicates=archives) as (application, _):
        set_up(application, SUPPLIERS)
        first = write(application, SUPPLIERS, [supplier("K")])
        board = board_called(sandbox, "Suppliers")
        cells = items_by_key(sandbox, "Suppliers")["K"][0].cells
        for _ in range(2):  # somebody copied it
            sandbox.account.create_item(board, "copy", {}).cells = dict(cells)

        second = write(application, SUPPLIERS, [supplier("K", Name="new")], "second")

        assert second["K"].remote_id == first["K"].remote_id
        assert "1 keys are on several items" in caplog.text
        found = list(application.target.find(SUPPLIERS, external_ids=["K"], prefix=""))
        assert found[0].remote_id == first["K"].remote_id
        assert len(found) == (1 if archives else 3)
        totals = application.census.count(SUPPLIERS, prefix="", numbers=[], deleted_field="")
        assert (totals.rows, totals.duplicates) == ((1, 0) if archives else (3, 1))


def test_all_of_a_prefix_are_found_page_by_page(application: Application) -> None:
    keys = [f"A/{number}" for number in range(700)] + ["B/1", "AB/1"]
    write(application, SUPPLIERS, [supplier(key) for key in keys])

    found = [
        one.external_id
        for one in application.target.find(SUPPLIERS, external_ids=None, prefix="A/")
    ]

    assert sorted(found) == sorted(keys[:700])


def test_a_census_counts_and_adds_up(application: Application) -> None:
    made = write(application, SUPPLIERS, [supplier("S1")])["S1"].remote_id
    amounts = ["0.1", "0.2", "-12345678901.234567"]
    orders = [
        order(f"A/{n}", made, "S1", **{"Net amount": Decimal(amount)})
        for n, amount in enumerate(amounts)
    ]
    write(application, ORDERS, [*orders, order("B/1", made, "S1")])

    totals = application.census.count(ORDERS, prefix="A/", numbers=["Net amount"], deleted_field="")

    assert (totals.rows, totals.deleted, totals.duplicates) == (3, 0, 0)
    assert totals.sums == {"Net amount": Decimal("-12345678900.934567")}


# Files


def test_10_000_rows_are_imported_with_few_calls(
    sandbox: MondaySandbox, application: Application
) -> None:
    """Reference §5 row 9. An unknown label is a row's failure, not the job's, and its row is found in the report."""
    changes = many(9_990) + [supplier(f"BAD{n}", Status="No such label") for n in range(10)]
    already = len(sandbox.calls)

    answers = write(application, SUPPLIERS, changes)

    accepted = {key for key, one in answers.items() if one.status is Status.ACCEPTED}
    assert accepted == {change.external_id for change in changes[:9_990]}
    assert all("doesn't exist" in answers[f"BAD{n}"].reason for n in range(10))
    held = items_by_key(sandbox, "Suppliers")
    assert {key: str(items[0].id) for key, items in held.items()} == {
        key: answers[key].remote_id for key in accepted
    }
    calls = [call for call in sandbox.calls[already:] if "fetch_job_status" not in call.fields]
    assert len(calls) <= 10


def test_an_import_updates_what_is_there(sandbox: MondaySandbox, application: Application) -> None:
    changes = many(60)
    answers = write(application, SUPPLIERS, changes)

    again = write(application, SUPPLIERS, updated(changes, answers, Buyer="ANNA"), "second")

    assert {key: one.remote_id for key, one in again.items()} == {
        key: one.remote_id for key, one in answers.items()
    }
    assert len(board_called(sandbox, "Suppliers").active) == 60
    assert sandbox.uploads == 2


def test_an_imported_item_that_is_not_found_at_once_is_looked_for_again() -> None:
    with account(search_lag=3) as slow, opened(slow, ingest_threshold=40) as (application, waits):
        set_up(application, SUPPLIERS)

        answers = write(application, SUPPLIERS, many(60))

        assert statuses(answers) == {Status.ACCEPTED}
        assert waits.seconds


def test_an_imported_item_that_stays_hidden_is_unknown() -> None:
    with account(search_lag=600) as slow, opened(slow, ingest_threshold=40) as (application, _):
        set_up(application, SUPPLIERS)

        assert statuses(write(application, SUPPLIERS, many(60))) == {Status.UNKNOWN}


def test_an_import_that_breaks_down_is_unknown(
    sandbox: MondaySandbox, application: Application
) -> None:
    sandbox.faults.add(Fault(kind="broken_job", field="upload", rows=20))

    answers = write(application, SUPPLIERS, many(60))

    assert statuses(answers) == {Status.UNKNOWN}
    assert "INTERNAL_ERROR" in answers["K1"].reason
    assert len(board_called(sandbox, "Suppliers").active) == 20


def test_a_report_that_cannot_be_read_makes_its_rows_unknown(
    sandbox: MondaySandbox, application: Application
) -> None:
    sandbox.faults.add(Fault(kind="html", field="report", status=403))

    answers = write(application, SUPPLIERS, [*many(60), supplier("BAD", Status="No such label")])

    assert statuses(answers) == {Status.UNKNOWN}


def test_a_file_that_arrives_although_its_answer_is_lost_is_imported_once(
    sandbox: MondaySandbox, application: Application
) -> None:
    sandbox.faults.add(Fault(kind="lost", field="upload"))

    assert statuses(write(application, SUPPLIERS, many(60))) == {Status.ACCEPTED}
    assert len(board_called(sandbox, "Suppliers").active) == 60


def test_a_file_that_does_not_arrive_is_a_passing_failure(
    sandbox: MondaySandbox, application: Application
) -> None:
    sandbox.faults.add(Fault(kind="refused", field="upload", times=None))

    with pytest.raises(TransientError, match="nothing was imported"):
        write(application, SUPPLIERS, many(60))


def test_the_limit_of_the_hour_is_a_passing_failure() -> None:
    with (
        account(imported_per_hour=100) as busy,
        opened(busy, ingest_threshold=40) as (application, _),
    ):
        set_up(application, SUPPLIERS)
        write(application, SUPPLIERS, many(60))

        with pytest.raises(TransientError, match="19,000 an hour"):
            write(application, SUPPLIERS, [supplier(f"L{n}") for n in range(60)], "second")


def test_a_full_board_refuses_and_says_what_to_do() -> None:
    with (
        account(items_per_board=50) as full,
        opened(full, ingest_threshold=40) as (application, _),
    ):
        set_up(application, SUPPLIERS)

        answers = write(application, SUPPLIERS, many(60))

        assert statuses(answers) == {Status.REJECTED}
        assert "give the entity a filter" in answers["K1"].reason


def test_a_job_of_a_process_that_died_is_collected(
    sandbox: MondaySandbox, application: Application
) -> None:
    jobs: list[str] = []
    (portion,) = application.target.plan(SUPPLIERS, many(60))
    ticket = Ticket(id="t", remember=jobs.append)
    next(iter(application.target.write(SUPPLIERS, portion, ticket)))  # and then it dies

    with opened(sandbox) as (another, _):
        keys = [change.external_id for change in portion.changes]
        collected = [
            one for part in another.target.collect(SUPPLIERS, jobs[0], keys) for one in part
        ]

    assert {one.external_id for one in collected} == set(keys)
    assert {one.status for one in collected} == {Status.ACCEPTED}
    held = items_by_key(sandbox, "Suppliers")
    assert all(str(held[one.external_id][0].id) == one.remote_id for one in collected)


def test_a_job_that_never_got_its_file_answers_nothing(
    sandbox: MondaySandbox, application: Application
) -> None:
    class Died(Exception):
        pass

    jobs: list[str] = []

    def die(job_id: str) -> None:
        jobs.append(job_id)
        raise Died

    (portion,) = application.target.plan(SUPPLIERS, many(60))
    with pytest.raises(Died):
        list(application.target.write(SUPPLIERS, portion, Ticket(id="t", remember=die)))

    assert list(application.target.collect(SUPPLIERS, jobs[0], ["K1"])) == []
    assert list(application.target.collect(SUPPLIERS, "no-such-job", ["K1"])) == []
    assert sandbox.uploads == 0


# Subitems


def line(key: str, parent: str, **fields: str) -> Change:
    """A line of an order, as a subitem of its item."""
    values = dict.fromkeys(SUBITEMS.fields) | {"Name": f"line {key}"} | fields
    link = Link(object="Purchase orders", key_field="ERP key", external_id="P", remote_id=parent)
    return Change(
        kind=ChangeKind.CREATE,
        external_id=key,
        fields=values,
        links={"Parent item": link if parent else None},
    )


def test_lines_stand_under_their_order_as_subitems(
    sandbox: MondaySandbox, application: Application
) -> None:
    set_up(application, SUBITEMS)
    supplier_item = write(application, SUPPLIERS, [supplier("S")])["S"].remote_id
    orders = write(application, ORDERS, [order(key, supplier_item, "S") for key in ("P1", "P2")])

    lines = [
        *(line(f"P1/{n}", orders["P1"].remote_id) for n in range(30)),
        line("P2/0", orders["P2"].remote_id, Unit="PCE"),
    ]
    answers = write(application, SUBITEMS, lines)

    assert statuses(answers) == {Status.ACCEPTED}
    parent = sandbox.account.item(orders["P1"].remote_id)
    assert len(sandbox.account.subitems(parent)) == 30
    (found,) = application.target.find(SUBITEMS, external_ids=["P2/0"], prefix="")
    assert found.values["Unit"] == "PCE"
    changed = replace(lines[-1], kind=ChangeKind.UPDATE, remote_id=answers["P2/0"].remote_id)
    changed = replace(changed, fields={**changed.fields, "Unit": "KG"})
    assert statuses(write(application, SUBITEMS, [changed], "second")) == {Status.ACCEPTED}
    (found,) = application.target.find(SUBITEMS, external_ids=["P2/0"], prefix="")
    assert found.values["Unit"] == "KG"
    write(application, ORDERS, archiving({"P1": orders["P1"]}), "third")
    assert statuses(write(application, SUBITEMS, archiving(answers), "fourth")) == {Status.ACCEPTED}


def test_a_line_without_its_order_is_refused(application: Application) -> None:
    set_up(application, SUBITEMS)

    answers = write(application, SUBITEMS, [line("P1/1", "")])

    assert answers["P1/1"].status is Status.REJECTED
    assert "needs an item above it" in answers["P1/1"].reason


# Boards


def test_setup_makes_what_is_missing_and_nothing_twice(
    sandbox: MondaySandbox, application: Application
) -> None:
    before = [(board.id, list(board.columns)) for board in sandbox.account.boards.values()]

    set_up(application, SUPPLIERS, ORDERS)

    assert [(board.id, list(board.columns)) for board in sandbox.account.boards.values()] == before
    facts = application.structure.describe(["Suppliers", "Purchase orders", "Nowhere"])
    assert sorted(facts) == ["Purchase orders", "Suppliers"]
    fields = facts["Purchase orders"].fields
    assert fields["Supplier"].links_to == ("Suppliers",)
    assert fields["ERP key"].key
    assert (fields["Name"].required, fields["Name"].length) == (True, 255)
    assert fields["Net amount"].kind is FieldKind.NUMBER
    assert facts["Suppliers"].url.startswith("http")


def test_labels_are_added_and_those_of_people_stay(
    sandbox: MondaySandbox, application: Application
) -> None:
    board = board_called(sandbox, "Suppliers")
    (column,) = [one for one in board.columns.values() if one.title == "Status"]
    sandbox.account.set_labels(column, [{"label": "Ours", "index": 7, "color": "done_green"}])

    set_up(application, SUPPLIERS)

    assert [label.label for label in column.labels] == [
        "Ours", "Preliminary", "Active", "Blocked", "Other",
    ]  # fmt: skip


def test_who_may_not_change_the_structure_is_told_what_to_make() -> None:
    with account(can_change_structure=False) as strict, opened(strict) as (application, _):
        with pytest.raises(CredentialError, match="unauthorized"):
            set_up(application, SUPPLIERS)

        text = application.structure.by_hand([SUPPLIERS.shape])

        assert "Board 'Suppliers' with the columns:" in text
        assert "Status (status with the labels Preliminary, Active, Blocked, Other)" in text


def test_two_boards_of_one_name_are_not_guessed_between(
    sandbox: MondaySandbox, application: Application
) -> None:
    sandbox.account.create_board("Suppliers", empty=True)

    with opened(sandbox) as (another, _), pytest.raises(ConfigError, match="2 boards called"):
        another.structure.describe(["Suppliers"])


def test_a_workspace_tells_boards_of_one_name_apart(sandbox: MondaySandbox) -> None:
    sandbox.account.create_board("Suppliers", empty=True)

    with opened(sandbox, workspace_id="77") as (application, _):
        set_up(application, SUPPLIERS)
        assert "ERP key" in application.structure.describe(["Suppliers"])["Suppliers"].fields

    assert [board.workspace_id for board in sandbox.account.boards.values()] == [None, "77"]


def test_setup_makes_the_groups_that_mappings_name(
    sandbox: MondaySandbox, application: Application
) -> None:
    made = mapped_entity("monday", "suppliers", {"suppliers": EntityMapping(group="From the ERP")})
    structure = application.structure
    (gap,) = find_gaps(structure, wanted_shapes([made]))
    assert "Suppliers · group From the ERP" in gap.missing
    assert "the group 'From the ERP'" in structure.by_hand([gap.wanted])
    (problem,) = mapping_problems(made, structure.describe(["Suppliers"])["Suppliers"])
    assert "has no group 'From the ERP'" in problem

    structure.create(gap.wanted)

    (gap,) = find_gaps(structure, wanted_shapes([made]))
    assert gap.missing == ()
    assert not list(mapping_problems(made, structure.describe(["Suppliers"])["Suppliers"]))


def test_a_group_is_chosen_by_its_title(sandbox: MondaySandbox, application: Application) -> None:
    board = board_called(sandbox, "Suppliers")
    sandbox.account.create_group(board, "From the ERP")
    placed = placement_of("suppliers", suppliers=EntityMapping(group="From the ERP"))
    nowhere = placement_of("suppliers", suppliers=EntityMapping(group="From teh ERP"))

    with opened(sandbox) as (another, _):
        write(another, placed, [supplier("K")])
        with pytest.raises(ConfigError, match="did you mean 'From the ERP'"):
            write(another, nowhere, [supplier("L")])

    assert [item.group.title for item in board.active] == ["From the ERP"]


# Limits


def test_the_share_of_the_day_that_is_ours_is_not_exceeded() -> None:
    with account(tier="free") as small, opened(small, usage_ceiling=0.012) as (application, _):
        set_up(application, SUPPLIERS)  # more than the 12 calls that are ours

        with pytest.raises(TransientError, match="usage_ceiling"):
            write(application, SUPPLIERS, [supplier("K")])

        (budget,) = application.target.usage().budgets
        assert (budget.limit, budget.ceiling) == (1_000, 12)
        assert budget.used >= 12
        assert board_called(small, "Suppliers").active == []


def test_the_calls_of_others_count_too(sandbox: MondaySandbox) -> None:
    for _ in range(50):
        sandbox.limits.enter()
        sandbox.limits.leave()

    with opened(sandbox) as (application, _):
        application.structure.describe(["Suppliers"])
        (budget,) = application.target.usage().budgets

    assert budget.used >= 51


def test_an_answer_in_another_shape_stops_the_delivery(
    sandbox: MondaySandbox, application: Application
) -> None:
    write(application, SUPPLIERS, [supplier("K")])
    board = board_called(sandbox, "Suppliers")
    (column,) = [one for one in board.columns.values() if one.title == "Buyer"]
    del board.columns[column.id]

    with pytest.raises(ContractError, match="left out column"):
        list(application.target.find(SUPPLIERS, external_ids=["K"], prefix=""))
