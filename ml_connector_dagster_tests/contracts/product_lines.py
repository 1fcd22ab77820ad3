"""What every product line must do. A line's own test inherits ``ProductLineContract`` and says how to open it.

The oracle is ``sandbox.erp.truth``: what is read must equal it row by row, whatever the page size, and whatever happens on the way.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from ml_connector_dagster.cloudsuite.pages import Page, ProductLine, Slice
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, ContractError, CredentialError
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sandbox import Fault, Sandbox
from ml_connector_dagster_tests.contracts.tenants import TENANT, LineTenant, Reading, shaped


COMPANY = "100"
OTHER_COMPANY = "200"
SMALL_PAGE = 3

Rows = Mapping[str, Mapping[str, Any]]


def record_id(entity: str, row: Mapping[str, Any]) -> str:
    """As the connector must build it (written here once more, so that a mistake on one side shows)."""
    parts = [TENANT, row["company"], *(row[name] for name in ENTITIES[entity].key)]
    return "/".join(str(part).replace("%", "%25").replace("/", "%2F") for part in parts)


def truth_of(
    sandbox: Sandbox, entity: str, company: str = COMPANY, changed_from: date | None = None
) -> Rows:
    """Record id → row, from the ERP."""
    rows = sandbox.erp.truth(entity, company, changed_from=changed_from)
    return {record_id(entity, row): row for row in rows}


def assert_same(got: Mapping[str, Mapping[str, object]], truth: Rows) -> None:
    """Every record, every column."""
    assert sorted(set(truth) - set(got)) == [], "records are missing"
    assert sorted(set(got) - set(truth)) == [], "records that the ERP does not have"
    assert_equal_values(got, truth)


def assert_equal_values(got: Mapping[str, Mapping[str, object]], truth: Rows) -> None:
    """Every column of the records of ``truth``."""
    wrong = {
        f"{key}.{name}": (got[key][name], value)
        for key, row in truth.items()
        for name, value in row.items()
        if got[key][name] != value
    }
    assert wrong == {}, "got ≠ truth"


class ProductLineContract:
    """Inherit it, set ``product_line``, and fill in what is said to be the line's own."""

    product_line: ClassVar[str]
    #: A tenant's catalog file to read with, as YAML text; "" for none.
    catalog: ClassVar[str] = ""
    #: Entities that this line (by this catalog) reads whole, whatever the window.
    read_whole: ClassVar[frozenset[str]] = frozenset()
    #: Entities that this line serves by these routes; the tests of the others are skipped.
    served: ClassVar[frozenset[str]] = frozenset(ENTITIES)
    #: A field that no tenant has, as the line's catalog writes one.
    unknown_field: ClassVar[str] = "NoSuchField"
    #: Entities of which a sweep gets whole records, because the protocol cannot ask for less.
    swept_whole: ClassVar[frozenset[str]] = frozenset()
    #: (entity, column, what somebody wrote into the ERP, what must arrive).
    hostile: ClassVar[Sequence[tuple[str, str, str | int, object]]] = (
        ("suppliers", "name", "Röntgen & Søn — 東京", "Röntgen & Søn — 東京"),
        ("suppliers", "name", "a|b~c^d\"e'f\\g\th", "a|b~c^d\"e'f\\g\th"),
        ("suppliers", "name", "'; drop table suppliers --", "'; drop table suppliers --"),
        ("suppliers", "name", '"errorMessage"', '"errorMessage"'),
        ("suppliers", "name", "</records>&amp;%2F%00", "</records>&amp;%2F%00"),
        ("suppliers", "name", "   ", None),
        ("suppliers", "name", "NULL", "NULL"),
        ("suppliers", "last_invoice_date", 0, None),
        ("suppliers", "last_invoice_date", 20260231, None),
        ("suppliers", "last_invoice_date", 99991231, date(9999, 12, 31)),
        ("purchase_orders", "net_amount", "999999999999999.99", Decimal("999999999999999.99")),
        ("purchase_orders", "net_amount", "-999999999999999.99", Decimal("-999999999999999.99")),
        ("purchase_orders", "net_amount", "12345", Decimal(12345)),  # yen have no cents
        ("purchase_orders", "net_amount", "12345.678", Decimal("12345.678")),  # dinars have three
        ("purchase_orders", "net_amount", "12a", None),
    )

    # The line's own

    def forbid_customers(self, sandbox: Sandbox) -> str:
        """Take the service user's right to customers away on every route; answers what the message must name."""
        raise NotImplementedError

    def pages_of(self, entity: str) -> tuple[str, str]:
        """Program and transaction (IDO and "load", and so on) of the calls that bring pages of ``entity``, for faults."""
        raise NotImplementedError

    def prepare(self, sandbox: Sandbox) -> None:
        """Switch the sandbox to what this line is tested against."""

    def delivered(self, entity: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """A row of the ERP as this line hands it out: the same, but where the line's own keys are written otherwise."""
        return row

    # The oracle

    def truth_of(
        self,
        sandbox: Sandbox,
        entity: str,
        company: str = COMPANY,
        changed_from: date | None = None,
    ) -> Rows:
        """Record id → row, from the ERP, as this line hands it out."""
        rows = truth_of(sandbox, entity, company, changed_from).values()
        return {self.id_of(entity, row): self.delivered(entity, row) for row in rows}

    def id_of(self, entity: str, row: Mapping[str, Any]) -> str:
        return record_id(entity, self.delivered(entity, row))

    # Opening

    @pytest.fixture
    def tenant(
        self, sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest
    ) -> Iterator[LineTenant]:
        parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
        if parameters.get("entity", "suppliers") not in self.served:
            pytest.skip(
                f"{self.product_line} does not serve {parameters['entity']} by these routes"
            )
        self.prepare(sandbox)
        tenant = LineTenant(sandbox, self.product_line)
        if self.catalog:
            self._file = tmp_path / "catalog.yaml"
            self._file.write_text(self.catalog, encoding="utf-8")
        yield tenant
        tenant.close()

    def line(self, tenant: LineTenant, page_rows: int = 10_000) -> ProductLine:
        return tenant.line(page_rows=page_rows, catalog=self._file if self.catalog else None)

    def read(
        self,
        tenant: LineTenant,
        entity: str,
        *,
        company: str = COMPANY,
        window: Window | None = None,
        page_rows: int = 10_000,
    ) -> Reading:
        return tenant.read(self.line(tenant, page_rows), entity, company, window)

    # Everything

    @pytest.mark.parametrize("entity", ENTITIES)
    @pytest.mark.parametrize("page_rows", [SMALL_PAGE, 10_000])
    def test_a_first_load_is_the_erp(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str, page_rows: int
    ) -> None:
        for company in (COMPANY, OTHER_COMPANY):
            reading = self.read(tenant, entity, company=company, page_rows=page_rows)
            truth = self.truth_of(sandbox, entity, company)
            assert_same(reading.rows(), truth)
            assert len(truth) > 2 * SMALL_PAGE, "some pages, or the borders prove nothing"
            assert len(reading.pages) > len(reading.slices) or page_rows > len(truth)
            assert reading.unreadable == ()
            assert all(one.rejected == () for one in reading.shaped)

    @pytest.mark.parametrize("entity", ENTITIES)
    def test_chains_are_stable_and_end(self, tenant: LineTenant, entity: str) -> None:
        reading = self.read(tenant, entity, page_rows=SMALL_PAGE)
        again = self.line(tenant).slices(entity, COMPANY, tenant.everything())
        ids = [chain.id for chain in reading.slices]
        assert ids == [chain.id for chain in again]
        assert len(set(ids)) == len(ids)
        ends = sum(page.position is None for page in reading.pages)
        assert ends == len(ids)
        # A page may be what another chain has asked for; if nothing had to be asked beside that, it brings nothing.
        assert all(page.requested_at.year > 1 for page in reading.pages)
        assert all((page.requests > 0) == (page.bytes > 0) for page in reading.pages)
        assert all(page.requests >= 1 for page in reading.pages if page.records.num_rows)

    @pytest.mark.parametrize("entity", ENTITIES)
    def test_a_killed_read_goes_on_where_it_stopped(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str
    ) -> None:
        line = self.line(tenant, SMALL_PAGE)
        got: dict[str, Mapping[str, object]] = {}
        for chain in line.slices(entity, COMPANY, tenant.everything()):
            position: str | None = None
            while True:
                # Another process each time, which reads one page and dies.
                line = self.line(tenant, SMALL_PAGE)
                page = next(iter(line.pages(chain, position)))
                got |= _rows(line, entity, page)
                position = page.position
                if position is None:
                    break
        assert_same(got, self.truth_of(sandbox, entity))

    @pytest.mark.parametrize("entity", ENTITIES)
    def test_a_list_of_keys_names_every_record_and_asks_for_less(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str
    ) -> None:
        whole = self.read(tenant, entity, page_rows=SMALL_PAGE)
        file = self._file if self.catalog else None
        keys = tenant.read(
            tenant.key_line(page_rows=SMALL_PAGE, catalog=file), entity, COMPANY, None
        )
        assert set(keys.rows()) == set(self.truth_of(sandbox, entity))
        assert keys.requests <= whole.requests
        if entity not in self.swept_whole:
            assert _bytes(keys) < _bytes(whole)

    # Windows

    @pytest.mark.parametrize("entity", ENTITIES)
    def test_a_window_brings_what_changed_in_it(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str
    ) -> None:
        sandbox.erp.change(entity, 4, COMPANY)
        today = tenant.days(0)
        got = self.read(tenant, entity, window=today).rows()
        whole = self.truth_of(sandbox, entity)
        if entity in self.read_whole:
            assert_same(got, whole)
            return
        start = today.start
        assert start is not None
        changed = self.truth_of(sandbox, entity, changed_from=start.date())
        assert len(changed) >= 1
        assert_equal_values(got, changed)
        assert_equal_values(got, {key: whole[key] for key in got})
        assert len(got) < len(whole), "and not much more"
        in_pages = self.read(tenant, entity, window=today, page_rows=SMALL_PAGE).rows()
        assert set(got) <= set(in_pages)
        assert_equal_values(in_pages, {key: whole[key] for key in in_pages})

    @pytest.mark.parametrize("entity", ENTITIES)
    def test_a_change_later_on_the_same_day_is_read_again(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str
    ) -> None:
        keys = sandbox.erp.change(entity, 2, COMPANY, seed=1)
        first = self.read(tenant, entity, window=tenant.days(0)).rows()
        between = sandbox.clock.advance(minutes=1)
        sandbox.clock.advance(minutes=1)
        sandbox.erp.change(entity, 2, COMPANY, seed=2, keys=keys)
        late = Window(start=between, end=tenant.days(0).end)
        second = self.read(tenant, entity, window=late).rows()
        truth = self.truth_of(sandbox, entity)
        ids = [self.id_of(entity, _keyed(entity, key)) for key in keys]
        assert_equal_values(second, {one: truth[one] for one in ids})
        assert any(first[one]["_row_hash"] != second[one]["_row_hash"] for one in ids)

    @pytest.mark.parametrize("entity", ENTITIES)
    def test_equal_stamps_across_page_borders(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str
    ) -> None:
        if entity != "gl_balances":  # a posting stamps it, and changes it
            count = len(sandbox.erp.truth(entity, COMPANY))
            sandbox.erp.touch(entity, count, COMPANY, day=sandbox.clock.today())
        got = self.read(tenant, entity, window=tenant.days(0), page_rows=SMALL_PAGE).rows()
        truth = self.truth_of(sandbox, entity)
        if entity == "gl_balances" and entity not in self.read_whole:
            truth = {key: row for key, row in truth.items() if key in got}
        assert_same(got, truth)

    @pytest.mark.parametrize("entity", ENTITIES)
    def test_a_touched_record_has_the_hash_it_had(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str
    ) -> None:
        before = self.read(tenant, entity).rows()
        if entity != "gl_balances":
            sandbox.erp.touch(entity, 2, COMPANY, day=sandbox.today)
        after = self.read(tenant, entity).rows()
        assert {key: row["_row_hash"] for key, row in before.items()} == {
            key: row["_row_hash"] for key, row in after.items()
        }

    @pytest.mark.parametrize("entity", ENTITIES)
    def test_a_window_without_changes_is_one_empty_page_a_chain(
        self, tenant: LineTenant, entity: str
    ) -> None:
        reading = self.read(tenant, entity, window=tenant.days(300, 301))
        if entity in self.read_whole:
            return
        assert reading.table.num_rows == 0
        assert len(reading.pages) == len(reading.slices)
        assert all(page.position is None for page in reading.pages)

    def test_windows_side_by_side_miss_nothing(self, tenant: LineTenant, sandbox: Sandbox) -> None:
        entity = "purchase_order_lines"
        past = Window(start=None, end=tenant.days(-200).start or tenant.everything().end)
        got = self.read(tenant, entity, window=past).rows()
        for first, last in ((-200, -51), (-50, -1), (0, 0)):
            got |= self.read(tenant, entity, window=tenant.days(first, last)).rows()
        assert_same(got, self.truth_of(sandbox, entity))

    # While it is read

    @pytest.mark.parametrize("entity", [name for name in ENTITIES if name != "gl_balances"])
    def test_records_that_change_between_pages(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str
    ) -> None:
        line = self.line(tenant, SMALL_PAGE)
        chains = line.slices(entity, COMPANY, tenant.everything())
        got: dict[str, Mapping[str, object]] = {}
        for chain in chains:
            pages = line.pages(chain, None)
            for number, page in enumerate(pages):
                got |= _rows(line, entity, page)
                sandbox.erp.change(entity, 1, COMPANY, seed=100 + number)
        # What changed behind the reader's back changed today: the next read brings it.
        got |= self.read(tenant, entity, window=tenant.days(0)).rows()
        assert_same(got, self.truth_of(sandbox, entity))

    @pytest.mark.parametrize("entity", ["suppliers", "purchase_order_lines", "supplier_invoices"])
    def test_records_that_go_and_come_between_pages(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str
    ) -> None:
        line = self.line(tenant, SMALL_PAGE)
        got: dict[str, Mapping[str, object]] = {}
        ever = set(self.truth_of(sandbox, entity))
        for chain in line.slices(entity, COMPANY, tenant.everything()):
            for number, page in enumerate(line.pages(chain, None)):
                got |= _rows(line, entity, page)
                if number == 0:
                    sandbox.erp.delete(entity, 1, COMPANY, seed=number)
                    sandbox.erp.insert(entity, 1, COMPANY, seed=number)
                    ever |= set(self.truth_of(sandbox, entity))
        got |= self.read(tenant, entity, window=tenant.days(0)).rows()
        after = self.truth_of(sandbox, entity)
        assert set(after) <= set(got), "what stayed and what came is there"
        assert set(got) <= ever, "and nothing else"

    @pytest.mark.parametrize("page_rows", [2, 4, 5, 9, 10, 11])
    def test_a_last_page_that_is_exactly_full(
        self, tenant: LineTenant, sandbox: Sandbox, page_rows: int
    ) -> None:
        for entity in ("suppliers", "customers", "items"):
            reading = self.read(tenant, entity, page_rows=page_rows)
            assert_same(reading.rows(), self.truth_of(sandbox, entity))
        counts = {len(self.truth_of(sandbox, one)) for one in ("suppliers", "customers", "items")}
        assert counts == {10, 15, 20}, "2, 5 and 10 fill the last page of some exactly"

    # Nothing, and not everything

    @pytest.mark.parametrize("entity", ["customers", "supplier_invoices", "payments"])
    def test_an_entity_without_records_is_one_empty_page_a_chain(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str
    ) -> None:
        sandbox.erp.delete(entity, len(sandbox.erp.truth(entity, COMPANY)), COMPANY)
        reading = self.read(tenant, entity)
        left = [one for one in reading.rows().values() if one["_deleted_at"] is None]
        assert left == [], "a data lake still lists them, and says that they are gone"
        assert len(reading.pages) == len(reading.slices) >= 1
        assert all(page.position is None for page in reading.pages)
        others = self.read(tenant, entity, company=OTHER_COMPANY).rows()
        assert_same(others, self.truth_of(sandbox, entity, OTHER_COMPANY))

    def test_a_field_that_the_tenant_lacks_leaves_its_column_empty_and_is_named(
        self, tenant: LineTenant, sandbox: Sandbox, tmp_path: Path
    ) -> None:
        """One unknown field fails a whole call in most lines; it must not fail the read."""
        content = yaml.safe_load(self.catalog) if self.catalog else {}
        suppliers = content.setdefault("entities", {}).setdefault("suppliers", {})
        suppliers.setdefault("fields", {})["phone"] = self.unknown_field
        file = tmp_path / "lacking.yaml"
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        line = tenant.line(catalog=file)
        truth = self.truth_of(sandbox, "suppliers")
        assert any(row["phone"] for row in truth.values()), "there was something to lose"
        lacking = {key: {**row, "phone": None} for key, row in truth.items()}
        assert_same(tenant.read(line, "suppliers", COMPANY, None).rows(), lacking)
        (chosen,) = [
            one for one in line.routes(COMPANY) if one.chosen and one.entity == "suppliers"
        ]
        assert "phone" in chosen.empty

    # Values

    def test_hostile_values(self, tenant: LineTenant, sandbox: Sandbox) -> None:
        for entity, column, value, expected in self.hostile:
            row = sandbox.erp.truth(entity, COMPANY)[0]
            sandbox.erp.write(entity, row, column, value)
            got = self.read(tenant, entity, window=tenant.days(0)).rows()
            arrived = got[self.id_of(entity, row)]
            assert arrived[column] == expected, (entity, column, value)
            unread = expected is None and str(value).strip() not in ("", "0")
            assert (arrived["_problems"] is not None) == unread, (value, arrived["_problems"])

    # Faults

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "unauthorized"},
            {"kind": "too_many_requests", "retry_after": 3},
            {"kind": "too_many_requests"},
            {"kind": "status", "status": 503},
            {"kind": "truncated"},
            {"kind": "html"},
            {"kind": "empty"},
            {"kind": "cut"},
            {"kind": "duplicate_page"},
        ],
        ids=lambda fault: "-".join(str(part) for part in fault.values()),
    )
    @pytest.mark.parametrize("entity", ["suppliers", "supplier_invoices"])
    def test_a_fault_in_the_middle_of_the_pages(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str, fault: dict[str, Any]
    ) -> None:
        line = self.line(tenant, SMALL_PAGE)
        chains = line.slices(entity, COMPANY, tenant.everything())
        program, transaction = self.pages_of(entity)
        armed = sandbox.faults.add(Fault(**fault, program=program, transaction=transaction, nth=2))
        got: dict[str, Mapping[str, object]] = {}
        for chain in chains:
            for page in line.pages(chain, None):
                got |= _rows(line, entity, page)
        assert armed.fired == 1
        assert_same(got, self.truth_of(sandbox, entity))

    @pytest.mark.parametrize("entity", ENTITIES)
    def test_old_answers_again_and_again(
        self, tenant: LineTenant, sandbox: Sandbox, entity: str
    ) -> None:
        line = self.line(tenant, SMALL_PAGE)
        chains = line.slices(entity, COMPANY, tenant.everything())
        sandbox.faults.add(Fault(kind="duplicate_page", nth=3, times=None))
        got: dict[str, Mapping[str, object]] = {}
        try:
            for chain in chains:
                for page in line.pages(chain, None):
                    got |= _rows(line, entity, page)
        except ContractError:
            return  # an error is fine, wrong rows are not
        assert_same(got, self.truth_of(sandbox, entity))

    @pytest.mark.parametrize("kind", ["truncated", "html"])
    def test_a_fault_that_stays_is_an_error_and_not_an_end(
        self, tenant: LineTenant, sandbox: Sandbox, kind: Any
    ) -> None:
        line = self.line(tenant, SMALL_PAGE)
        chain = line.slices("suppliers", COMPANY, tenant.everything())[0]
        program, transaction = self.pages_of("suppliers")
        sandbox.faults.add(
            Fault(kind=kind, program=program, transaction=transaction, nth=2, times=None)
        )
        with pytest.raises(ContractError):
            list(line.pages(chain, None))

    def test_an_error_inside_a_200(self, tenant: LineTenant, sandbox: Sandbox) -> None:
        line = self.line(tenant, SMALL_PAGE)
        chain = line.slices("suppliers", COMPANY, tenant.everything())[0]
        program, transaction = self.pages_of("suppliers")
        sandbox.faults.add(
            Fault(
                kind="error_in_200",
                message="Record is locked by job 4711",
                nth=2,
                times=None,
                program=program,
                transaction=transaction,
            )
        )
        with pytest.raises(ContractError, match="locked by job 4711"):
            list(line.pages(chain, None))

    # Access

    def test_a_company_that_does_not_exist(self, tenant: LineTenant) -> None:
        line = self.line(tenant)
        with pytest.raises(ConfigError, match="999"):
            list(islice(_all_pages(line, "suppliers", "999", tenant), 1))

    def test_no_right_to_one_entity_leaves_the_others(
        self, tenant: LineTenant, sandbox: Sandbox
    ) -> None:
        named = self.forbid_customers(sandbox)
        line = self.line(tenant)
        with pytest.raises(CredentialError, match=named):
            list(_all_pages(line, "customers", COMPANY, tenant))
        reports = [one for one in line.routes(COMPANY) if one.entity == "customers"]
        assert all(not one.usable and named in one.reason for one in reports)
        assert any(one.chosen for one in line.routes(COMPANY) if one.entity == "suppliers")

    def test_a_right_that_is_given_back_is_found_at_the_next_read(
        self, tenant: LineTenant, sandbox: Sandbox
    ) -> None:
        chain = self.line(tenant).slices("customers", COMPANY, tenant.everything())[0]
        self.forbid_customers(sandbox)
        with pytest.raises(CredentialError):
            list(self.line(tenant).pages(chain, None))
        with pytest.raises(CredentialError):
            self.line(tenant).slices("customers", COMPANY, tenant.everything())
        sandbox.switches.unauthorized_programs.clear()
        self.line(tenant).routes(COMPANY)  # what ``ping`` asks
        assert_same(self.read(tenant, "customers").rows(), self.truth_of(sandbox, "customers"))

    def test_every_route_is_reported(self, tenant: LineTenant) -> None:
        reports = self.line(tenant).routes(COMPANY)
        assert {one.entity for one in reports} == set(ENTITIES)
        for entity in ENTITIES:
            mine = [one for one in reports if one.entity == entity]
            assert sum(one.chosen for one in mine) == (entity in self.served)
            assert all(one.usable == (one.reason == "") for one in mine)

    def test_the_second_process_need_not_ask_what_the_tenant_has(self, tenant: LineTenant) -> None:
        first = self.read(tenant, "suppliers")
        asked = tenant.gateway.requests_made
        assert asked > first.requests
        second = self.read(tenant, "suppliers")
        assert tenant.gateway.requests_made - asked == second.requests


def _bytes(reading: Reading) -> int:
    return sum(page.bytes for page in reading.pages)


def _rows(line: ProductLine, entity: str, page: Page) -> dict[str, Mapping[str, object]]:
    table = shaped(line, entity, COMPANY, page).table
    return {str(row["record_id"]): row for row in table.to_pylist()}


def _all_pages(
    line: ProductLine, entity: str, company: str, tenant: LineTenant
) -> Iterator[tuple[Slice, Page]]:
    for chain in line.slices(entity, company, tenant.everything()):
        for page in line.pages(chain, None):
            yield chain, page


def _keyed(entity: str, key: Sequence[str | int]) -> dict[str, str | int]:
    return dict(zip(("company", *ENTITIES[entity].key), key, strict=True))
