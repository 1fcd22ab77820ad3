"""Tables of a Snowflake schema: what ours look like, and what happens when somebody made one before."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.snowflake import SnowflakeDestination
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import Entity
from ml_connector_dagster.model.errors import ConfigError, CredentialError
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts, RejectedRecord
from ml_connector_dagster_tests.contracts.destinations import ORDERS, SUPPLIERS
from ml_connector_dagster_tests.contracts.staged import DAYS, TENANT, row, staged_rows
from ml_connector_dagster_tests.spec.snowflake_account import (
    Account,
    import_vendor_packages,
    sandbox_account,
)


FITTING = """
    record_id VARCHAR, tenant VARCHAR, company VARCHAR, purchase_order_id VARCHAR, _row_hash VARCHAR,
    _modified_at TIMESTAMP_TZ(6), _extracted_at TIMESTAMP_TZ(6), _deleted_at TIMESTAMP_TZ(6)
"""


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    import_vendor_packages()
    with sandbox_account() as found:
        yield found


class Place:
    """A schema, with what a user does there and what is delivered there."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.account = account
        self.folder = folder
        self.schema = account.schema_of(folder)
        self.numbers = iter(range(1000))

    def sql(self, statement: str) -> list[list[str | None]]:
        """``{}`` stands for the schema."""
        return self.account.run(statement.replace("{}", self.account.path_of(self.schema)))

    def table(self, columns: str) -> None:
        self.sql("CREATE SCHEMA {}")
        self.sql(f"CREATE TABLE {{}}.purchase_orders ({columns})")

    def open(self, **how: Any) -> SnowflakeDestination:
        return self.account.destination(self.schema, **how)

    def deliver(
        self, entity: Entity, *rows: dict[str, Any], company: str = "100", **how: Any
    ) -> DeliveryReport:
        staged = staged_rows(
            self.folder,
            entity,
            rows,
            batch_id=f"batch-{next(self.numbers):03d}",
            company=company,
        )
        return self.open(**how).deliver(entity, staged, WriteMode.UPSERT)


@pytest.fixture
def place(account: Account, tmp_path: Path) -> Place:
    return Place(account, tmp_path)


INLINE, STAGED = 1_000, 0
GOOD: dict[str, Any] = {"net_amount": Decimal("10.25"), "buyer": "Eve"}


@pytest.mark.parametrize(
    ("inline_rows", "limit", "bad", "reason"),
    [
        (
            INLINE,
            "net_amount NUMBER(10,2)",
            {"net_amount": Decimal("123456789.5")},
            "column NET_AMOUNT: Number out of representable range: type NUMBER(10,2), value 123456789.500000",
        ),
        (
            INLINE,
            "net_amount NUMBER(10,2)",
            {"net_amount": Decimal("1.005")},
            "column NET_AMOUNT: Number 1.005000 has more decimals than NUMBER(10,2), which would round it",
        ),
        (
            INLINE,
            "buyer VARCHAR NOT NULL",
            {"buyer": None},
            "column BUYER: NULL result in a non-nullable column",
        ),
        (
            INLINE,
            "buyer VARCHAR(10)",
            {"buyer": "O'Brien 🏗️ & Sons"},
            "column BUYER: String 'O'Brien 🏗️ & Sons' is too long and would be truncated",
        ),
        (
            STAGED,
            "buyer VARCHAR(10)",
            {"buyer": "O'Brien 🏗️ & Sons"},
            "column BUYER: String 'O'Brien 🏗️ & Sons' is too long and would be truncated",
        ),
    ],
)
def test_a_row_that_the_table_refuses_is_rejected_and_the_others_go_on(
    place: Place, inline_rows: int, limit: str, bad: dict[str, Any], reason: str
) -> None:
    place.table(f"{FITTING}, {limit}")
    how: dict[str, Any] = {"inline_rows": inline_rows}
    bad_row, good_row = row(ORDERS, "1", **GOOD | bad), row(ORDERS, "2", **GOOD)
    report = place.deliver(ORDERS, bad_row, good_row, **how)
    assert report.counts == OutcomeCounts(inserted=1, rejected=1)
    assert report.rejected == (RejectedRecord(record_id="ACME_TST/100/1", reason=reason),)
    assert place.sql("SELECT purchase_order_id FROM {}.purchase_orders") == [["2"]]
    audit = place.open().audit(ORDERS, "ACME_TST/100/1").to_pylist()
    assert [(one["outcome"], one["reason"]) for one in audit] == [("rejected", reason)]

    place.deliver(ORDERS, row(ORDERS, "1", **GOOD, extracted=DAYS[1]), **how)
    report = place.deliver(ORDERS, row(ORDERS, "1", **GOOD | bad, extracted=DAYS[2]), **how)
    assert report.counts == OutcomeCounts(rejected=1)
    stored = place.open().rows(ORDERS, Scope(tenant=TENANT)).to_pylist()
    assert [one["buyer"] for one in stored] == ["Eve", "Eve"]
    assert place.open().history(ORDERS, "ACME_TST/100/1").num_rows == 0


