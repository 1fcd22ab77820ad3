"""What differs between M3 installations: caps, error forms, rights, missing programs, own fields, own tables."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from ml_connector_dagster.cloudsuite.catalog.m3 import load_m3_catalog
from ml_connector_dagster.cloudsuite.gateway import Gateway, Readable, Reply
from ml_connector_dagster.cloudsuite.product_lines.m3.line import open_m3
from ml_connector_dagster.cloudsuite.product_lines.refusals import AuthorityError
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, ContractError, CredentialError
from ml_connector_dagster.sandbox import Fault, Sandbox
from ml_connector_dagster_tests.contracts.product_lines import (
    COMPANY,
    assert_equal_values,
    assert_same,
    truth_of,
)
from ml_connector_dagster_tests.contracts.tenants import (
    LineTenant,
    Reading,
    open_tenant,
)


EXPORTED = [name for name in ENTITIES if name != "gl_balances"]
LISTED = [name for name in ENTITIES if name != "payments"]


@pytest.fixture
def tenant(sandbox: Sandbox) -> Iterator[LineTenant]:
    yield from open_tenant(sandbox, "m3")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return tmp_path / "acme.yaml"


def first(own: Path, route: str, entity: str, extra: str = "") -> Path:
    own.write_text(f"{extra}\nentities: {{{entity}: {{order: [{route}]}}}}\n")
    return own


def transactions(sandbox: Sandbox) -> list[str]:
    return [f"{one.program}/{one.transaction}" for one in sandbox.requests("ACME_TST")]


# Routes


@pytest.mark.parametrize("entity", sorted(set(EXPORTED) & set(LISTED)))
def test_list_and_export_bring_the_same_records(
    tenant: LineTenant, sandbox: Sandbox, own: Path, entity: str
) -> None:
    sandbox.switches.brief_programs = True
    by = {}
    for route in ("list", "export"):
        line = tenant.line(catalog=first(own, route, entity))
        by[route] = tenant.read(line, entity, COMPANY)
        assert by[route].route.startswith(route)
    left, right = by["list"].rows(), by["export"].rows()
    names = [column.name for column in ENTITIES[entity].columns]
    assert {key: {name: row[name] for name in names} for key, row in left.items()} == {
        key: {name: row[name] for name in names} for key, row in right.items()
    }


def test_a_tenant_with_the_brief_programs_is_read_by_them(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.brief_programs = True
    chosen = {one.entity: one.route for one in tenant.line().routes(COMPANY) if one.chosen}
    assert chosen["purchase_orders"] == "list PPS100MI/LstHead"
    assert chosen["purchase_order_lines"] == "list PPS200MI/LstLines"
    assert chosen["supplier_invoices"] == "list APS100MI/LstInvoices"


def test_a_tenant_without_them_says_which_are_missing(tenant: LineTenant) -> None:
    reports = {(one.entity, one.route): one for one in tenant.line().routes(COMPANY)}
    heads = reports["purchase_orders", "list PPS100MI/LstHead"]
    assert not heads.usable
    assert heads.reason == "program PPS100MI of this tenant has no transaction LstHead (MRS001MI)"
    assert (
        reports["supplier_invoices", "list APS100MI/LstInvoices"].reason
        == "this tenant has no program APS100MI (MRS001MI)"
    )
    assert reports["purchase_orders", "export MPHEAD"].chosen


def test_without_mrs001mi_routes_are_tried_out(tenant: LineTenant, sandbox: Sandbox) -> None:
    sandbox.switches.unauthorized_programs.add("MRS001MI")
    chosen = {one.entity: one.route for one in tenant.line().routes(COMPANY) if one.chosen}
    assert set(chosen) == set(ENTITIES)
    assert chosen["suppliers"] == "list CRS620MI/LstSuppliers"
    assert chosen["purchase_orders"] == "export MPHEAD"
    for entity in ("suppliers", "gl_accounts", "gl_balances", "purchase_order_lines"):
        got = tenant.read(tenant.line(), entity, COMPANY).rows()
        assert_same(got, truth_of(sandbox, entity))


def test_a_right_that_is_missing_leads_to_the_next_route(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.unauthorized_programs.add("CRS620MI")
    reading = tenant.read(tenant.line(), "suppliers", COMPANY)
    assert reading.route == "export CIDMAS"
    report = next(one for one in tenant.line().routes(COMPANY) if one.entity == "suppliers")
    assert "authority to program CRS620MI in company 100" in report.reason


def test_without_exportmi_the_lists_serve_what_they_can(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.unauthorized_programs.add("EXPORTMI")
    sandbox.switches.absent_programs.add("DATAFABRIC")
    line = tenant.line()
    chosen = {one.entity: one.route for one in line.routes(COMPANY) if one.chosen}
    assert set(ENTITIES) - set(chosen) == {
        "purchase_orders",
        "purchase_order_lines",
        "supplier_invoices",
        "payments",
    }
    assert chosen["supplier_invoice_lines"] == "list APS450MI/LstLines"
    with pytest.raises(CredentialError, match="EXPORTMI"):
        line.slices("payments", COMPANY, tenant.everything())


def test_no_route_at_all_lists_every_reason(tenant: LineTenant, sandbox: Sandbox) -> None:
    sandbox.switches.absent_programs |= {"CRS620MI", "EXPORTMI", "DATAFABRIC"}
    with pytest.raises(ConfigError) as caught:
        tenant.line().slices("suppliers", COMPANY, tenant.everything())
    text = str(caught.value)
    assert "list CRS620MI/LstSuppliers: this tenant has no program CRS620MI" in text
    assert "export CIDMAS: this tenant has no EXPORTMI/Select" in text
    assert "compass CIDMAS: " in text


def test_a_right_that_every_route_lacked_counts_as_soon_as_it_is_given(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.absent_programs.add("DATAFABRIC")
    sandbox.switches.unauthorized_programs |= {"CRS620MI", "EXPORTMI"}
    with pytest.raises(CredentialError, match="authority to program CRS620MI"):
        tenant.line().slices("suppliers", COMPANY, tenant.everything())
    sandbox.switches.unauthorized_programs.clear()
    reading = tenant.read(tenant.line(), "suppliers", COMPANY)
    assert reading.route == "list CRS620MI/LstSuppliers"


def test_a_right_lost_in_the_middle_of_a_read(tenant: LineTenant, sandbox: Sandbox) -> None:
    line = tenant.line(page_rows=3)
    (chain,) = line.slices("customers", COMPANY, tenant.everything())
    pages = line.pages(chain, None)
    next(pages)
    sandbox.switches.unauthorized_programs.add("CRS610MI")
    with pytest.raises(AuthorityError, match="authority to program CRS610MI in company 100"):
        list(pages)
    # The next process finds that out for itself, and takes the next route.
    assert tenant.read(tenant.line(), "customers", COMPANY).route == "export OCUSMA"


def test_a_read_that_knows_no_change_filter_says_so(tenant: LineTenant) -> None:
    routes = {
        name: tenant.line().slices(name, COMPANY, tenant.days(0))[0].route for name in ENTITIES
    }
    whole = {name for name, route in routes.items() if route.endswith("(read whole)")}
    assert whole == {"gl_accounts", "gl_dimensions", "gl_balances"}


def test_an_input_the_tenants_list_lacks_makes_it_read_whole(
    tenant: LineTenant, sandbox: Sandbox, own: Path
) -> None:
    own.write_text(
        "entities: {customers: {routes: {list: {changed_since: {input: CHDT, unit: date}}}}}"
    )
    reading = tenant.read(tenant.line(catalog=own), "customers", COMPANY, tenant.days(0))
    assert reading.route == "list CRS610MI/LstByNumber (read whole)"
    assert_same(reading.rows(), truth_of(sandbox, "customers"))


def test_a_position_the_tenants_list_lacks_makes_it_useless(tenant: LineTenant, own: Path) -> None:
    own.write_text("entities: {customers: {routes: {list: {position: {FRCU: CUNO}}}}}")
    report = next(
        one for one in tenant.line(catalog=own).routes(COMPANY) if one.entity == "customers"
    )
    assert report.reason == (
        "CRS610MI/LstByNumber of this tenant has no input FRCU, which the catalog names"
    )


# How installations answer


@pytest.mark.parametrize("errors_as_400", [False, True])
@pytest.mark.parametrize("empty_list_is_error", [False, True])
@pytest.mark.parametrize("entity", ["suppliers", "payments", "gl_balances"])
def test_every_form_of_nothing(
    tenant: LineTenant,
    sandbox: Sandbox,
    entity: str,
    errors_as_400: bool,
    empty_list_is_error: bool,
) -> None:
    sandbox.switches.errors_as_400 = errors_as_400
    sandbox.switches.empty_list_is_error = empty_list_is_error
    line = tenant.line(page_rows=3)
    assert_same(tenant.read(line, entity, COMPANY).rows(), truth_of(sandbox, entity))
    if entity != "gl_balances":
        quiet = tenant.read(line, entity, COMPANY, tenant.days(300, 301))
        assert quiet.table.num_rows == 0


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_ceiling_below_what_was_asked_for_is_an_order_to_go_on(
    tenant: LineTenant, sandbox: Sandbox, own: Path, entity: str
) -> None:
    own.write_text("row_caps: [7]")
    sandbox.switches.row_ceiling = 7
    line = tenant.line(catalog=own)
    if entity == "gl_balances":
        with pytest.raises(ContractError, match="exactly 7 rows came, a known cap"):
            tenant.read(line, entity, COMPANY)
        return
    assert_same(tenant.read(line, entity, COMPANY).rows(), truth_of(sandbox, entity))


@pytest.mark.parametrize("entity", EXPORTED)
@pytest.mark.parametrize("page_rows", [4, 1000])
def test_without_order_by_spans_of_days_are_halved(
    tenant: LineTenant, sandbox: Sandbox, own: Path, entity: str, page_rows: int
) -> None:
    sandbox.switches.order_by_supported = False
    line = tenant.line(page_rows=page_rows, catalog=first(own, "export", entity))
    assert_same(tenant.read(line, entity, COMPANY).rows(), truth_of(sandbox, entity))
    sandbox.erp.change(entity, 3, COMPANY)
    got = tenant.read(line, entity, COMPANY, tenant.days(0)).rows()
    assert_equal_values(got, truth_of(sandbox, entity, changed_from=sandbox.today))


def test_without_order_by_a_day_at_a_cap_is_an_error(
    tenant: LineTenant, sandbox: Sandbox, own: Path
) -> None:
    sandbox.switches.order_by_supported = False
    sandbox.switches.row_ceiling = 6
    sandbox.erp.touch("customers", 15, COMPANY)
    line = tenant.line(catalog=first(own, "export", "customers", "row_caps: [6]"))
    with pytest.raises(ContractError, match="a known cap, and without ORDER BY"):
        tenant.read(line, "customers", COMPANY)


def test_a_mass_change_on_one_day_is_read_by_the_whole_list(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.erp.touch("items", 20, COMPANY)
    reading = tenant.read(tenant.line(page_rows=6), "items", COMPANY, tenant.days(-30))
    assert_same(reading.rows(), truth_of(sandbox, "items"))
    assert "MMS200MI/LstItmByItm" in transactions(sandbox)


def test_dates_come_as_asked_whatever_the_user_has(tenant: LineTenant, sandbox: Sandbox) -> None:
    sandbox.switches.user_date_format = "MDY6"
    got = tenant.read(tenant.line(), "suppliers", COMPANY).rows()
    assert_same(got, truth_of(sandbox, "suppliers"))


def test_the_users_own_company_and_division_do_not_matter(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.user_company = "200"
    sandbox.switches.user_division = "BBB"
    for entity in ("suppliers", "gl_accounts", "gl_balances", "supplier_invoices"):
        got = tenant.read(tenant.line(), entity, COMPANY).rows()
        assert_same(got, truth_of(sandbox, entity))


def test_a_bulk_post_that_was_stopped_is_finished_by_another(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    line = tenant.line()
    chains = line.slices("gl_balances", COMPANY, tenant.everything())
    armed = sandbox.faults.add(Fault(kind="bulk_terminated", after=2, times=3))
    reading = [page for chain in chains for page in line.pages(chain, None)]
    assert armed.fired == 3
    assert len(reading) >= len(chains)
    assert_same(tenant.read(line, "gl_balances", COMPANY).rows(), truth_of(sandbox, "gl_balances"))


def test_a_bulk_post_that_never_moves_is_an_error(tenant: LineTenant, sandbox: Sandbox) -> None:
    line = tenant.line()
    (chain,) = line.slices("customers", COMPANY, tenant.everything())
    sandbox.faults.add(Fault(kind="bulk_terminated", after=0, times=None))
    with pytest.raises(ContractError, match="processed none"):
        list(line.pages(chain, None))


def test_a_record_that_goes_between_list_and_get_leaves_blanks(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    gone = sandbox.erp.truth("suppliers", COMPANY)[4]

    class DeletesBeforeTheGets:
        """The gateway, and somebody who deletes a supplier while the list is on its way."""

        def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Reply:
            return tenant.gateway.get(path, headers=headers)

        def post(
            self,
            path: str,
            *,
            json: Mapping[str, object],
            headers: Mapping[str, str] | None = None,
        ) -> Reply:
            sandbox.erp.delete("suppliers", keys=[(COMPANY, str(gone["supplier_id"]))])
            return tenant.gateway.post(path, json=json, headers=headers)

        def beside(self, suite: str, readable: Readable) -> Gateway:
            return tenant.gateway.beside(suite, readable)

    line = open_m3(
        tenant.connection(page_rows=1000),
        DeletesBeforeTheGets(),
        tenant.knowledge,
        load_m3_catalog(),
    )
    tenant.line().slices("suppliers", COMPANY, tenant.everything())  # the routes are known now
    (chain,) = line.slices("suppliers", COMPANY, tenant.everything())
    (page,) = line.pages(chain, None)
    rows = {row["SUNO"]: row for row in page.records.to_pylist()}
    assert len(rows) == 10
    vanished = rows.pop(gone["supplier_id"])
    assert vanished["SUNM"] == gone["name"]
    assert vanished["STAT"] is None
    assert all(row["STAT"] for row in rows.values())


# Values of installations


def test_a_tenants_own_fields_land_in_extra(tenant: LineTenant, sandbox: Sandbox) -> None:
    sandbox.erp.set_field("CIDMAS", {"CONO": 100, "SUNO": "10001"}, "CFI3", "BLUE")
    row = tenant.read(tenant.line(), "suppliers", COMPANY).rows()["acme/100/10001"]
    assert '"CFI3":"BLUE"' in str(row["_extra"])
    assert "CONO" not in str(row["_extra"])
    assert "CHNO" not in str(row["_extra"])


def test_an_export_brings_the_further_columns_it_is_told_to(
    tenant: LineTenant, sandbox: Sandbox, own: Path
) -> None:
    own.write_text(
        """
        entities:
          customers:
            order: [export]
            further_fields: {territory: CFI3 A10}
            routes: {export: {extra: [CRL2, NONE]}}
        """
    )
    sandbox.erp.set_field("OCUSMA", {"CONO": 100, "CUNO": "C00001"}, "CFI3", "NORTH")
    sandbox.erp.set_field("OCUSMA", {"CONO": 100, "CUNO": "C00001"}, "CRL2", "12.50")
    reading = tenant.read(tenant.line(catalog=own), "customers", COMPANY)
    keys = sandbox.erp.truth("customers", COMPANY)
    row = reading.rows()[f"acme/100/{keys[0]['customer_id']}"]
    assert row["territory"] == "NORTH"
    assert '"CRL2":"12.50"' in str(row["_extra"])


def test_a_field_the_tenant_does_not_have_is_null(
    tenant: LineTenant, sandbox: Sandbox, own: Path
) -> None:
    own.write_text(
        "entities: {suppliers: {fields: {buyer: XXXX A10}, routes: {export: {lookups: []}}, order: [export]}}"
    )
    got = tenant.read(tenant.line(catalog=own), "suppliers", COMPANY).rows()
    assert {row["buyer"] for row in got.values()} == {None}
    assert {row["name"] for row in got.values()} == {
        row["name"] for row in sandbox.erp.truth("suppliers", COMPANY)
    }


def test_a_key_the_tenants_table_does_not_have_makes_the_route_useless(
    tenant: LineTenant, own: Path
) -> None:
    own.write_text(
        "entities: {customers: {order: [export], fields: {customer_id: XUNO A10}, routes: {export: {key: [XUNO]}}}}"
    )
    report = next(
        one for one in tenant.line(catalog=own).routes(COMPANY) if one.route == "export OCUSMA"
    )
    assert "has no column OKXUNO" in report.reason


def test_rows_that_do_not_fit_are_read_in_several_selects(
    tenant: LineTenant, sandbox: Sandbox, own: Path
) -> None:
    for entity in ("customers", "suppliers", "supplier_invoices", "supplier_invoice_lines"):
        line = tenant.line(page_rows=6, catalog=first(own, "export", entity, "reply_length: 120"))
        before = len(sandbox.requests("ACME_TST"))
        reading = tenant.read(line, entity, COMPANY)
        assert_same(reading.rows(), truth_of(sandbox, entity))
        assert len(sandbox.requests("ACME_TST")) - before > 2 * len(reading.pages)


def test_a_row_at_the_limit_is_an_error_and_not_a_shorter_row(
    tenant: LineTenant, sandbox: Sandbox, own: Path
) -> None:
    key = str(sandbox.erp.truth("customers", COMPANY)[0]["customer_id"])
    sandbox.erp.set_field("OCUSMA", {"CONO": 100, "CUNO": key}, "CUA1", "x" * 1000)
    line = tenant.line(catalog=first(own, "export", "customers"))
    with pytest.raises(ContractError, match="984 characters, the most that fit"):
        tenant.read(line, "customers", COMPANY)


def test_a_value_with_every_separator_becomes_unreadable_and_the_others_arrive(
    tenant: LineTenant, sandbox: Sandbox, own: Path
) -> None:
    key = str(sandbox.erp.truth("customers", COMPANY)[0]["customer_id"])
    sandbox.erp.set_field("OCUSMA", {"CONO": 100, "CUNO": key}, "CUNM", "a|b~c^d`e")
    line = tenant.line(page_rows=4, catalog=first(own, "export", "customers"))
    reading = tenant.read(line, "customers", COMPANY)
    assert {raw for raw, _ in reading.unreadable if "a|b~c^d`e" in raw} != set()
    truth = dict(truth_of(sandbox, "customers"))
    truth.pop(f"acme/{COMPANY}/{key}")
    assert_same(reading.rows(), truth)


def test_item_numbers_that_begin_with_blanks_are_not_skipped(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    assert any(
        str(row[0]).startswith(" ")
        for row in sandbox.erp.database.select("SELECT MMITNO FROM MITMAS WHERE MMCONO = 100")
    )
    got = tenant.read(tenant.line(page_rows=3), "items", COMPANY).rows()
    assert_same(got, truth_of(sandbox, "items"))


def test_amounts_have_the_sign_of_the_business_and_not_of_the_ledger(
    tenant: LineTenant, own: Path
) -> None:
    for entity in ("supplier_invoices", "payments"):
        rows = tenant.read(tenant.line(), entity, COMPANY).rows().values()
        amounts = [row["amount"] for row in rows]
        assert sum(amount > 0 for amount in amounts) > len(amounts) / 2  # type: ignore[operator]
    own.write_text("entities: {supplier_invoices: {fields: {amount: {negate: false}}}}")
    rows = tenant.read(tenant.line(catalog=own), "supplier_invoices", COMPANY).rows().values()
    assert min(row["amount"] for row in rows) < 0  # type: ignore[type-var, operator]


# Changes in a second table


@pytest.mark.parametrize("route", ["list", "export"])
def test_a_supplier_whose_finance_data_alone_changed(
    tenant: LineTenant, sandbox: Sandbox, own: Path, route: str
) -> None:
    quiet = _quiet_suppliers(sandbox)[0]
    sandbox.erp.set_field("CIDVEN", {"CONO": 100, "SUNO": quiet}, "TEPY", "99D")
    line = tenant.line(catalog=first(own, route, "suppliers"))
    got = tenant.read(line, "suppliers", COMPANY, tenant.days(0)).rows()
    row = got[f"acme/100/{quiet}"]
    assert row["payment_terms"] == "99D"
    assert row["name"] is not None
    if route == "export":
        assert str(row["_modified_at"]) >= str(tenant.days(-1).start), "the newer of both stamps"


def test_lines_of_an_invoice_whose_head_alone_changed(tenant: LineTenant, sandbox: Sandbox) -> None:
    line = sandbox.erp.truth("supplier_invoice_lines", COMPANY)[7]
    batch: dict[str, str | int] = {
        "CONO": 100,
        "DIVI": str(line["division"]),
        "INBN": str(line["invoice_batch_number"]),
    }
    sandbox.erp.set_field("FAPIBH", batch, "SINO", "CORRECTED-1")
    got = tenant.read(
        tenant.line(page_rows=3), "supplier_invoice_lines", COMPANY, tenant.days(0)
    ).rows()
    mine = [row for row in got.values() if row["invoice_batch_number"] == batch["INBN"]]
    assert mine
    assert {row["invoice_number"] for row in mine} == {"CORRECTED-1"}


# Chains


def test_a_long_first_load_is_cut_into_chains(tenant: LineTenant, sandbox: Sandbox) -> None:
    reading = tenant.read(tenant.line(), "purchase_order_lines", COMPANY)
    assert len(reading.slices) == 4
    assert_same(reading.rows(), truth_of(sandbox, "purchase_order_lines"))
    assert reading.table.num_rows == len(truth_of(sandbox, "purchase_order_lines"))


def test_a_list_is_cut_at_the_keys_a_tenant_names(
    tenant: LineTenant, sandbox: Sandbox, own: Path
) -> None:
    keys = sorted(str(row["supplier_id"]) for row in sandbox.erp.truth("suppliers", COMPANY))
    own.write_text(
        f"entities: {{suppliers: {{routes: {{list: {{split_at: ['{keys[3]}', '{keys[6]}0']}}}}}}}}"
    )
    line = tenant.line(page_rows=2, catalog=own)
    reading = tenant.read(line, "suppliers", COMPANY)
    assert len(reading.slices) == 3
    assert_same(reading.rows(), truth_of(sandbox, "suppliers"))
    assert reading.table.num_rows == len(keys), "no key is read twice"


def test_several_transaction_codes_are_several_chains(
    tenant: LineTenant, sandbox: Sandbox, own: Path
) -> None:
    own.write_text("entities: {payments: {routes: {export: {where: {TRCD: [40, 50]}, slices: 1}}}}")
    reading = tenant.read(tenant.line(catalog=own), "payments", COMPANY)
    assert len(reading.slices) == 2
    both = len(sandbox.erp.truth("payments", COMPANY)) + len(
        sandbox.erp.truth("supplier_invoices", COMPANY)
    )
    assert reading.table.num_rows == both


def test_an_export_by_division_reads_each_of_them(
    tenant: LineTenant, sandbox: Sandbox, own: Path
) -> None:
    own.write_text(
        "entities: {gl_accounts: {order: [export], routes: {export: {per_division: true, blank_division: true}}}}"
    )
    reading = tenant.read(tenant.line(catalog=own), "gl_accounts", COMPANY)
    assert {dict(chain.arguments)["division"] for chain in reading.slices} == {"AAA", "BBB", ""}
    assert_same(reading.rows(), truth_of(sandbox, "gl_accounts"))


def test_balances_of_a_division_that_does_not_exist(tenant: LineTenant, sandbox: Sandbox) -> None:
    line = tenant.line()
    chain = line.slices("gl_accounts", COMPANY, tenant.everything())[0]
    sandbox.erp.database.select("DELETE FROM CMNDIV WHERE CCDIVI = 'AAA'")
    with pytest.raises(ConfigError, match=r"Division AAA does not exist.*MNS100"):
        list(line.pages(chain, None))


def test_every_call_says_company_format_and_limit(tenant: LineTenant, sandbox: Sandbox) -> None:
    for entity in ENTITIES:
        tenant.read(tenant.line(), entity, COMPANY)
    for request in sandbox.requests("ACME_TST"):
        if request.method == "GET" and "/M3/" in request.path:
            for option in ("maxrecs=", "dateformat=YMD8", "righttrim=true", "cono=100"):
                assert option in request.path
    assert {request.method for request in sandbox.requests("ACME_TST")} == {"GET", "POST"}


def test_a_whole_list_is_completed_by_another_list_and_not_by_many_gets(
    tenant: LineTenant, sandbox: Sandbox, own: Path
) -> None:
    own.write_text("bulk_chunk: 2")
    line = tenant.line(catalog=own)
    reading = tenant.read(line, "suppliers", COMPANY)
    assert_same(reading.rows(), truth_of(sandbox, "suppliers"))
    assert reading.requests == 2
    assert "CRS620MI/LstByNumber" in transactions(sandbox)
    # What changed lately is scattered over the keys: there each is asked for.
    sandbox.erp.touch("suppliers", 6, COMPANY)
    lately = tenant.read(line, "suppliers", COMPANY, tenant.days(0))
    assert lately.requests == 1 + lately.table.num_rows // 2 + lately.table.num_rows % 2


def test_a_page_takes_few_requests(tenant: LineTenant) -> None:
    line = tenant.line()
    expected: Mapping[str, int] = {"suppliers": 2, "customers": 2, "items": 1, "gl_accounts": 3}
    for entity, requests in expected.items():
        reading: Reading = tenant.read(line, entity, COMPANY)
        assert reading.requests == requests, entity


def _quiet_suppliers(sandbox: Sandbox) -> list[str]:
    """Suppliers that have not changed lately."""
    recent = {
        row["supplier_id"]
        for row in sandbox.erp.truth("suppliers", COMPANY, changed_from=sandbox.today)
    }
    every = sandbox.erp.truth("suppliers", COMPANY)
    return [str(row["supplier_id"]) for row in every if row["supplier_id"] not in recent]
