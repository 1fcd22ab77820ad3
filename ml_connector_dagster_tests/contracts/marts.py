"""What marts must say at every warehouse: the same as plain Python over the same rows, odd ones included."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ml_connector_dagster.destinations.contract import Destination
from ml_connector_dagster.marts import MARTS, AsOf
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.views import View
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster_tests.contracts.mart_truths import TRUTHS, Erp, Row
from ml_connector_dagster_tests.contracts.staged import DAYS, TENANT, row, staged_rows


READ = tuple(dict.fromkeys(name for mart in MARTS.values() for name in mart.entities))


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A destination with the rows, the rows themselves, and how far each company is known."""

    destination: Destination
    erp: Erp
    dates: tuple[AsOf, ...]

    def found(self, mart: str) -> list[Row]:
        rows: list[Row] = self.destination.ask(f"SELECT * FROM {mart}").to_pylist()
        return rows


def rows_of(sandbox: Sandbox) -> dict[str, list[Row]]:
    """The tiny ERP's truth with what it is too tidy for."""
    rows = {name: [dict(one) for one in sandbox.erp.truth(name)] for name in READ}
    _odd_orders(rows["purchase_orders"], rows["purchase_order_lines"])
    _odd_payables(rows["supplier_invoices"], rows["payments"])
    _odd_invoice_lines(rows["supplier_invoice_lines"])
    _odd_ledger(rows["gl_accounts"], rows["gl_dimensions"], rows["gl_balances"])
    return rows


def _odd_orders(heads: list[Row], lines: list[Row]) -> None:
    for position, one in enumerate(lines):
        if position % 5 == 0 and one["received_date"]:
            one["received_date"] += timedelta(days=position % 13)
        if position % 7 == 0:
            one["received_quantity"] = one["ordered_quantity"] / 3  # six digits are kept of it
            one["received_quantity"] = round(one["received_quantity"], 2)
        if position % 6 == 0:
            one["status_lowest"] = "35"
        if position % 11 == 0:
            one |= {"received_quantity": None, "received_date": None, "status_lowest": "20"}
        if position % 17 == 0:
            one["status_lowest"] = "90"
        if position % 19 == 0:
            one["confirmed_delivery_date"] = None
        if position % 29 == 0:
            one |= {"confirmed_delivery_date": None, "requested_delivery_date": None}
    heads[0]["currency"] = "NOK"  # not the currency of its invoices
    del heads[5]  # lines without a header


def _odd_payables(invoices: list[Row], payments: list[Row]) -> None:
    for position, one in enumerate(payments):
        if position % 4 == 0:
            one["amount"] -= Decimal("0.01")  # paid too little, by little
        if position % 9 == 0:
            one["amount"] += Decimal("100.10")  # and too much
    payments[3]["currency"] = "JPY"  # not the invoice's
    payments[5] |= {"invoice_number": None, "invoice_year": None}  # on account
    invoices[7]["due_date"] = None
    for position, one in enumerate(invoices):
        if position % 3 == 0 and one["due_date"]:
            one["due_date"] += timedelta(days=10 * position)


def _odd_invoice_lines(lines: list[Row]) -> None:
    lines[0] |= {
        "purchase_order_id": None,
        "purchase_order_line_number": None,
        "purchase_order_subline_number": None,
    }
    lines[1]["purchase_order_id"] = "9999999"
    lines[2]["invoice_number"] = "never posted"
    for one in lines[3:12]:
        one["invoiced_quantity"] -= 1
    lines[12]["net_amount"] += Decimal("0.37")


def _odd_ledger(accounts: list[Row], dimensions: list[Row], balances: list[Row]) -> None:
    # An account that all divisions share, and that one of them has for itself, of another kind.
    common = next(one for one in accounts if one["division"] == "")
    other = not common["is_profit_and_loss"]
    accounts.append({**common, "division": "AAA", "name": "AAA's own", "is_profit_and_loss": other})
    dimensions.append({**dimensions[0], "division": "", "name": "common to all"})
    dimensions.append({**dimensions[0], "division": "", "dimension_value": "X9", "name": "common"})
    balances[0] |= {"dimension_2": "X9", "dimension_7": "no such value"}
    balances[1]["account_id"] = "0000"  # in no chart
    balances[2]["value_type"] = "3"  # a budget


