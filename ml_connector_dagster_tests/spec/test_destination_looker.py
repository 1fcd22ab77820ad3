"""SQL Runner keeps the contract of destinations, in bounded statements that no value can leave its literal of."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest


pytest.importorskip("looker_sdk", reason="the extra 'looker' is not installed")

import duckdb
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from ml_connector_dagster.destinations.contract import Destination, Scope
from ml_connector_dagster.destinations.looker import SqlRunnerDestination
from ml_connector_dagster.destinations.looker.dialects import DIALECTS, cell
from ml_connector_dagster.destinations.looker.sql_load import CHECKPOINTS
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.entities import ColumnType
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import OutcomeCounts
from ml_connector_dagster.sandbox.looker import Fault, LookerSandbox
from ml_connector_dagster_tests.contracts.destinations import (
    LINES,
    SUPPLIERS,
    Clock,
    DestinationContract,
    Pair,
)
from ml_connector_dagster_tests.contracts.staged import TENANT, row, staged_rows
from ml_connector_dagster_tests.spec.looker_instance import (
    client_of,
    connection_to,
    looker_sandbox,
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LookerSandbox]:
    with looker_sandbox(tmp_path_factory.mktemp("looker")) as running:
        yield running


class SqlRunnerContract(DestinationContract):
    """For each kind of database. ``large``: rows of a batch of many statements."""

    checkpoints = CHECKPOINTS
    large: ClassVar[int] = 1_200

    def by_hand(self, pair: Pair, sql: str) -> None:
        assert isinstance(pair.tested, SqlRunnerDestination)
        # What a person types into SQL Runner.
        pair.tested._run(sql.format(table=pair.tested.table_name(SUPPLIERS, "")))

    def test_a_large_batch_and_its_change(self, pair: Pair) -> None:
        """Large for this way: some statements."""
        lines = [row(LINES, "PO", n, 0, line_amount=Decimal("1.10")) for n in range(self.large)]
        assert pair.send(LINES, *lines) == OutcomeCounts(inserted=self.large)
        changed = [row(LINES, "PO", n, 0, line_amount=Decimal("2.20")) for n in range(50)]
        assert pair.send(LINES, *changed) == OutcomeCounts(updated=50)
        facts = pair.tested.inspect(LINES, Scope(tenant=TENANT))
        assert facts == pair.oracle.inspect(LINES, Scope(tenant=TENANT))
        wanted = Decimal("1.10") * self.large + 50 * Decimal("1.10")
        assert facts.control_totals["line_amount"] == wanted


class TestSqlRunner(SqlRunnerContract):
    @pytest.fixture(autouse=True)
    def _sandbox(self, sandbox: LookerSandbox) -> None:
        self.sandbox = sandbox
        sandbox.faults.clear()

    def open(
        self, home: Path, *, now: Callable[[], datetime], checkpoint: Callable[[str], None]
    ) -> SqlRunnerDestination:
        # The file's own folder is part of the name: a home that is opened again is the same schema.
        schema = "s" + re.sub(r"\W", "", str(home))[-40:]
        return opened(self.sandbox, schema, now=now, checkpoint=checkpoint)

    def test_the_large_batch_of_the_contract(self, pair: Pair) -> None:
        """By night: 100,000 rows are 200 slices of three statements, some 1,200 calls and three minutes of a core."""
        if "ML_CONNECTOR_EXAMPLES" not in os.environ:
            pytest.skip("by night (ML_CONNECTOR_EXAMPLES)")
        DestinationContract.test_a_large_batch_and_its_change(self, pair)


def opened(
    sandbox: LookerSandbox,
    schema: str,
    *,
    now: Callable[[], datetime],
    checkpoint: Callable[[str], None] = lambda point: None,
    **limits: Any,
) -> SqlRunnerDestination:
    connection = connection_to(sandbox, **limits)
    return SqlRunnerDestination(
        f"looker.{schema}",
        client_of(sandbox, **limits),
        connection,
        schema,
        now=now,
        checkpoint=checkpoint,
    )


@pytest.fixture
def pair(sandbox: LookerSandbox, tmp_path: Path) -> Iterator[Pair]:
    sandbox.faults.clear()
    clock = Clock()
    destination = opened(
        sandbox, f"s{uuid4().hex}", now=clock, statement_rows=3, statement_bytes=20_000
    )
    yield Pair(tmp_path, clock, destination)
    destination.close()


def statements(sandbox: LookerSandbox) -> list[str]:
    return [one.sql for one in sandbox.instance.statements.values()]


def test_statements_are_bounded_in_rows_and_length(pair: Pair, sandbox: LookerSandbox) -> None:
    before = len(statements(sandbox))
    counts = pair.send(SUPPLIERS, *(row(SUPPLIERS, str(n), name="x" * 3000) for n in range(20)))

    assert counts == OutcomeCounts(inserted=20)
    made = statements(sandbox)[before:]
    assert max(len(one.encode()) for one in made) <= 20_000
    assert max(one.count("'px") for one in made if one.startswith("MERGE")) <= 3
    pair.assert_equal(SUPPLIERS)


def test_a_record_that_fits_into_no_statement_is_rejected_and_the_rest_goes_on(
    pair: Pair, tmp_path: Path
) -> None:
    rows = [row(SUPPLIERS, "1", name="x" * 30_000), row(SUPPLIERS, "2")]
    staged = staged_rows(tmp_path, SUPPLIERS, rows, batch_id="batch-long")
    report = pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT)

    assert report.counts == OutcomeCounts(inserted=1, rejected=1)
    (refused,) = report.rejected
    assert "statement_bytes 20,000" in refused.reason
    assert pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT) == report


def test_the_same_rows_again_make_no_write(pair: Pair, sandbox: LookerSandbox) -> None:
    pair.send(SUPPLIERS, row(SUPPLIERS, "1"), row(SUPPLIERS, "2"))
    before = len(statements(sandbox))
    pair.send(SUPPLIERS, row(SUPPLIERS, "1"), row(SUPPLIERS, "2"))

    assert [one for one in statements(sandbox)[before:] if not one.startswith("SELECT")] == []


@pytest.mark.parametrize("nth", [1, 4, 6])
@pytest.mark.parametrize("kind", ["lost", "lost_500", "expired"])
def test_a_lost_answer_doubles_nothing(
    pair: Pair, sandbox: LookerSandbox, kind: Any, nth: int
) -> None:
    pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="old"), row(SUPPLIERS, "2"))
    sandbox.faults.add(Fault(kind=kind, call="POST /sql_queries", nth=nth))
    counts = pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="new"), row(SUPPLIERS, "3"))

    assert counts == OutcomeCounts(updated=1, inserted=1)
    pair.assert_equal(SUPPLIERS)


def test_a_user_without_sql_runner_is_told(tmp_path: Path) -> None:
    with looker_sandbox(tmp_path, can_use_sql_runner=False) as sandbox:
        destination: Destination = opened(sandbox, "erp", now=Clock())
        with pytest.raises(Exception, match="use_sql_runner"):
            destination.rows(SUPPLIERS, Scope(tenant=TENANT))


def test_a_database_user_that_may_not_write_is_told(tmp_path: Path) -> None:
    with looker_sandbox(tmp_path, read_only=("warehouse",)) as sandbox:
        destination: Destination = opened(sandbox, "erp", now=Clock())
        with pytest.raises(ConfigError, match="read-only"):
            destination.prepare(SUPPLIERS)


HOSTILE = st.text(
    st.one_of(
        st.sampled_from(list("'\"\\;{}%$?:/*-`x\n\r\t\x00\x1a\u2028\u2019\ufeff\u0000")),
        st.characters(exclude_categories=["Cs"]),
    )
)


@given(HOSTILE)
@settings(max_examples=300, deadline=None)
def test_no_text_can_leave_its_literal(text: str) -> None:
    written = cell(text)

    assert re.fullmatch(r"'(p[A-Za-z0-9_ .,+/=-]*|x[0-9a-f]*)'", written)
    assert "--" not in written
    assert "/*" not in written


@pytest.mark.parametrize("name", DIALECTS)
@given(texts=st.lists(HOSTILE, min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_a_statement_has_as_many_literals_as_cells_in_every_dialect(
    name: str, texts: list[str]
) -> None:
    kinds = {"a": ColumnType.STRING}
    plain = f"SELECT * FROM {DIALECTS[name].relation(kinds, [(cell(''),)] * len(texts))} AS r"
    hostile = f"SELECT * FROM {DIALECTS[name].relation(kinds, [(cell(t),) for t in texts])} AS r"

    def shape(sql: str) -> list[str]:
        (tree,) = sqlglot.parse(sql, read=name)
        assert tree is not None
        return [type(node).__name__ for node in tree.walk()]

    assert shape(hostile) == shape(plain)
    (tree,) = sqlglot.parse(hostile, read=name)
    assert tree is not None
    assert tree.find(exp.Command, exp.Drop, exp.Delete) is None


@given(HOSTILE)
@settings(max_examples=100, deadline=None)
def test_every_text_comes_back_as_it_was(text: str) -> None:
    relation = DIALECTS["duckdb"].relation({"a": ColumnType.STRING}, [(cell(text),)])
    assert duckdb.sql(f"SELECT a FROM {relation} AS r").fetchall() == [(text,)]


def test_values_of_all_types_come_back_as_they_were() -> None:
    values: dict[str, tuple[ColumnType, Any]] = {
        "amount": (ColumnType.DECIMAL, Decimal("-12345678901234567.123456")),
        "number": (ColumnType.INTEGER, -(2**62)),
        "flag": (ColumnType.BOOLEAN, True),
        "day": (ColumnType.DATE, date(1999, 12, 31)),
        "nothing": (ColumnType.DATE, None),
    }
    kinds = {name: kind for name, (kind, _) in values.items()}
    row_ = [cell(value) for _, value in values.values()]
    relation = DIALECTS["duckdb"].relation(kinds, [row_])
    found = duckdb.sql(f"SELECT * FROM {relation} AS r").fetchall()
    assert found == [tuple(value for _, value in values.values())]
