"""LN tenants differ: pages that end early, next links, properties for changes, services that are not active, what is not served."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_connector_dagster.cloudsuite.catalog.ln import load_ln_catalog
from ml_connector_dagster.cloudsuite.product_lines.ln.answers import (
    is_readable,
    parse_metadata,
    parse_set,
)
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    AuthorityError,
    NotThereError,
    RefusedError,
)
from ml_connector_dagster.model.errors import ConfigError, ContractError
from ml_connector_dagster.sandbox import Fault, Sandbox
from ml_connector_dagster_tests.contracts.tenants import LineTenant, open_tenant


@pytest.fixture
def tenant(sandbox: Sandbox) -> Iterator[LineTenant]:
    yield from open_tenant(sandbox, "ln")


def _catalog(folder: Path, text: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def _orders(rows: dict[str, dict[str, object]]) -> set[str]:
    return {str(row["purchase_order_id"]) for row in rows.values()}


def _all_orders(sandbox: Sandbox) -> set[str]:
    return {str(row["purchase_order_id"]) for row in sandbox.erp.truth("purchase_orders", "100")}


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("page_rows", [3, 7, 10, 10_000])
@pytest.mark.parametrize("limit", [2, 3, 5])
def test_a_server_that_ends_its_pages_early_is_read_to_the_end(
    tenant: LineTenant, sandbox: Sandbox, links: bool, page_rows: int, limit: int
) -> None:
    sandbox.switches.ln_page_limit = limit
    sandbox.switches.ln_next_links = links
    reading = tenant.read(tenant.line(page_rows=page_rows), "purchase_orders", "100")
    assert _orders(reading.rows()) == _all_orders(sandbox)
    assert reading.pages[-1].position is None


def test_without_counts_a_short_page_is_the_last_one(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path
) -> None:
    line = tenant.line(page_rows=4, catalog=_catalog(tmp_path, "counts: false\n"))
    assert _orders(tenant.read(line, "purchase_orders", "100").rows()) == _all_orders(sandbox)
    assert all("$count" not in one.path for one in sandbox.requests())


@pytest.mark.parametrize("links", [True, False])
def test_a_read_that_was_killed_inside_linked_pages_goes_on(
    tenant: LineTenant, sandbox: Sandbox, links: bool
) -> None:
    sandbox.switches.ln_page_limit = 3
    sandbox.switches.ln_next_links = links
    chain = tenant.line().slices("purchase_orders", "100", tenant.everything())[0]
    found: set[str] = set()
    position: str | None = None
    while True:
        page = next(tenant.line(page_rows=7).pages(chain, position))
        found |= set(page.records.column("PurchaseOrder").to_pylist())
        position = page.position
        if position is None:
            break
    assert found == _all_orders(sandbox)


@pytest.mark.parametrize("gone", [1, 3, 6])
def test_rows_that_go_do_not_pull_others_out_of_sight(
    tenant: LineTenant, sandbox: Sandbox, gone: int
) -> None:
    line = tenant.line(page_rows=4)
    [chain] = line.slices("purchase_orders", "100", tenant.everything())
    before = sorted(_all_orders(sandbox))
    found: list[str] = []
    for number, page in enumerate(line.pages(chain, None)):
        found += page.records.column("PurchaseOrder").to_pylist()
        if number == 2:
            keys = [("100", order) for order in before[:gone]]
            sandbox.erp.delete("purchase_orders", keys=keys)
    assert set(found) == set(before), "and what had been read stays read"


def test_rows_that_come_are_no_reason_to_start_over_for_ever(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    line = tenant.line(page_rows=4)
    [chain] = line.slices("suppliers", "100", tenant.everything())
    found: set[str] = set()
    for number, page in enumerate(line.pages(chain, None)):
        found |= set(page.records.column("BusinessPartner").to_pylist())
        if number < 3:
            sandbox.erp.insert("suppliers", 3, "100", seed=number)
    truth = {str(row["supplier_id"]) for row in sandbox.erp.truth("suppliers", "100")}
    assert found <= truth
    assert len(found) >= 10


def test_which_property_tells_changes_is_found_out(tenant: LineTenant, sandbox: Sandbox) -> None:
    keys = sandbox.erp.change("items", 2, "100")
    reading = tenant.read(tenant.line(), "items", "100", tenant.days(0))
    assert reading.route == "odata tcapi.ibdItem/Items"
    assert {str(key[1]) for key in keys} <= {
        str(row["item_id"]).strip() for row in reading.rows().values()
    }
    assert reading.table.num_rows < len(sandbox.erp.truth("items", "100"))


def test_a_set_that_tells_no_changes_is_read_whole(tenant: LineTenant, sandbox: Sandbox) -> None:
    sandbox.switches.absent_properties |= {"DateOfLastModification"}
    reading = tenant.read(tenant.line(), "items", "100", tenant.days(0))
    assert reading.route == "odata tcapi.ibdItem/Items (read whole)"
    assert reading.table.num_rows == len(sandbox.erp.truth("items", "100"))


def test_a_property_for_changes_can_be_named(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = _catalog(
        tmp_path,
        "modified_like: []\nentities: {items: {routes: {odata: {modified: DateOfLastModification}}}}\n",
    )
    sandbox.erp.change("items", 2, "100")
    line = tenant.line(catalog=file)
    assert tenant.read(line, "items", "100", tenant.days(0)).table.num_rows < 40
    assert tenant.read(line, "suppliers", "100", tenant.days(0)).route.endswith("(read whole)")


def test_leading_blanks_of_item_codes_are_kept(tenant: LineTenant) -> None:
    rows = tenant.read(tenant.line(), "items", "100").rows()
    assert all(str(row["item_id"]).startswith(" " * 9) for row in rows.values())


def test_a_property_that_goes_after_it_was_seen_is_found_out_at_the_next_read(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    [chain] = tenant.line().slices("suppliers", "100", tenant.everything())
    sandbox.switches.absent_properties |= {"SearchKey"}
    with pytest.raises(NotThereError, match="SearchKey"):
        list(tenant.line().pages(chain, None))
    row = next(iter(tenant.read(tenant.line(), "suppliers", "100").rows().values()))
    assert row["search_key"] is None
    report = next(one for one in tenant.line().routes("100") if one.entity == "suppliers")
    assert report.empty == ("search_key",)


def test_a_service_that_is_not_active_in_a_company(tenant: LineTenant, sandbox: Sandbox) -> None:
    sandbox.switches.absent_programs |= {"tcapi.ibdItem", "DATAFABRIC"}
    with pytest.raises(ConfigError, match=r"tcapi.ibdItem is not active.*Activate the service"):
        tenant.line().slices("items", "100", tenant.everything())
    assert tenant.read(tenant.line(), "suppliers", "100").table.num_rows == 10


def test_what_odata_does_not_serve_is_said_and_is_no_crash(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.absent_programs.add("DATAFABRIC")
    reports = {one.entity: one for one in tenant.line().routes("100")}
    assert not reports["payments"].usable
    assert reports["payments"].reason != ""
    with pytest.raises(ConfigError, match="payments"):
        tenant.line().slices("payments", "100", tenant.everything())


def test_the_401_of_lns_own_oauth_is_waited_for_with_the_same_token(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    fault = sandbox.faults.add(Fault(kind="unknown_consumer", nth=2, times=2))
    reading = tenant.read(tenant.line(page_rows=4), "suppliers", "100")
    assert fault.fired == 2
    assert reading.table.num_rows == 10
    assert sandbox.logins("ACME_TST") == 1


# What answers mean


def _error(message: str) -> dict[str, Any]:
    return {"error": {"code": "ERROR", "message": message, "details": []}}


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (422, _error("Switch to company 999 failed"), ConfigError, "companies of the flow"),
        (403, _error("No way"), AuthorityError, "No way"),
        (200, _error("User is not authorized"), AuthorityError, "right to the service"),
        (404, _error("Resource not found"), NotThereError, "Activate the service"),
        (400, _error("Could not find a property named 'X'"), NotThereError, "named 'X'"),
        (422, _error("Record is locked"), RefusedError, "locked"),
        (400, {}, RefusedError, "no reason given"),
        (200, {"error": "fault"}, RefusedError, "fault"),
    ],
)
def test_every_way_of_saying_no(
    status: int, body: dict[str, Any], error: type[Exception], said: str
) -> None:
    refusal = parse_set(status, json.dumps(body).encode()).refusal
    assert refusal is not None
    raised = refusal.error(load_ln_catalog().messages, what="odata x/Y, company 100", company="100")
    assert type(raised) is error
    assert said in str(raised)


def test_details_of_an_error_are_told_too() -> None:
    body = {"error": {"message": "a", "details": [{"message": "a"}, {"message": " b  c "}]}}
    assert str(parse_set(422, json.dumps(body).encode()).refusal) == "a; b c (HTTP 422)"


@pytest.mark.parametrize(
    ("status", "body", "readable"),
    [
        (422, b'{"error":{"message":"x"}}', True),
        (404, b'{"error":{"message":"x"}}', True),
        (404, b'{"error":"Not Found"}', False),
        (403, b'{"error":"Forbidden"}', False),
        (400, b"Bad Request", True),
        (500, b'{"error":{"message":"x"}}', False),
        (404, b"<html>", False),
    ],
)
def test_what_ln_itself_said(status: int, body: bytes, readable: bool) -> None:
    assert is_readable(status, body) is readable


@pytest.mark.parametrize(
    "body", [b'{"value":[{"a":"1"}],"error":{"message":"half"}}', b"{}", b"[]", b'{"value":[{"a']
)
def test_what_is_no_whole_answer_is_not_believed(body: bytes) -> None:
    with pytest.raises(ContractError):
        parse_set(200, body)


def test_metadata_of_types_that_build_on_others() -> None:
    content = {
        "$Version": "4.01",
        "s": {
            "Base": {"$Kind": "EntityType", "Id": {}},
            "Order": {
                "$Kind": "EntityType",
                "$BaseType": "s.Base",
                "Number": {"$Type": "Edm.Int32"},
                "LineRefs": {"$Kind": "NavigationProperty", "$Type": "s.Line"},
            },
            "Container": {
                "$Kind": "EntityContainer",
                "Orders": {"$Collection": True, "$Type": "s.Order"},
                "Single": {"$Type": "s.Order"},
            },
        },
    }
    found = parse_metadata(200, json.dumps(content).encode())
    assert found.sets == {"Orders": ("Number", "Id")}


def test_a_position_of_another_kind_is_refused(tenant: LineTenant) -> None:
    line = tenant.line()
    [chain] = line.slices("suppliers", "100", tenant.everything())
    for position in ("x", "[]", '{"skip": "many", "tail": []}'):
        with pytest.raises(ContractError, match="begin the read anew"):
            list(line.pages(chain, position))
