"""The sandbox's own HTTP routes: everything that Python can do to it, a person or another process can."""

import subprocess
import sys
import threading
from typing import Any

import httpx
import pytest

from ml_connector_dagster.sandbox import ErpSize, Fault, Sandbox, SandboxOptions
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


@pytest.fixture
def admin(sandbox: Sandbox) -> Any:
    with httpx.Client(base_url=sandbox.url) as client:
        yield client


def test_state(admin: httpx.Client) -> None:
    state = admin.get("/_admin").json()
    assert state["tenants"] == ["ACME_TST", "BETA_TST"]
    assert state["companies"] == ["100", "200"]
    assert state["tables"]["CIDMAS"] == 20


def test_changes_and_truth(admin: httpx.Client, sandbox: Sandbox) -> None:
    body = {"entity": "suppliers", "count": 3, "company": "100", "day": "2026-01-05"}
    keys = admin.post("/_admin/change", json=body).json()["keys"]
    assert len(keys) == 3
    truth = admin.get("/_admin/truth/suppliers", params={"company": "100"}).json()
    assert len(truth) == 10
    assert truth[0]["supplier_id"] == "10001"
    day = {"changed_from": "2026-01-05", "changed_until": "2026-01-05"}
    changed = admin.get("/_admin/truth/suppliers", params=day).json()
    assert {row["supplier_id"] for row in changed} >= {key[1] for key in keys}
    added = admin.post("/_admin/insert", json={"entity": "items"}).json()["keys"]
    assert (
        admin.post("/_admin/touch", json={"entity": "items", "keys": added}).json()["keys"] == added
    )
    assert (
        admin.post("/_admin/delete", json={"entity": "items", "keys": added}).json()["keys"]
        == added
    )
    key = {"CONO": 100, "CUNO": "C00001"}
    done = admin.post(
        "/_admin/set_field", json={"table": "OCUSMA", "key": key, "field": "CUNM", "value": "Å"}
    )
    assert done.json() == {"changed": 1}
    assert sandbox.erp.truth("customers", "100")[0]["name"] == "Å"
    totals = admin.get("/_admin/totals").json()
    assert totals["suppliers"]["100"]["rows"] == 10
    assert isinstance(totals["payments"]["100"]["amount"], str)


def test_clock_limits_switches_and_tokens(admin: httpx.Client, sandbox: Sandbox) -> None:
    admin.post("/_admin/clock", json={"set": "2031-05-01T10:00:00+00:00", "days": 1})
    assert admin.get("/_admin/clock").json()["today"] == "2031-05-02"
    limits = {"requests_per_minute": 5, "retry_after": False, "token_lifetime": 60}
    assert admin.post("/_admin/limits", json=limits).json() == limits
    admin.post("/_admin/switches", json={"row_ceiling": 9, "unauthorized_programs": ["EXPORTMI"]})
    assert sandbox.switches.row_ceiling == 9
    assert admin.get("/_admin/switches").json()["unauthorized_programs"] == ["EXPORTMI"]
    admin.post("/_admin/tokens", json={"refuse": {"ACME_TST": True}, "forget": True})
    caller = Caller(sandbox)
    assert caller.login().status_code == 400
    caller.close()
    admin.post("/_admin/reset")
    assert admin.get("/_admin/switches").json()["row_ceiling"] is None
    assert sandbox.limits.requests_per_minute == 6000


def test_faults_requests_and_counters(admin: httpx.Client, caller: Caller) -> None:
    armed = admin.post("/_admin/faults", json={"kind": "status", "status": 500, "times": 2}).json()
    assert armed[0]["kind"] == "status"
    assert caller.mi("CRS620MI/LstSuppliers").status_code == 500
    assert admin.get("/_admin/faults").json()[0]["fired"] == 1
    assert admin.delete("/_admin/faults").json() == []
    assert caller.mi("CRS620MI/LstSuppliers", "maxrecs=2").status_code == 200
    log = admin.get("/_admin/requests", params={"tenant": "ACME_TST", "last": 2}).json()
    assert [(one["status"], one["fault"], one["rows"]) for one in log] == [
        (500, "status", 10),
        (200, "", 2),
    ]
    assert admin.get("/_admin/counters").json()["ACME_TST"] == {
        "requests": 2,
        "logins": 1,
        "max_requests_in_60_seconds": 2,
    }


def test_credentials_can_be_downloaded(admin: httpx.Client) -> None:
    assert admin.get("/_admin/ionapi/BETA_TST").json()["ti"] == "BETA_TST"
    web = admin.get("/_admin/ionapi/BETA_TST", params={"kind": "web_app"}).json()
    assert "sask" not in web


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/_admin/change", {"entity": "vendors"}, "unknown entity"),
        ("/_admin/change", {"entity": "items", "number": 3}, "unexpected keyword"),
        ("/_admin/faults", {"kind": "explode"}, "unknown fault"),
        ("/_admin/switches", {"kinder": True}, "unknown switch"),
        ("/_admin/clock", {"set": "tomorrow"}, "Invalid isoformat"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(
    admin: httpx.Client, path: str, body: dict[str, Any], reason: str
) -> None:
    answer = admin.post(path, json=body)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


def test_the_status_page_shows_what_goes_on(admin: httpx.Client, caller: Caller) -> None:
    caller.sandbox.faults.add(Fault(kind="html", program="<b>"))
    caller.mi("CRS620MI/LstSuppliers")
    page = admin.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for part in ("ACME_TST", "CRS620MI/LstSuppliers", "MPLINE", "&lt;b&gt;"):
        assert part in page.text


def test_many_callers_at_once_while_the_data_changes(sandbox: Sandbox) -> None:
    failures: list[str] = []

    def call() -> None:
        caller = Caller(sandbox)
        for _ in range(15):
            answer = caller.mi("EXPORTMI/Select", SEPC="|", QERY="IBPUNO,IBITNO from MPLINE")
            if answer.status_code != 200 or len(answer.json()["results"][0]["records"]) != 75:
                failures.append(answer.text)
        caller.close()

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(20):
        sandbox.erp.change("purchase_order_lines", 5, seed=turn)
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert len(sandbox.requests("ACME_TST")) == 60


def test_two_sandboxes_stand_side_by_side() -> None:
    options = SandboxOptions(size=ErpSize.tiny(), seed=5)
    with Sandbox.start(options) as first, Sandbox.start(options) as second:
        assert first.url != second.url
        first.erp.change("items", 3)
        assert first.erp.truth("items") != second.erp.truth("items")
    with pytest.raises(httpx.ConnectError):
        httpx.get(first.url)


def test_it_serves_in_the_foreground_until_it_is_interrupted() -> None:
    code = (
        "import signal, threading, httpx, os, socket\n"
        # A test run in the background of a shell hands down an ignored SIGINT.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions\n"
        "with socket.create_server(('127.0.0.1', 0)) as free: port = free.getsockname()[1]\n"
        "def check():\n"
        "    transport = httpx.HTTPTransport(retries=8)\n"
        "    with httpx.Client(transport=transport) as client:\n"
        "        print(client.get(f'http://127.0.0.1:{port}/_admin').json()['url'], port)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=check, daemon=True).start()\n"
        "try:\n"
        "    with Sandbox.start(SandboxOptions(size=ErpSize.tiny()), port=port) as sandbox:\n"
        "        sandbox.wait()\n"
        "except KeyboardInterrupt:\n"
        "    pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    url, port = done.stdout.split()
    assert url == f"http://127.0.0.1:{port}"
