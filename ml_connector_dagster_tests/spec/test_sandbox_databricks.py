"""The stand-in of a Databricks workspace is as strict as the real one: plain HTTP, without our client."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest


pytest.importorskip("sqlglot", reason="the extra 'sandbox-databricks' is not installed")
pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")

from ml_connector_dagster.sandbox.databricks import DatabricksSandbox, Fault


STATEMENTS = "/api/2.0/sql/statements/"


@pytest.fixture
def client(databricks: DatabricksSandbox) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {databricks.options.token}"}
    with httpx.Client(base_url=databricks.url, headers=headers, timeout=60) as opened:
        yield opened


def submit(client: httpx.Client, statement: str, **more: Any) -> httpx.Response:
    request = {"statement": statement, "warehouse_id": "0123456789abcdef", "wait_timeout": "30s"}
    return client.post(STATEMENTS, json=request | more)


def failure(client: httpx.Client, statement: str, **more: Any) -> str:
    """The message of a statement that fails."""
    status = submit(client, statement, **more).json()["status"]
    assert status["state"] == "FAILED"
    return str(status["error"]["message"])


def test_a_statement_is_run_and_its_rows_are_text(client: httpx.Client) -> None:
    answer = submit(
        client,
        '/* {"flow": "x"} */ SELECT :a AS a, CAST(:b AS DECIMAL(38,10)) AS b, NULL AS c, DATE\'1969-12-31\' AS d',
        parameters=[
            {"name": "a", "value": "it's \\ 🏗️"},
            {"name": "b", "value": "1234567890123456789012345678.5"},
        ],
    ).json()
    assert answer["status"] == {"state": "SUCCEEDED"}
    assert answer["result"]["data_array"] == [
        ["it's \\ 🏗️", "1234567890123456789012345678.5000000000", None, "1969-12-31"]
    ]
    assert [one["type_text"] for one in answer["manifest"]["schema"]["columns"]][:2] == [
        "STRING",
        "DECIMAL(38,10)",
    ]


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("", 401), ("Basic abc", 401), ("Bearer nobody", 401), ("Bearer dapi-of-somebody-else", 403)],
)
def test_calls_without_a_valid_token_are_refused(
    client: httpx.Client, authorization: str, status: int
) -> None:
    client.headers["authorization"] = authorization
    assert submit(client, "SELECT 1").status_code == status


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password", "scope": "all-apis"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "sql"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "all-apis"}, "invalid_client"),
    ],
)
def test_the_token_endpoint_is_strict(
    client: httpx.Client, form: dict[str, str], error: str
) -> None:
    answer = client.post("/oidc/v1/token", data=form, auth=("somebody", "else"))
    assert answer.is_client_error
    assert answer.json()["error"] == error


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"wait_timeout": "60s"}, "between 5s and 50s"),
        ({"wait_timeout": "1s"}, "between 5s and 50s"),
        ({"format": "ARROW_STREAM"}, "not supported with disposition INLINE"),
        ({"on_wait_timeout": "FORGET"}, "CONTINUE or CANCEL"),
        ({"parameters": [{"name": "a", "value": 1}]}, "is no string"),
        ({"parameters": [{"name": "a", "value": "1"}] * 2}, "is there twice"),
        ({"query_tags": []}, "not simulated"),
        ({"warehouse_id": "ffffffffffffffff"}, "does not exist"),
        ({"parameters": [{"name": "a", "value": "x" * 17_000_000}]}, "larger than"),
    ],
)
def test_a_request_that_the_api_would_refuse_is_refused(
    client: httpx.Client, more: dict[str, Any], message: str
) -> None:
    answer = submit(client, "SELECT 1", **more)
    assert answer.status_code in (400, 404)
    assert message in answer.json()["message"]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELEC 1", "[PARSE_SYNTAX_ERROR]"),
        ("SELECT 1; SELECT 2", "[PARSE_SYNTAX_ERROR]"),
        ("SELECT ?", "positional parameters are not simulated"),
        ("SELECT :missing", "[UNBOUND_SQL_PARAMETER]"),
        ("SELECT * FROM main.default.t", "does not have USE SCHEMA on Schema 'main.default'"),
        ("SELECT * FROM main.nowhere.t", "[SCHEMA_NOT_FOUND]"),
        ("DELETE FROM main.default.t", "[SANDBOX]"),
        ("DROP SCHEMA main.default CASCADE", "does not have MANAGE on Schema 'main.default'"),
        (
            "SELECT repeat('x', 1000) AS x FROM (SELECT explode(sequence(1, 30000)))",
            "Inline byte limit exceeded",
        ),
    ],
)
def test_a_statement_that_would_fail_fails(
    client: httpx.Client, statement: str, message: str
) -> None:
    assert message in failure(client, statement)


def test_links_are_for_whoever_has_them_and_take_no_token(client: httpx.Client) -> None:
    more = {"disposition": "EXTERNAL_LINKS", "format": "ARROW_STREAM"}
    answer = submit(client, "SELECT 1 AS one", **more).json()
    link = answer["result"]["external_links"][0]["external_link"]
    assert client.get(link).status_code == 400
    assert httpx.get(link).status_code == 200


def test_constraints_are_held_and_nothing_of_a_refused_statement_stays(
    client: httpx.Client,
) -> None:
    assert submit(client, "CREATE SCHEMA main.own").json()["status"]["state"] == "SUCCEEDED"
    submit(client, "CREATE TABLE main.own.t (k STRING NOT NULL, n DECIMAL(5,2), s VARCHAR(3))")
    assert "[TABLE_OR_VIEW_NOT_FOUND]" in failure(client, "SELECT * FROM main.own.nowhere")
    submit(client, "ALTER TABLE main.own.t ADD CONSTRAINT positive CHECK (n > 0)")
    merge = (
        "MERGE INTO main.own.t AS t USING (SELECT 'good' AS k, 1.5 AS n, 'abc' AS s UNION ALL SELECT {row}) AS s"
        " ON t.k = s.k WHEN NOT MATCHED THEN INSERT (k, n, s) VALUES (s.k, s.n, s.s)"
    )
    refused = {
        "NULL, 1, 'a'": "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: k",
        "'bad', -1, 'a'": "[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint positive (n > 0)",
        "'bad', NULL, 'a'": "[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES]",
        "'bad', 12345, 'a'": "[DELTA_CAST_OVERFLOW_IN_TABLE_WRITE]",
        "'bad', 1, 'abcd'": "[DELTA_EXCEED_CHAR_VARCHAR_LIMIT]",
    }
    for row, message in refused.items():
        assert message in failure(client, merge.format(row=row))
    count = "SELECT count(*) AS n FROM main.own.t"
    assert submit(client, count).json()["result"]["data_array"] == [["0"]]
    answer = submit(client, merge.format(row="'fine', 2.345, NULL")).json()
    assert answer["result"]["data_array"] == [["2", "0", "0", "2"]]
    shown = submit(client, "SHOW TBLPROPERTIES main.own.t").json()["result"]["data_array"]
    assert ["delta.constraints.positive", "n > 0"] in shown
    assert "rows in main.own.t violate" in failure(
        client, "ALTER TABLE main.own.t ADD CONSTRAINT tiny CHECK (n < 2)"
    )


def test_a_statement_can_be_cancelled_while_the_warehouse_starts(
    client: httpx.Client, databricks: DatabricksSandbox
) -> None:
    databricks.faults.add(Fault(kind="pending", polls=100))
    answer = submit(client, "SELECT 1", wait_timeout="0s").json()
    assert answer["status"]["state"] == "PENDING"
    warehouse = client.get("/api/2.0/sql/warehouses/0123456789abcdef").json()
    assert warehouse["state"] == "STARTING"
    client.post(f"{STATEMENTS}{answer['statement_id']}/cancel")
    assert client.get(f"{STATEMENTS}{answer['statement_id']}").json()["status"] == {
        "state": "CANCELED"
    }


def test_an_interrupt_ends_the_process_that_serves_it() -> None:
    """Sail's runtime installs a handler of its own: Ctrl-C did nothing any more."""
    code = (
        "import os, signal, threading\n"
        # A test run in the background of a shell hands down an ignored SIGINT.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from ml_connector_dagster.sandbox.databricks import DatabricksSandbox\n"
        "try:\n"
        "    with DatabricksSandbox.start() as workspace:\n"
        "        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "        workspace.wait()\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["interrupted"], done.stderr
