"""Landmark's lists and SX.e's FetchWhere pass the guard; whatever else these suites offer does not (D7)."""

import pytest

from ml_connector_dagster.cloudsuite.product_lines.distribution.api import Fetch
from ml_connector_dagster.cloudsuite.product_lines.financials.queries import ClassList
from ml_connector_dagster.cloudsuite.read_guard import ReadGuard
from ml_connector_dagster.model.errors import ConfigError


FSM = ReadGuard("FSM")
SX = ReadGuard("SX")
LIST = "/fsm/soap/classes/Vendor/lists/_generic"
FETCH = "/rest/serviceinterface/proxy/FetchWhere"


def _body(**changes: object) -> dict[str, object]:
    asked = Fetch(table="apsv", company="100", conditions=("cono = 100",), rows=5)
    return asked.body("sys") | changes


def test_a_list_and_its_next_page_pass() -> None:
    asked = ClassList(business_class="Vendor", fields=(), equal={"VendorGroup": "1"}, limit=5)
    assert FSM.judge_get(asked.path) == "list Vendor"
    onward = asked.onward('../lists/_generic?_fields=_all&_lplFilter=A = "1;2"&_next=x%2Fy')
    assert FSM.judge_get(onward) == "list Vendor"


@pytest.mark.parametrize(
    "path",
    [
        "/fsm/soap/classes/Vendor/actions/Update?Vendor=1",
        "/fsm/soap/classes/Vendor/actions/Find?Key=1",
        "/fsm/soap/classes/Vendor/lists/_generic/../../actions/Update",
        "/fsm/soap/classes/Vendor%2Factions%2FUpdate/lists/_generic",
        "/fsm/soap/classes//Vendor/lists/_generic",
        "/fsm/soap/classes/Vendor/lists/_generic#x",
        "/FSM/soap/classes/Vendor/lists/_generic",
        f"{LIST}?_action=Update",
        f"{LIST}?_limit=5&_actionName=Delete",
        f"{LIST}?_limit=5;_action=Update",
        f"{LIST}?_limit=%zz",
        f"{LIST}?Vendor=1",
        f"{LIST}?_nextAction2=1",
    ],
)
def test_anything_but_a_list_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="not sent"):
        FSM.judge_get(path)


def test_posts_to_landmark_and_gets_from_sxe_are_refused() -> None:
    with pytest.raises(ConfigError, match="not sent"):
        FSM.judge_post(LIST, {})
    with pytest.raises(ConfigError, match="not sent"):
        SX.judge_get(FETCH)


@pytest.mark.parametrize(
    "clause",
    [
        "cono = 100",
        "cono = 100 and transdt >= 01/31/2026 and transdt <= 31/01/2026",
        "cono = 100 and transcd = 0 and statustype = yes and whse = \"01 A\"",
        "transdt >= DATE(1,31,2026)",
        "transdt >= 2026-01-31",
        "amount >= -1.5 and transdt = ?",
    ],
)  # fmt: skip
def test_comparisons_pass(clause: str) -> None:
    assert SX.judge_post(FETCH, _body(WhereClause=clause)) == "FetchWhere apsv"


@pytest.mark.parametrize(
    "clause",
    [
        "",
        "cono",
        "cono = 100; delete from apsv",
        "cono = 100 and run('x.p')",
        "dynamic-function(\"x\") = 1",
        "name = \"a~\" or true\"",
        "name = \"{&x}\"",
        "cono = 100 or cono = 200",
        "cono = 100 no-lock",
        "cono = 100 exclusive-lock",
        "cono = 100\nand delete",
    ],
)  # fmt: skip
def test_anything_but_comparisons_is_refused(clause: str) -> None:
    with pytest.raises(ConfigError, match="not sent"):
        SX.judge_post(FETCH, _body(WhereClause=clause))


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("/rest/sxapirestservice/sxapiarcustomermnt", {}),
        (f"{FETCH}/", {}),
        (f"{FETCH}?x=1", {}),
        ("/rest/serviceinterface/proxy/fetchwhere", {}),
        ("/rest/serviceinterface/proxy/UpdateWhere", {}),
        (FETCH, {"Update": True}),
        (FETCH, {"tablename": "apsv"}),
        (FETCH, {"TableName": "apsv where"}),
        (FETCH, {"TableName": "APSV"}),
        (FETCH, {"TableName": None}),
        (FETCH, {"WhereClause": None}),
    ],
)
def test_anything_but_fetch_where_is_refused(path: str, changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="not sent"):
        SX.judge_post(path, _body(**changes))