@pytest.mark.parametrize(
    ("limit", "value", "code"),
    [
        ("VARCHAR(3)", "'four'", "100078"),
        ("VARCHAR(3) NOT NULL", "NULL", "100072"),
        ("NUMBER(5,2)", "1234.5", "100046"),
        ("NUMBER(5,2)", "'x'::NUMBER(5,2)", "100038"),
    ],
)
def test_the_stand_in_refuses_such_values_itself(
    account: Account, place: Place, limit: str, value: str, code: str
) -> None:
    place.table(f"name {limit}")
    with pytest.raises(Exception, match=r".+") as caught:
        place.sql(f"INSERT INTO {{}}.purchase_orders SELECT {value}")
    assert getattr(caught.value, "code", "") == code


def test_rejections_are_reported_again_when_the_batch_comes_again(place: Place) -> None:
    place.table(f"{FITTING}, buyer VARCHAR NOT NULL")
    staged = staged_rows(place.folder, ORDERS, [row(ORDERS, "1"), row(ORDERS, "2")], batch_id="b")
    first = place.open().deliver(ORDERS, staged, WriteMode.UPSERT)
    assert len(first.rejected) == 2
    assert place.open().deliver(ORDERS, staged, WriteMode.UPSERT) == first
    receipts = staged.receipts(first.receipts)
    assert {(one["outcome"], one["reason"]) for one in receipts} == {
        ("rejected", "column BUYER: NULL result in a non-nullable column")
    }


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ("order_date NUMBER(10,2)", "column ORDER_DATE is NUMBER(10,2), and DATE is needed"),
        ("net_amount DATE", "column NET_AMOUNT is DATE, and NUMBER(27,6) is needed"),
        ("net_amount FLOAT", "column NET_AMOUNT is FLOAT, and NUMBER(27,6) is needed"),
        ("buyer INT", "column BUYER is NUMBER(38,0), and VARCHAR is needed"),
        ("buyer VARIANT", "column BUYER is VARIANT, and VARCHAR is needed"),
        ("shop NUMBER NOT NULL", "column SHOP is NOT NULL without a default"),
    ],
)
def test_a_table_of_other_types_is_refused_by_both_names(
    place: Place, column: str, problem: str
) -> None:
    place.table(f"{FITTING}, {column}")
    with pytest.raises(ConfigError, match=re.escape(problem)) as error:
        place.deliver(ORDERS, row(ORDERS, "1"))
    assert f"ERP.{place.schema.upper()}.PURCHASE_ORDERS" in str(error.value)
    assert "ALTER TABLE" in str(error.value)


def test_a_table_with_a_primary_key_is_taken_and_the_key_not_relied_on(place: Place) -> None:
    place.table(f"{FITTING}, PRIMARY KEY (record_id)")
    assert place.deliver(ORDERS, row(ORDERS, "1")).counts == OutcomeCounts(inserted=1)
    assert place.deliver(ORDERS, row(ORDERS, "1", buyer="x")).counts == OutcomeCounts(updated=1)
    assert place.sql("SELECT COUNT(*) FROM {}.purchase_orders") == [["1"]]


def test_a_users_own_columns_keep_their_values_and_defaults(place: Place) -> None:
    place.deliver(SUPPLIERS, row(SUPPLIERS, "1", name="a"), row(SUPPLIERS, "2"))
    place.sql("ALTER TABLE {}.suppliers ADD COLUMN note VARCHAR DEFAULT 'none'")
    place.sql("UPDATE {}.suppliers SET note = 'mine' WHERE supplier_id = '1'")
    place.deliver(SUPPLIERS, row(SUPPLIERS, "1", name="b"), row(SUPPLIERS, "3"))
    assert place.sql("SELECT supplier_id, name, note FROM {}.suppliers ORDER BY 1") == [
        ["1", "b", "mine"],
        ["2", None, "none"],
        ["3", None, "none"],
    ]
    assert place.sql("SELECT name, note FROM {}.suppliers_history") == [["a", "mine"]]


