"""What goes wrong at Databricks: lost answers, outages, tokens that end, missing rights, other writers."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest


pytest.importorskip("databricks.sdk", reason="the extra 'databricks' is not installed")
pytest.importorskip("sqlglot", reason="the extra 'sandbox-databricks' is not installed")

from ml_connector_dagster.destinations.contract import Scope
from ml_connector_dagster.destinations.databricks import DatabricksDestination, Login
from ml_connector_dagster.model.capabilities import WriteMode
from ml_connector_dagster.model.errors import ConfigError, CredentialError, TransientError
from ml_connector_dagster.model.receipts import OutcomeCounts
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.databricks import DatabricksSandbox, Fault
from ml_connector_dagster_tests.contracts.destinations import (
    REGION,
    SUPPLIERS,
    Clock,
    Pair,
)
from ml_connector_dagster_tests.contracts.staged import DAYS, TENANT, row, staged_rows
from ml_connector_dagster_tests.spec.databricks_workspace import (
    Access,
    of_sandbox,
)


SCOPE = Scope(tenant=TENANT)
#: Statements of a delivery that write, by what they begin with, in order.
WRITES = ("CREATE TABLE IF NOT EXISTS [^ ]*_plan_", "MERGE INTO .*_history`", "MERGE INTO .*suppliers` AS t",
          "MERGE INTO .*_audit`", "MERGE INTO .*_batches`", "DROP TABLE")  # fmt: skip


@pytest.fixture
def access(databricks: DatabricksSandbox) -> Iterator[Access]:
    local = of_sandbox(databricks)
    yield local
    local.clear()


@pytest.fixture
def sandbox(access: Access) -> DatabricksSandbox:
    assert access.sandbox is not None
    return access.sandbox


def pair_of(access: Access, folder: Path, **details: Any) -> Pair:
    """A destination with its oracle, over two records already there."""
    clock = Clock()
    schema = access.schema_of(folder)
    pair = Pair(folder, clock, access.destination(schema, now=clock, **details))
    pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="old"), row(SUPPLIERS, "2"))
    return pair


def change(pair: Pair) -> OutcomeCounts:
    """One update, one insert, one deletion; then everything equals the oracle."""
    counts = pair.send(
        SUPPLIERS,
        row(SUPPLIERS, "1", name="new", extracted=DAYS[1]),
        row(SUPPLIERS, "3"),
        row(SUPPLIERS, "2", deleted=DAYS[1], extracted=DAYS[1]),
    )
    pair.assert_equal(SUPPLIERS)
    return counts


ALL = OutcomeCounts(inserted=1, updated=1, deleted=1)


def test_a_statement_whose_answer_is_lost_changes_nothing_twice(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path
) -> None:
    """The SDK sends it again by itself."""
    pair = pair_of(access, tmp_path)
    appending = [WRITES[1], *WRITES[3:5]]
    faults = [sandbox.faults.add(Fault(kind="lost", statement=one)) for one in appending]
    assert change(pair) == ALL
    assert [fault.fired for fault in faults] == [1] * len(appending)


@pytest.mark.parametrize("kind", ["statement_lost", "statement_closed"])
def test_a_statement_whose_handle_is_lost_changes_nothing_twice(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path, kind: Any
) -> None:
    pair = pair_of(access, tmp_path, inline_rows=0)
    faults = [sandbox.faults.add(Fault(kind=kind, statement=one)) for one in WRITES]
    assert change(pair) == ALL
    assert [fault.fired for fault in faults] == [1] * len(WRITES)


def test_a_warehouse_that_starts_is_waited_for(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path
) -> None:
    pair = pair_of(access, tmp_path)
    sandbox.faults.add(Fault(kind="pending", polls=8))
    assert change(pair) == ALL


@pytest.mark.parametrize(
    ("status", "code"), [(429, "RESOURCE_EXHAUSTED"), (503, "TEMPORARILY_UNAVAILABLE")]
)
def test_a_short_refusal_is_waited_out(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path, status: int, code: str
) -> None:
    pair = pair_of(access, tmp_path)
    fault = sandbox.faults.add(Fault(kind="status", status=status, code=code, retry_after=0))
    assert change(pair) == ALL
    assert fault.fired == 1


@pytest.mark.parametrize("statement", [WRITES[0], WRITES[2], WRITES[4]])
def test_after_an_outage_in_the_middle_the_same_delivery_completes(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path, statement: str
) -> None:
    pair = pair_of(access, tmp_path, patience=1.0)
    staged = pair.stage(
        SUPPLIERS, [row(SUPPLIERS, "1", name="new", extracted=DAYS[1]), row(SUPPLIERS, "3")]
    )
    pair.clock.tick()
    down = Fault(kind="refused", statement=statement, times=None)
    sandbox.faults.add(down)
    with pytest.raises(
        TransientError, match=r"not available for 1 s .*the replay sensor delivers again"
    ):
        pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
    sandbox.faults.clear()
    report = pair.deliver_now(SUPPLIERS, staged)
    assert report.counts == OutcomeCounts(updated=1, inserted=1)
    pair.assert_equal(SUPPLIERS)


def test_another_writer_who_was_first_is_no_error(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path
) -> None:
    pair = pair_of(access, tmp_path)
    message = (
        "[DELTA_CONCURRENT_APPEND.WITHOUT_HINT] Transaction conflict detected. SQLSTATE: 2D521"
    )
    for one in WRITES[1:5]:
        sandbox.faults.add(Fault(kind="statement_fails", statement=one, message=message, times=2))
    assert change(pair) == ALL


@pytest.mark.parametrize("point", ["outcomes decided", "history written"])
def test_two_deliveries_at_the_same_time_lose_and_double_no_version(
    access: Access, tmp_path: Path, point: str
) -> None:
    """The second delivery runs from start to end inside the first; then it is as if it had come before."""
    clock = Clock()
    schema = access.schema_of(tmp_path)
    others: list[Callable[[], None]] = []

    def checkpoint(name: str) -> None:
        if name == point and others:
            others.pop()()

    pair = Pair(tmp_path, clock, access.destination(schema, now=clock, checkpoint=checkpoint))
    pair.send(SUPPLIERS, row(SUPPLIERS, "1", name="a"), row(SUPPLIERS, "2", name="a"))
    second = pair.stage(
        SUPPLIERS, [row(SUPPLIERS, key, name="b", extracted=DAYS[1]) for key in ("1", "2", "3")]
    )
    first = pair.stage(
        SUPPLIERS,
        [
            row(SUPPLIERS, "1", name="c", extracted=DAYS[2]),  # newer than the second's
            row(SUPPLIERS, "2", name="d", modified=DAYS[0], extracted=DAYS[0]),  # older
            row(SUPPLIERS, "3", name="c", extracted=DAYS[2]),
            row(SUPPLIERS, "4", name="c"),
        ],
    )
    clock.tick()
    inner = access.destination(schema, now=clock)
    others.append(lambda: inner.deliver(SUPPLIERS, second, WriteMode.UPSERT) and None)
    report = pair.tested.deliver(SUPPLIERS, first, WriteMode.UPSERT)
    assert report.counts == OutcomeCounts(updated=2, unchanged=1, inserted=1)
    assert pair.tested.rows(SUPPLIERS, SCOPE)["name"].to_pylist() == ["c", "b", "c", "c"]
    names = {
        key: sorted(pair.tested.history(SUPPLIERS, f"{TENANT}/100/{key}")["name"].to_pylist())
        for key in ("1", "2", "3", "4")
    }
    assert names == {"1": ["a", "b"], "2": ["a"], "3": ["b"], "4": []}
    outcomes = pair.tested.audit(SUPPLIERS, f"{TENANT}/100/1")["outcome"].to_pylist()
    assert outcomes == ["inserted", "updated", "updated"]


def test_an_interrupt_cancels_the_statement(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path
) -> None:
    pair = pair_of(access, tmp_path)
    sandbox.faults.add(Fault(kind="pending", polls=1_000, statement="MERGE INTO .*suppliers` AS t"))
    waits = iter(range(30))

    def interrupted(seconds: float) -> None:
        if next(waits, None) is None:
            raise KeyboardInterrupt

    destination = access.destination(access.schema_of(tmp_path), now=pair.clock, pause=interrupted)
    staged = pair.stage(SUPPLIERS, [row(SUPPLIERS, "9")])
    pair.clock.tick()
    with pytest.raises(KeyboardInterrupt):
        destination.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
    assert sandbox.calls[-1].endswith("/cancel")
    sandbox.faults.clear()
    pair.deliver_now(SUPPLIERS, staged)
    pair.assert_equal(SUPPLIERS)


def test_a_statement_that_takes_too_long_is_cancelled(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path
) -> None:
    pair = pair_of(access, tmp_path)
    sandbox.faults.add(Fault(kind="pending", polls=100_000))
    slow = access.destination(access.schema_of(tmp_path), statement_timeout=0.05)
    with pytest.raises(
        TransientError, match=r"not done after 0.05 s and is cancelled; take a larger"
    ):
        slow.inspect(SUPPLIERS, SCOPE)
    assert sandbox.calls[-1].endswith("/cancel")
    sandbox.faults.clear()
    pair.assert_equal(SUPPLIERS)


def test_a_link_that_ran_out_is_asked_for_again(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path
) -> None:
    pair = pair_of(access, tmp_path)
    ended = sandbox.faults.add(Fault(kind="status", path="^/_external/", status=403, times=2))
    pair.assert_equal(SUPPLIERS)
    assert ended.fired == 2


def service_principal(sandbox: DatabricksSandbox, secret: str | None = None) -> Login:
    options = sandbox.options
    return Login(
        credential="lake",
        client_id=Secret(options.client_id),
        client_secret=Secret(secret or options.client_secret),
    )


def test_a_token_that_ends_in_the_middle_is_renewed(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path
) -> None:
    def checkpoint(name: str) -> None:
        if name in ("outcomes decided", "rows written"):
            sandbox.identity.expire_tokens()

    before = sandbox.identity.logins
    pair = pair_of(access, tmp_path, login=service_principal(sandbox), checkpoint=checkpoint)
    assert change(pair) == ALL
    assert sandbox.identity.logins == before + 5


def test_a_wrong_secret_says_what_to_do(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path
) -> None:
    destination = access.destination("erp", login=service_principal(sandbox, "not it"))
    with pytest.raises(
        CredentialError, match=r"'lake' no token: .*invalid_client.*credentials add lake"
    ) as refusal:
        destination.prepare(SUPPLIERS)
    assert "not it" not in str(refusal.value)


def test_a_revoked_token_says_what_to_do(access: Access, sandbox: DatabricksSandbox) -> None:
    sandbox.identity.pat_is_valid = False
    with pytest.raises(
        CredentialError, match=r"refuses credential 'lake'.*Make a new token"
    ) as refusal:
        access.destination("erp").prepare(SUPPLIERS)
    assert sandbox.options.token not in str(refusal.value)


def test_a_credential_of_other_fields_is_refused() -> None:
    with pytest.raises(
        CredentialError, match=r"has the fields password; Databricks needs either token, or"
    ):
        Login.of("lake", {"password": Secret("x")})


def prepared(
    access: Access, sandbox: DatabricksSandbox, folder: Path
) -> tuple[DatabricksDestination, str]:
    """A schema that somebody else owns, with tables that somebody else made."""
    schema = access.schema_of(folder)
    destination = access.destination(schema, inline_rows=0)
    staged = staged_rows(folder, SUPPLIERS, [row(SUPPLIERS, "0")], batch_id="first")
    destination.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
    sandbox.privileges.disown("main", schema)
    for name in ("suppliers", "suppliers_history", "_audit", "_batches", "landing"):
        sandbox.privileges.disown("main", schema, name)
    return access.destination(schema, inline_rows=0), schema


LEAST = ("USE SCHEMA", "CREATE TABLE", "SELECT", "MODIFY", "READ VOLUME", "WRITE VOLUME")


@pytest.mark.parametrize("missing", LEAST)
def test_a_missing_privilege_is_named_with_its_grant(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path, missing: str
) -> None:
    destination, schema = prepared(access, sandbox, tmp_path)
    for privilege in LEAST:
        if privilege != missing:
            sandbox.privileges.grant(privilege, f"main.{schema}")
    staged = staged_rows(
        tmp_path, SUPPLIERS, [row(SUPPLIERS, "0", name="x", extracted=DAYS[1])], batch_id="next"
    )
    with pytest.raises(CredentialError) as refusal:
        destination.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
    assert "loader@example.com" in str(refusal.value)
    assert f"GRANT {missing} ON " in str(refusal.value)
    assert f"`main`.`{schema}`" in str(refusal.value)
    sandbox.privileges.grant(missing, f"main.{schema}")
    report = destination.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
    assert report.counts == OutcomeCounts(updated=1)


@pytest.mark.parametrize("missing", ["USE CATALOG", "CREATE SCHEMA"])
def test_a_missing_privilege_on_the_catalog_is_named_with_its_grant(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path, missing: str
) -> None:
    sandbox.privileges.revoke(missing, "main")
    destination = access.destination(access.schema_of(tmp_path))
    with pytest.raises(
        CredentialError,
        match=rf"loader@example\.com does not have {missing} on catalog main; .*GRANT {missing} ON",
    ):
        destination.prepare(SUPPLIERS)
    sandbox.privileges.grant(missing, "main")
    destination.prepare(SUPPLIERS)


def test_a_warehouse_that_may_not_be_used_is_named(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path
) -> None:
    pair = pair_of(access, tmp_path)
    sandbox.executions.can_use = False
    with pytest.raises(CredentialError, match=r"loader@example.com the permission CAN USE"):
        pair.tested.inspect(SUPPLIERS, SCOPE)


def test_a_missing_warehouse_and_a_missing_catalog_are_named(
    access: Access, tmp_path: Path
) -> None:
    there = access.destination(access.schema_of(tmp_path))
    there.prepare(SUPPLIERS)
    astray = replace(access, warehouse_id="ffffffffffffffff")
    with pytest.raises(ConfigError, match=r"warehouse ffffffffffffffff does not exist"):
        astray.destination(access.schema_of(tmp_path)).inspect(SUPPLIERS, SCOPE)
    with pytest.raises(ConfigError, match=r"Catalog 'nowhere' does not exist"):
        replace(access, catalog="nowhere").destination("erp").prepare(SUPPLIERS)


def test_a_table_of_other_types_is_refused_with_both_types(access: Access, tmp_path: Path) -> None:
    schema = access.schema_of(tmp_path)
    workspace = access.workspace()
    workspace.run(f"CREATE SCHEMA IF NOT EXISTS `main`.`{schema}`")
    workspace.run(
        f"CREATE TABLE `main`.`{schema}`.`suppliers` (record_id STRING, name BIGINT, last_invoice_date STRING)"
    )
    with pytest.raises(
        ConfigError, match=r"column name is bigint, and string is needed; .*date is needed"
    ):
        access.destination(schema).prepare(SUPPLIERS)


def test_a_record_that_is_there_twice_is_refused(access: Access, tmp_path: Path) -> None:
    pair = pair_of(access, tmp_path)
    table = f"`main`.`{access.schema_of(tmp_path)}`.`suppliers`"
    access.workspace().run(
        f"MERGE INTO {table} AS t USING (SELECT * FROM {table}) AS s ON t.record_id = concat(s.record_id, 'x')"
        " WHEN NOT MATCHED THEN INSERT (record_id, tenant, company, _row_hash, _batch_id, _extracted_at)"
        " VALUES (s.record_id, s.tenant, s.company, s._row_hash, s._batch_id, s._extracted_at)"
    )
    staged = pair.stage(SUPPLIERS, [row(SUPPLIERS, "1", name="new", extracted=DAYS[1])])
    for _ in range(2):
        with pytest.raises(
            ConfigError, match=r"holds records more than once, among them 'ACME_TST/100/1'"
        ):
            pair.tested.deliver(SUPPLIERS, staged, WriteMode.UPSERT)
    assert pair.tested.inspect(SUPPLIERS, SCOPE).duplicates == 2


def test_tables_are_described(access: Access, sandbox: DatabricksSandbox, tmp_path: Path) -> None:
    pair = pair_of(access, tmp_path)
    pair.send(SUPPLIERS, row(SUPPLIERS, "1", **{"sales region": "Nord"}), more=[REGION])
    info: Any = sandbox.catalog.table_info(f"main.{access.schema_of(tmp_path)}.suppliers")
    assert info["comment"] == SUPPLIERS.description
    assert info["properties"]["ml_connector.entity"] == "suppliers"
    comments = {column["name"]: column["comment"] for column in info["columns"]}
    assert comments["name"] == "supplier name"
    assert "sales region" in comments


def test_nothing_is_left_behind(access: Access, sandbox: DatabricksSandbox, tmp_path: Path) -> None:
    pair = pair_of(access, tmp_path, inline_rows=0)
    change(pair)
    schema = access.schema_of(tmp_path)
    tables = {name[2] for name in sandbox.catalog.relations if name[1] == schema}
    assert tables == {"suppliers", "suppliers_history", "_audit", "_batches"}
    assert sandbox.volumes.listing(f"/Volumes/main/{schema}/landing/suppliers") == []


@pytest.mark.parametrize(
    ("rows", "statements"),
    [
        ([row(SUPPLIERS, "1", name="new", extracted=DAYS[1])], 9),
        ([row(SUPPLIERS, "9")], 8),
        ([row(SUPPLIERS, "2", extracted=DAYS[1])], 5),
        ([], 2),
    ],
)
def test_a_delivery_takes_few_statements(
    access: Access, sandbox: DatabricksSandbox, tmp_path: Path, rows: Any, statements: int
) -> None:
    pair = pair_of(access, tmp_path)
    staged = pair.stage(SUPPLIERS, rows)
    before = len(sandbox.executions.texts)
    pair.deliver(SUPPLIERS, staged)
    assert len(sandbox.executions.texts) - before == statements
