"""What M3's answers mean: every form of yes, of nothing, and of no (reference cloudsuite-api §2.3, §2.4, §2.7)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from ml_connector_dagster.cloudsuite.gateway import Reply
from ml_connector_dagster.cloudsuite.product_lines.m3.answers import (
    AuthorityError,
    NotThereError,
    Refusal,
    RefusedError,
    parse_answer,
)
from ml_connector_dagster.cloudsuite.product_lines.m3.api import ListCall, M3Api
from ml_connector_dagster.cloudsuite.product_lines.measures import Meter
from ml_connector_dagster.model.errors import ConfigError, ContractError


def body(*results: dict[str, Any], **top: Any) -> bytes:
    flags = {
        "wasTerminated": False,
        "nrOfSuccessfullTransactions": 1,
        "nrOfFailedTransactions": 0,
    }
    return json.dumps({"results": list(results), **flags, **top}).encode()


NOK = {
    "transaction": "GetBasicData",
    "errorMessage": "Customer 99999 does not exist          WCU0203 CUNO      ",
    "errorType": "ServerReturnedNOK",
    "errorCode": "WCU0203",
    "errorCfg": "",
    "errorField": "CUNO      ",
}
ROWS = {"transaction": "Lst", "records": [{"SUNO": "1"}, {"SUNO": "2"}]}


def test_rows_come_with_the_index_of_their_transaction() -> None:
    answer = parse_answer(200, body(ROWS, {"transaction": "Lst", "records": [{"SUNO": "3"}]}))
    assert answer.records.column("SUNO").to_pylist() == ["1", "2", "3"]
    assert answer.result.to_pylist() == [0, 0, 1]
    assert answer.refusals == {}
    assert answer.results == 2


def test_a_refusal_inside_a_200_has_its_code_its_field_and_a_clean_message() -> None:
    refusal = parse_answer(200, body(NOK, nrOfFailedTransactions=1)).refusals[0]
    assert refusal == Refusal(
        code="WCU0203",
        kind="ServerReturnedNOK",
        message="Customer 99999 does not exist",
        field="CUNO",
    )
    assert refusal.is_no_record


@pytest.mark.parametrize("terminated", [False, "false", "False", "FALSE"])
def test_was_terminated_is_read_by_its_text_and_not_its_truth(terminated: object) -> None:
    assert parse_answer(200, body(ROWS, wasTerminated=terminated)).refusals == {}


@pytest.mark.parametrize("terminated", [True, "true", "TRUE"])
def test_a_terminated_answer_is_a_refusal(terminated: object) -> None:
    answer = parse_answer(
        200,
        body(
            {"transaction": "Lst"},
            wasTerminated=terminated,
            terminationReason="The server was stopped",
            terminationErrorType="ServerTerminated",
        ),
    )
    assert answer.refusals[0].message == "The server was stopped"
    assert answer.refusals[0].kind == "ServerTerminated"


def test_rows_and_an_error_together_are_not_believed() -> None:
    with pytest.raises(ContractError, match="rows and an error"):
        parse_answer(200, body({**ROWS, **NOK}, nrOfFailedTransactions=1))


def test_rows_in_a_terminated_answer_are_not_believed() -> None:
    with pytest.raises(ContractError, match="rows and an error"):
        parse_answer(200, body(ROWS, wasTerminated=True))


def test_a_failed_transaction_without_a_reason_is_a_refusal() -> None:
    answer = parse_answer(200, body({"transaction": "Lst"}, nrOfFailedTransactions="1"))
    assert 0 in answer.refusals


def test_transactions_that_were_not_reached_are_told_apart() -> None:
    answer = parse_answer(
        200, body(ROWS, {"transaction": "Lst", "notProcessed": True}, wasTerminated=True)
    )
    assert answer.not_processed == {1}
    assert answer.refusals == {}


def test_a_list_that_was_not_reached_is_no_list_without_rows() -> None:
    answer = body({"transaction": "LstByNumber", "notProcessed": True}, wasTerminated=True)

    class Stopped:
        def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Reply:
            return Reply(
                status=200, body=answer, requested_at=datetime.now(UTC), attempts=1, elapsed=0.0
            )

        def post(
            self, path: str, *, json: Mapping[str, object], headers: Mapping[str, str] | None = None
        ) -> Reply:
            return self.get(path)

    call = ListCall(program="CRS610MI", transaction="LstByNumber", company="100")
    with pytest.raises(ContractError, match="ended before it got to it"):
        M3Api(Stopped(), row_caps=()).rows(call, Meter())


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (
            400,
            '{"errorMessage":"No such","errorType":"TransactionNotFound"}',
            "TransactionNotFound",
        ),
        (400, '{"wasTerminated":true,"terminationReason":"x","terminationErrorType":"T"}', "T"),
        (400, "Bad Request", "TransactionNotFound"),
        (400, "", "TransactionNotFound"),
        (400, "<html>no</html>", "TransactionNotFound"),
    ],
)
def test_the_400_forms(status: int, text: str, kind: str) -> None:
    assert parse_answer(status, text.encode()).refusals[0].kind == kind


def test_an_empty_list_may_be_empty_records() -> None:
    answer = parse_answer(200, body({"transaction": "Lst", "records": []}))
    assert answer.records.num_rows == 0
    assert answer.refusals == {}


@pytest.mark.parametrize(
    "text", ['{"results":[{"records":[{"A":"1"', "<html></html>", "", "[]", "{}", "null"]
)
def test_what_is_no_m3_answer_is_a_broken_contract(text: str) -> None:
    with pytest.raises(ContractError):
        parse_answer(200, text.encode())


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (("WDI0103", "Division XXX does not exist"), ConfigError),
        (("WCO0103", "Company 999 does not exist"), ConfigError),
        (("", "Company 999 not found"), ConfigError),
        (("MVX0001", "User X is not authorized to run program CRS620MI"), AuthorityError),
        (("", "No authority to program EXPORTMI"), AuthorityError),
        (("", "Missing authorization for company 100"), AuthorityError),
        (("XDT0001", "Date 20260231 is not valid"), RefusedError),
        (("CPF9898", "Authorizer must be entered"), RefusedError),
        (("XRE0103", "Record does not exist"), RefusedError),
    ],
)
def test_what_a_refusal_is_for_the_caller(refusal: tuple[str, str], error: type[Exception]) -> None:
    code, message = refusal
    one = Refusal(code=code, kind="ServerReturnedNOK", message=message, field="")
    raised = one.error("CRS620MI/LstSuppliers, company 100", "CRS620MI", "100")
    assert type(raised) is error
    assert "CRS620MI/LstSuppliers" in str(raised)
    assert message in str(raised)


def test_an_authority_error_says_what_to_grant() -> None:
    one = Refusal(code="", kind="X", message="User M is not authorized", field="")
    text = str(one.error("CRS620MI/LstSuppliers, company 100", "CRS620MI", "100"))
    assert "authority to program CRS620MI in company 100" in text
    assert "MNS150MI/GetUserData" in text


def test_an_unknown_transaction_is_told_apart() -> None:
    one = Refusal(code="", kind="TransactionNotFound", message="no", field="")
    assert type(one.error("a", "A", "1")) is NotThereError
    assert not one.is_no_record


@pytest.mark.parametrize("code", ["XRE0103", "WCU0203", "WSU0103"])
def test_codes_of_a_record_that_is_not_there(code: str) -> None:
    assert Refusal(code=code, kind="", message="Record does not exist", field="").is_no_record


@pytest.mark.parametrize("code", ["WDI0103", "XRE0104", "XDT0001", ""])
def test_codes_that_say_something_else(code: str) -> None:
    assert not Refusal(code=code, kind="", message="Record does not exist", field="").is_no_record
