"""Distribution tenants differ: how dates are read, where a page goes on, how many rows it may have, what fields there are."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_connector_dagster.cloudsuite.catalog.distribution import load_distribution_catalog
from ml_connector_dagster.cloudsuite.product_lines.distribution.answers import (
    RestartRefusedError,
    parse_answer,
    refusal,
)
from ml_connector_dagster.cloudsuite.product_lines.refusals import (
    AuthorityError,
    NotThereError,
    RefusedError,
)
from ml_connector_dagster.model.errors import ConfigError, ContractError
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.contracts.tenants import LineTenant, open_tenant


def _refusal(message: str) -> Exception:
    messages = load_distribution_catalog().messages
    return refusal(message, messages, what="FetchWhere apsv", table="apsv", company="9")


@pytest.fixture
def tenant(sandbox: Sandbox) -> Iterator[LineTenant]:
    yield from open_tenant(sandbox, "distribution")


def _catalog(folder: Path, text: str) -> Path:
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def _suppliers(tenant: LineTenant, page_rows: int = 10_000) -> dict[str, dict[str, object]]:
    return tenant.read(tenant.line(page_rows=page_rows), "suppliers", "100").rows()


@pytest.mark.parametrize("order", ["%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%Y-%m-%d"])
def test_the_order_of_a_date_is_found_out(tenant: LineTenant, sandbox: Sandbox, order: str) -> None:
    sandbox.switches.progress_dates = order
    sandbox.erp.change("suppliers", 2, "100")
    today = tenant.read(tenant.line(), "suppliers", "100", tenant.days(0))
    assert today.route == "table apsv"
    changed = sandbox.erp.truth("suppliers", "100", changed_from=sandbox.clock.today())
    assert sorted(str(row["supplier_id"]) for row in today.rows().values()) == sorted(
        str(row["supplier_id"]) for row in changed
    )


def test_a_server_that_reads_no_date_is_read_whole(
    tenant: LineTenant, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.switches.progress_dates = "%d %B %Y"
    file = _catalog(tmp_path, 'date_literals: ["%m/%d/%Y"]\n')
    today = tenant.read(tenant.line(catalog=file), "suppliers", "100", tenant.days(0))
    assert today.route == "table apsv (read whole)"
    assert today.table.num_rows == 10


@pytest.mark.parametrize("page_rows", [1, 2, 3, 5, 9, 10, 11])
def test_a_page_may_begin_with_the_row_it_goes_on_after(
    tenant: LineTenant, sandbox: Sandbox, page_rows: int
) -> None:
    sandbox.switches.restart_repeats_row = True
    reading = tenant.read(tenant.line(page_rows=page_rows), "suppliers", "100")
    assert reading.table.num_rows == 10, "each once"
    assert len(reading.rows()) == 10


def test_a_server_that_cuts_pages_at_a_known_cap(tenant: LineTenant, sandbox: Sandbox) -> None:
    sandbox.switches.largest_batch = 100
    wanted = len(sandbox.erp.truth("gl_balances", "100"))
    assert wanted > 300
    reading = tenant.read(tenant.line(), "gl_balances", "100")
    assert len(reading.rows()) == wanted


def test_when_the_row_to_go_on_after_is_gone_the_chain_begins_anew(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    line = tenant.line(page_rows=4)
    chain = line.slices("suppliers", "100", tenant.everything())[0]
    pages = line.pages(chain, None)
    first = next(pages)
    last = str(first.records.column("vendno")[-1].as_py())
    sandbox.erp.delete("suppliers", keys=[("100", last)])
    ids = {str(vendor) for page in pages for vendor in page.records.column("vendno").to_pylist()}
    assert ids == {str(row["supplier_id"]) for row in sandbox.erp.truth("suppliers", "100")}


def test_a_field_that_the_tenant_lacks_is_told_and_the_others_are_read(
    tenant: LineTenant, tmp_path: Path
) -> None:
    line = tenant.line(
        catalog=_catalog(tmp_path, "entities:\n  suppliers:\n    fields: {buyer: buyercd}\n")
    )
    report = next(one for one in line.routes("100") if one.entity == "suppliers")
    assert (report.chosen, report.empty) == (True, ("buyer",))
    rows = tenant.read(line, "suppliers", "100").rows()
    assert {row["buyer"] for row in rows.values()} == {None}
    assert any('"buyer"' in str(row["_extra"]) for row in rows.values()), "under its real name"


def test_a_key_that_the_tenant_lacks_is_no_route(tenant: LineTenant, tmp_path: Path) -> None:
    file = _catalog(tmp_path, "entities:\n  suppliers:\n    fields: {supplier_id: vendnum}\n")
    with pytest.raises(ConfigError, match="table apsv of this tenant has no field vendnum"):
        tenant.line(catalog=file).slices("suppliers", "100", tenant.everything())


def test_a_table_that_the_tenant_lacks_is_reported(tenant: LineTenant, sandbox: Sandbox) -> None:
    sandbox.switches.absent_programs.add("apsv")
    with pytest.raises(ConfigError, match="apsv is not defined"):
        tenant.line().slices("suppliers", "100", tenant.everything())
    report = next(one for one in tenant.line().routes("100") if one.entity == "suppliers")
    assert not report.usable
    assert "apsv is not defined" in report.reason


def test_invoices_and_payments_of_one_table_do_not_mix(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    for entity in ("supplier_invoices", "payments"):
        rows = tenant.read(tenant.line(), entity, "100").table.num_rows
        assert rows == len(sandbox.erp.truth(entity, "100"))


def test_a_company_is_a_number(tenant: LineTenant) -> None:
    with pytest.raises(ConfigError, match="'A1' is no number"):
        tenant.line().slices("suppliers", "A1", tenant.everything())


def test_when_companies_cannot_be_read_the_records_still_can(
    tenant: LineTenant, sandbox: Sandbox
) -> None:
    sandbox.switches.unauthorized_programs.add("sasc")
    assert len(_suppliers(tenant)) == 10


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("Operator sys is not authorized to read apsv", AuthorityError),
        ("Security Violation", AuthorityError),
        ("Company 9 Not Set Up in Company Setup - SASC", ConfigError),
        ("** Unknown Field or Variable name - foo. (201)", NotThereError),
        ("Table apsvx is not defined in the database", NotThereError),
        ("** Invalid date 31/12/2099: month, day or year is out of range. (80)", RefusedError),
        ("Cannot reposition query to ROWID given. (7331)", RestartRefusedError),
        ("Record is locked by job 4711", RefusedError),
    ],
)
def test_what_sxe_says_no_to(message: str, error: type[Exception]) -> None:
    assert type(_refusal(message)) is error


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"ttblarsc":[]}',
        b'{"ttblapsv":[{"vendno":1}],"cErrorMessage":"half of it"}',
        b'{"ttblapsv":{}}',
        b"[]",
        b"",
    ],
)
def test_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(ContractError):
        parse_answer("apsv", 200, body)


def test_a_position_of_another_kind_is_refused(tenant: LineTenant) -> None:
    line = tenant.line()
    chain = line.slices("suppliers", "100", tenant.everything())[0]
    for position in ('{"next": "x"}', "x", "[]"):
        with pytest.raises(ContractError, match="begin the read anew"):
            list(line.pages(chain, position))


def test_an_entity_without_a_way_is_reported_and_is_no_crash(
    tenant: LineTenant, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("entities: {gl_dimensions: null}", encoding="utf-8")
    line = tenant.line(catalog=own)
    with pytest.raises(ConfigError, match="gl_dimensions: the distribution catalog knows no way"):
        line.slices("gl_dimensions", "100", tenant.everything())
    reports = [one for one in line.routes("100") if one.entity == "gl_dimensions"]
    assert [(one.usable, one.chosen) for one in reports] == [(False, False)]
    assert "knows no way to it" in reports[0].reason
