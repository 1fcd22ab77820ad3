"""The sandbox's SX.e: what the reference says, and no kinder. Nothing of our client is used here."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


def _post(caller: Caller, body: object, path: str = "FetchWhere") -> httpx.Response:
    url = f"{caller.file['iu']}/{caller.tenant}/SX/rest/serviceinterface/proxy/{path}"
    return caller.http.post(url, json=body, headers=caller.headers())


def _body(table: str = "apsv", clause: str = "cono = 100") -> dict[str, object]:
    return {
        "CompanyNumber": 100,
        "Operator": "sys",
        "TableName": table,
        "WhereClause": clause,
        "BatchSize": 0,
        "RestartRowID": "",
    }


def _rows(
    caller: Caller, table: str = "apsv", clause: str = "cono = 100", **changes: object
) -> list[Any]:
    answer = _post(caller, _body(table, clause) | changes)
    assert answer.status_code == 200, answer.text
    body = json.loads(answer.text, parse_float=Decimal)
    assert set(body) == {f"ttbl{table}"}
    return list(body[f"ttbl{table}"])


def _refusal(caller: Caller, **changes: object) -> str:
    answer = _post(caller, _body() | changes)
    assert answer.status_code == 200
    body = answer.json()
    assert body[f"ttbl{(_body() | changes)['TableName']}"] == []
    return str(body["cErrorMessage"])


def test_batches_go_on_after_the_row_that_was_last(caller: Caller) -> None:
    every = [row["vendno"] for row in _rows(caller)]
    assert len(every) == 10
    seen: list[str] = []
    after = ""
    for _ in range(4):
        rows = _rows(caller, BatchSize=3, RestartRowID=after)
        seen += [row["vendno"] for row in rows]
        after = rows[-1]["apsvRowID"]
    assert seen == every
    assert _rows(caller, BatchSize=3, RestartRowID=after) == []


def test_a_restart_may_repeat_its_row_and_a_row_that_is_gone_is_an_error(
    caller: Caller, sandbox: Sandbox
) -> None:
    first = _rows(caller, BatchSize=2)
    after = first[1]["apsvRowID"]
    sandbox.switches.restart_repeats_row = True
    assert _rows(caller, BatchSize=2, RestartRowID=after)[0] == first[1]
    sandbox.erp.delete("suppliers", keys=[("100", first[1]["vendno"])])
    assert "Cannot reposition" in _refusal(caller, RestartRowID=after)


def test_values_are_typed_and_amounts_have_all_their_digits(
    caller: Caller, sandbox: Sandbox
) -> None:
    order = sandbox.erp.truth("purchase_orders", "100")[0]
    sandbox.erp.write("purchase_orders", order, "net_amount", "999999999999999.99")
    row = next(row for row in _rows(caller, "poeh") if row["pono"] == order["purchase_order_id"])
    assert row["cono"] == 100
    assert row["totnetamt"] == Decimal("999999999999999.99")
    invoice = _rows(caller, "apet", "cono = 100 and transcd = 0")[0]
    assert invoice["approvefl"] in (True, False)
    assert invoice["invdt"][4] == "-"
    assert isinstance(invoice["invyr"], int)


def test_change_dates_are_local_days(caller: Caller, sandbox: Sandbox) -> None:
    sandbox.erp.change("suppliers", 2, "100")
    today = sandbox.clock.today()
    rows = _rows(caller, "apsv", f"cono = 100 and transdt >= {today:%m/%d/%Y}")
    assert {row["transdt"] for row in rows} == {today.isoformat()}
    assert all(len(row["transtm"]) == 4 for row in rows)
    same = _rows(caller, "apsv", f"cono = 100 and transdt ge DATE({today:%m,%d,%Y})")
    assert same == rows
    never = _rows(caller, "apsv", "cono = 100 and transdt = ?")
    assert all(row["transdt"] is None for row in never)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"WhereClause": "cono = 100 and foo = 1"}, "Unknown Field or Variable name - foo. (201)"),
        ({"WhereClause": "transdt >= 31/12/2026"}, "out of range. (80)"),
        ({"WhereClause": 'transdt >= "2026-01-01"'}, "out of range. (80)"),
        ({"WhereClause": "name = 5"}, "Incompatible data types"),
        ({"WhereClause": 'cono = "100"'}, "Incompatible data types"),
        ({"WhereClause": "cono = 100 and"}, "ends too early"),
        ({"TableName": "foo"}, "foo is not defined"),
        ({"CompanyNumber": 999}, "Company 999 Not Set Up"),
        ({"Operator": ""}, "Operator is required"),
        ({"BatchSize": -1}, "out of range"),
        ({"RestartRowID": "x"}, "RestartRowID is not valid"),
    ],
)
def test_errors_stand_inside_a_200(caller: Caller, changes: dict[str, object], wrong: str) -> None:
    assert wrong in _refusal(caller, **changes)


@pytest.mark.parametrize(
    "body",
    [
        {},
        _body() | {"CompanyNumber": "100"},
        _body() | {"BatchSize": True},
        _body() | {"Extra": 1},
        {name: value for name, value in _body().items() if name != "RestartRowID"},
    ],
)
def test_a_body_of_another_shape_is_a_bad_request(caller: Caller, body: object) -> None:
    assert _post(caller, body).status_code == 400


def test_rights_caps_and_other_paths(caller: Caller, sandbox: Sandbox) -> None:
    sandbox.switches.largest_batch = 4
    assert len(_rows(caller)) == 4
    sandbox.switches.unauthorized_programs.add("apsv")
    assert "not authorized to read apsv" in _refusal(caller)
    assert _post(caller, _body(), "UpdateWhere").status_code == 404
    assert caller.get("SX/rest/serviceinterface/proxy/FetchWhere").status_code == 405
