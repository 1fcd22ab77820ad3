"""Tables that a user made: what they refuse, what is refused of them; and what statements tell of themselves."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest


pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")
pytest.importorskip("sqlglot", reason="the extra 'sandbox-databricks' is not installed")

from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.databricks import DatabricksDestination
from ml_connector_dagster.destinations.databricks.statements import comment
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import DeliveryReport, OutcomeCounts, RejectedRecord
from ml_connector_dagster.sandbox.databricks import DatabricksSandbox
from ml_connector_dagster_tests.contracts.staged import DAYS, TENANT, row, staged_rows
from ml_connector_dagster_tests.spec.databricks_workspace import (
    Access,
    of_sandbox,
)


ORDERS = ENTITIES["purchase_orders"]
GOOD: dict[str, Any] = {"net_amount": Decimal("10.25"), "buyer": "Eve"}
Deliver = Callable[..., DeliveryReport]


@pytest.fixture
def access(databricks: DatabricksSandbox) -> Iterator[Access]:
    local = of_sandbox(databricks)
    yield local
    local.clear()


@pytest.fixture
def schema(access: Access, tmp_path: Path) -> str:
    name = access.schema_of(tmp_path)
    access.workspace().run(f"CREATE SCHEMA `main`.`{name}`")
    return name


@pytest.fixture
def run(access: Access, schema: str) -> Callable[[str], Any]:
    """Run a statement of a user; ``{t}`` is the table purchase_orders."""
    workspace = access.workspace()
    return lambda sql: workspace.run(sql.replace("{t}", f"`main`.`{schema}`.`purchase_orders`"))


@pytest.fixture
def destination(access: Access, schema: str) -> DatabricksDestination:
    return access.destination(schema)


@pytest.fixture
def deliver(destination: DatabricksDestination, tmp_path: Path) -> Deliver:
    """Deliver rows of purchase orders, each time as a batch of their own."""
    batches: list[str] = []

    def send(*rows: dict[str, Any]) -> DeliveryReport:
        batches.append(f"batch-{len(batches)}")
        staged = staged_rows(tmp_path, ORDERS, rows, batch_id=batches[-1])
        return destination.deliver(ORDERS, staged, WriteMode.UPSERT)

    return send


@pytest.mark.parametrize(
    ("inline_rows", "columns", "constraint", "bad", "reason"),
    [
        (
            1000,
            "net_amount DECIMAL(10,2), buyer STRING",
            "",
            {"net_amount": Decimal("123456789.5")},
            "column net_amount: 123456789.500000 does not fit decimal(10,2) exactly",
        ),
        (
            0,
            "buyer STRING NOT NULL",
            "",
            {"buyer": None},
            "[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: buyer.",
        ),
        (
            1000,
            "buyer VARCHAR(5)",
            "",
            {"buyer": "O'Brien 🏗️"},
            "[DELTA_EXCEED_CHAR_VARCHAR_LIMIT] column buyer: 'O'Brien 🏗️' exceeds the length limitation of varchar(5)",
        ),
        (
            0,
            "net_amount DECIMAL(27,6)",
            "ADD CONSTRAINT positive CHECK (net_amount > 0)",
            {"net_amount": Decimal(-1)},
            "[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint positive (net_amount > 0) violated by this record",
        ),
        (
            1000,
            "net_amount DECIMAL(27,6)",  # Delta wants a check to be true: a null is not
            "ADD CONSTRAINT positive CHECK (net_amount > 0)",
            {"net_amount": None},
            "[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint positive (net_amount > 0) violated by this record",
        ),
    ],
)
def test_a_row_that_the_table_refuses_is_rejected_and_the_others_go_on(
    access: Access,
    schema: str,
    run: Callable[[str], Any],
    tmp_path: Path,
    columns: str,
    constraint: str,
    bad: dict[str, Any],
    reason: str,
    inline_rows: int,
) -> None:
    run(f"CREATE TABLE {{t}} (record_id STRING, {columns})")
    if constraint:
        run(f"ALTER TABLE {{t}} {constraint}")
    destination = access.destination(schema, inline_rows=inline_rows)
    rows = [row(ORDERS, "1", **GOOD | bad), row(ORDERS, "2", **GOOD), row(ORDERS, "3", **GOOD)]
    staged = staged_rows(tmp_path, ORDERS, rows, batch_id="first")
    report = destination.deliver(ORDERS, staged, WriteMode.UPSERT)
    assert report.counts == OutcomeCounts(inserted=2, rejected=1)
    assert report.rejected == (RejectedRecord(record_id=f"{TENANT}/100/1", reason=reason),)

    worse = [
        row(ORDERS, "1", **GOOD, extracted=DAYS[1]),
        row(ORDERS, "2", **GOOD | bad, extracted=DAYS[1]),
        row(ORDERS, "3", **GOOD | {"supplier_id": "new"}, extracted=DAYS[1]),
    ]
    staged = staged_rows(tmp_path, ORDERS, worse, batch_id="second")
    again = access.destination(schema, inline_rows=inline_rows)
    report = again.deliver(ORDERS, staged, WriteMode.UPSERT)
    assert report.counts == OutcomeCounts(inserted=1, updated=1, rejected=1)
    stored = again.rows(ORDERS, Scope(tenant=TENANT)).to_pylist()
    assert [one["supplier_id"] for one in stored] == [None, None, "new"]
    versions = {n: again.history(ORDERS, f"{TENANT}/100/{n}").num_rows for n in "123"}
    assert versions == {"1": 0, "2": 0, "3": 1}
    assert again.deliver(ORDERS, staged, WriteMode.UPSERT) == report


def test_a_check_over_a_column_that_is_not_sent_sees_what_is_stored(
    run: Callable[[str], Any], deliver: Deliver
) -> None:
    run("CREATE TABLE {t} (record_id STRING, net_amount DECIMAL(27,6), `most` DECIMAL(27,6))")
    run("ALTER TABLE {t} ADD CONSTRAINT at_most CHECK (`most` IS NULL OR net_amount < `most`)")
    deliver(row(ORDERS, "1", net_amount=Decimal(5)), row(ORDERS, "2", net_amount=Decimal(5)))
    run(
        "MERGE INTO {t} AS t USING (SELECT 'ACME_TST/100/1' AS id) AS s ON t.record_id = s.id"
        " WHEN MATCHED THEN UPDATE SET t.`most` = 10"
    )
    much = {"net_amount": Decimal(100), "extracted": DAYS[1]}
    report = deliver(row(ORDERS, "1", **much), row(ORDERS, "2", **much))
    assert report.counts == OutcomeCounts(updated=1, rejected=1)
    assert [one.record_id for one in report.rejected] == [f"{TENANT}/100/1"]


def test_a_check_that_is_added_while_batches_come_is_noticed(
    run: Callable[[str], Any], deliver: Deliver, destination: DatabricksDestination
) -> None:
    deliver(row(ORDERS, "1", **GOOD), row(ORDERS, "2", **GOOD))
    run("ALTER TABLE {t} ADD CONSTRAINT short CHECK (length(buyer) < 5)")
    later = {"extracted": DAYS[1], "net_amount": Decimal(1)}
    report = deliver(
        row(ORDERS, "1", buyer="Evelyn", **later), row(ORDERS, "2", buyer="Bo", **later)
    )
    assert report.counts == OutcomeCounts(updated=1, rejected=1)
    assert destination.history(ORDERS, f"{TENANT}/100/1").num_rows == 0
    assert destination.history(ORDERS, f"{TENANT}/100/2").num_rows == 1


def test_a_refusal_that_cannot_be_foreseen_leaves_no_trace(
    run: Callable[[str], Any],
    deliver: Deliver,
    destination: DatabricksDestination,
    databricks: DatabricksSandbox,
    schema: str,
) -> None:
    deliver(row(ORDERS, "1", **GOOD))
    relation = databricks.catalog.relations["main", schema, "purchase_orders"]
    relation.declared_types["buyer"] = "varchar(3)"  # stricter than what the catalog told before
    changed = row(ORDERS, "1", **GOOD | {"buyer": "Evelyn"}, extracted=DAYS[1])
    assert deliver(changed).counts == OutcomeCounts(rejected=1)
    relation.declared_types.clear()
    relation.checks["broken"] = "no_such_function(buyer)"
    with pytest.raises(ConfigError, match=r"Databricks refused statement .*NO_SUCH_FUNCTION"):
        deliver(changed | {"_extracted_at": DAYS[2]})
    assert destination.history(ORDERS, f"{TENANT}/100/1").num_rows == 0
    assert [one["buyer"] for one in destination.rows(ORDERS, Scope(tenant=TENANT)).to_pylist()] == [
        "Eve"
    ]


def test_a_column_that_must_be_filled_and_is_not_sent_is_a_config_error(
    run: Callable[[str], Any], deliver: Deliver
) -> None:
    run("CREATE TABLE {t} (record_id STRING, shop INT NOT NULL)")
    with pytest.raises(
        ConfigError,
        match=r"wants values that the ERP does not send: shop .*ALTER COLUMN `shop` DROP NOT NULL",
    ):
        deliver(row(ORDERS, "1"))


def test_a_wider_type_is_welcome(
    run: Callable[[str], Any], deliver: Deliver, destination: DatabricksDestination
) -> None:
    run("CREATE TABLE {t} (record_id STRING, net_amount DECIMAL(38,10))")
    widest = Decimal("999999999999999999999.999999")
    assert deliver(row(ORDERS, "1", net_amount=widest)).counts == OutcomeCounts(inserted=1)
    assert destination.inspect(ORDERS, Scope(tenant=TENANT)).control_totals["net_amount"] == widest
    found = destination.rows(ORDERS, Scope(tenant=TENANT))
    assert str(found.schema.field("net_amount").type) == "decimal128(38, 10)"
    assert found["net_amount"].to_pylist() == [widest]


def test_two_new_companies_at_a_time_are_both_in_the_shared_views(
    access: Access, schema: str, tmp_path: Path
) -> None:
    second = access.destination(schema, per_company=True)
    calls: list[str] = []

    def other_company(point: str) -> None:
        calls.append(point)
        if calls.count("tables made") == 1 and point == "tables made":
            rows = [row(ORDERS, "1", company="200", **GOOD)]
            staged = staged_rows(tmp_path, ORDERS, rows, batch_id="b-200", company="200")
            second.deliver(ORDERS, staged, WriteMode.UPSERT)

    first = access.destination(schema, per_company=True, checkpoint=other_company)
    staged = staged_rows(tmp_path, ORDERS, [row(ORDERS, "1", **GOOD)], batch_id="b-100")
    first.deliver(ORDERS, staged, WriteMode.UPSERT)
    found = second.rows(ORDERS, Scope(tenant=TENANT))
    assert found["company"].to_pylist() == ["100", "200"]
    sums = second.ask("SELECT COUNT(*) AS orders FROM purchase_orders")
    assert sums.to_pylist() == [{"orders": 2}]


def test_a_view_that_a_dead_process_never_made_is_made_by_the_next(
    access: Access, schema: str, databricks: DatabricksSandbox, tmp_path: Path
) -> None:
    def deliver(batch: str, *numbers: str) -> None:
        rows = [row(ORDERS, number, **GOOD) for number in numbers]
        staged = staged_rows(tmp_path, ORDERS, rows, batch_id=batch)
        access.destination(schema, per_company=True).deliver(ORDERS, staged, WriteMode.UPSERT)

    deliver("b-1", "1")
    for view in ("purchase_orders", "purchase_orders_history", "_audit"):
        del databricks.catalog.relations["main", schema, view]
    deliver("b-2", "2")
    facts = access.destination(schema, per_company=True).inspect(ORDERS, Scope(tenant=TENANT))
    assert facts.rows == 2


def test_whoever_may_read_a_shared_view_still_may_when_a_company_joins_it(
    access: Access, schema: str, databricks: DatabricksSandbox, tmp_path: Path
) -> None:
    view = f"main.{schema}.purchase_orders"
    for company in ("100", "200"):
        rows = [row(ORDERS, "1", company=company, **GOOD)]
        staged = staged_rows(tmp_path, ORDERS, rows, batch_id=f"b-{company}", company=company)
        destination = access.destination(schema, per_company=True)
        destination.deliver(ORDERS, staged, WriteMode.UPSERT)
        if company == "100":
            databricks.privileges.grant("SELECT", view)
    assert databricks.privileges.granted(view) == {"SELECT"}


def test_every_statement_of_a_delivery_says_what_it_is_for(
    access: Access, databricks: DatabricksSandbox, schema: str, tmp_path: Path
) -> None:
    destination = access.destination(schema, flow="purchasing")
    destination.inspect(ORDERS, Scope(tenant=TENANT))
    before = len(databricks.executions.texts)
    staged = staged_rows(tmp_path, ORDERS, [row(ORDERS, "1")], batch_id="batch */ 1")
    report = destination.deliver(ORDERS, staged, WriteMode.UPSERT)
    assert report.requests > 10
    texts = databricks.executions.texts[before:]
    assert len(texts) > 6
    assert {text.partition("*/ ")[0] for text in texts} == {
        '/* {"app": "ml_connector_dagster", "flow": "purchasing", "entity": "purchase_orders", "run": "run-1",'
        ' "batch": "batch *_/ 1"} '
    }
    again = destination.deliver(ORDERS, staged, WriteMode.UPSERT)
    assert 0 < again.requests < report.requests


def test_a_label_cannot_end_its_comment() -> None:
    assert comment({}) == ""
    assert comment({"run": "*/ DROP TABLE x; /*"}).count("*/") == 1
