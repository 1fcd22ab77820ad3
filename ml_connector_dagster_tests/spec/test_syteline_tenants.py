"""SyteLine tenants differ: properties they lack, configurations of their own, IDOs under other names, clocks."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ml_connector_dagster.cloudsuite.catalog.syteline import load_syteline_catalog
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    AuthorityError,
    NotThereError,
    RefusedError,
)
from ml_connector_dagster.cloudsuite.product_lines.syteline.answers import (
    IdoAnswer,
    parse_load,
    refusal_error,
)
from ml_connector_dagster.model.errors import ConfigError, ContractError
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.contracts.tenants import LineTenant, open_tenant


@pytest.fixture
def tenant(sandbox: Sandbox) -> Iterator[LineTenant]:
    yield from open_tenant(sandbox, "syteline")


def _catalog(folder: Path, text: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_what_the_base_product_has_no_property_for_stays_empty_and_is_named(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.absent_properties |= {"Uf_SearchKey", "Buyer"}
    row = next(iter(tenant.read(tenant.line(), "suppliers", "100").rows().values()))
    assert (row["search_key"], row["buyer"]) == (None, None)
    assert row["name"] is not None
    report = next(one for one in tenant.line().routes("100") if one.entity == "suppliers")
    assert report.chosen
    assert report.empty == ("search_key", "buyer")


def test_a_key_that_is_not_there_makes_the_ido_useless_but_a_division_may_be_missing(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.absent_properties |= {"Uf_Division"}
    rows = tenant.read(tenant.line(), "gl_accounts", "100").rows()
    assert {row["division"] for row in rows.values()} == {""}
    sandbox.switches.absent_properties |= {"Acct"}
    tenant.knowledge.documents.clear()  # a day later
    with pytest.raises(ConfigError, match="SLCharts of this tenant has no property Acct"):
        tenant.line().slices("gl_accounts", "100", tenant.everything())


def test_a_property_that_goes_after_it_was_seen_is_found_out_at_the_next_read(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    chain = tenant.line().slices("suppliers", "100", tenant.everything())[0]
    sandbox.switches.absent_properties |= {"Category"}
    with pytest.raises(NotThereError, match="Category not found on IDO SLVendors"):
        list(tenant.line().pages(chain, None))
    assert tenant.read(tenant.line(), "suppliers", "100").table.num_rows == 10


def test_an_ido_without_a_change_time_is_read_whole(tenant: LineTenant, sandbox: Sandbox) -> None:
    sandbox.switches.absent_properties |= {"RecordDate"}
    reading = tenant.read(tenant.line(page_rows=3), "suppliers", "100", tenant.days(0))
    assert reading.route == "load SLVendors (read whole)"
    assert reading.table.num_rows == 10
    assert all(row["_modified_at"] is None for row in reading.rows().values())


def test_keys_come_right_justified_and_are_kept_trimmed(tenant: LineTenant) -> None:
    reading = tenant.read(tenant.line(), "suppliers", "100")
    raw = reading.pages[0].records.column("VendNum").to_pylist()
    assert all(len(one) == 7 and one.startswith(" ") for one in raw)
    assert {row["supplier_id"] for row in reading.rows().values()} == {one.strip() for one in raw}


def test_stamps_are_the_sites_own_time(tenant: LineTenant, sandbox: Sandbox) -> None:
    key = sandbox.erp.change("suppliers", 1, "100")[0]
    moment = sandbox.clock.now()
    rows = tenant.read(tenant.line(), "suppliers", "100", tenant.days(0)).rows()
    stamp = rows[f"acme/100/{key[1]}"]["_modified_at"]
    assert isinstance(stamp, datetime)
    assert abs(stamp - moment) < timedelta(seconds=5)


def test_a_window_of_hours_leaves_out_what_changed_before_it(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.erp.change("suppliers", 1, "100", seed=1)
    since = sandbox.clock.advance(minutes=1)
    sandbox.clock.advance(minutes=1)
    [late] = sandbox.erp.change("suppliers", 1, "100", seed=2)
    window = Window(start=since, end=tenant.days(0).end)
    rows = tenant.read(tenant.line(), "suppliers", "100", window).rows()
    assert list(rows) == [f"acme/100/{late[1]}"]


def test_a_site_whose_configuration_has_another_name(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = _catalog(tmp_path, 'configurations: {"DALLAS": ACME_TST_100, "PARIS": ACME_TST_PAR}\n')
    line = tenant.line(catalog=file)
    reading = tenant.read(line, "suppliers", "DALLAS")
    assert reading.table.num_rows == 10
    with pytest.raises(ConfigError, match=r"ACME_TST_PAR.*configurations"):
        line.slices("suppliers", "PARIS", tenant.everything())


def test_an_ido_of_another_name_is_tried_first_and_the_next_one_serves(
    tenant: LineTenant, tmp_path: Path
) -> None:
    file = _catalog(
        tmp_path,
        "entities: {purchase_orders: {order: [mine], routes: {mine: {kind: load, idos: [{ido: SLPOs}]}}}}\n",
    )
    line = tenant.line(catalog=file)
    assert tenant.read(line, "purchase_orders", "100").route == "load SLPos"
    first, second, _ = (one for one in line.routes("100") if one.entity == "purchase_orders")
    assert (first.route, first.usable) == ("load SLPOs", False)
    assert "IDO SLPOs was not found" in first.reason
    assert second.chosen


def test_a_tenants_own_properties_land_in_extra_on_demand(
    tenant: LineTenant, tmp_path: Path
) -> None:
    file = _catalog(
        tmp_path,
        "entities: {purchase_orders: {fields: {facility: null}, routes: {load: {fields: [Uf_Facility]}}}}\n",
    )
    rows = tenant.read(tenant.line(catalog=file), "purchase_orders", "100").rows()
    assert all("Uf_Facility" in str(row["_extra"]) for row in rows.values())


def test_every_property_can_be_asked_for(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = _catalog(tmp_path, 'entities: {items: {routes: {load: {fields: "*"}}}}\n')
    rows = tenant.read(tenant.line(catalog=file), "items", "100").rows()
    assert len(rows) == len(sandbox.erp.truth("items", "100"))
    assert all("UM" not in str(row["_extra"]) for row in rows.values()), "what a column took"
    assert "_ItemId" not in str([row["_extra"] for row in rows.values()])


def test_stamps_in_utc_are_a_matter_of_the_catalog(tenant: LineTenant, tmp_path: Path) -> None:
    line = tenant.line(catalog=_catalog(tmp_path, "clock: utc\n"))
    assert line.layout("suppliers").timezone == "UTC"
    assert tenant.line().layout("suppliers").timezone == "Europe/Stockholm"


# What answers mean


def _body(**parts: Any) -> bytes:
    return json.dumps(parts).encode()


def test_items_as_pairs_of_names_and_values_are_read_too() -> None:
    answer = parse_load(
        200,
        _body(
            Items=[[{"Name": "VendNum", "Value": " 7"}, {"Name": "Name", "Value": None}]],
            Message="Success",
            MessageCode=0,
        ),
    )
    assert answer.refusal is None
    assert answer.records.to_pylist() == [{"VendNum": " 7", "Name": None}]


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (200, {"Items": None, "Success": False, "Message": "User requires [Read] privilege for SLVendors."}, AuthorityError, "privilege"),
        (200, {"Items": None, "Success": False, "Message": "Property Foo not found on IDO SLVendors."}, NotThereError, "Foo"),
        (200, {"Items": None, "Success": False, "Message": "Record is locked"}, RefusedError, "locked"),
        (200, {"Items": None, "Success": False, "Message": None}, RefusedError, "no reason given"),
        (200, {"Items": [], "MessageCode": 4711, "Message": "Timeout"}, RefusedError, "Timeout"),
        (200, {"fault": {"message": "Backend down"}}, RefusedError, "Backend down"),
        (400, {"responseMessage": "The MongooseConfig is missing"}, ConfigError, "MongooseConfig"),
        (404, {}, NotThereError, "HTTP 404"),
    ],
)  # fmt: skip
def test_every_way_of_saying_no(
    status: int, body: dict[str, Any], error: type[Exception], said: str
) -> None:
    answer = parse_load(status, _body(**body))
    raised = _refusal(answer)
    assert type(raised) is error
    assert said in str(raised)
    assert "load SLVendors, company 100" in str(raised)


def _refusal(answer: IdoAnswer) -> Exception:
    return refusal_error(
        answer,
        load_syteline_catalog().messages,
        what="load SLVendors, company 100",
        ido="SLVendors",
        configuration="ACME_TST_100",
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"Items":[{"VendNum":"1"}],"Success":false,"Message":"half"}',
        b'{"Success":true}',
        b"[]",
        b'{"Items":[{"VendNum":"1"',
        b'{"Items":[[{"Name":"VendNum"}]]}',
    ],
)
def test_what_is_no_whole_answer_is_not_believed(body: bytes) -> None:
    with pytest.raises(ContractError):
        parse_load(200, body)
