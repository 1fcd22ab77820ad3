"""Generated LookML is really executed: every explore, and every tile against the marts' plain Python."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import httpx
import pytest

from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination
from ml_connector_dagster.lookml import MARKER_TABLE, fit, write
from ml_connector_dagster.lookml.dashboards import DASHBOARDS, Tile
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.sandbox.looker import LookerOptions, LookerSandbox
from ml_connector_dagster_tests.contracts.mart_truths import TRUTHS, Erp, Row
from ml_connector_dagster_tests.contracts.marts import load
from ml_connector_dagster_tests.spec.looker_calls import LookerCaller
from ml_connector_dagster_tests.spec.lookml_samples import project_of


PROJECT = project_of()
EXPLORES = [table.view for table in PROJECT.tables]
TILES = [(dashboard.mart, tile) for dashboard in DASHBOARDS for tile in dashboard.tiles]


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Looker over a warehouse with the odd ERP's rows, and those rows."""

    sandbox: LookerSandbox
    caller: LookerCaller
    erp: Erp


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("looker")
    path = folder / "warehouse.duckdb"
    file = DatabaseFile(path=path, memory_limit="192MB", threads=2)
    destination = DuckDBDestination("warehouse.erp", file, "erp")
    loaded = load(destination, folder)
    destination.prepare(ENTITIES["customers"])
    destination.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"CREATE TABLE erp.{MARKER_TABLE} (sync_id VARCHAR, finished_at TIMESTAMPTZ)"
        )
        connection.execute(
            f"INSERT INTO erp.{MARKER_TABLE} VALUES ('sync-1', '2026-11-20 10:00:00Z')"
        )
    write(PROJECT, folder / "lookml")
    options = LookerOptions(lookml=folder / "lookml", databases={"warehouse": path})
    with LookerSandbox.start(options) as sandbox, LookerCaller(sandbox) as caller:
        yield Stand(sandbox=sandbox, caller=caller, erp=loaded.erp)


def test_looker_finds_nothing_wrong_with_the_project(stand: Stand) -> None:
    assert stand.caller.post("/projects/erp/validate").json()["errors"] == []


@pytest.mark.parametrize("explore", EXPLORES)
def test_every_field_of_every_explore_runs(stand: Stand, explore: str) -> None:
    about = stand.caller.get(f"/lookml_models/erp/explores/{explore}").json()
    fields = [one["name"] for kind in ("dimensions", "measures") for one in about["fields"][kind]]
    own = [name for name in fields if name.startswith(f"{explore}.")]
    joined = [name for name in fields if name not in own]
    ask = own + joined[::7]  # of the joined views some: their own explores ask for all
    assert stand.caller.rows("erp", explore, ask, limit="3") is not None


def test_the_marker_tells_the_sync(stand: Stand) -> None:
    (row,) = stand.caller.rows(
        "erp",
        "sync_marker",
        ["sync_marker.sync_id", "sync_marker.finished_time"],
        sorts=["sync_marker.finished_time desc"],
    )
    assert row == {
        "sync_marker.sync_id": "sync-1",
        "sync_marker.finished_time": "2026-11-20 10:00:00",
    }


@pytest.mark.parametrize(
    ("mart", "tile"), TILES, ids=[f"{mart}-{tile.title}" for mart, tile in TILES]
)
def test_a_tile_says_what_plain_python_says(stand: Stand, mart: str, tile: Tile) -> None:
    dashboard = next(one for one in DASHBOARDS if one.mart == mart)
    defaults = {one.field: one.default for one in dashboard.filters if one.default}
    found = stand.caller.rows(
        "erp",
        mart,
        [f"{mart}.{name}" for name in tile.fields],
        filters={f"{mart}.{k}": v for k, v in {**tile.filters, **defaults}.items()},
        sorts=[f"{mart}.{name}" for name in tile.sorts],
        limit=str(tile.limit),
    )
    wanted = expected(tile, [row for row in TRUTHS[mart](stand.erp) if kept(tile, row)])
    assert wanted, "the odd ERP has nothing for this tile"
    plain = [{name.partition(".")[2]: value for name, value in row.items()} for row in found]
    assert len(plain) == min(tile.limit, len(wanted))
    for row in plain:
        key = tuple(row[name] for name in tile.fields if name in DIMENSIONS[mart])
        truth = wanted[key]
        for name, value in truth.items():
            assert same(row[name], value), (key, name, row[name], value)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=[one.mart for one in DASHBOARDS])
def test_a_dashboard_filtered_by_company_shows_that_company_only(
    stand: Stand, dashboard: Any
) -> None:
    address = f"{stand.sandbox.url}/_looker/dashboards/erp::{dashboard.mart}"
    whole = httpx.get(address)
    one = httpx.get(address, params={"Company": "200"})
    assert whole.status_code == one.status_code == 200
    assert "<td>100</td>" not in one.text.replace(' class=""', "")
    assert len(one.text) < len(whole.text)
    assert 'class="error"' not in whole.text + one.text


