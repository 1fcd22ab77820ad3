"""The stand-in of Looker: its API as the vendor's contract has it, its cache, plans, quotas and faults."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx
import jsonschema
import pytest

from ml_connector_dagster.sandbox.looker import Fault, LookerOptions, LookerSandbox, Plan
from ml_connector_dagster.sandbox.looker.endpoints import ENDPOINTS
from ml_connector_dagster.sandbox.looker.filters import condition
from ml_connector_dagster.sandbox.looker.refusals import Refused
from ml_connector_dagster_tests.spec.looker_calls import LookerCaller


MODEL = """
connection: "warehouse"
label: "Shop"
include: "/*.view.lkml"
include: "/*.dashboard.lookml"
datagroup: nightly { max_cache_age: "24 hours" sql_trigger: SELECT 1 ;; }
persist_with: nightly
explore: orders {
  join: customers { type: left_outer relationship: many_to_one sql_on: ${orders.customer} = ${customers.id} ;; }
}
"""
VIEWS = """
view: orders {
  sql_table_name: shop.orders ;;
  dimension: id { primary_key: yes type: number sql: ${TABLE}.id ;; }
  dimension: customer { type: string sql: ${TABLE}.customer ;; }
  dimension: currency { type: string sql: ${TABLE}.currency ;; }
  dimension: is_open { type: yesno sql: ${TABLE}.is_open ;; }
  dimension_group: placed { type: time timeframes: [raw, date, month] datatype: date sql: ${TABLE}.placed ;; }
  dimension: amount { type: number sql: ${TABLE}.amount ;; }
  measure: count { type: count }
  measure: total { type: sum sql: ${amount} ;; required_fields: [currency] }
}
view: customers {
  sql_table_name: shop.customers ;;
  dimension: id { primary_key: yes type: string sql: ${TABLE}.id ;; }
  measure: limits { type: sum sql: ${TABLE}.credit ;; }
}
"""
DASHBOARD = """
- dashboard: board
  title: Board
  filters: [{name: Currency, type: field_filter, default_value: '', model: shop, explore: orders, field: orders.currency}]
  elements:
  - name: Orders
    model: shop
    explore: orders
    type: looker_grid
    fields: [orders.currency, orders.total, orders.count]
    sorts: [orders.currency]
    listen: {Currency: orders.currency}
"""
ROWS = """
CREATE SCHEMA shop;
CREATE TABLE shop.orders (id INTEGER, customer VARCHAR, currency VARCHAR, is_open BOOLEAN, placed DATE, amount DECIMAL(27, 6));
INSERT INTO shop.orders VALUES (1, 'a', 'EUR', true, '2026-01-05', 10.10), (2, 'a', 'EUR', false, '2026-02-05', 5),
  (3, 'b', 'SEK', NULL, '2026-02-07', 12345678901234567.123456), (4, 'x', 'SEK', true, NULL, NULL);
CREATE TABLE shop.customers (id VARCHAR, credit DECIMAL(27, 6));
INSERT INTO shop.customers VALUES ('a', 100), ('b', 100);
"""
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def shop(folder: Path, **options: Any) -> LookerOptions:
    """A small shop's project and database in ``folder``."""
    lookml = folder / "lookml"
    lookml.mkdir(parents=True)
    (lookml / "shop.model.lkml").write_text(MODEL)
    (lookml / "all.view.lkml").write_text(VIEWS)
    (lookml / "board.dashboard.lookml").write_text(DASHBOARD)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(ROWS)
    plans = (
        Plan(id="7", title="Board to Ann", dashboard="shop::board", address="ann@example.com"),
    )
    return LookerOptions(
        project="shop",
        lookml=lookml,
        databases={"warehouse": folder / "warehouse.duckdb"},
        plans=plans,
        now=NOW,
        **options,
    )


@pytest.fixture
def looker(tmp_path: Path) -> Iterator[LookerSandbox]:
    with LookerSandbox.start(shop(tmp_path)) as sandbox:
        yield sandbox


@pytest.fixture
def caller(looker: LookerSandbox) -> Iterator[LookerCaller]:
    with LookerCaller(looker) as made:
        yield made


