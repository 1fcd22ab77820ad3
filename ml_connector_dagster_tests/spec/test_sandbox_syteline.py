"""The sandbox's IDO request service: reference cloudsuite-api §3."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


def _get(caller: Caller, path: str, configuration: str = "ACME_TST_100") -> httpx.Response:
    url = f"{caller.file['iu']}/{caller.tenant}/CSI/IDORequestService/ido/{path}"
    headers = caller.headers() | {"X-Infor-MongooseConfig": configuration}
    return caller.http.get(url, headers=headers)


def _load(caller: Caller, ido: str = "SLVendors", **options: str) -> dict[str, Any]:
    query = "&".join(f"{name}={quote(value)}" for name, value in options.items())
    answer = _get(caller, f"load/{ido}?{query}")
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def test_a_page_has_text_values_an_item_id_and_a_bookmark(caller: Caller) -> None:
    page = _load(
        caller,
        properties="VendNum,Name,RecordDate,LastPurch",
        orderby="VendNum",
        recordcap="3",
        loadtype="FIRST",
    )
    assert page["Success"] is True
    assert page["MoreRowsExist"] is True
    assert page["Bookmark"].startswith("<B><P><p>VendNum</p></P><D><f>false</f></D><F><v>")
    assert [set(item) for item in page["Items"]] == [
        {"VendNum", "Name", "RecordDate", "LastPurch", "_ItemId"}
    ] * 3
    assert all(len(item["VendNum"]) == 7 for item in page["Items"])
    assert page["Items"][0]["_ItemId"].startswith("PBT=[vendors] ven.DT=[")


def test_next_goes_on_after_the_bookmark_to_the_end(caller: Caller) -> None:
    options = {"properties": "VendNum", "orderby": "RecordDate,RowPointer", "recordcap": "4"}
    page = _load(caller, loadtype="FIRST", **options)
    found = [item["VendNum"] for item in page["Items"]]
    while page["MoreRowsExist"]:
        page = _load(caller, loadtype="NEXT", bookmark=page["Bookmark"], **options)
        found += [item["VendNum"] for item in page["Items"]]
    assert len(found) == len(set(found)) == 10


@pytest.mark.parametrize(
    ("cap", "rows", "more"), [("-1", 75, False), ("0", 75, False), ("9", 9, True)]
)
def test_record_caps(caller: Caller, sandbox: Sandbox, cap: str, rows: int, more: bool) -> None:
    lines = len(sandbox.erp.truth("purchase_order_lines", "100"))
    page = _load(caller, "SLPoItems", properties="PoNum", recordcap=cap)
    assert len(page["Items"]) == min(rows, lines) if rows == 9 else len(page["Items"]) == lines
    assert page["MoreRowsExist"] is more


def test_filters_compare_with_the_sites_clock(caller: Caller, sandbox: Sandbox) -> None:
    sandbox.erp.change("suppliers", 2, "100")
    today = f"{sandbox.clock.today():%Y%m%d}"
    changed = _load(caller, properties="VendNum", filter=f"RecordDate >= '{today} 00:00:00.000'")
    truth = sandbox.erp.truth("suppliers", "100", changed_from=sandbox.clock.today())
    assert len(changed["Items"]) == len(truth)
    never = _load(caller, properties="RecordDate", filter="RecordDate is null")
    assert all(item["RecordDate"] is None for item in never["Items"])


@pytest.mark.parametrize(
    ("ido", "options", "message"),
    [
        ("SLVendors", {"properties": "FooBar"}, "Property FooBar not found on IDO SLVendors."),
        ("SLVendors", {"orderby": "FooBar"}, "Property FooBar not found on IDO SLVendors."),
        ("SLVendors", {"filter": "FooBar = '1'"}, "Property FooBar not found on IDO SLVendors."),
        ("SLVendors", {"filter": 'Name = "x"'}, "IllegalFilterException"),
        ("SLVendors", {"filter": "RecordDate >= '2026-13-01'"}, "IllegalFilterException"),
        ("SLVendors", {"filter": "Name = 'x' or"}, "IllegalFilterException"),
        ("SLVendors", {"loadtype": "NEXT", "bookmark": "<B/>"}, "bookmark"),
        ("SLVendors", {"recordcap": "many"}, "record cap"),
        ("SLVendors", {"rowcap": "1"}, "parameter rowcap"),
        ("SLCharts", {}, "User requires [Read] privilege for SLCharts."),
    ],
)
def test_refusals_come_inside_a_200(
    caller: Caller, sandbox: Sandbox, ido: str, options: dict[str, str], message: str
) -> None:
    sandbox.switches.unauthorized_programs |= {"SLCharts"}
    answer = _load(caller, ido, **options)
    assert (answer["Success"], answer["Items"]) == (False, None)
    assert message in answer["Message"]


def test_a_bookmark_of_another_order_is_refused(caller: Caller) -> None:
    page = _load(caller, properties="VendNum", orderby="VendNum", recordcap="3")
    other = _load(
        caller, properties="VendNum", orderby="Name", loadtype="NEXT", bookmark=page["Bookmark"]
    )
    assert other["Success"] is False


def test_a_configuration_is_required_and_must_exist(caller: Caller) -> None:
    assert caller.get("CSI/IDORequestService/ido/load/SLVendors").status_code == 400
    answer = _get(caller, "load/SLVendors", "ACME_TST_999").json()
    assert "ACME_TST_999 does not exist" in answer["Message"]


@pytest.mark.parametrize("ido", ["SLPOs", "slvendors", "SLVchItems"])
def test_an_ido_that_is_not_there_is_not_found(caller: Caller, ido: str) -> None:
    assert _get(caller, f"load/{ido}").status_code == 404
    assert _get(caller, f"info/{ido}").status_code == 404


def test_info_lists_properties(caller: Caller, sandbox: Sandbox) -> None:
    sandbox.switches.absent_properties |= {"Buyer"}
    names = [one["Name"] for one in _get(caller, "info/SLVendors").json()["Properties"]]
    assert "VendNum" in names
    assert "Buyer" not in names
    assert "SiteRef" not in names, "only the IDOs of all sites have it"


def test_nothing_is_written(caller: Caller) -> None:
    url = f"{caller.file['iu']}/{caller.tenant}/CSI/IDORequestService/ido/update/SLVendors"
    headers = caller.headers() | {"X-Infor-MongooseConfig": "ACME_TST_100"}
    assert caller.http.post(url, json={"Changes": []}, headers=headers).status_code == 404
