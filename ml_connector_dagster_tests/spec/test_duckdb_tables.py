"""Tables of the DuckDB warehouse: what ours look like, and what happens when somebody made one before."""

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.duckdb import DatabaseFile, DuckDBDestination
from ml_connector_dagster.destinations.duckdb.destination import TIDY_EVERY
from ml_connector_dagster.destinations.identifiers import company_suffix
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts, RejectedRecord
from ml_connector_dagster_tests.contracts.destinations import ACCOUNTS, ORDERS, SUPPLIERS
from ml_connector_dagster_tests.contracts.staged import DAYS, TENANT, row, staged_rows


Deliver = Callable[..., DeliveryReport]

FITTING = """
    record_id VARCHAR, tenant VARCHAR, company VARCHAR, purchase_order_id VARCHAR, _row_hash VARCHAR,
    _modified_at TIMESTAMPTZ, _extracted_at TIMESTAMPTZ, _deleted_at TIMESTAMPTZ
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def open_at(path: Path, *, per_company: bool = False) -> DuckDBDestination:
    file = DatabaseFile(path=path, memory_limit="256MB", threads=2)
    return DuckDBDestination("warehouse.erp", file, "erp", per_company=per_company)


@pytest.fixture
def deliver(path: Path, tmp_path: Path) -> Deliver:
    numbers = iter(range(1000))

    def send(
        entity: Entity, *rows: dict[str, Any], per_company: bool = False, company: str = "100"
    ) -> DeliveryReport:
        staged = staged_rows(
            tmp_path, entity, rows, batch_id=f"batch-{next(numbers):03d}", company=company
        )
        return open_at(path, per_company=per_company).deliver(entity, staged, WriteMode.UPSERT)

    return send


def sql(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """What a user types at the database."""
    with duckdb.connect(path) as connection:
        return connection.execute(statement).fetchall()


def made_by_a_user(path: Path, columns: str) -> None:
    sql(path, f"CREATE SCHEMA erp; CREATE TABLE erp.purchase_orders ({columns})")


def test_tables_and_columns_carry_their_descriptions(path: Path, deliver: Deliver) -> None:
    deliver(SUPPLIERS, row(SUPPLIERS, "1"))
    comments = dict(sql(path, "SELECT table_name, comment FROM duckdb_tables()"))
    assert comments["suppliers"] == SUPPLIERS.description
    assert all(comments[name] for name in ("suppliers_history", "_audit", "_batches"))
    columns = sql(
        path, "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'suppliers'"
    )
    assert columns == [(column.name, column.description) for column in SUPPLIERS.all_columns]


def test_tables_have_no_keys_and_exact_types(path: Path, deliver: Deliver) -> None:
    deliver(ORDERS, row(ORDERS, "1"))
    assert sql(path, "SELECT constraint_text FROM duckdb_constraints()") == []
    types = sql(
        path,
        "SELECT DISTINCT data_type FROM duckdb_columns() WHERE table_name = 'purchase_orders' ORDER BY 1",
    )
    assert types == [
        ("DATE",),
        ("DECIMAL(27,6)",),
        ("TIMESTAMP WITH TIME ZONE",),
        ("VARCHAR",),
    ]


def test_a_column_that_the_user_added_keeps_its_values_and_default(
    path: Path, deliver: Deliver
) -> None:
    deliver(SUPPLIERS, row(SUPPLIERS, "1", name="a"), row(SUPPLIERS, "2"))
    sql(path, "ALTER TABLE erp.suppliers ADD COLUMN note VARCHAR DEFAULT 'none'")
    sql(path, "UPDATE erp.suppliers SET note = 'mine' WHERE supplier_id = '1'")
    deliver(SUPPLIERS, row(SUPPLIERS, "1", name="b"), row(SUPPLIERS, "3"))
    assert sql(path, "SELECT supplier_id, name, note FROM erp.suppliers ORDER BY 1") == [
        ("1", "b", "mine"),
        ("2", None, "none"),
        ("3", None, "none"),
    ]
    assert sql(path, "SELECT name, note FROM erp.suppliers_history") == [("a", "mine")]


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ("order_date DECIMAL(10,2)", "column order_date is DECIMAL(10,2), and DATE is needed"),
        ("net_amount DATE", "column net_amount is DATE, and DECIMAL(27,6) is needed"),
        ("net_amount DOUBLE", "column net_amount is DOUBLE, and DECIMAL(27,6) is needed"),
        ("BUYER BIGINT", "column buyer is BIGINT, and VARCHAR is needed"),
        ("shop INTEGER NOT NULL", "column shop is NOT NULL without a default"),
    ],
)
def test_a_table_that_cannot_fit_is_a_config_error(
    path: Path, deliver: Deliver, column: str, problem: str
) -> None:
    made_by_a_user(path, f"{FITTING}, {column}")
    with pytest.raises(ConfigError, match=re.escape(problem)) as error:
        deliver(ORDERS, row(ORDERS, "1"))
    assert "erp.purchase_orders" in str(error.value)
    assert "ALTER TABLE" in str(error.value)
    assert sql(path, "SELECT table_name FROM duckdb_tables()") == [("purchase_orders",)]


def test_every_problem_of_a_table_is_told_at_once(path: Path, deliver: Deliver) -> None:
    made_by_a_user(path, f"{FITTING}, order_date BIGINT, buyer DATE")
    with pytest.raises(ConfigError, match=r"order_date is BIGINT.*; column buyer is DATE"):
        deliver(ORDERS, row(ORDERS, "1"))


@pytest.mark.parametrize("key", ["PRIMARY KEY (record_id)", "UNIQUE (purchase_order_id)"])
def test_a_table_with_a_key_is_a_config_error(path: Path, deliver: Deliver, key: str) -> None:
    made_by_a_user(path, f"{FITTING}, {key}")
    with pytest.raises(ConfigError, match=r"Drop the constraint"):
        deliver(ORDERS, row(ORDERS, "1"))


@pytest.mark.parametrize(
    ("limit", "bad", "reason"),
    [
        (
            "net_amount DECIMAL(10,2)",
            {"net_amount": Decimal("123456789.5")},
            'column net_amount: Casting value "123456789.500000" to type DECIMAL(10,2) failed: value is out of range!',
        ),
        (
            "net_amount DECIMAL(10,2)",
            {"net_amount": Decimal("1.005")},
            'column net_amount: Casting value "1.005000" to type DECIMAL(10,2) failed: value is out of range!',
        ),
        (
            "buyer VARCHAR NOT NULL",
            {"buyer": None},
            "NOT NULL constraint failed: purchase_orders.buyer",
        ),
        (
            "net_amount DECIMAL(27,6) CHECK (net_amount > 0)",
            {"net_amount": Decimal(-1)},
            'CHECK constraint failed on table "purchase_orders" with expression CHECK((net_amount > 0))',
        ),
        (
            "buyer VARCHAR, CHECK (length(buyer) < 5 OR purchase_order_id LIKE 'X%')",
            {"buyer": "O'Brien"},
            'CHECK constraint failed on table "purchase_orders" with expression '
            "CHECK(((length(buyer) < 5) OR (purchase_order_id ~~ 'X%')))",
        ),
    ],
)
def test_a_row_that_the_table_refuses_is_rejected_and_the_others_go_on(
    path: Path, deliver: Deliver, limit: str, bad: dict[str, Any], reason: str
) -> None:
    made_by_a_user(path, f"{FITTING}, {limit}")
    good: dict[str, Any] = {"net_amount": Decimal("10.25"), "buyer": "Eve"}
    report = deliver(ORDERS, row(ORDERS, "1", **good | bad), row(ORDERS, "2", **good))
    assert report.counts == OutcomeCounts(inserted=1, rejected=1)
    assert report.rejected == (RejectedRecord(record_id="ACME_TST/100/1", reason=reason),)
    assert sql(path, "SELECT purchase_order_id FROM erp.purchase_orders") == [("2",)]
    audit = open_at(path).audit(ORDERS, "ACME_TST/100/1").to_pylist()
    assert [(one["outcome"], one["reason"]) for one in audit] == [("rejected", reason)]

    deliver(ORDERS, row(ORDERS, "1", **good, extracted=DAYS[1]))
    report = deliver(ORDERS, row(ORDERS, "1", **good | bad, extracted=DAYS[2]))
    assert report.counts == OutcomeCounts(rejected=1)
    stored = open_at(path).rows(ORDERS, Scope(tenant=TENANT)).to_pylist()
    assert [one["buyer"] for one in stored] == ["Eve", "Eve"]
    assert open_at(path).history(ORDERS, "ACME_TST/100/1").num_rows == 0


def test_rejections_are_reported_again_when_the_batch_comes_again(
    path: Path, tmp_path: Path
) -> None:
    made_by_a_user(path, f"{FITTING}, buyer VARCHAR NOT NULL")
    staged = staged_rows(
        tmp_path, ORDERS, [row(ORDERS, str(n)) for n in range(1000)], batch_id="batch"
    )
    destination = open_at(path)
    first = destination.deliver(ORDERS, staged, WriteMode.UPSERT)
    assert first.counts == OutcomeCounts(rejected=1000)
    again = destination.deliver(ORDERS, staged, WriteMode.UPSERT)
    assert again.counts == first.counts
    assert set(again.rejected) == set(first.rejected)
    assert again.receipts == first.receipts


def test_a_constraint_that_cannot_be_foreseen_stops_the_delivery_and_says_so(
    path: Path, deliver: Deliver
) -> None:
    made_by_a_user(path, f"{FITTING}, stock INTEGER DEFAULT -1 CHECK (stock > 0)")
    with pytest.raises(ConfigError, match=r"Nothing of batch batch-000 .*CHECK constraint failed"):
        deliver(ORDERS, row(ORDERS, "1"))
    assert sql(path, "SELECT count(*) FROM erp.purchase_orders") == [(0,)]


def test_a_wider_type_is_welcome(path: Path, deliver: Deliver) -> None:
    made_by_a_user(path, f"{FITTING}, net_amount DECIMAL(38,6), buyer VARCHAR(3), _extra JSON")
    widest = Decimal("999999999999999999999.999999")
    report = deliver(ORDERS, row(ORDERS, "1", net_amount=widest, buyer="longer than three"))
    assert report.counts == OutcomeCounts(inserted=1)
    assert sql(path, "SELECT net_amount, buyer FROM erp.purchase_orders") == [
        (widest, "longer than three")
    ]


def test_records_that_somebody_doubled_stop_the_delivery(path: Path, deliver: Deliver) -> None:
    deliver(SUPPLIERS, row(SUPPLIERS, "1"), row(SUPPLIERS, "2"))
    sql(path, "INSERT INTO erp.suppliers SELECT * FROM erp.suppliers WHERE supplier_id = '1'")
    facts = open_at(path).inspect(SUPPLIERS, Scope(tenant=TENANT))
    assert (facts.rows, facts.duplicates) == (3, 1)
    deliver(SUPPLIERS, row(SUPPLIERS, "2", name="not concerned"))
    with pytest.raises(ConfigError, match=r"more than once, among them 'ACME_TST/100/1'"):
        deliver(SUPPLIERS, row(SUPPLIERS, "1", name="changed"))


def test_tables_per_company_and_views_over_them(path: Path, deliver: Deliver) -> None:
    deliver(ACCOUNTS, row(ACCOUNTS, "", "1"), per_company=True)
    deliver(ACCOUNTS, row(ACCOUNTS, "", "1", name="changed"), per_company=True)
    deliver(ACCOUNTS, row(ACCOUNTS, "", "1", company="SITE A"), per_company=True, company="SITE A")
    deliver(SUPPLIERS, row(SUPPLIERS, "1"), per_company=True)
    tables = sql(path, "SELECT table_name FROM duckdb_tables() ORDER BY 1")
    assert [name for (name,) in tables if name.startswith("gl")] == [
        "gl_accounts_100",
        "gl_accounts_history_100",
        f"gl_accounts_history_{company_suffix('SITE A')}",
        f"gl_accounts_{company_suffix('SITE A')}",
    ]
    assert sql(path, "SELECT company, name FROM erp.gl_accounts ORDER BY 1") == [
        ("100", "changed"),
        ("SITE A", None),
    ]
    assert sql(path, "SELECT count(*) FROM erp.gl_accounts_history") == [(1,)]
    assert sql(path, "SELECT entity, count(*) FROM erp._audit GROUP BY 1 ORDER BY 1") == [
        ("gl_accounts", 3),
        ("suppliers", 1),
    ]
    destination = open_at(path, per_company=True)
    assert destination.table_name(ACCOUNTS, "100") == "erp.gl_accounts_100"
    assert open_at(path).table_name(ACCOUNTS, "100") == "erp.gl_accounts"


@pytest.mark.parametrize("before", [True, False])
def test_switching_between_shared_and_own_tables_is_a_config_error(
    path: Path, deliver: Deliver, before: bool
) -> None:
    deliver(SUPPLIERS, row(SUPPLIERS, "1"), per_company=before)
    with pytest.raises(ConfigError, match=r"choose another schema|Choose another schema"):
        deliver(SUPPLIERS, row(SUPPLIERS, "1"), per_company=not before)


def test_different_companies_never_share_a_name() -> None:
    companies = ["1", "001", "A", "a", "A_1", "A-1", "A 1", "é", "_", "-", "HISTORY", "history_1"]
    suffixes = [company_suffix(company) for company in companies]
    assert len(set(suffixes)) == len(companies)
    assert suffixes[:3] == ["1", "001", "a"]
    assert all(re.fullmatch(r"[a-z0-9_]+", suffix) for suffix in suffixes)


def test_holes_left_by_changes_are_closed_now_and_then(path: Path, deliver: Deliver) -> None:
    for number in range(TIDY_EVERY):
        deliver(SUPPLIERS, *(row(SUPPLIERS, str(n), name=str(number)) for n in range(50)))
    groups = sql(
        path,
        "SELECT count(DISTINCT row_group_id) FROM pragma_storage_info('erp.suppliers_history')",
    )
    assert groups[0][0] <= 2