def totals(caller: LookerCaller, **more: Any) -> dict[str, Any]:
    rows = caller.rows("shop", "orders", ["orders.currency", "orders.total"], **more)
    return {row["orders.currency"]: row["orders.total"] for row in rows}


# --- login and refusals


def test_a_login_is_a_form_and_nothing_else(looker: LookerSandbox) -> None:
    address = f"{looker.url}/api/4.0/login"
    assert httpx.post(address, json=looker.login).status_code == 415
    assert httpx.post(address, params=looker.login).status_code == 415
    assert httpx.post(address, params=looker.login, data=looker.login).status_code == 400
    assert httpx.post(address, data={"client_id": "x"}).status_code == 422
    wrong = httpx.post(address, data={**looker.login, "client_secret": "x"})
    assert (wrong.status_code, wrong.json()["message"]) == (404, "Not found")
    right = httpx.post(address, data=looker.login).json()
    assert (right["token_type"], right["expires_in"]) == ("Bearer", 3600)


def test_a_token_dies_after_its_time_and_a_new_login_heals(
    looker: LookerSandbox, caller: LookerCaller
) -> None:
    assert caller.get("/user").status_code == 200
    looker.clock.advance(seconds=3601)
    dead = caller.get("/user")
    assert (dead.status_code, dead.json()["message"]) == (401, "Requires authentication.")
    caller.log_in()
    assert caller.get("/user").status_code == 200
    assert caller.call("DELETE", "/logout").status_code == 204
    assert caller.get("/user").status_code == 401


def test_a_body_of_the_wrong_type_is_refused(caller: LookerCaller) -> None:
    sent = caller.call(
        "POST",
        "/queries/run/json",
        content=b'{"model": "shop"}',
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert sent.status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/no_such_thing", None, 404),
        ("GET", "/datagroups/99", None, 404),
        ("GET", "/lookml_models/none", None, 404),
        ("GET", "/lookml_models/shop/explores/none", None, 404),
        ("POST", "/projects/none/validate", None, 404),
        ("POST", "/scheduled_plans/99/run_once", {}, 404),
        ("POST", "/queries/run/json", {"model": "shop", "view": "none", "fields": ["a.b"]}, 404),
        (
            "POST",
            "/queries/run/json",
            {"model": "shop", "view": "orders", "fields": ["orders.x"]},
            400,
        ),
        ("POST", "/queries/run/json", {"model": "shop", "view": "orders", "fields": []}, 400),
        ("POST", "/queries/run/json", {"model": "shop", "view": "orders", "banana": 1}, 422),
        ("POST", "/queries/run/json", {"view": "orders"}, 422),
        ("POST", "/queries/run/banana", {"model": "shop", "view": "orders"}, 400),
        ("POST", "/sql_queries", {"sql": "SELECT 1"}, 422),
        ("POST", "/sql_queries", {"sql": "SELECT 1", "connection_name": "none"}, 404),
        ("PATCH", "/datagroups/1", {"name": "x"}, 422),
        ("PATCH", "/datagroups/1", {"triggered_at": 99_999_999_999}, 422),
        ("PATCH", "/datagroups/1", {"triggered_at": "now"}, 422),
        ("POST", "/scheduled_plans/7/run_once", {"id": "8"}, 422),
    ],
)
def test_what_looker_does_not_take_is_refused_in_its_own_shape(
    caller: LookerCaller, method: str, path: str, body: object, status: int
) -> None:
    answer = caller.call(method, path, body)
    assert answer.status_code == status, answer.text
    assert answer.json()["documentation_url"] == ""
    assert answer.json()["message"]


# --- queries


def test_a_query_is_compiled_and_run(caller: LookerCaller) -> None:
    rows = caller.rows(
        "shop",
        "orders",
        ["orders.placed_month", "orders.is_open", "orders.count"],
        sorts=["orders.placed_month", "orders.count desc"],
    )
    assert [tuple(row.values()) for row in rows] == [
        ("2026-01", "Yes", 1),
        ("2026-02", "No", 2),  # a null is no yes
        (None, "Yes", 1),
    ]


def test_decimals_keep_all_their_digits(caller: LookerCaller) -> None:
    assert str(totals(caller)["SEK"]) == "12345678901234567.123456"