def test_no_deleted_record_is_counted(stand: Stand) -> None:
    for name in ("suppliers", "supplier_invoices", "purchase_order_lines"):
        (row,) = stand.caller.rows("erp", name, [f"{name}.count"])
        assert row[f"{name}.count"] == len(stand.erp.rows[name])


def test_amounts_of_a_header_are_not_multiplied_by_its_lines(stand: Stand) -> None:
    """Symmetric aggregates need the primary keys that the generator gives."""
    found = stand.caller.rows(
        "erp",
        "purchase_order_lines",
        ["purchase_orders.currency", "purchase_orders.total_net_amount"],
    )
    with_lines = {
        (line["company"], line["purchase_order_id"])
        for line in stand.erp.rows["purchase_order_lines"]
    }
    wanted: dict[str, Decimal] = defaultdict(Decimal)
    for one in stand.erp.rows["purchase_orders"]:
        if (one["company"], one["purchase_order_id"]) in with_lines:
            wanted[one["currency"]] += one["net_amount"]
    totals = {
        row["purchase_orders.currency"]: row["purchase_orders.total_net_amount"] for row in found
    }
    assert {k: v for k, v in totals.items() if k is not None} == wanted


def test_an_amount_without_its_currency_is_still_apart_by_currency(stand: Stand) -> None:
    rows = stand.caller.rows("erp", "payables_aging", ["payables_aging.total_open_amount"])
    currencies = {row["currency"] for row in TRUTHS["payables_aging"](stand.erp)}
    assert len(rows) == len(currencies) > 1


def test_the_lookml_fits_the_warehouse_and_a_column_that_goes_is_caught(stand: Stand) -> None:
    path = stand.sandbox.options.databases["warehouse"]
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'erp'"
        ).fetchall()
    tables: dict[str, set[str]] = defaultdict(set)
    for table, column in found:
        tables[table].add(column)
    assert fit(PROJECT.files(), tables).problems == ()
    assert fit(PROJECT.files(), tables).unseen == ()

    tables["suppliers"].remove("vat_number")
    tables["suppliers"].add("new_one")
    changed = fit(PROJECT.files(), tables)
    assert [str(one) for one in changed.problems] == [
        "views/suppliers.view.lkml: view suppliers, dimension vat_number: table 'suppliers' has no column 'vat_number'"
    ]
    assert changed.unseen == (("suppliers", "new_one"),)


DIMENSIONS = {
    "payables_aging": {
        *("bucket_number", "bucket", "currency", "company", "supplier_id", "supplier_name"),
        "as_of_date",
    },
    "vendor_performance": {
        *("promised_month", "company", "supplier_id", "supplier_name", "currency"),
    },
    "purchase_commitments": {
        *("due_month", "company", "supplier_id", "supplier_name", "currency"),
    },
    "gl_account_balances": {
        *("year", "period", "company", "division", "balance_key", "value_type"),
        *("account_group", "account_id", "account_name"),
    },
}

#: Tile → which rows of the mart are in it, in Python rather than in Looker's filter expressions.
KEPT: dict[str, Callable[[Row], bool]] = {
    "Overdue, by currency": lambda row: 1 <= row["bucket_number"] <= 4,
    "Payments without an invoice": lambda row: row["bucket_number"] == 6,
    "Price variance": lambda row: row["invoiced_amount"] is not None,
}


def kept(tile: Tile, row: Row) -> bool:
    """Whether a row of the mart is in a tile, its dashboard's defaults included."""
    return row.get("value_type", "1") == "1" and KEPT.get(tile.title, lambda _: True)(row)


def expected(tile: Tile, rows: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
    """The tile's rows by their dimensions, added up in Python."""
    mart_dimensions = set().union(*DIMENSIONS.values())
    names = [name for name in tile.fields if name in mart_dimensions]
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(shown(row, name) for name in names)].append(row)
    measures = [name for name in tile.fields if name not in mart_dimensions]
    return {
        key: {name: measured(name, found) for name in measures} for key, found in groups.items()
    }


def shown(row: Row, name: str) -> Any:
    value = row[name]
    if isinstance(value, date):
        return value.isoformat()[:7] if name.endswith("_month") else value.isoformat()
    return value


def measured(name: str, rows: Sequence[Row]) -> Decimal:
    shares = {"share_on_time_in_full": "lines_on_time_in_full", "share_on_time": "lines_on_time"}
    if name in shares:
        due = sum(row["lines_due"] for row in rows)
        return Decimal(sum(row[shares[name]] for row in rows)) / due
    column = name.removeprefix("total_")
    return sum((Decimal(row[column]) for row in rows if row[column] is not None), Decimal(0))


def same(found: Any, wanted: Decimal) -> bool:
    """Shares are divided in floating point."""
    return abs(Decimal(found) - wanted) < Decimal("1e-12")