def load(destination: Destination, folder: Path) -> Loaded:
    """The tiny ERP's rows, odd ones included, in a destination with every mart over them."""
    with Sandbox.start(SandboxOptions(size=ErpSize.tiny())) as sandbox:
        rows, today = rows_of(sandbox), sandbox.today
    for name in READ:
        for company in ("100", "200"):
            own = [one for one in rows[name] if one["company"] == company]
            _deliver(destination, folder, name, company, own)
    for name in READ:
        rows[name] = [{**one, "record_id": _staged(name, one)["record_id"]} for one in rows[name]]
    # Company 200 is known up to a day of its own.
    as_of = {"100": today, "200": today - timedelta(days=40)}
    dates = tuple(AsOf(tenant=TENANT, company=one, day=day) for one, day in as_of.items())
    for mart in MARTS.values():
        destination.define_view(mart.view(dates))
    return Loaded(
        destination=destination, erp=Erp(tenant=TENANT, rows=rows, as_of=as_of), dates=dates
    )


class MartContract:
    """Subclasses give ``destination``, for the class, with nothing in it."""

    @pytest.fixture(scope="class")
    @classmethod
    def destination(cls) -> Destination | Iterator[Destination]:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def loaded(cls, destination: Destination, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
        return load(destination, tmp_path_factory.mktemp("staged"))

    @pytest.mark.parametrize("mart", MARTS)
    def test_a_mart_says_what_plain_python_says(self, loaded: Loaded, mart: str) -> None:
        found = _by_grain(mart, loaded.found(mart))
        wanted = _by_grain(mart, TRUTHS[mart](loaded.erp))
        assert found.keys() == wanted.keys()
        for key, one in wanted.items():
            assert found[key] == one

    @pytest.mark.parametrize("mart", MARTS)
    def test_a_mart_adds_up(self, loaded: Loaded, mart: str) -> None:
        assert loaded.found(mart)
        assert loaded.destination.ask(MARTS[mart].doubts(loaded.dates)).num_rows == 0

    @pytest.mark.parametrize("mart", MARTS)
    def test_columns_are_the_documented_ones(self, loaded: Loaded, mart: str) -> None:
        found = loaded.destination.ask(f"SELECT * FROM {mart}")
        assert found.column_names == [column.name for column in MARTS[mart].columns]

    def test_amounts_of_two_currencies_never_meet(self, loaded: Loaded) -> None:
        for mart in ("payables_aging", "vendor_performance", "purchase_commitments"):
            currencies = {one["currency"] for one in loaded.found(mart)}
            assert len(currencies) > 3, mart

    def test_a_company_that_was_never_read_to_the_end_has_no_aging(self, loaded: Loaded) -> None:
        try:
            loaded.destination.define_view(MARTS["payables_aging"].view(loaded.dates[:1]))
            assert {one["company"] for one in loaded.found("payables_aging")} == {"100"}
            loaded.destination.define_view(MARTS["payables_aging"].view(()))
            assert loaded.found("payables_aging") == []
        finally:
            loaded.destination.define_view(MARTS["payables_aging"].view(loaded.dates))

    def test_a_view_is_not_made_in_place_of_a_table(self, loaded: Loaded) -> None:
        view = View(name="suppliers", description="", query="SELECT 1 AS one")
        with pytest.raises(ConfigError, match=r"(?i)suppliers"):
            loaded.destination.define_view(view)

    def test_a_description_may_hold_anything(self, loaded: Loaded) -> None:
        for _ in range(2):
            loaded.destination.define_view(
                View(name="odd", description="it's \\ \"odd\"; 'x'", query="SELECT 1 AS one")
            )
        assert loaded.found("odd") == [{"one": 1}]


def _deliver(
    destination: Destination, folder: Path, name: str, company: str, rows: Sequence[Row]
) -> None:
    entity = ENTITIES[name]
    staged = [_staged(name, one) for one in rows]
    # A record that the ERP has no longer: it is in no mart, whatever it says.
    gone = dict(staged[0]) | {"_deleted_at": DAYS[1], "record_id": f"{staged[0]['record_id']}-gone"}
    key = next(part for part in reversed(entity.key) if isinstance(gone[part], str))
    gone[key] = f"{gone[key]}-gone"
    batch = f"{name}-{company}"
    files = staged_rows(folder, entity, [*staged, gone], batch_id=batch, company=company)
    destination.deliver(entity, files, WriteMode.UPSERT)


def _staged(name: str, values: Mapping[str, Any]) -> Row:
    entity = ENTITIES[name]
    key = [values[part] for part in entity.key]
    rest = {k: v for k, v in values.items() if k not in ("company", "record_id", *entity.key)}
    return row(entity, *key, company=values["company"], **rest)


def _by_grain(mart: str, rows: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
    grain = MARTS[mart].grain
    found = {tuple(one[name] for name in grain): one for one in rows}
    assert len(found) == len(rows), f"{mart}: the grain is not unique"
    return found