def test_a_required_field_is_in_the_query_and_not_in_the_answer(caller: LookerCaller) -> None:
    rows = caller.rows("shop", "orders", ["orders.total"])
    assert [list(row) for row in rows] == [["orders.total"], ["orders.total"]]


def test_a_joined_view_is_counted_once(caller: LookerCaller) -> None:
    """Looker's symmetric aggregates: customer a has two orders, and one limit."""
    (row,) = caller.rows("shop", "orders", ["customers.limits"])
    assert row["customers.limits"] == 200


def test_a_failing_statement_is_answered_with_200(
    looker: LookerSandbox, caller: LookerCaller
) -> None:
    caller.sql("DROP TABLE shop.orders")
    query = {"model": "shop", "view": "orders", "fields": ["orders.count"]}
    plain = caller.post("/queries/run/json", query)
    detailed = caller.post("/queries/run/json_detail", query)
    assert plain.status_code == detailed.status_code == 200
    assert "orders" in plain.json()[0]["looker_error"]
    assert "orders" in detailed.json()["errors"][0]["message_details"]
    assert detailed.json()["data"] == []


def test_csv_has_a_header_and_the_rows(caller: LookerCaller) -> None:
    query = {
        "model": "shop",
        "view": "orders",
        "fields": ["orders.currency", "orders.count"],
        "sorts": ["orders.currency"],
    }
    answer = caller.post("/queries/run/csv", query)
    assert answer.text == "Currency,Count\nEUR,2\nSEK,2\n"


@pytest.mark.parametrize(
    ("kind", "expression", "rows"),
    [
        ("customer", "a", {1, 2}),
        ("customer", "a, b", {1, 2, 3}),
        ("customer", "-a", {3, 4}),
        ("customer", "%", {1, 2, 3, 4}),
        ("customer", '"a"', {1, 2}),
        ("customer", "NULL", set()),
        ("customer", "x' OR 1=1 --", set()),
        ("amount", ">5 AND <=11", {1}),
        ("amount", "[5, 11)", {1, 2}),
        ("amount", "NULL", {4}),
        ("amount", "NOT NULL", {1, 2, 3}),
        ("amount", "5, 10.1", {1, 2}),
        ("id", "2 to 3", {2, 3}),
        ("is_open", "Yes", {1, 4}),
        ("is_open", "No", {2, 3}),
        ("placed_date", "2026-02", {2, 3}),
        ("placed_month", "2026-02", {2, 3}),
        ("placed_date", "2026-01-05 to 2026-02-06", {1, 2}),
        ("placed_date", "after 2026-02-06", {3}),
        ("placed_date", "2025, 2026-01-05", {1}),
        ("placed_date", "this year", {1, 2, 3}),
    ],
)
def test_filter_expressions(
    caller: LookerCaller, kind: str, expression: str, rows: set[int]
) -> None:
    found = caller.rows("shop", "orders", ["orders.id"], filters={f"orders.{kind}": expression})
    assert {row["orders.id"] for row in found} == rows


@pytest.mark.parametrize(
    ("kind", "text"), [("number", "1; DROP"), ("time", "whenever"), ("yesno", "1")]
)
def test_a_filter_that_is_not_understood_is_refused(kind: str, text: str) -> None:
    with pytest.raises(Refused):
        condition(kind, "x", text, date(2026, 11, 20))


# --- cache and datagroups


def test_answers_are_kept_until_the_datagroup_is_triggered(
    looker: LookerSandbox, caller: LookerCaller
) -> None:
    before = totals(caller, form="json_detail")
    caller.sql("INSERT INTO shop.orders VALUES (5, 'a', 'EUR', true, '2026-03-01', 100)")
    looker.clock.advance(seconds=5)
    assert totals(caller) == before  # json reads the cache that json_detail filled
    assert totals(caller, cache="false") != before

    (group,) = caller.get("/datagroups").json()
    moment = int(looker.clock.now().timestamp())
    changed = caller.call("PATCH", f"/datagroups/{group['id']}", {"triggered_at": moment})
    assert changed.json()["triggered_at"] == moment
    looker.clock.advance(seconds=5)
    after = totals(caller)
    assert after["EUR"] == before["EUR"] + 100


