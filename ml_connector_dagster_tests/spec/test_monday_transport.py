"""What the client library gets wrong, the transport below it gets right (reference saas-destinations §2.1, §5 rows 6 to 8)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ml_connector_dagster.destinations.applications.contract import (
    Application,
    ChangeKind,
    Status,
)
from ml_connector_dagster.destinations.monday.answers import Setback, judge
from ml_connector_dagster.destinations.monday.api import MondayApi
from ml_connector_dagster.destinations.monday.questions import Question
from ml_connector_dagster.destinations.monday.transport import Patience
from ml_connector_dagster.model.errors import (
    ConfigError,
    ContractError,
    CredentialError,
    OutcomeUnknownError,
    TransientError,
)
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.monday import Fault, MondaySandbox
from ml_connector_dagster_tests.spec.monday_account import (
    Waits,
    account,
    board_called,
    calls_of,
    items_by_key,
    opened,
    placement_of,
    set_up,
    supplier,
    write,
)


SUPPLIERS = placement_of("suppliers")
HOSTILE = (
    'Acme "Best" Ltd',
    "back\\slash \\n",
    "two\nlines\tand a tab",
    "{braces} $n0 #hash %s %(x)s",
    "é ü 漢字 \U0001f600 \u2028",
    'x", column_values:"{}") { id } z: create_item(board_id: 1, item_name: "evil',
    "';--<script>alert(1)</script>",
)


@pytest.fixture
def sandbox() -> Iterator[MondaySandbox]:
    with account() as running:
        yield running


@pytest.fixture
def opening(sandbox: MondaySandbox) -> Iterator[tuple[Application, Waits]]:
    """The account with a board for suppliers."""
    with opened(sandbox) as (application, waits):
        set_up(application, SUPPLIERS)
        yield application, waits


def api_of(sandbox: MondaySandbox, waits: Waits, **changes: Any) -> MondayApi:
    """The API alone."""
    patience = Patience(request=5.0, retries=300.0, job=600.0)
    given = {"address": f"{sandbox.url}/v2", "token": Secret(sandbox.options.token)} | changes
    return MondayApi(
        given["address"],
        given["token"],
        given.get("api_version", "2026-07"),
        given.get("patience", patience),
        pause=waits.pause,
        clock=waits.now,
    )


def names_on(sandbox: MondaySandbox) -> list[str]:
    return sorted(item.name for item in board_called(sandbox, "Suppliers").active)


def test_hostile_names_are_stored_to_the_letter(
    sandbox: MondaySandbox, opening: tuple[Application, Waits]
) -> None:
    application, _ = opening
    changes = [supplier(f"K{n}", Name=name, Buyer=name) for n, name in enumerate(HOSTILE)]

    answers = write(application, SUPPLIERS, changes)

    assert {one.status for one in answers.values()} == {Status.ACCEPTED}
    assert names_on(sandbox) == sorted(HOSTILE)
    found = application.target.find(SUPPLIERS, external_ids=list(answers), prefix="")
    assert {one.values["Buyer"] for one in found} == set(HOSTILE)


@pytest.mark.parametrize("key", ["a/b", 'a"b', "a\\b", "a#?%..", "A", "a", "two\nlines", "漢"])
def test_hostile_keys_are_found_again(opening: tuple[Application, Waits], key: str) -> None:
    application, _ = opening
    answers = write(application, SUPPLIERS, [supplier(one) for one in {"A", "a", key}])

    (found,) = application.target.find(SUPPLIERS, external_ids=[key], prefix="")

    assert (found.external_id, found.remote_id) == (key, answers[key].remote_id)


def test_values_are_never_in_the_text_of_a_query(
    sandbox: MondaySandbox, opening: tuple[Application, Waits]
) -> None:
    application, _ = opening

    write(application, SUPPLIERS, [supplier("K-in-no-query", Name="N-in-no-query")])
    list(application.target.find(SUPPLIERS, external_ids=["K-in-no-query"], prefix=""))

    assert not [call for call in sandbox.calls if "in-no-query" in call.query]


def test_one_bad_row_of_25_is_reported_and_the_others_are_written_once(
    sandbox: MondaySandbox, opening: tuple[Application, Waits]
) -> None:
    application, _ = opening
    changes = [supplier(f"K{number}") for number in range(24)]
    changes.insert(7, supplier("BAD", Status="No such label"))

    answers = write(application, SUPPLIERS, changes)

    assert answers["BAD"].status is Status.REJECTED
    assert "This status label doesn't exist" in answers["BAD"].reason
    assert len(calls_of(sandbox, "create_item")) == 1
    assert sorted(items_by_key(sandbox, "Suppliers")) == sorted(f"K{n}" for n in range(24))


@pytest.mark.parametrize("kind", ["lost", "lost_500", "cut"])
def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    sandbox: MondaySandbox, opening: tuple[Application, Waits], kind: Any
) -> None:
    application, _ = opening
    sandbox.faults.add(Fault(kind=kind, field="create_item"))

    answers = write(application, SUPPLIERS, [supplier(f"K{number}") for number in range(25)])

    first, second = calls_of(sandbox, "create_item")
    assert first.idempotency_key == second.idempotency_key
    assert second.replayed
    assert {one.status for one in answers.values()} == {Status.ACCEPTED}
    assert len(board_called(sandbox, "Suppliers").active) == 25


def test_a_slow_answer_is_not_waited_for_for_ever(sandbox: MondaySandbox) -> None:
    with opened(sandbox, request_timeout_seconds=0.3) as (application, _):
        set_up(application, SUPPLIERS)
        sandbox.faults.add(Fault(kind="slow", field="create_item", delay=0.6))

        answers = write(application, SUPPLIERS, [supplier("K")])

    assert answers["K"].status is Status.ACCEPTED
    assert len(board_called(sandbox, "Suppliers").active) == 1


def test_an_answer_that_stays_lost_is_unknown(
    sandbox: MondaySandbox, opening: tuple[Application, Waits]
) -> None:
    application, waits = opening
    sandbox.faults.add(Fault(kind="lost", field="create_item", times=None))

    answers = write(application, SUPPLIERS, [supplier("K")])

    assert answers["K"].status is Status.UNKNOWN
    assert sum(waits.seconds) <= 300
    assert len(board_called(sandbox, "Suppliers").active) == 1


@pytest.mark.parametrize(
    ("fault", "waited"),
    [
        (Fault(kind="status", status=429, code="RATE_LIMIT_EXCEEDED", retry_after=17), [17.0]),
        (
            Fault(kind="status", status=429, code="FIELD_LIMIT_EXCEEDED", retry_in_seconds=15),
            [15.0],
        ),
        (Fault(kind="status", status=429, code="", times=2), [1.0, 2.0]),
        (Fault(kind="status", status=423, code="RESOURCE_LOCKED", retry_after=4), [4.0]),
        (Fault(kind="status", status=409, code="IDEMPOTENCY_CONFLICT", retry_after=2), [2.0]),
        (
            Fault(
                kind="status", status=200, code="COMPLEXITY_BUDGET_EXHAUSTED", retry_in_seconds=31
            ),
            [31.0],
        ),
        (Fault(kind="status", status=503, code="", retry_after=5), [5.0]),
        (Fault(kind="html", status=502), [1.0]),
        (Fault(kind="html", status=200), [1.0]),
        (Fault(kind="refused"), [1.0]),
    ],
    ids=lambda value: (
        f"{value.kind} {value.status} {value.code}" if isinstance(value, Fault) else ""
    ),
)
def test_it_waits_what_the_server_says_and_writes_once(
    sandbox: MondaySandbox, opening: tuple[Application, Waits], fault: Fault, waited: list[float]
) -> None:
    application, waits = opening
    sandbox.faults.add(fault)
    fault.field = "create_item"

    answers = write(application, SUPPLIERS, [supplier("K")])

    assert answers["K"].status is Status.ACCEPTED
    assert waits.seconds == waited
    assert len(board_called(sandbox, "Suppliers").active) == 1


def test_a_budget_that_is_used_up_is_waited_for() -> None:
    """Reference §5 row 8: 40 creates against 200,000 points a minute, 10,000 each."""
    with account(complexity_per_minute=200_000) as small, opened(small, batch_size=5) as opening:
        application, waits = opening
        set_up(application, SUPPLIERS)
        small.clock.advance(seconds=60)

        answers = write(application, SUPPLIERS, [supplier(f"K{n}") for n in range(40)])

        assert {one.status for one in answers.values()} == {Status.ACCEPTED}
        assert len(items_by_key(small, "Suppliers")) == 40
        assert len(calls_of(small, "create_item")) == 8
        assert not [call for call in small.calls if call.codes]  # none of them was refused
        assert len(waits.seconds) == 1
        assert 55 <= waits.seconds[0] <= 60


def test_a_refusal_that_the_key_remembers_does_not_come_for_ever() -> None:
    with (
        account(complexity_per_minute=25_000, keeps_refusals=True) as strict,
        opened(strict, batch_size=2) as (application, _),
    ):
        for _ in range(4):
            strict.clock.advance(seconds=60)
            application.structure.create(SUPPLIERS.shape)
        strict.limits.writes.take(20_000, strict.clock.now().timestamp())

        answers = write(application, SUPPLIERS, [supplier("K0"), supplier("K1")])

        assert {one.status for one in answers.values()} == {Status.ACCEPTED}
        assert len(items_by_key(strict, "Suppliers")) == 2


def test_the_limit_of_the_day_is_not_waited_for(
    sandbox: MondaySandbox, opening: tuple[Application, Waits]
) -> None:
    application, waits = opening
    sandbox.faults.add(
        Fault(
            kind="status",
            field="create_item",
            status=429,
            code="DAILY_LIMIT_EXCEEDED",
            retry_after=40_000,
            times=None,
        )
    )

    with pytest.raises(TransientError, match="DAILY_LIMIT_EXCEEDED") as error:
        write(application, SUPPLIERS, [supplier("K")])

    assert error.value.retry_after == 40_000
    assert waits.seconds == []


def test_patience_ends(sandbox: MondaySandbox) -> None:
    with opened(sandbox, retry_seconds=20) as (application, waits):
        set_up(application, SUPPLIERS)
        sandbox.faults.add(Fault(kind="status", field="create_item", status=429, times=None))

        with pytest.raises(TransientError, match="HTTP 429"):
            write(application, SUPPLIERS, [supplier("K")])

    assert sum(waits.seconds) <= 20
    assert board_called(sandbox, "Suppliers").active == []


def test_what_failed_for_a_passing_reason_is_sent_again_alone(
    sandbox: MondaySandbox, opening: tuple[Application, Waits]
) -> None:
    application, waits = opening
    sandbox.faults.add(
        Fault(
            kind="field",
            field="create_item",
            alias="^m[37]$",
            code="RESOURCE_LOCKED",
            status=423,
            retry_in_seconds=6,
        )
    )

    answers = write(application, SUPPLIERS, [supplier(f"K{number}") for number in range(10)])

    first, second = calls_of(sandbox, "create_item")
    assert (len(first.fields), len(second.fields)) == (11, 3)  # with complexity
    assert first.idempotency_key != second.idempotency_key
    assert waits.seconds == [6.0]
    assert {one.status for one in answers.values()} == {Status.ACCEPTED}
    assert len(items_by_key(sandbox, "Suppliers")) == 10


def test_a_value_that_goes_there_and_back_is_written_three_times(
    sandbox: MondaySandbox, opening: tuple[Application, Waits]
) -> None:
    """A key of the payload alone would replay the first answer and skip the third writing."""
    application, _ = opening
    made = write(application, SUPPLIERS, [supplier("K")], "first")["K"].remote_id

    for ticket, name in (("a", "A"), ("b", "B"), ("c", "A")):
        write(application, SUPPLIERS, [supplier("K", ChangeKind.UPDATE, made, Name=name)], ticket)

    assert names_on(sandbox) == ["A"]
    assert not [call for call in sandbox.calls if call.replayed]


def test_a_wrong_token_is_said_without_showing_it(sandbox: MondaySandbox) -> None:
    api = api_of(sandbox, Waits(sandbox), token=Secret("a-wrong-token"))

    with pytest.raises(CredentialError, match="HTTP 401") as error:
        api.ask("{ me { id } }")

    assert "a-wrong-token" not in str(error.value)
    assert len(sandbox.calls) == 1  # and it is not tried four times


def test_a_netrc_of_the_machine_does_not_replace_the_token(
    sandbox: MondaySandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))

    assert api_of(sandbox, Waits(sandbox)).ask("{ me { id } }")["me"]["id"]


def test_a_version_that_is_not_served_is_said(sandbox: MondaySandbox) -> None:
    with pytest.raises(ConfigError, match="api_version"):
        api_of(sandbox, Waits(sandbox), api_version="2019-01").ask("{ me { id } }")


def test_a_query_that_is_wrong_is_not_repeated(sandbox: MondaySandbox) -> None:
    with pytest.raises(ContractError, match="Cannot query field"):
        api_of(sandbox, Waits(sandbox)).ask("{ no_such_field }")

    assert len(sandbox.calls) == 1


def test_nobody_there_is_a_passing_failure_and_not_an_unknown_outcome(
    sandbox: MondaySandbox,
) -> None:
    sandbox.stop()
    api = api_of(sandbox, Waits(sandbox))

    with pytest.raises(TransientError, match="ConnectionError"):
        api.change("mutation { complexity { query } }", {})


def test_a_mutation_without_a_key_is_never_sent_twice(sandbox: MondaySandbox) -> None:
    api = api_of(sandbox, Waits(sandbox))
    sandbox.faults.add(Fault(kind="lost", field="create_board"))
    query = 'mutation { create_board(board_kind: public, board_name: "B") { id } }'

    with pytest.raises(OutcomeUnknownError):
        api.client.custom.execute_custom_query(Question(query))

    assert len(sandbox.account.boards) == 1


def test_the_librarys_own_modules_go_through_the_transport(
    sandbox: MondaySandbox,
    opening: tuple[Application, Waits],
    capsys: pytest.CaptureFixture[str],
) -> None:
    board = board_called(sandbox, "Suppliers")
    client = api_of(sandbox, Waits(sandbox)).client

    good = client.items.create_item(board.id, "topics", "by the library")
    bad = client.items.create_item(board.id, "topics", "x", {"nowhere": "y"})

    assert good.data["create_item"]["id"]
    assert [problem.code for problem in bad.problems] == ["InvalidColumnIdException"]
    assert len(calls_of(sandbox, "create_item")) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            {
                "error_code": "ComplexityException",
                "status_code": 429,
                "errors": ["reset in 3 seconds"],
            },
            TransientError,
        ),
        (
            {
                "error_code": "FIELD_LIMIT_EXCEEDED",
                "status_code": 429,
                "error_data": {"retry_in_seconds": 15},
            },
            TransientError,
        ),
        ({"errors": ["something"]}, ContractError),
        (
            {"errors": [{"message": "no", "extensions": {"code": "USER_UNAUTHORIZED"}}]},
            CredentialError,
        ),
    ],
)
def test_older_and_other_shapes_of_errors_are_understood(
    body: dict[str, Any], error: type[Exception]
) -> None:
    response = response_of(body)

    if error is TransientError:
        assert isinstance(judge(response), Setback)
    else:
        with pytest.raises(error):
            judge(response)


def response_of(body: dict[str, Any]) -> requests.Response:
    """A response as requests would give it."""
    response = requests.Response()
    response.status_code = 200
    response._content = json.dumps(body).encode()
    return response
