"""The stand-in of Snowflake is as strict as its contract, and does what the loader's SQL relies on."""

import base64
import json
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from ml_connector_dagster.destinations.snowflake.access import Access
from ml_connector_dagster.destinations.snowflake.sql_api import SqlApi
from ml_connector_dagster.sandbox.snowflake import Fault, SnowflakeSandbox
from ml_connector_dagster_tests.contracts.destinations import SUPPLIERS, Clock, Pair
from ml_connector_dagster_tests.contracts.staged import row
from ml_connector_dagster_tests.spec.snowflake_account import (
    KEY,
    Account,
    import_vendor_packages,
    pem,
    sandbox_account,
)


PATH = "/api/v2/statements"


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with sandbox_account() as found:
        found.run('CREATE SCHEMA "ERP"."S"')
        yield found


@pytest.fixture
def sandbox(account: Account) -> Iterator[SnowflakeSandbox]:
    assert account.sandbox is not None
    yield account.sandbox
    account.sandbox.faults.clear()


@pytest.fixture
def http(account: Account) -> Iterator[httpx.Client]:
    """Requests of the SQL API, signed."""
    headers = Access(account.connection, account.proof).headers() | {"User-Agent": "test/1"}
    with httpx.Client(base_url=account.connection.base_url, headers=headers) as client:
        yield client


def content(statement: str, **more: Any) -> dict[str, Any]:
    where = {"database": "ERP", "schema": "S", "warehouse": "LOADING", "role": "LOADER"}
    return {"statement": statement, **where, **more}


class Contract:
    """The vendor's OpenAPI document, as JSON schemas."""

    def __init__(self, file: Path) -> None:
        self._document = _nullable(yaml.safe_load(file.read_text()))

    def check_request(self, body: Any) -> None:
        post = self._document["paths"][PATH]["post"]
        self._check(body, post["requestBody"]["content"]["application/json"]["schema"])

    def check_answer(self, response: httpx.Response) -> None:
        method = response.request.method.lower()
        parts = response.request.url.path.removeprefix(PATH).strip("/").split("/")
        path = (
            PATH + ("/{statementHandle}" if parts[0] else "") + "".join(parts[1:2] and ["/cancel"])
        )
        answers = self._document["paths"][path][method]["responses"]
        assert str(response.status_code) in answers, (path, response.status_code)
        answer = answers[str(response.status_code)]
        if "content" in answer:
            self._check(response.json(), answer["content"]["application/json"]["schema"])

    def _check(self, body: Any, schema: dict[str, Any]) -> None:
        whole = {**schema, "components": self._document["components"]}
        jsonschema.Draft202012Validator(whole).validate(body)