def test_a_streaming_format_does_not_fill_the_cache(caller: LookerCaller) -> None:
    before = totals(caller)
    caller.sql("INSERT INTO shop.orders VALUES (5, 'a', 'EUR', true, '2026-03-01', 100)")
    assert totals(caller)["EUR"] == before["EUR"] + 100


def test_an_answer_is_kept_no_longer_than_the_datagroup_says(
    looker: LookerSandbox, caller: LookerCaller
) -> None:
    before = totals(caller, form="json_detail")
    caller.sql("DELETE FROM shop.orders WHERE id = 1")
    looker.clock.advance(hours=23)
    caller.log_in()
    assert totals(caller) == before
    looker.clock.advance(hours=2)
    caller.log_in()
    assert totals(caller) != before


def test_changed_lookml_is_seen_at_once(looker: LookerSandbox, caller: LookerCaller) -> None:
    file = looker.options.lookml / "all.view.lkml"
    file.write_text(VIEWS.replace("measure: count {", "measure: number_of_orders {"))
    query = {"model": "shop", "view": "orders", "fields": ["orders.count"]}
    assert caller.post("/queries/run/json", query).status_code == 400
    errors = caller.post("/projects/shop/validate").json()["errors"]
    assert any("orders.count" in one["message"] for one in errors)
    file.write_text("view: orders {")
    assert caller.post("/projects/shop/validate").json()["errors"]


# --- plans


def test_a_plan_is_copied_and_the_copy_is_delivered(
    looker: LookerSandbox, caller: LookerCaller
) -> None:
    before = caller.get("/scheduled_plans/7").json()
    copy = caller.post("/scheduled_plans/7/run_once", {}).json()
    assert copy["id"] != "7"
    assert copy["run_once"] is True
    assert caller.get(f"/scheduled_plans/{copy['id']}").json()["last_run_status"] == "running"
    assert caller.get(f"/scheduled_plans/{copy['id']}").json()["last_run_status"] == "success"
    assert caller.get("/scheduled_plans/7").json() == before
    assert [one["id"] for one in caller.get("/scheduled_plans").json()] == ["7"]
    (sent,) = looker.instance.plans.deliveries
    assert (sent.plan, sent.copy, sent.addresses) == ("7", copy["id"], ("ann@example.com",))
    assert sent.dashboard is not None
    assert [row["orders.count"] for row in sent.dashboard.tiles[0].answer.rows] == [2, 2]
    assert "Board to Ann" not in httpx.get(f"{looker.url}/_looker").text
    assert "ann@example.com" in httpx.get(f"{looker.url}/_looker/deliveries").text


def test_a_plan_over_a_stale_cache_sends_old_rows(
    looker: LookerSandbox, caller: LookerCaller
) -> None:
    """Why freshness is proved before a plan is sent."""
    httpx.get(f"{looker.url}/_looker")
    caller.sql("DELETE FROM shop.orders")
    caller.post("/scheduled_plans/7/run_once")
    sent = looker.instance.plans.deliveries[-1].dashboard
    assert sent is not None
    assert len(sent.tiles[0].answer.rows) == 2


def test_a_plan_that_cannot_be_delivered_says_so(
    looker: LookerSandbox, caller: LookerCaller
) -> None:
    looker.faults.add(Fault(kind="broken_plan", call="POST /scheduled_plans/7/run_once"))
    copy = caller.post("/scheduled_plans/7/run_once").json()
    states = [caller.get(f"/scheduled_plans/{copy['id']}").json()["last_run_status"] for _ in "12"]
    assert states == ["running", "failure"]


def test_sending_too_fast_is_refused(tmp_path: Path) -> None:
    with (
        LookerSandbox.start(shop(tmp_path, run_once_per_minute=2)) as looker,
        LookerCaller(looker) as caller,
    ):
        told = [caller.post("/scheduled_plans/7/run_once").status_code for _ in range(3)]
        assert told == [200, 200, 429]
        looker.clock.advance(seconds=61)
        assert caller.post("/scheduled_plans/7/run_once").status_code == 200


# --- SQL Runner


