"""Compass of the sandbox: what the real one would refuse is refused (reference cloudsuite-api §6.4)."""

import json
from typing import Any

import httpx
import pytest

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


JOBS = "/DATAFABRIC/compass/v2/jobs"
SUBMIT = f"{JOBS}/?queryExecutor=datalake&records=0"


@pytest.fixture
def token(sandbox: Sandbox, caller: Caller) -> str:
    return caller.headers()["Authorization"].removeprefix("Bearer ")


def _call(
    sandbox: Sandbox, token: str, method: str, path: str, text: str | None = None, **headers: str
) -> httpx.Response:
    fields = {"Authorization": f"Bearer {token}"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    with httpx.Client(trust_env=False) as client:
        return client.request(method, f"{sandbox.url}/ACME_TST{path}", headers=fields, content=text)


def _submit(sandbox: Sandbox, token: str, statement: str) -> str:
    answer = _call(sandbox, token, "POST", SUBMIT, statement, Content_Type="text/plain")
    assert answer.status_code == 202
    content = answer.json()
    assert content["status"] == "RUNNING"
    assert content["location"].startswith("jobs/")
    return str(content["queryId"])


def _status(sandbox: Sandbox, token: str, query: str, timeout: int = 25) -> httpx.Response:
    path = f"{JOBS}/{query}/status/?timeout={timeout}&queryExecutor=datalake"
    return _call(sandbox, token, "GET", path)


def _result(
    sandbox: Sandbox, token: str, query: str, *, accept: str = "text/csv", limit: int = 100_000
) -> httpx.Response:
    path = f"{JOBS}/{query}/result/?offset=0&limit={limit}"
    return _call(sandbox, token, "GET", path, Accept=accept)


def _told(sandbox: Sandbox, token: str, statement: str) -> str:
    """The result of a statement as CSV."""
    query = _submit(sandbox, token, statement)
    _status(sandbox, token, query)
    return _result(sandbox, token, query).text.replace("\r\n", "\n")


def test_a_query_runs_and_then_is_finished(sandbox: Sandbox, token: str) -> None:
    sandbox.switches.lake_polls = 1
    query = _submit(sandbox, token, "select PUNO, LMDT from MPHEAD where CONO = 100 order by PUNO")
    running = _status(sandbox, token, query)
    assert (running.status_code, running.json()["status"]) == (202, "RUNNING")
    assert _result(sandbox, token, query).status_code == 400, "there is no result yet"
    done = _status(sandbox, token, query)
    assert (done.status_code, done.json()["status"]) == (201, "FINISHED")
    rows = sandbox.erp.truth("purchase_orders", "100")
    assert done.json()["rowCount"] == len(rows)
    lines = _result(sandbox, token, query).text.splitlines()
    assert lines[0] == "PUNO,LMDT"
    assert [line.split(",")[0] for line in lines[1:]] == [row["purchase_order_id"] for row in rows]
    records = json.loads(_result(sandbox, token, query, accept="application/json").text)
    assert [record["PUNO"] for record in records] == [row["purchase_order_id"] for row in rows]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("delete from CIDMAS", "single SELECT"),
        ("select SUNO from CIDMAS; select SUNO from CIDVEN", "single SELECT"),
        ("select", "expected"),
        ("select SUNO frm CIDMAS", "SYNTAX_ERROR"),
        ("select IDSUNO from CIDMAS", "cannot be resolved"),
        ("select SUNO from NOPE", "Table 'NOPE' does not exist"),
        ("select t.CONO from CIDMAS t join CIDVEN on SUNO = SUNO", "ambiguous"),
        ("select SUNO from CIDMAS where CONO = '100'", "cannot be applied to integer, varchar"),
        ("select SUNO from CIDMAS where SUNO = 10001", "cannot be applied to varchar, integer"),
        ("select SUNO from CIDMAS where timestamp > 'yesterday'", "cannot be applied to timestamp"),
        ("select upper(SUNO) from CIDMAS", "not supported"),
        ("select SUNO from (select SUNO from CIDMAS) x", "not supported"),
    ],
)  # fmt: skip
def test_what_is_no_plain_select_fails_as_rows(
    sandbox: Sandbox, token: str, statement: str, why: str
) -> None:
    text = _told(sandbox, token, statement)
    assert text.startswith("MessageType,SuggestedLocalizedText\nError,")
    assert why in text


def test_a_failed_query_may_say_so(sandbox: Sandbox, token: str) -> None:
    sandbox.switches.lake_says_failed = True
    query = _submit(sandbox, token, "select NOPE from CIDMAS")
    assert _status(sandbox, token, query).json()["status"] == "FAILED"


def test_calls_are_as_described(sandbox: Sandbox, token: str) -> None:
    statement = "select SUNO from CIDMAS"
    plain: dict[str, Any] = {"Content_Type": "text/plain"}
    wrong = [
        _call(sandbox, token, "POST", SUBMIT, statement, Content_Type="application/json"),
        _call(sandbox, token, "POST", f"{JOBS}/?records=0", statement, **plain),
        _call(sandbox, "no", "POST", SUBMIT, statement, **plain),
        _call(sandbox, token, "GET", f"{JOBS}/x/status/?timeout=25&queryExecutor=datalake"),
        _call(sandbox, token, "DELETE", f"{JOBS}/x"),
    ]
    assert [one.status_code for one in wrong] == [415, 400, 401, 404, 404]
    query = _submit(sandbox, token, statement)
    assert _status(sandbox, token, query, timeout=0).json()["status"] == "RUNNING"
    assert _status(sandbox, token, query, timeout=26).status_code == 400
    _status(sandbox, token, query)
    assert _result(sandbox, token, query, limit=100_001).status_code == 400
    assert _result(sandbox, token, query, accept="text/html").status_code == 406


def test_results_expire(sandbox: Sandbox, token: str) -> None:
    query = _submit(sandbox, token, "select SUNO from CIDMAS")
    sandbox.clock.advance(hours=1)
    assert _status(sandbox, token, query).status_code == 201
    sandbox.switches.lake_keeps_hours = 0.5
    assert _result(sandbox, token, query).status_code == 404


def test_a_result_is_the_erp_as_it_was(sandbox: Sandbox, token: str) -> None:
    count = "select count(*) as n from CIDMAS where CONO = 100 and deleted = 'false'"
    query = _submit(sandbox, token, count)
    sandbox.erp.insert("suppliers", 1, "100")
    _status(sandbox, token, query)
    assert _result(sandbox, token, query).text == "n\r\n10\r\n"
    assert _told(sandbox, token, count) == "n\n11\n"
    sandbox.lake.fall_behind()
    sandbox.erp.insert("suppliers", 1, "100")
    assert _told(sandbox, token, count) == "n\n11\n"
    sandbox.lake.catch_up()
    assert _told(sandbox, token, count) == "n\n12\n"


def test_what_was_deleted_stays_marked(sandbox: Sandbox, token: str) -> None:
    ((_, supplier),) = sandbox.erp.delete("suppliers", 1, "100")
    text = _told(sandbox, token, "select SUNO, deleted from CIDMAS where deleted = 'true'")
    assert text == f"SUNO,deleted\n{supplier},true\n"