def test_records_that_somebody_doubled_are_named_as_the_problem(place: Place) -> None:
    place.deliver(SUPPLIERS, row(SUPPLIERS, "1", name="a"))
    place.sql("INSERT INTO {}.suppliers SELECT * FROM {}.suppliers")
    assert place.open().inspect(SUPPLIERS, Scope(tenant=TENANT)).duplicates == 1
    with pytest.raises(ConfigError, match=r"100090.*more than once.*Delete the surplus rows"):
        place.deliver(SUPPLIERS, row(SUPPLIERS, "1", name="b"))
    assert place.sql("SELECT COUNT(*) FROM {}.suppliers_history") == [["0"]]


def test_who_may_not_change_a_table_is_told_what_its_owner_has_to_do(
    account: Account, place: Place
) -> None:
    place.deliver(SUPPLIERS, row(SUPPLIERS, "1"))
    assert account.sandbox is not None
    grants = account.sandbox.account.roles["LOADER"].grants
    name = f"ERP.{place.schema.upper()}.SUPPLIERS"
    grants.discard(("OWNERSHIP", "TABLE", name))
    grants |= {(one, "TABLE", name) for one in ("SELECT", "INSERT", "UPDATE")}
    assert place.deliver(SUPPLIERS, row(SUPPLIERS, "2")).counts == OutcomeCounts(inserted=1)

    grants.discard(("UPDATE", "TABLE", name))
    grant = r'user ETL, role LOADER\) says 003001.*GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE .*"SUPPLIERS"'
    with pytest.raises(CredentialError, match=grant):
        place.deliver(SUPPLIERS, row(SUPPLIERS, "3"))
    grants -= {(one, "TABLE", name) for one in ("SELECT", "INSERT")}
    with pytest.raises(CredentialError, match=r"002003.*GRANT SELECT, INSERT.*TO ROLE"):
        place.deliver(SUPPLIERS, row(SUPPLIERS, "4"))


def test_who_may_not_add_a_column_is_told_the_statement(account: Account, place: Place) -> None:
    place.table(FITTING)
    assert account.sandbox is not None
    grants = account.sandbox.account.roles["LOADER"].grants
    name = f"ERP.{place.schema.upper()}.PURCHASE_ORDERS"
    grants.discard(("OWNERSHIP", "TABLE", name))
    grants |= {(one, "TABLE", name) for one in ("SELECT", "INSERT", "UPDATE")}
    with pytest.raises(CredentialError, match=r'owner run: ALTER TABLE .* ADD COLUMN .*"SUPPLIER_'):
        place.deliver(ORDERS, row(ORDERS, "1"))


def test_views_show_the_tables_of_all_companies_and_nothing_else(place: Place) -> None:
    companies = ("100", "200", "Ünï/'\"")
    for company in companies:
        one = row(SUPPLIERS, "1", company=company, name=company)
        place.deliver(SUPPLIERS, one, company=company, per_company=True)
    place.sql("CREATE TABLE {}.suppliers_backup AS SELECT * FROM {}.suppliers_100")
    again = row(SUPPLIERS, "1", company="200", name="new")
    place.deliver(SUPPLIERS, again, company="200", per_company=True)
    found = place.sql("SELECT company, name FROM {}.suppliers ORDER BY company")
    assert found == [["100", "100"], ["200", "new"], ["Ünï/'\"", "Ünï/'\""]]
    assert place.sql("SELECT name FROM {}.suppliers_history") == [["200"]]
    assert place.sql("SELECT COUNT(*) FROM {}._audit") == [["4"]]
    assert place.sql("SELECT COUNT(*) FROM {}.suppliers_200") == [["1"]]
    assert place.open(per_company=True).table_name(SUPPLIERS, "200").endswith(".SUPPLIERS_200")


@pytest.mark.parametrize(("first", "words"), [(False, "is a table"), (True, "is a view")])
def test_a_schema_is_either_shared_or_per_company(place: Place, first: bool, words: str) -> None:
    place.deliver(SUPPLIERS, row(SUPPLIERS, "1"), per_company=first)
    with pytest.raises(ConfigError, match=words):
        place.deliver(SUPPLIERS, row(SUPPLIERS, "2"), per_company=not first)