def test_sql_runner_reads_and_writes(looker: LookerSandbox, caller: LookerCaller) -> None:
    caller.sql("UPDATE shop.orders SET currency = 'NOK' WHERE id = 1")
    assert caller.sql("SELECT currency FROM shop.orders WHERE id = 1") == [{"currency": "NOK"}]
    assert looker.instance.calls("db_query") == 4
    assert "looker_error" in caller.sql("SELECT 1; DROP TABLE shop.orders")[0]
    assert "looker_error" in caller.sql("COPY shop.orders TO 'out.csv'")[0]
    assert "looker_error" in caller.sql("SELECT * FROM nowhere")[0]


def test_sql_runner_needs_its_permissions(tmp_path: Path) -> None:
    with (
        LookerSandbox.start(shop(tmp_path / "a", can_use_sql_runner=False)) as looker,
        LookerCaller(looker) as caller,
    ):
        body = {"connection_name": "warehouse", "sql": "SELECT 1"}
        assert caller.post("/sql_queries", body).status_code == 403
    with (
        LookerSandbox.start(shop(tmp_path / "b", read_only=("warehouse",))) as looker,
        LookerCaller(looker) as caller,
    ):
        assert "looker_error" in caller.sql("DELETE FROM shop.orders")[0]
        assert caller.sql("SELECT count(*) AS n FROM shop.orders") == [{"n": 4}]


def test_a_database_that_is_in_use_is_waited_for(
    looker: LookerSandbox, caller: LookerCaller
) -> None:
    """The file is another process's for a moment, as when a flow loads."""
    path = looker.options.databases["warehouse"]
    script = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True);"
        " sys.stdin.readline(); c.close()"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdin is not None
        assert writer.stdout.readline() == "open\n"
        # The writer ends when its line comes; until then the sandbox must try again.
        threading.Timer(0.3, lambda: _end(writer.stdin)).start()
        assert totals(caller)


def _end(pipe: Any) -> None:
    pipe.write("\n")
    pipe.flush()


# --- quotas and faults


def test_calls_are_counted_as_they_are_billed(looker: LookerSandbox, caller: LookerCaller) -> None:
    caller.get("/datagroups")
    totals(caller)
    caller.get("/scheduled_plans/7")
    counted = (looker.instance.calls("db_query"), looker.instance.calls("non_query"))
    assert counted == (2, 1)


def test_a_month_that_is_used_up_answers_429_until_the_next(tmp_path: Path) -> None:
    with (
        LookerSandbox.start(shop(tmp_path, monthly=(1, 1))) as looker,
        LookerCaller(looker) as caller,
    ):
        told = [caller.get("/datagroups").status_code for _ in range(2)]
        assert told == [200, 429]
        looker.clock.set(datetime(2026, 12, 1, 1, tzinfo=UTC))
        assert caller.log_in().status_code == 200
        assert caller.get("/datagroups").status_code == 200


def test_faults_hit_the_calls_that_they_are_for(
    looker: LookerSandbox, caller: LookerCaller
) -> None:
    looker.faults.add(Fault(kind="status", call="GET /user", status=429, retry_after=3))
    looker.faults.add(Fault(kind="body", call="GET /user", status=502))
    odd = '{"error": {"code": 429}}'
    looker.faults.add(
        Fault(kind="body", call="GET /user", status=429, body=odd, content_type="application/json")
    )
    looker.faults.add(Fault(kind="expired", call="GET /user"))
    limited, page, front, dead = (caller.get("/user") for _ in range(4))
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "3")
    assert page.text.startswith("<html>")
    assert front.json() == {"error": {"code": 429}}
    assert dead.status_code == 401
    caller.log_in()
    assert caller.get("/user").status_code == 200


def test_a_lost_answer_was_done_all_the_same(looker: LookerSandbox, caller: LookerCaller) -> None:
    looker.faults.add(Fault(kind="lost", call="run_once"))
    with pytest.raises(httpx.TransportError):
        caller.post("/scheduled_plans/7/run_once")
    assert len(looker.instance.plans.deliveries) == 1
    looker.faults.add(Fault(kind="refused", call="run_once"))
    with pytest.raises(httpx.TransportError):
        caller.post("/scheduled_plans/7/run_once")
    assert len(looker.instance.plans.deliveries) == 1


def test_a_stale_answer_comes_even_when_the_cache_is_not_wanted(
    looker: LookerSandbox, caller: LookerCaller
) -> None:
    before = totals(caller, cache="false")
    caller.sql("DELETE FROM shop.orders WHERE id = 1")
    looker.faults.add(Fault(kind="stale", call="POST /queries/run"))
    assert totals(caller, cache="false") == before
    assert totals(caller, cache="false") != before


