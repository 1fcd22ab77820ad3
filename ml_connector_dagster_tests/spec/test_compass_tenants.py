"""The lake as tenants have it: when it is taken, what is gone, what expires, what fails and how that looks."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ml_connector_dagster.cloudsuite.pages import ProductLine, Slice
from ml_connector_dagster.model.errors import (
    ConfigError,
    ContractError,
    CredentialError,
    TransientError,
)
from ml_connector_dagster.sandbox import Fault, Sandbox
from ml_connector_dagster_tests.contracts.product_lines import COMPANY, assert_same, truth_of
from ml_connector_dagster_tests.contracts.tenants import LineTenant, open_tenant
from ml_connector_dagster_tests.spec.lake_catalogs import lake_first, written
from ml_connector_dagster_tests.world import World


LARGE = "entities: {suppliers: {routes: {lake: {large_from: 10}}}, customers: {routes: {lake: {large_from: 31}}}}"


@pytest.fixture
def tenant(sandbox: Sandbox) -> Iterator[LineTenant]:
    yield from open_tenant(sandbox, "m3")


@pytest.fixture
def by_lake(tenant: LineTenant, tmp_path: Path) -> ProductLine:
    return tenant.line(catalog=written(tmp_path, "lake", lake_first("m3")), page_rows=3)


def _chain(line: ProductLine, tenant: LineTenant, entity: str = "suppliers") -> Slice:
    (chain,) = line.slices(entity, COMPANY, tenant.everything())
    return chain


# When it is taken


def test_large_first_loads_come_by_the_lake_and_changes_by_the_list(
    tenant: LineTenant, tmp_path: Path
) -> None:
    line = tenant.line(catalog=written(tmp_path, "large", LARGE))
    assert tenant.read(line, "suppliers", COMPANY).route == "compass CIDMAS"
    changes = tenant.read(line, "suppliers", COMPANY, tenant.days(0))
    assert changes.route == "list CRS620MI/LstSuppliers"
    small = tenant.read(line, "customers", COMPANY)
    assert small.route == "list CRS610MI/LstByNumber", "30 rows are not 31"


def test_the_catalog_may_put_the_lake_first_for_changes_too(
    tenant: LineTenant, tmp_path: Path
) -> None:
    line = tenant.line(catalog=written(tmp_path, "own", "entities: {items: {order: [lake]}}"))
    assert tenant.read(line, "items", COMPANY, tenant.days(0)).route == "compass MITMAS"


def test_a_large_first_load_takes_the_list_where_there_is_no_lake(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.switches.absent_programs.add("DATAFABRIC")
    line = tenant.line(catalog=written(tmp_path, "large", LARGE))
    assert tenant.read(line, "suppliers", COMPANY).route == "list CRS620MI/LstSuppliers"


@pytest.mark.parametrize("status", [403, 503])
def test_a_large_first_load_takes_the_list_where_the_lake_cannot_be_asked(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path, status: int
) -> None:
    sandbox.faults.add(Fault(kind="status", status=status, transaction="submit", times=None))
    line = tenant.line(catalog=written(tmp_path, "large", LARGE))
    assert tenant.read(line, "suppliers", COMPANY).route == "list CRS620MI/LstSuppliers"


def test_a_read_that_is_taken_up_again_takes_the_same_way(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path
) -> None:
    path = written(tmp_path, "large", LARGE)
    before = tenant.line(catalog=path).slices("suppliers", COMPANY, tenant.everything())
    sandbox.erp.delete("suppliers", 5, COMPANY)
    after = tenant.line(catalog=path).slices("suppliers", COMPANY, tenant.everything())
    assert before == after


# Behind the ERP


def test_what_the_lake_did_not_have_yet_is_read_by_the_next_read(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    own = written(tmp_path, "large", LARGE)
    world = World(sandbox, tmp_path, ["suppliers"], catalog=own)
    sandbox.lake.fall_behind()
    sandbox.clock.advance(minutes=5)
    sandbox.erp.change("suppliers", 3, COMPANY)
    sandbox.clock.advance(minutes=50)
    world.run_well()
    sandbox.clock.advance(minutes=50)
    world.run_well()
    world.assert_equals_the_erp()


def test_a_read_by_the_lake_is_complete_up_to_its_lag_only(
    tenant: LineTenant, by_lake: ProductLine
) -> None:
    assert _chain(by_lake, tenant).lag == timedelta(minutes=60)
    (chain,) = tenant.line().slices("suppliers", COMPANY, tenant.days(0))
    assert chain.lag == timedelta()


# Gone


def test_a_deleted_record_comes_marked_and_since_when(
    tenant: LineTenant, sandbox: Sandbox, by_lake: ProductLine
) -> None:
    before = set(truth_of(sandbox, "suppliers"))
    sandbox.erp.delete("suppliers", 2, COMPANY)
    rows = tenant.read(by_lake, "suppliers", COMPANY).rows()
    gone = before - set(truth_of(sandbox, "suppliers"))
    assert {key for key, row in rows.items() if row["_deleted_at"] is not None} == gone
    again = tenant.read(by_lake, "suppliers", COMPANY).rows()
    assert all(again[key]["_row_hash"] == rows[key]["_row_hash"] for key in rows)
    today = tenant.read(by_lake, "suppliers", COMPANY, tenant.days(0)).rows()
    assert gone <= set(today), "a deletion is a change"


def test_a_record_that_comes_back_is_not_gone(
    tenant: LineTenant, sandbox: Sandbox, by_lake: ProductLine
) -> None:
    keys = sandbox.erp.insert("items", 1, COMPANY)
    sandbox.erp.delete("items", keys=keys)
    sandbox.erp.insert("items", 1, COMPANY)
    rows = tenant.read(by_lake, "items", COMPANY).rows()
    alive = {key: row for key, row in rows.items() if row["_deleted_at"] is None}
    assert_same(alive, truth_of(sandbox, "items"))


def test_a_tenant_without_the_two_columns_is_read_whole_and_never_marks(
    tenant: LineTenant, sandbox: Sandbox, by_lake: ProductLine
) -> None:
    sandbox.switches.absent_properties |= {"timestamp", "deleted"}
    reading = tenant.read(by_lake, "items", COMPANY, tenant.days(0))
    assert reading.route == "compass MITMAS (read whole)"
    assert_same(reading.rows(), truth_of(sandbox, "items"))


# Results


def test_an_expired_result_is_asked_for_anew(
    tenant: LineTenant, sandbox: Sandbox, by_lake: ProductLine
) -> None:
    chain = _chain(by_lake, tenant)
    first = next(iter(by_lake.pages(chain, None)))
    sandbox.clock.advance(hours=21)
    rest = list(by_lake.pages(chain, first.position))
    assert sum(page.records.num_rows for page in rest) == len(truth_of(sandbox, "suppliers"))


def test_a_page_that_ends_at_ten_megabytes_is_not_the_last(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_connector_dagster.sandbox.ion.compass.jobs.PAGE_BYTES", 1000)
    line = tenant.line(catalog=written(tmp_path, "lake", lake_first("m3")))
    reading = tenant.read(line, "customers", COMPANY)
    assert len(reading.pages) > 2
    assert_same(reading.rows(), truth_of(sandbox, "customers"))


def test_a_query_that_does_not_end_is_given_up(
    tenant: LineTenant, sandbox: Sandbox, by_lake: ProductLine
) -> None:
    chain = _chain(by_lake, tenant)
    sandbox.switches.lake_polls = 100_000
    with pytest.raises(TransientError, match="still running after 60 minutes"):
        list(by_lake.pages(chain, None))


# No


@pytest.mark.parametrize("says_failed", [True, False])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_failure_that_comes_as_rows_is_a_failure(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path, form: str, says_failed: bool
) -> None:
    sandbox.switches.lake_says_failed = says_failed
    text = lake_first("m3") + f"lake: {{format: {form}}}\n"
    line = tenant.line(catalog=written(tmp_path, "lake", text))
    chain = _chain(line, tenant)
    sandbox.switches.unauthorized_programs.add("CIDMAS")
    with pytest.raises(CredentialError, match="not authorized to query CIDMAS"):
        list(line.pages(chain, None))


def test_a_table_that_is_not_there_names_itself(
    tenant: LineTenant, sandbox: Sandbox, by_lake: ProductLine
) -> None:
    sandbox.switches.absent_programs.add("MITMAS")
    with pytest.raises(ConfigError, match="Table 'MITMAS' does not exist"):
        by_lake.slices("items", COMPANY, tenant.everything())


def test_a_column_that_is_not_there_leaves_its_own_empty(
    tenant: LineTenant, sandbox: Sandbox, by_lake: ProductLine
) -> None:
    sandbox.switches.absent_properties |= {"ITGR"}
    rows = tenant.read(by_lake, "items", COMPANY).rows()
    assert {row["item_group"] for row in rows.values()} == {None}
    report = next(one for one in by_lake.routes(COMPANY) if one.entity == "items")
    assert report.usable
    assert report.empty == ("item_group",)


def test_a_column_that_a_key_needs_must_be_there(
    tenant: LineTenant, sandbox: Sandbox, by_lake: ProductLine
) -> None:
    sandbox.switches.absent_properties |= {"ITNO"}
    with pytest.raises(ConfigError, match="has no column ITNO, which the key needs"):
        by_lake.slices("items", COMPANY, tenant.everything())


def test_a_column_that_goes_is_found_to_be_gone_by_the_next_read(
    tenant: LineTenant, sandbox: Sandbox, by_lake: ProductLine, tmp_path: Path
) -> None:
    chain = _chain(by_lake, tenant, "items")
    sandbox.switches.absent_properties |= {"ITGR"}
    with pytest.raises(ConfigError, match="cannot be resolved"):
        list(by_lake.pages(chain, None))
    rows = tenant.read(by_lake, "items", COMPANY).rows()
    assert len(rows) == len(truth_of(sandbox, "items"))


def test_a_company_that_reaches_the_lake_later_is_found_then(
    tenant: LineTenant, tmp_path: Path
) -> None:
    file = written(tmp_path, "lake", lake_first("m3"))
    with pytest.raises(ConfigError, match="there is no company 999"):
        tenant.line(catalog=file).slices("suppliers", "999", tenant.everything())
    known = {key: text for key, text in tenant.knowledge.documents.items() if "/company/" in key}
    assert set(known.values()) == {"null"}, "asked again by the next run"


def test_a_company_that_is_no_number_is_a_mistake(tenant: LineTenant, by_lake: ProductLine) -> None:
    with pytest.raises(ConfigError, match=r"'main' is no number.*lake\.company_is"):
        list(by_lake.pages(_for(_chain(by_lake, tenant), "main"), None))


def test_a_strange_position_is_refused(tenant: LineTenant, by_lake: ProductLine) -> None:
    with pytest.raises(ContractError, match="not one of a lake query"):
        list(by_lake.pages(_chain(by_lake, tenant), "17"))


def _for(chain: Slice, company: str) -> Slice:
    return Slice(
        id=chain.id,
        entity=chain.entity,
        company=company,
        window=chain.window,
        route=chain.route,
        arguments=chain.arguments,
    )
