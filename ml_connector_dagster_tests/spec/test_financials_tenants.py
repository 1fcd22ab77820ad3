"""Financials tenants differ: exceptions with an HTTP error, classes without change times, fields of their own, small pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_connector_dagster.cloudsuite.product_lines.financials.answers import (
    is_readable,
    parse_answer,
)
from ml_connector_dagster.cloudsuite.product_lines.financials.queries import ClassList
from ml_connector_dagster.model.errors import (
    ConfigError,
    ContractError,
    CredentialError,
    TransientError,
)
from ml_connector_dagster.sandbox import Fault, Sandbox
from ml_connector_dagster_tests.contracts.tenants import LineTenant, open_tenant


@pytest.fixture
def tenant(sandbox: Sandbox) -> Iterator[LineTenant]:
    yield from open_tenant(sandbox, "financials")


def _catalog(folder: Path, text: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def _list() -> ClassList:
    return ClassList(
        business_class="Vendor", fields=("Vendor",), equal={"VendorGroup": "100"}, limit=2
    )


def test_an_exception_with_http_500_is_landmarks_answer_and_no_outage(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.landmark_error_status = 500
    sandbox.switches.unauthorized_programs.add("Customer")
    with pytest.raises(CredentialError, match="not authorized"):
        tenant.line().slices("customers", "100", tenant.everything())
    calls = [one for one in sandbox.requests() if "/FSM/" in one.path and one.program == "Customer"]
    assert len(calls) == 1, "what Landmark says no to is not tried again"


def test_a_real_http_500_is_tried_again_and_then_an_outage(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.faults.add(Fault(kind="status", status=500, program="Vendor"))
    assert tenant.read(tenant.line(), "suppliers", "100").table.num_rows == 10
    sandbox.faults.add(Fault(kind="status", status=500, program="Vendor", times=None))
    with pytest.raises(TransientError, match="HTTP 500"):
        tenant.read(tenant.line(), "suppliers", "100")


@pytest.mark.parametrize(
    ("status", "body", "readable"),
    [
        (500, b'{"exception":{"message":"x"}}', True),
        (500, b'[{"exception":{"message":"x"}}]', True),
        (500, b'{"error":"Internal Server Error"}', False),
        (500, b"<html>", False),
        (404, b'{"error":"Not Found"}', False),
        (400, b"", True),
        (503, b'{"exception":{"message":"x"}}', False),
    ],
)
def test_what_landmark_itself_said(status: int, body: bytes, readable: bool) -> None:
    assert is_readable(status, body) is readable


@pytest.mark.parametrize(
    ("body", "exception"),
    [
        (b'{"exception":{"message":"Locked  by\\n job"}}', "Locked by job"),
        (b'[{"exception":{"message":"Locked"}}]', "Locked"),
        (b'{"exception":"Locked"}', "Locked"),
        (b'{"exception":{}}', "no reason given"),
    ],
)
def test_an_exception_in_every_shape(body: bytes, exception: str) -> None:
    assert parse_answer(200, body).exception == exception


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"[]", 0),
        (b'[{"_count":0}]', 0),
        (b'[{"_count":1},{"_fields":{"Vendor":"1"}}]', 1),
        (b'[{"_fields":{"Vendor":"1"}},{"_fields":{"Vendor":"2"}}]', 2),
    ],
)
def test_a_list_with_and_without_its_head(body: bytes, rows: int) -> None:
    answer = parse_answer(200, body)
    assert (answer.records.num_rows, answer.onward, answer.exception) == (rows, "", "")


@pytest.mark.parametrize(
    "body", [b"{}", b"[1]", b'[{"_fields":[]}]', b'[{"a":1},{"b":2}]', b"null"]
)
def test_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(ContractError):
        parse_answer(200, body)


@pytest.mark.parametrize(
    "href",
    [
        "../lists/_generic?_fields=Vendor&_next=a%2Fb",
        "/ACME_TST/FSM/fsm/soap/classes/Vendor/lists/_generic?_fields=Vendor&_next=a%2Fb",
        "https://host/ACME_TST/FSM/fsm/soap/classes/Vendor/lists/_generic?_fields=Vendor&_next=a%2Fb",
        "_generic?_fields=Vendor&_next=a%2Fb".replace("_generic", "../lists/_generic"),
    ],
)
def test_a_link_is_followed_whatever_its_form(href: str) -> None:
    assert _list().onward(href) == f"{_list().base}?_fields=Vendor&_next=a%2Fb"


def test_a_links_filter_stays_what_it_was() -> None:
    onward = _list().onward('../lists/_generic?_lplFilter=A = "1;2"&_fts=1+2')
    assert onward.endswith("?_lplFilter=A%20=%20%221%3B2%22&_fts=1+2")


@pytest.mark.parametrize("href", ["../actions/Delete?Key=1", "../lists/_generic", "?_next=1", "x"])
def test_a_link_to_elsewhere_is_refused(href: str) -> None:
    with pytest.raises(ContractError, match="Vendor"):
        _list().onward(href)


def test_a_class_without_change_times_is_read_whole(tenant: LineTenant, sandbox: Sandbox) -> None:
    sandbox.switches.landmark_without_stamps.add("Vendor")
    today = tenant.read(tenant.line(), "suppliers", "100", tenant.days(0))
    assert today.route == "list Vendor (read whole)"
    assert today.table.num_rows == 10


def test_a_tenant_that_gives_smaller_pages_than_were_asked_for(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.landmark_row_limit = 4
    reading = tenant.read(tenant.line(), "suppliers", "100")
    assert reading.table.num_rows == 10
    assert len(reading.pages) == 3


@pytest.mark.parametrize("page_rows", [4, 10_000])
def test_a_list_that_ends_before_its_own_count_was_cut(
    tenant: LineTenant, sandbox: Sandbox, page_rows: int
) -> None:
    sandbox.switches.landmark_row_limit = 4
    sandbox.switches.landmark_next_links = False
    with pytest.raises(ContractError, match="10 rows are announced, 4 came, and there is no link"):
        tenant.read(tenant.line(page_rows=page_rows), "suppliers", "100")


def test_a_field_that_the_tenant_lacks_is_told_and_the_others_are_read(
    tenant: LineTenant, tmp_path: Path
) -> None:
    text = "entities:\n  suppliers:\n    modified: ChangeStamp\n    fields: {buyer: BuyerCode}\n"
    line = tenant.line(catalog=_catalog(tmp_path, text))
    report = next(one for one in line.routes("100") if one.entity == "suppliers")
    assert (report.chosen, report.empty) == (True, ("buyer",))
    rows = tenant.read(line, "suppliers", "100").rows()
    assert len(rows) == 10
    assert {(row["buyer"], row["_modified_at"]) for row in rows.values()} == {(None, None)}


def test_a_key_that_the_tenant_lacks_is_no_route(tenant: LineTenant, tmp_path: Path) -> None:
    text = "entities:\n  payments:\n    fields: {journal_number: JournalNo}\n"
    with pytest.raises(ConfigError, match="has no field JournalNo, which the key needs"):
        tenant.line(catalog=_catalog(tmp_path, text)).slices("payments", "100", tenant.everything())


def test_a_link_that_has_died_begins_anew(tenant: LineTenant) -> None:
    line = tenant.line(page_rows=4)
    chain = line.slices("suppliers", "100", tenant.everything())[0]
    dead = '{"next": "../lists/_generic?_out=JSON&_next=dead", "rows": 4}'
    rows = sum(page.records.num_rows for page in line.pages(chain, dead))
    assert rows == 10


def test_vendors_that_are_grouped_otherwise_than_companies(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = _catalog(tmp_path, 'company_values: {VendorGroup: {"100": "200"}}\n')
    rows = tenant.read(tenant.line(catalog=file), "suppliers", "100").rows()
    other = sandbox.erp.truth("suppliers", "200")
    assert set(rows) == {f"acme/100/{row['supplier_id']}" for row in other}


def test_a_tenants_own_words_for_no_right(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = _catalog(tmp_path, "messages: {authority: ['does not exist']}\n")
    sandbox.switches.absent_programs.add("Customer")
    with pytest.raises(CredentialError, match="Customer does not exist"):
        tenant.line(catalog=file).slices("customers", "100", tenant.everything())


def test_all_fields_of_a_class_land_in_extra(tenant: LineTenant, tmp_path: Path) -> None:
    text = "entities:\n  suppliers:\n    fields: {buyer: null}\n    routes: {list: {fields: '*'}}\n"
    rows = tenant.read(tenant.line(catalog=_catalog(tmp_path, text)), "suppliers", "100").rows()
    assert any('"Buyer"' in str(row["_extra"]) for row in rows.values())


def test_a_class_that_the_tenant_lacks_is_reported(tenant: LineTenant, sandbox: Sandbox) -> None:
    sandbox.switches.absent_programs.add("GeneralLedgerTotal")
    with pytest.raises(ConfigError, match="GeneralLedgerTotal does not exist"):
        tenant.line().slices("gl_balances", "100", tenant.everything())
    report = next(one for one in tenant.line().routes("100") if one.entity == "gl_balances")
    assert (report.usable, report.chosen) == (False, False)
    assert "GeneralLedgerTotal does not exist" in report.reason


def test_stamps_are_utc(tenant: LineTenant, sandbox: Sandbox) -> None:
    row = sandbox.erp.truth("suppliers", "100")[0]
    sandbox.erp.write("suppliers", row, "name", "Touched")
    got = tenant.read(tenant.line(), "suppliers", "100", tenant.days(0)).rows()
    stamp = got[f"acme/100/{row['supplier_id']}"]["_modified_at"]
    now = sandbox.clock.now()
    assert abs((now - stamp).total_seconds()) < 60  # type: ignore[operator]


def test_when_companies_cannot_be_read_the_records_still_can(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.unauthorized_programs.add("FinanceEnterpriseGroup")
    assert tenant.read(tenant.line(), "suppliers", "100").table.num_rows == 10


def test_a_position_of_another_kind_is_refused(tenant: LineTenant) -> None:
    line = tenant.line()
    chain = line.slices("suppliers", "100", tenant.everything())[0]
    for position in ('{"after": "x"}', "x", "[]"):
        with pytest.raises(ContractError, match="begin the read anew"):
            list(line.pages(chain, position))
