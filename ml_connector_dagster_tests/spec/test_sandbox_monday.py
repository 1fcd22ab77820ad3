"""The stand-in of Monday.com refuses what the real one would refuse, and fails when it is told to."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from graphql import BreakingChange, build_schema, find_breaking_changes
from monday_sdk import MondayClient

from ml_connector_dagster.sandbox import monday
from ml_connector_dagster.sandbox.monday import Fault, MondayOptions, MondaySandbox
from ml_connector_dagster_tests.spec.monday_calls import (
    CREATE,
    INGEST,
    NEXT,
    PAGE,
    SEARCH,
    STATUS,
    MondayCaller,
)


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def options() -> MondayOptions:
    return MondayOptions(now=NOON)


@pytest.fixture
def account(options: MondayOptions) -> Iterator[MondaySandbox]:
    with MondaySandbox.start(options) as running:
        yield running


@pytest.fixture
def call(account: MondaySandbox) -> MondayCaller:
    return MondayCaller(account)


def sized(**changes: Any) -> pytest.MarkDecorator:
    """An account with other options than usual."""
    return pytest.mark.parametrize("options", [MondayOptions(now=NOON, **changes)], ids=[""])


def missing(subset: str, official: str) -> list[BreakingChange]:
    """What the subset has and the official schema has not."""
    found = find_breaking_changes(build_schema(subset), build_schema(official))
    return [change for change in found if not change.type.name.startswith("DIRECTIVE")]


def test_the_schema_is_a_subset_of_the_official_one(shared_folder: Path) -> None:
    ours = Path(monday.__file__).with_name("schema.graphql").read_text()
    official = (shared_folder / "contracts" / "monday.graphql").read_text()

    assert missing(ours, official) == []
    planted = ours.replace("item_name: String!", "item_title: String!", 1)
    assert {change.description for change in missing(planted, official)} == {
        "A required arg item_name on Mutation.create_item was added.",
        "Mutation.create_item arg item_title was removed.",
    }


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Authorization": "other"}, 401, "NOT_AUTHENTICATED"),
        ({"Authorization": "Bearer eyJhbGciOiJIUzI1NiJ9"}, 401, "NOT_AUTHENTICATED"),
        ({"API_Version": "2026-08"}, 200, "InvalidVersionException"),
    ],
)
def test_token_and_version_are_checked(
    call: MondayCaller, headers: dict[str, str], status: int, code: str
) -> None:
    answer = call.post("{ me { id } }", **headers)

    assert answer.status_code == status
    assert answer.json()["errors"][0]["extensions"]["code"] == code


def test_an_import_needs_version_2026_07(call: MondayCaller) -> None:
    variables = {"b": call.board()}

    assert call.codes(INGEST, variables, API_Version="2026-04") == ["GRAPHQL_VALIDATION_FAILED"]
    assert call.codes(INGEST, variables, API_Version="2026-07") == []


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("text", "a", None),
        ("text", {"text": "a"}, "ColumnValueException"),
        ("numbers", "12.50", None),
        ("numbers", "12,50", "ColumnValueException"),
        ("numbers", "NaN", "ColumnValueException"),
        ("date", {"date": "2026-02-28"}, None),
        ("date", {"date": "2026-02-30"}, "ColumnValueException"),
        ("date", {"date": "28.02.2026"}, "ColumnValueException"),
        ("long_text", {"text": "a\nb"}, None),
        ("email", {"email": "a@b.se", "text": "a"}, None),
        ("email", {"email": "a@b.se"}, "ColumnValueException"),
        ("email", {"email": "nobody", "text": "a"}, "ColumnValueException"),
        ("phone", {"phone": "+4681234567", "countryShortName": "SE"}, None),
        ("phone", {"phone": "call me", "countryShortName": "SE"}, "ColumnValueException"),
        ("checkbox", {"checked": "true"}, None),
        ("checkbox", "true", "ColumnValueException"),
        ("link", {"url": "https://a.se", "text": "a"}, None),
        ("link", {"url": "a.se", "text": "a"}, "ColumnValueException"),
        ("board_relation", {"item_ids": [1]}, "ColumnValueException"),
        ("status", {"label": "Done"}, None),
        ("status", {"label": "done"}, "ColumnValueException"),
        ("status", {"index": 99}, "ColumnValueException"),
        ("text", None, None),
        ("status", None, None),
    ],
)
def test_values_are_checked_by_the_type_of_their_column(
    call: MondayCaller, kind: str, value: Any, code: str | None
) -> None:
    board = call.board(col=kind)

    found = call.codes(CREATE, {"b": board, "n": "x", "v": json.dumps({"col": value})})

    assert found == ([] if code is None else [code])


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"n": ""}, "ItemNameTooLongException"),
        ({"n": "x" * 256}, "ItemNameTooLongException"),
        ({"v": {"erp_key": "an object, not a text"}}, "JsonParseException"),
        ({"v": "{"}, "JsonParseException"),
        ({"v": '{"nowhere": "x"}'}, "InvalidColumnIdException"),
        ({"b": "1"}, "InvalidBoardIdException"),
    ],
)
def test_what_makes_no_sense_is_refused(
    call: MondayCaller, variables: dict[str, Any], code: str
) -> None:
    good = {"b": call.board(), "n": "x", "v": None}

    assert call.codes(CREATE, good | variables) == [code]


def test_labels_appear_when_asked_for_and_allowed(call: MondayCaller) -> None:
    board = call.board(state="status")
    add = CREATE.replace("column_values: $v", "column_values: $v, create_labels_if_missing: true")
    value = {"b": board, "n": "x", "v": json.dumps({"state": {"label": "Waiting"}})}

    assert call.codes(CREATE, value) == ["ColumnValueException"]
    assert call.codes(add, value) == []
    assert call.codes(CREATE, value) == []


@sized(can_change_structure=False)
def test_the_structure_needs_the_right(call: MondayCaller) -> None:
    query = 'mutation { create_board(board_kind: public, board_name: "B") { id } }'

    assert call.codes(query) == ["UserUnauthorizedException"]


def test_labels_are_changed_at_their_revision_and_not_taken_from_items(call: MondayCaller) -> None:
    board = call.board(state="status")
    call.item(board, state={"label": "Stuck"})
    update = """mutation ($b: ID!, $r: String!, $l: [UpdateStatusLabelInput!]!) { update_status_column(
      board_id: $b, id: "state", revision: $r, settings: {labels: $l}) { revision } }"""
    read = 'query ($b: [ID!]) { boards(ids: $b) { columns(ids: ["state"]) { revision settings } } }'
    (column,) = call.data(read, {"b": [board]})["boards"][0]["columns"]
    names = ("id", "label", "index", "color")
    labels = [{name: label[name] for name in names} for label in column["settings"]["labels"]]
    right = {"b": board, "r": column["revision"], "l": labels}

    assert call.codes(update, right | {"r": "ffff"}) == ["InvalidArgumentException"]
    assert call.codes(update, right | {"l": labels[:1]}) == ["InvalidArgumentException"]
    assert call.codes(update, right) == []


@sized(item_cost=10_000, complexity_per_minute=25_000)
def test_the_complexity_budget_runs_out_and_comes_back(
    account: MondaySandbox, call: MondayCaller
) -> None:
    board = call.board()  # 10,000 points for a board and a column
    account.clock.advance(seconds=61)
    call.item(board)
    account.clock.advance(seconds=20)
    call.item(board)

    refused = call.post(CREATE, {"b": board, "n": "x", "v": None})

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "40")
    extensions = refused.json()["errors"][0]["extensions"]
    assert extensions["code"] == "COMPLEXITY_BUDGET_EXHAUSTED"
    assert extensions["retry_in_seconds"] == 40
    assert extensions["complexity_budget_left"] == 5_000
    assert '"complexityMinute";r=5000;t=40' in refused.headers["RateLimit"]
    account.clock.advance(seconds=40)
    assert call.codes(CREATE, {"b": board, "n": "x", "v": None}) == []


def test_a_mutation_says_what_it_cost(call: MondayCaller) -> None:
    board = call.board()
    query = CREATE.replace("{ made:", "{ complexity { query before after } made:")

    cost = call.data(query, {"b": board, "n": "x", "v": None})["complexity"]

    assert cost["query"] == 10_000
    assert cost["before"] - cost["after"] == 10_000


def test_calls_of_a_minute_and_of_a_day_are_counted(account: MondaySandbox) -> None:
    call = MondayCaller(account)
    for _ in range(account.options.allowance.per_minute):
        account.limits.enter()
        account.limits.leave()

    refused = call.post("{ me { id } }")

    assert refused.status_code == 429
    assert refused.json()["errors"][0]["extensions"]["code"] == "RATE_LIMIT_EXCEEDED"
    assert '"minuteRate";r=0' in refused.headers["RateLimit"]
    for _ in range(4):
        account.clock.advance(seconds=61)
        for _ in range(account.options.allowance.per_minute):
            if account.limits.used_today < account.options.allowance.daily:
                account.limits.enter()
                account.limits.leave()
    account.clock.advance(seconds=61)
    assert call.codes("{ me { id } }") == ["DAILY_LIMIT_EXCEEDED"]
    account.clock.advance(hours=12)
    assert call.codes("{ me { id } }") == []


@sized(tier="free")
def test_only_so_many_calls_run_at_a_time(account: MondaySandbox, call: MondayCaller) -> None:
    for _ in range(40):
        account.limits.enter()

    assert call.codes("{ me { id } }") == ["maxConcurrencyExceeded"]


def test_an_idempotency_key_gives_the_same_answer_for_half_an_hour(
    account: MondaySandbox, call: MondayCaller
) -> None:
    board = call.board()
    variables = {"b": board, "n": "x", "v": None}

    first = call.post(CREATE, variables, Idempotency_Key="k")
    second = call.post(CREATE, variables | {"n": "y"}, Idempotency_Key="k")
    account.clock.advance(minutes=31)
    third = call.post(CREATE, variables, Idempotency_Key="k")

    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.json()["data"] == second.json()["data"]
    assert third.json()["data"] != first.json()["data"]
    assert len(account.account.boards[int(board)].active) == 2


def test_a_twin_of_a_running_mutation_is_refused(
    account: MondaySandbox, call: MondayCaller
) -> None:
    board = call.board()
    account.faults.add(Fault(kind="slow", field="create_item", delay=0.5))
    variables = {"b": board, "n": "x", "v": None}
    statuses: list[int] = []
    twins = [
        threading.Thread(
            target=lambda: statuses.append(
                call.post(CREATE, variables, Idempotency_Key="k").status_code
            )
        )
        for _ in range(2)
    ]
    for twin in twins:
        twin.start()
    for twin in twins:
        twin.join()

    assert sorted(statuses) == [200, 409]
    assert len(account.account.boards[int(board)].active) == 1


def test_pages_have_at_most_500_items_and_cursors_live_an_hour(
    account: MondaySandbox, call: MondayCaller
) -> None:
    board = call.board()
    for number in range(5):
        call.item(board, str(number))

    assert call.codes(PAGE, {"b": [board], "l": 501}) == ["InvalidArgumentException"]
    page = call.data(PAGE, {"b": [board], "l": 3})["boards"][0]["items_page"]
    rest = call.data(NEXT, {"c": page["cursor"], "l": 3})["page"]
    assert (len(page["items"]), len(rest["items"]), rest["cursor"]) == (3, 2, None)
    account.clock.advance(minutes=61)
    assert call.codes(NEXT, {"c": page["cursor"], "l": 3}) == ["CursorExpiredError"]


def test_items_by_id_come_25_at_a_time_and_100_at_most(call: MondayCaller) -> None:
    board = call.board()
    ids = [call.item(board) for _ in range(30)]
    query = "query ($i: [ID!]) { items(ids: $i) { id } }"

    assert len(call.data(query, {"i": ids})["items"]) == 25
    assert call.codes(query, {"i": ids * 4}) == ["InvalidArgumentException"]


@sized(search_lag=5)
def test_a_search_comes_late(account: MondaySandbox, call: MondayCaller) -> None:
    board = call.board()
    call.item(board, erp_key="K")
    wanted = {"b": board, "k": ["K"], "l": 10}

    assert call.data(SEARCH, wanted)["found"]["items"] == []
    account.clock.advance(seconds=5)
    assert len(call.data(SEARCH, wanted)["found"]["items"]) == 1
    assert call.codes(SEARCH, wanted | {"k": ["K"] * 101}) == ["InvalidArgumentException"]


def test_what_works_of_a_mutation_is_done(account: MondaySandbox, call: MondayCaller) -> None:
    board = call.board(due="date")
    query = "mutation ($b: ID!, $v: JSON) { " + " ".join(
        f'm{n}: create_item(board_id: $b, item_name: "{n}"{", column_values: $v" if n == 1 else ""}) {{ id }}'
        for n in range(3)
    )

    answer = call.post(query + " }", {"b": board, "v": '{"due": {"date": "soon"}}'}).json()

    assert [name for name, made in answer["data"].items() if made] == ["m0", "m2"]
    assert [error["path"] for error in answer["errors"]] == [["m1"]]
    assert len(account.account.boards[int(board)].active) == 2


def test_archived_items_leave_the_board_and_stay_by_id(call: MondayCaller) -> None:
    board = call.board()
    item = call.item(board, erp_key="K")
    call.data("mutation ($i: ID) { archive_item(item_id: $i) { id } }", {"i": item})

    assert call.data(SEARCH, {"b": board, "k": ["K"], "l": 1})["found"]["items"] == []
    shown = call.data("query ($i: [ID!]) { items(ids: $i) { state } }", {"i": [item]})
    assert shown["items"] == [{"state": "archived"}]
    change = """mutation ($b: ID!, $i: ID) { change_multiple_column_values(
      board_id: $b, item_id: $i, column_values: "{}") { id } }"""
    assert call.codes(change, {"b": board, "i": item}) == ["ResourceNotFoundException"]


def test_items_are_archived_in_bulk_by_a_job(account: MondaySandbox, call: MondayCaller) -> None:
    board = call.board()
    ids = [call.item(board) for _ in range(3)]
    made = call.data(
        "mutation ($b: ID!, $i: [ID!]!) { job: bulk_archive_items(board_id: $b, item_ids: $i) { job_id } }",
        {"b": board, "i": [*ids, "9"]},
    )
    status = (
        "query ($j: ID!) { job_status(job_id: $j) { status result { total succeeded failed } } }"
    )
    job = {"j": made["job"]["job_id"]}

    assert call.data(status, job)["job_status"]["status"] == "RUNNING"
    assert call.data(status, job)["job_status"] == {
        "status": "COMPLETED",
        "result": {"total": 4, "succeeded": 3, "failed": 1},
    }
    assert account.account.boards[int(board)].active == []


def test_subitems_stand_on_a_board_that_cannot_be_searched(call: MondayCaller) -> None:
    board = call.board()
    parent = call.item(board, "order")
    sub = call.data(
        'mutation ($p: ID!) { s: create_subitem(parent_item_id: $p, item_name: "line") { id board { id type } } }',
        {"p": parent},
    )["s"]

    assert sub["board"]["type"] == "sub_items_board"
    query = "query ($i: [ID!]) { items(ids: $i) { subitems { name } } }"
    assert call.data(query, {"i": [parent]})["items"] == [{"subitems": [{"name": "line"}]}]
    wanted = {"b": sub["board"]["id"], "k": ["K"], "l": 1}
    assert call.codes(SEARCH, wanted) == ["InvalidArgumentException"]


def imported(call: MondayCaller, board: str, content: str) -> dict[str, Any]:
    """An import of this file, at its end."""
    job = start_job(call, board)
    assert requests.put(job["upload_url"], data=content.encode(), timeout=30).status_code == 200
    call.data(STATUS, {"j": job["job_id"]})
    ended: dict[str, Any] = call.data(STATUS, {"j": job["job_id"]})["job"]
    return ended


def start_job(call: MondayCaller, board: str) -> dict[str, str]:
    match = {"match_column_id": "erp_key", "behaviour": "UPSERT"}
    job: dict[str, str] = call.data(INGEST, {"b": board, "m": match})["job"]
    return job


def test_an_import_updates_creates_and_reports(account: MondaySandbox, call: MondayCaller) -> None:
    board = call.board(state="status", note="text")
    call.item(board, "old", erp_key="K1", note="kept")
    call.item(board, "old", erp_key="K2", note="cleared")
    rows = [
        "name,erp_key,state,note",
        '"a ""b"", c",K1,Done,',
        "d,K2,Done,<NULL>",
        "new,K3,done,x",
        "new,K4,Stuck,y",
    ]

    job = imported(call, board, "\r\n".join(rows))

    assert job["status"] == "COMPLETED"
    assert {name: number for name, number in job["counts"].items() if number} == {
        "submitted": 4, "updated": 2, "created": 1, "invalid": 1,
    }  # fmt: skip
    notes = {
        item.name: item.cells["note"].text if "note" in item.cells else None
        for item in account.account.boards[int(board)].active
    }
    assert notes == {'a "b", c': "kept", "d": None, "new": "y"}
    report = requests.get(job["report_url"], timeout=30).text.splitlines()
    assert [line.split(",")[1] for line in report if "doesn't exist" in line] == ["K3"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("erp_key,name\r\nK,x", "INVALID_UPLOAD"),
        ("name,nowhere\r\nx,y", "INVALID_UPLOAD"),
        ("name,erp_key\r\nx", "INVALID_UPLOAD"),
        ("name\r\n" + "x\r\n" * 10_001, "INVALID_UPLOAD"),
    ],
)
def test_a_file_that_is_no_table_for_the_board_is_refused(
    call: MondayCaller, content: str, reason: str
) -> None:
    job = imported(call, call.board(), content)

    assert (job["status"], job["failure_reason"]) == ("REJECTED", reason)


@sized(items_per_board=3)
def test_a_full_board_takes_no_import(account: MondaySandbox, call: MondayCaller) -> None:
    board = call.board()
    rows = "name,erp_key\r\n" + "".join(f"x,K{number}\r\n" for number in range(4))

    assert imported(call, board, rows)["failure_reason"] == "BOARD_CAPACITY_EXCEEDED"
    for _ in range(3):
        call.item(board)
    assert call.codes(CREATE, {"b": board, "n": "x", "v": None}) == ["ItemsLimitationException"]


@sized(imported_per_hour=190)
def test_imports_are_limited_by_the_hour(account: MondaySandbox, call: MondayCaller) -> None:
    board = call.board()
    rows = "name,erp_key\r\n" + "".join(f"x,K{number}\r\n" for number in range(96))
    assert imported(call, board, rows)["status"] == "COMPLETED"

    assert imported(call, board, rows)["failure_reason"] == "ACCOUNT_CAPACITY_EXCEEDED"
    account.clock.advance(minutes=61)
    assert imported(call, board, rows)["status"] == "COMPLETED"
    for _ in range(99):
        start_job(call, board)
    assert call.codes(INGEST, {"b": board}) == ["RATE_LIMIT_EXCEEDED"]


def test_links_to_files_are_signed_and_short_lived(
    account: MondaySandbox, call: MondayCaller
) -> None:
    url = start_job(call, call.board())["upload_url"]
    token = {"Authorization": account.options.token}

    assert requests.put(url, data=b"name", headers=token, timeout=30).status_code == 400
    assert requests.put(url[:-1], data=b"name", timeout=30).status_code == 403
    account.clock.advance(minutes=11)
    assert requests.put(url, data=b"name", timeout=30).status_code == 403


@pytest.mark.parametrize("kind", ["lost", "lost_500", "cut"])
def test_an_answer_is_lost_after_the_work_is_done(
    account: MondaySandbox, call: MondayCaller, kind: Any
) -> None:
    board = call.board()
    account.faults.add(Fault(kind=kind, field="create_item"))
    variables = {"b": board, "n": "x", "v": None}

    try:
        answer = call.post(CREATE, variables)
    except requests.RequestException:
        pass
    else:
        assert answer.status_code == 500

    assert len(account.account.boards[int(board)].active) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="html", status=502),
        Fault(kind="status", status=423, code="RESOURCE_LOCKED", retry_after=3),
        Fault(kind="refused"),
    ],
    ids=lambda fault: fault.kind,
)
def test_a_fault_comes_before_anything_is_done(
    account: MondaySandbox, call: MondayCaller, fault: Fault
) -> None:
    board = call.board()
    account.faults.add(fault)
    variables = {"b": board, "n": "x", "v": None}

    if fault.kind == "refused":
        with pytest.raises(requests.ConnectionError):
            call.post(CREATE, variables)
    else:
        assert call.post(CREATE, variables).status_code == fault.status

    assert account.account.boards[int(board)].active == []


def test_a_person_sees_boards_groups_and_items(account: MondaySandbox, call: MondayCaller) -> None:
    board = call.board(state="status")
    call.item(board, "<Acme & Co>", state={"label": "Done"})

    boards = requests.get(f"{account.url}/_monday", timeout=30).text
    shown = requests.get(f"{account.url}/_monday/boards/{board}", timeout=30).text

    assert f'href="/_monday/boards/{board}"' in boards
    for text in ("&lt;Acme &amp; Co&gt;", "Group Title", ">Done<"):
        assert text in shown


def test_the_library_as_shipped_doubles_a_batch_with_one_bad_row(
    account: MondaySandbox, call: MondayCaller, capsys: pytest.CaptureFixture[str]
) -> None:
    """Why there is a transport of ours: reference saas-destinations §2.1, case 3."""
    board = call.board(due="date")
    client = MondayClient(token=account.options.token, headers={"API-Version": "2026-10"})
    client._graphql_client.endpoint = f"{account.url}/v2"
    items = " ".join(
        f'm{n}: create_item(board_id: {board}, item_name: "{n}"'
        + (', column_values: "{\\"due\\": \\"soon\\"}"' if n == 4 else "")
        + ") { id }"
        for n in range(5)
    )

    with pytest.raises(Exception, match="failed after 4 attempts"):
        client.custom.execute_custom_query(f"mutation {{ {items} }}")

    assert len(account.account.boards[int(board)].active) == 16  # not 4
    assert "Error while executing query" in capsys.readouterr().out
