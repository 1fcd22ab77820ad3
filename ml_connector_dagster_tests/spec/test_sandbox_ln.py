"""The sandbox's OData services of LN: reference cloudsuite-api §4.1."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


ORDERS = "tdapi.purPurchaseOrder/Orders"


def _get(caller: Caller, path: str, company: str | None = "100") -> httpx.Response:
    url = f"{caller.file['iu']}/{caller.tenant}/LN/lnapi/odata/{path}"
    headers = caller.headers() | ({} if company is None else {"X-Infor-LnCompany": company})
    return caller.http.get(url, headers=headers)


def _rows(caller: Caller, path: str = ORDERS, **options: str) -> dict[str, Any]:
    query = "&".join(f"${name}={quote(value)}" for name, value in options.items())
    answer = _get(caller, f"{path}?{query}")
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def test_values_are_typed_and_moments_are_in_utc(caller: Caller) -> None:
    [row] = _rows(caller, "tdapi.purPurchaseOrder/Lines", top="1")["value"]
    assert isinstance(row["Line"], int)
    assert isinstance(row["OrderedQuantity"], int | float)
    assert row["PlannedReceiptDate"].endswith("T00:00:00Z")
    assert row["@odata.etag"].startswith('W/"')
    assert row["Item"].startswith(" " * 9)


def test_top_skip_and_count(caller: Caller, sandbox: Sandbox) -> None:
    count = len(sandbox.erp.truth("purchase_orders", "100"))
    first = _rows(caller, top="4", count="true", select="PurchaseOrder")
    assert first["@odata.count"] == count
    assert len(first["value"]) == 4
    second = _rows(caller, top="4", skip="3", select="PurchaseOrder")
    assert second["value"][0]["PurchaseOrder"] == first["value"][3]["PurchaseOrder"]
    assert _rows(caller, skip=str(count))["value"] == []


def test_a_page_limit_cuts_with_a_next_link_or_without_a_word(
    caller: Caller, sandbox: Sandbox
) -> None:
    sandbox.switches.ln_page_limit = 3
    page = _rows(caller, top="5")
    assert len(page["value"]) == 3
    rest = _get(caller, page["@odata.nextLink"].removeprefix("/lnapi/odata/")).json()
    assert len(rest["value"]) == 2
    assert "@odata.nextLink" not in rest
    sandbox.switches.ln_next_links = False
    assert "@odata.nextLink" not in _rows(caller, top="5")


def test_filters(caller: Caller, sandbox: Sandbox) -> None:
    row = sandbox.erp.truth("purchase_orders", "100")[0]
    found = _rows(caller, filter=f"PurchaseOrder eq '{row['purchase_order_id']}'")["value"]
    assert [one["PurchaseOrder"] for one in found] == [row["purchase_order_id"]]
    keys = sandbox.erp.change("purchase_orders", 2, "100")
    today = f"{sandbox.clock.now():%Y-%m-%d}T00:00:00Z"
    changed = _rows(caller, filter=f"LastModificationDateTime ge {today}", top="1000")["value"]
    assert {key[1] for key in keys} <= {one["PurchaseOrder"] for one in changed}
    never = _rows(caller, filter="LastModificationDateTime eq null")["value"]
    assert all(one["LastModificationDateTime"] is None for one in never)


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        (f"{ORDERS}?$select=FooBar", 400, "Could not find a property named 'FooBar'"),
        (f"{ORDERS}?$filter=FooBar%20eq%201", 400, "Could not find a property named 'FooBar'"),
        (f"{ORDERS}?$filter=PurchaseOrder%20%3D%20'1'", 400, "operators are"),
        (f"{ORDERS}?$filter=PurchaseOrder%20eq%201", 400, "another type"),
        (f"{ORDERS}?$filter=LastModificationDateTime%20ge%202026-01-01", 400, "DateTimeOffset"),
        (f"{ORDERS}?$top=many", 400, "$top"),
        (f"{ORDERS}?top=1", 400, "'top' is not supported"),
        (f"{ORDERS}?$skiptoken=zz", 400, "$skiptoken"),
        ("tdapi.purPurchaseOrder/Invoices", 404, "entity set named 'Invoices'"),
        ("tfapi.acpInvoice/Invoices", 404, "not active in company 100"),
    ],
)
def test_what_is_not_understood_is_refused(
    caller: Caller, path: str, status: int, message: str
) -> None:
    answer = _get(caller, path)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]


def test_the_company_is_the_headers_or_the_users_own(caller: Caller, sandbox: Sandbox) -> None:
    refused = _get(caller, ORDERS, "999")
    assert refused.status_code == 422
    assert refused.json()["error"]["message"] == "Switch to company 999 failed"
    mine = _get(caller, f"{ORDERS}?$top=1", None).json()["value"]
    assert mine == _rows(caller, top="1")["value"]
    sandbox.switches.user_company = "200"
    assert _get(caller, f"{ORDERS}?$top=1", None).json()["value"] != mine


def test_metadata_describe_a_service_as_json(caller: Caller, sandbox: Sandbox) -> None:
    sandbox.switches.absent_properties |= {"Buyer"}
    content = _get(caller, "tdapi.purPurchaseOrder/$metadata").json()
    service = content["tdapi.purPurchaseOrder"]
    assert service["Container"]["Lines"] == {
        "$Collection": True,
        "$Type": "tdapi.purPurchaseOrder.Line",
    }
    assert service["Line"]["$Key"] == ["PurchaseOrder", "Line", "Sequence"]
    assert service["Line"]["OrderedQuantity"]["$Type"] == "Edm.Decimal"
    assert "Buyer" not in service["Line"]


def test_nothing_is_written(caller: Caller) -> None:
    url = f"{caller.file['iu']}/{caller.tenant}/LN/lnapi/odata/{ORDERS}"
    assert caller.http.post(url, json={}, headers=caller.headers()).status_code == 405