# --- the vendor's contract


@pytest.fixture(scope="module")
def contract(shared_folder: Path) -> dict[str, Any]:
    """Looker's OpenAPI file; nullable is OpenAPI 3.0's word, which JSON Schema does not know."""
    text = (shared_folder / "contracts" / "looker-4.0.oas.json").read_text()
    found: dict[str, Any] = _with_nulls(json.loads(text))
    return found


def _with_nulls(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_nulls(one) for one in node]
    if not isinstance(node, dict):
        return node
    changed = {key: _with_nulls(value) for key, value in node.items()}
    if node.get("nullable") is True and isinstance(node.get("type"), str):
        changed["type"] = [node["type"], "null"]
    return changed


CALLS: dict[str, Callable[[LookerCaller], httpx.Response]] = {
    "POST /login": lambda caller: caller.log_in(),
    "GET /user": lambda caller: caller.get("/user"),
    "GET /session": lambda caller: caller.get("/session"),
    "GET /datagroups": lambda caller: caller.get("/datagroups"),
    "GET /datagroups/{datagroup_id}": lambda caller: caller.get("/datagroups/1"),
    "PATCH /datagroups/{datagroup_id}": lambda caller: caller.call(
        "PATCH", "/datagroups/1", {"triggered_at": 1}
    ),
    "GET /scheduled_plans": lambda caller: caller.get("/scheduled_plans"),
    "GET /scheduled_plans/{scheduled_plan_id}": lambda caller: caller.get("/scheduled_plans/7"),
    "POST /scheduled_plans/{scheduled_plan_id}/run_once": lambda caller: caller.post(
        "/scheduled_plans/7/run_once", {}
    ),
    "GET /lookml_models": lambda caller: caller.get("/lookml_models"),
    "GET /lookml_models/{lookml_model_name}": lambda caller: caller.get("/lookml_models/shop"),
    "GET /lookml_models/{lookml_model_name}/explores/{explore_name}": lambda caller: caller.get(
        "/lookml_models/shop/explores/orders"
    ),
    "GET /connections": lambda caller: caller.get("/connections"),
    "GET /connections/{connection_name}": lambda caller: caller.get("/connections/warehouse"),
    "PUT /connections/{connection_name}/test": lambda caller: caller.call(
        "PUT", "/connections/warehouse/test"
    ),
    "POST /projects/{project_id}/validate": lambda caller: caller.post("/projects/shop/validate"),
    "POST /sql_queries": lambda caller: caller.post(
        "/sql_queries", {"connection_name": "warehouse", "sql": "SELECT 1"}
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_an_answer_has_the_shape_of_the_vendors_contract(
    contract: dict[str, Any], caller: LookerCaller, call: str
) -> None:
    method, _, path = call.partition(" ")
    operation = contract["paths"][path][method.lower()]
    answer = CALLS[call](caller)
    assert answer.status_code == 200, answer.text
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer.json(), {**schema, "components": contract["components"]})


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refusal_has_the_shape_of_the_vendors_contract(
    contract: dict[str, Any], caller: LookerCaller, status: int
) -> None:
    body = {
        400: {"model": "shop", "view": "orders"},
        404: {"model": "x", "view": "y"},
        422: {"a": 1},
    }
    answer = caller.post("/queries/run/json", body[status])
    assert answer.status_code == status
    name = "ValidationError" if status == 422 else "Error"
    schema = {"$ref": f"#/components/schemas/{name}", "components": contract["components"]}
    jsonschema.validate(answer.json(), schema)


def test_calls_are_billed_as_the_vendors_contract_marks_them(contract: dict[str, Any]) -> None:
    marked = {
        (method.upper(), re.sub(r"\{\w+\}", "*", path)): operation.get("x-looker-rate-limited-type")
        or operation.get("x-looker-activity-type")
        for path, operations in contract["paths"].items()
        for method, operation in operations.items()
    }
    for one in ENDPOINTS:
        path = re.sub(r"\(\?P<\w+>\[\^/\]\+\)", "*", one.path.pattern)
        assert marked[one.method, path] == one.activity, (one.method, path)