def _nullable(node: Any) -> Any:
    """OpenAPI 3.0's ``nullable: true`` as JSON schema says it."""
    if isinstance(node, list):
        return [_nullable(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {key: _nullable(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is True and "type" in found:
        found["type"] = [found["type"], "null"]
    elif "nullable" in node and node["nullable"] is not True:
        found["nullable"] = _nullable(node["nullable"])  # a property of that name
    return found


def test_requests_and_answers_have_the_shapes_of_the_contract(
    account: Account, sandbox: SnowflakeSandbox, tmp_path: Path, shared_folder: Path
) -> None:
    contract = Contract(shared_folder / "contracts" / "snowflake-sqlapi.yaml")
    seen: set[tuple[str, int]] = set()

    def record(response: httpx.Response) -> None:
        response.read()
        if response.request.method == "POST" and response.request.url.path == PATH:
            contract.check_request(json.loads(response.request.content))
        contract.check_answer(response)
        seen.add((response.request.method, response.status_code))

    clock = Clock()
    destination = account.destination(account.schema_of(tmp_path), now=clock)
    destination._api._http.event_hooks = {"response": [record]}
    pair = Pair(tmp_path, clock, destination)
    for fault in (Fault.STARTING, Fault.TOO_MANY, Fault.UNAVAILABLE, Fault.EXPIRED, Fault.LOST):
        sandbox.faults.add(fault, 1)
        pair.send(SUPPLIERS, row(SUPPLIERS, fault.name))
    pair.assert_equal(SUPPLIERS)
    with pytest.raises(Exception, match="002003"):
        destination.ask("SELECT * FROM nothing")
    assert {("POST", 200), ("POST", 202), ("GET", 200), ("POST", 401)} <= seen
    assert {("POST", 422), ("POST", 429), ("POST", 503)} <= seen


def test_cancelling_has_the_shape_of_the_contract(
    http: httpx.Client, sandbox: SnowflakeSandbox, shared_folder: Path
) -> None:
    contract = Contract(shared_folder / "contracts" / "snowflake-sqlapi.yaml")
    sandbox.faults.add(Fault.STARTING, 1)
    queued = http.post(PATH, json=content("SELECT 1"), params={"async": "true"})
    handle = queued.json()["statementHandle"]
    for expected in (200, 422):
        answer = http.post(f"{PATH}/{handle}/cancel")
        assert answer.status_code == expected
        contract.check_answer(answer)
        assert sandbox.statements[-1].done.wait(5)
    assert http.get(f"{PATH}/{handle}").json()["code"] == "000604"


def test_a_statement_in_line_for_the_writer_can_be_cancelled(
    http: httpx.Client, account: Account, sandbox: SnowflakeSandbox
) -> None:
    account.run('CREATE TABLE "ERP"."S"."QUEUED" (a NUMBER)')
    holder = sandbox._engine.open_session("ETL", "LOADER", "LOADING", "ERP", "S")
    sandbox._engine.execute(holder, "BEGIN")
    waiting = http.post(
        PATH, json=content("INSERT INTO QUEUED SELECT 1"), params={"async": "true"}
    ).json()["statementHandle"]
    assert http.post(f"{PATH}/{waiting}/cancel").status_code == 200
    assert sandbox.statements[-1].done.wait(5)
    sandbox._engine.close_session(holder)
    assert account.run('SELECT COUNT(*) FROM "ERP"."S"."QUEUED"') == [["0"]]


@pytest.mark.parametrize(
    ("statement", "more", "status"),
    [
        ("SELECT 1" + " " * 1_000_000, {}, 400),
        ("SELECT ?", {"bindings": {"1": {"type": "FIXED", "value": 1}}}, 400),
        ("SELECT ?", {}, 422),
        ("BEGIN", {}, 422),
        ("CREATE TEMPORARY TABLE x (a NUMBER)", {}, 422),
        ("PUT 'file:///x' @y", {}, 422),
        ("SELECT 1; SELECT 2", {}, 422),
        ("SELECT 1; SELECT 2", {"parameters": {"multi_statement_count": 3}}, 422),
        ("SELECT 1; SELECT 2", {"parameters": {"multi_statement_count": 2}}, 200),
    ],
)
def test_what_the_sql_api_does_not_take_is_refused(
    http: httpx.Client, statement: str, more: dict[str, Any], status: int
) -> None:
    assert http.post(PATH, json=content(statement, **more)).status_code == status


def test_a_resubmitted_request_is_the_same_statement(http: httpx.Client, account: Account) -> None:
    account.run('CREATE TABLE "ERP"."S"."ONCE" (a NUMBER)')
    params = {"requestId": str(uuid.uuid4())}
    body = content("INSERT INTO ONCE SELECT 1")
    first = http.post(PATH, json=body, params=params).json()
    second = http.post(PATH, json=body, params=params | {"retry": "true"}).json()
    assert first["statementHandle"] == second["statementHandle"]
    assert account.run('SELECT COUNT(*) FROM "ERP"."S"."ONCE"') == [["1"]]


def test_a_request_that_comes_again_while_it_is_being_started_is_one_statement(
    account: Account, sandbox: SnowflakeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a client whose patience was shorter than the moment that a busy machine takes."""
    start, both_came = sandbox.sql_api._start, threading.Event()

    def start_late(*details: Any) -> Any:
        assert both_came.wait(20)
        return start(*details)

    monkeypatch.setattr(sandbox.sql_api, "_start", start_late)
    api = SqlApi(
        account.connection.model_copy(update={"network_timeout_seconds": 1}),
        Access(account.connection, account.proof),
        pause=lambda seconds: both_came.set(),
    )
    before = len(sandbox.statements)
    assert api.run("SELECT 'once'").rows == [["once"]]
    assert api.requests > 1
    api.close()
    assert len(sandbox.statements) == before + 1


def test_a_drivers_request_that_comes_again_is_the_same_statement(
    account: Account, sandbox: SnowflakeSandbox, cursor: Any
) -> None:
    cursor.execute("CREATE TABLE ERP.S.LOST (N NUMBER)")
    sandbox.faults.add(Fault.LOST, 1)
    cursor.execute("INSERT INTO ERP.S.LOST VALUES (1)")
    assert account.run("SELECT COUNT(*) FROM ERP.S.LOST") == [["1"]]


def test_large_results_come_in_partitions(http: httpx.Client) -> None:
    body = content(
        "SELECT ROW_NUMBER() OVER (ORDER BY 1) FROM TABLE(FLATTEN(INPUT => PARSE_JSON(?))) AS f"
    )
    rows = json.dumps([["x"]] * 25_000)
    answer = http.post(PATH, json=body | {"bindings": {"1": {"type": "TEXT", "value": rows}}})
    meta = answer.json()["resultSetMetaData"]
    assert [one["rowCount"] for one in meta["partitionInfo"]] == [10_000, 10_000, 5_000]
    last = http.get(f"{PATH}/{answer.json()['statementHandle']}", params={"partition": "2"})
    assert len(last.json()["data"]) == 5_000


def _claims(access: Access, **changes: Any) -> str:
    """A JWT with other claims, and the signature of the right ones."""
    head, body, signature = access.headers()["Authorization"].removeprefix("Bearer ").split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))) | changes
    other = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"Bearer {head}.{other}.{signature}"


def test_forged_and_expired_tokens_are_refused(http: httpx.Client, account: Account) -> None:
    access = Access(account.connection, account.proof)
    expired = Access(account.connection, account.proof, clock=lambda: time.time() - 7200)
    forged = _claims(access, sub="ACME.ADMIN")
    for token in (forged, expired.headers()["Authorization"], "Bearer x.y.z", "Bearer"):
        answer = http.post(PATH, json=content("SELECT 1"), headers={"Authorization": token})
        assert (answer.status_code, answer.json()["code"][:3]) == (401, "390")


@pytest.fixture
def cursor(account: Account) -> Iterator[Any]:
    import_vendor_packages()
    import snowflake.connector

    to = account.connection
    session = snowflake.connector.connect(
        account=to.account,
        user=to.user,
        private_key="".join(pem(KEY).splitlines()[1:-1]),
        role=to.role,
        warehouse=to.warehouse,
        database=to.database,
        schema="S",
        host=to.host,
        port=to.port,
        protocol=to.protocol,
        login_timeout=10,
        network_timeout=10,
        session_parameters={"CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False},
    )
    yield session.cursor()
    session.close()


def test_temporary_tables_are_seen_by_their_session_only(account: Account, cursor: Any) -> None:
    cursor.execute("CREATE TEMPORARY TABLE passing (a NUMBER)")
    cursor.execute("BEGIN")
    cursor.execute("INSERT INTO passing SELECT 7")
    cursor.execute("COMMIT")
    assert cursor.execute("SELECT a FROM passing").fetchall() == [(7,)]
    with pytest.raises(Exception, match="does not exist or not authorized"):
        account.run('SELECT * FROM "ERP"."S"."PASSING"')
    found = "SELECT COUNT(*) FROM ERP.INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME LIKE '%PASSING'"
    assert account.run(found) == [["0"]]


def test_primary_keys_are_shown_and_not_enforced(account: Account, cursor: Any) -> None:
    account.run('CREATE TABLE "ERP"."S"."KEYED" (a NUMBER, b VARCHAR, PRIMARY KEY (a, b))')
    account.run('INSERT INTO "ERP"."S"."KEYED" SELECT 1, \'x\' UNION ALL SELECT 1, \'x\'')
    cursor.execute("SHOW PRIMARY KEYS IN TABLE KEYED")
    labels = [column[0] for column in cursor.description]
    rows = [dict(zip(labels, one, strict=True)) for one in cursor.fetchall()]
    assert [(one["column_name"], one["key_sequence"]) for one in rows] == [("A", 1), ("B", 2)]
    with pytest.raises(Exception, match="NULL result in a non-nullable column"):
        account.run('INSERT INTO "ERP"."S"."KEYED" SELECT NULL, \'x\'')


@pytest.mark.parametrize(
    ("mode", "status", "loaded"),
    [("CONTINUE", "PARTIALLY_LOADED", 2), ("SKIP_FILE", "LOAD_FAILED", 0)],
)
def test_copy_does_with_bad_rows_what_it_is_told(
    account: Account, cursor: Any, tmp_path: Path, mode: str, status: str, loaded: int
) -> None:
    table = f"COPIED_{mode}"
    account.run(f'CREATE TABLE "ERP"."S"."{table}" (a NUMBER(3,0) NOT NULL, b VARCHAR(3))')
    bad = {"A": ["1", "2", "x", None, "5"], "B": ["ok", None, "ok", "ok", "long"]}
    pq.write_table(pa.table(bad), tmp_path / "bad.parquet")
    pq.write_table(pa.table({"A": ["9"], "B": ["ok"]}), tmp_path / "good.parquet")
    cursor.execute(f"CREATE TEMPORARY STAGE stage_{mode}")
    cursor.execute(f"PUT 'file://{tmp_path}/*.parquet' @stage_{mode}/ AUTO_COMPRESS=FALSE")
    copy = (
        f"COPY INTO {table} FROM @stage_{mode}/ FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE)"
        " MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
    )
    with pytest.raises(Exception, match="100038"):
        cursor.execute(copy)
    rows = {one[0]: one for one in cursor.execute(f"{copy} ON_ERROR = {mode}").fetchall()}
    assert rows["bad.parquet"][1:5] == (status, 5, loaded, 3)
    assert rows["good.parquet"][1:5] == ("LOADED", 1, 1, 0)
    assert account.run(f'SELECT COUNT(*) FROM "ERP"."S"."{table}"') == [[str(loaded + 1)]]
    again = cursor.execute(f"{copy} ON_ERROR = {mode}").fetchall()
    assert ("0 files processed" in str(again)) == (mode == "CONTINUE")


def test_a_merge_that_meets_a_row_twice_is_refused(account: Account) -> None:
    account.run('CREATE TABLE "ERP"."S"."MERGED" (a NUMBER, b NUMBER)')
    account.run('INSERT INTO "ERP"."S"."MERGED" SELECT 1, 1')
    with pytest.raises(Exception, match="Duplicate row detected"):
        account.run(
            'MERGE INTO "ERP"."S"."MERGED" AS t USING (SELECT 1 AS a, 2 AS b UNION ALL SELECT 1, 3) AS s'
            " ON t.a = s.a WHEN MATCHED THEN UPDATE SET t.b = s.b"
        )


def test_requests_may_come_at_the_same_time(http: httpx.Client) -> None:
    answers: list[int] = []

    def ask() -> None:
        answers.append(http.post(PATH, json=content("SELECT 1")).status_code)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
