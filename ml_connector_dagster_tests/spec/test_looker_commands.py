"""``run``, ``lookml`` and ``publish`` as a person types them, on a YAML file; and the dashboards of what that loaded."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner


pytest.importorskip("looker_sdk", reason="the extra 'looker' is not installed")

from ml_connector_dagster.cli.app import app
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.lookml.dashboards import DASHBOARDS, Tile
from ml_connector_dagster.model.errors import ConfigError, StaleError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster.sandbox.looker import Fault, LookerOptions, LookerSandbox
from ml_connector_dagster_tests.contracts.mart_truths import TRUTHS, Erp
from ml_connector_dagster_tests.contracts.marts import READ
from ml_connector_dagster_tests.spec.looker_calls import LookerCaller
from ml_connector_dagster_tests.spec.test_lookml_runs import (
    DIMENSIONS,
    TILES,
    expected,
    kept,
    same,
)


FILE = """\
connections:
  acme: {{type: cloudsuite, product_line: m3, credential: acme, timezone: Europe/Stockholm, requests_per_minute: 6000}}
  warehouse: {{type: duckdb, path: warehouse.duckdb}}
  looker: {{type: looker, base_url: "{url}", credential: looker, database: warehouse, edition: enterprise}}
flows:
  finance:
    source: acme
    companies: ["100", "200"]
    entities: all
    start_date: 2025-11-01
    destinations: [{{connection: warehouse, schema: erp}}]
    looker: {{connection: looker, warehouse: warehouse, plans: ["11"]}}
  other:
    source: acme
    companies: ["100", "200"]
    entities: [suppliers]
    start_date: 2025-11-01
    destinations: [{{connection: warehouse, schema: other}}]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """An installation whose flow was loaded and published by ``run``."""

    erp: Sandbox
    looker: LookerSandbox
    home: Path
    environment: dict[str, str]
    said: str

    def type(self, *words: str) -> tuple[int, str]:
        """Exit code, and all that was said."""
        result = CliRunner().invoke(app, list(words), env=self.environment, catch_exceptions=False)
        return result.exit_code, result.output

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def lookml(self) -> Path:
        return self.home / "lookml"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp("home")
    options = LookerOptions(
        lookml=home / "lookml", databases={"warehouse": home / "warehouse.duckdb"}
    )
    with (
        Sandbox.start(SandboxOptions(size=ErpSize.tiny())) as erp,
        LookerSandbox.start(options) as looker,
    ):
        _open_some_orders(erp)
        flows = home / "flows.yaml"
        flows.write_text(FILE.format(url=looker.url), encoding="utf-8")
        environment = {"ML_CONNECTOR_HOME": str(home), "ML_CONNECTOR_FLOWS": str(flows)}
        store = open_store(read_settings(environment))
        store.add("acme", "ionapi", {"ionapi": Secret(erp.ionapi_text("ACME_TST"))})
        store.add("looker", "looker", {name: Secret(value) for name, value in looker.login.items()})
        made = Desk(erp=erp, looker=looker, home=home, environment=environment, said="")
        assert made.type("lookml", "write", str(made.lookml))[0] == 0
        code, said = made.type("run", "finance")
        assert code == 0, said
        yield Desk(erp=erp, looker=looker, home=home, environment=environment, said=said)


def _open_some_orders(erp: Sandbox) -> None:
    """The tiny ERP has received everything; commitments want something that is still to come."""
    for company in ("100", "200"):
        for line in erp.erp.truth("purchase_order_lines", company)[:6]:
            for column, value in (("received_quantity", 0), ("status_lowest", "20")):
                erp.erp.write("purchase_order_lines", line, column, value)


@pytest.fixture(autouse=True)
def _healed(desk: Desk) -> Iterator[None]:
    yield
    desk.looker.faults.clear()


def test_run_publishes_at_its_end_and_shows_the_quota(desk: Desk) -> None:
    assert "freshness fresh" in desk.said
    assert "Payables aging, to finance" in desk.said
    for word in ("query", "admin", "100,000", "10,000"):
        assert word in desk.said


def test_write_tells_what_changed_and_the_second_time_nothing(desk: Desk, tmp_path: Path) -> None:
    code, said = desk.type("lookml", "write", str(tmp_path))
    assert code == 0
    assert "views/suppliers.view.lkml" in said
    written = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.lkml")}
    assert len(written) > 20
    code, said = desk.type("lookml", "write", str(tmp_path))
    assert (code, said.split()[:3]) == (0, ["0", "files", "changed"])


def test_check_passes_what_fits_and_fails_where_a_dashboard_would_break(
    desk: Desk, tmp_path: Path
) -> None:
    assert desk.type("lookml", "check")[0] == 0
    desk.type("lookml", "write", str(tmp_path))
    assert desk.type("lookml", "check", str(tmp_path))[0] == 0

    file = tmp_path / "views" / "suppliers.view.lkml"
    file.write_text(file.read_text().replace("type: string", "type: strnig", 1), encoding="utf-8")
    code, said = desk.type("lookml", "check", str(tmp_path))
    assert code == 1
    assert "strnig" in said

    with duckdb.connect(str(desk.warehouse)) as connection:
        connection.execute(
            "ALTER TABLE erp.customers RENAME COLUMN credit_limit TO limit_of_credit"
        )
    try:
        code, said = desk.type("lookml", "check")
        assert code == 1
        assert "credit_limit" in said
        assert "1 columns of the warehouse are not in the LookML" in said
    finally:
        with duckdb.connect(str(desk.warehouse)) as connection:
            connection.execute(
                "ALTER TABLE erp.customers RENAME COLUMN limit_of_credit TO credit_limit"
            )


def test_validate_asks_looker_about_what_is_deployed(desk: Desk) -> None:
    assert desk.type("lookml", "validate")[0] == 0
    file = desk.lookml / "views" / "suppliers.view.lkml"
    good = file.read_text(encoding="utf-8")
    file.write_text(good.rstrip().removesuffix("}"), encoding="utf-8")
    try:
        code, said = desk.type("lookml", "validate")
        assert code == 1
        assert "suppliers" in said
    finally:
        file.write_text(good, encoding="utf-8")


def test_a_flow_that_publishes_nothing_is_named(desk: Desk) -> None:
    for command in (("publish", "other"), ("lookml", "validate", "--flow", "other")):
        with pytest.raises(ConfigError, match="'other' has no looker: block"):
            desk.type(*command)


def test_publish_sends_the_plans_of_a_sync_once(desk: Desk) -> None:
    def sent() -> int:
        return len(desk.looker.instance.plans.deliveries)

    before = sent()
    code, said = desk.type("publish", "finance", "--sync-id", "by-hand")
    assert code == 0
    assert "sync by-hand, freshness fresh" in said
    assert sent() == before + 1
    code, said = desk.type("publish", "finance", "--sync-id", "by-hand")
    assert (code, sent()) == (0, before + 1)
    assert "sent" in said


def test_publish_of_what_looker_does_not_see_sends_nothing(desk: Desk) -> None:
    desk.looker.faults.add(Fault(kind="stale", call="POST /queries/run", times=None))
    before = len(desk.looker.instance.plans.deliveries)
    with pytest.raises(StaleError, match="No plan was sent"):
        desk.type("publish", "finance", "--sync-id", "unseen")
    assert len(desk.looker.instance.plans.deliveries) == before


def test_publish_with_a_plan_that_breaks_is_a_failure(desk: Desk) -> None:
    desk.looker.faults.add(Fault(kind="broken_plan", call="plans/11/run_once"))
    code, said = desk.type("publish", "finance", "--sync-id", "breaks")
    assert code == 1
    assert "failed" in said


@pytest.mark.parametrize(
    ("mart", "tile"), TILES, ids=[f"{mart}-{tile.title}" for mart, tile in TILES]
)
def test_a_tile_of_what_was_loaded_is_the_mart_worked_out_from_the_erp(
    desk: Desk, mart: str, tile: Tile
) -> None:
    """From the ERP's API through the flow, the view, the LookML and Looker; against plain Python over the ERP's rows."""
    dashboard = next(one for one in DASHBOARDS if one.mart == mart)
    defaults = {one.field: one.default for one in dashboard.filters if one.default}
    today = desk.erp.clock.today()
    erp = Erp(
        tenant="acme",
        rows={name: [dict(one) for one in desk.erp.erp.truth(name)] for name in READ},
        as_of={"100": today, "200": today},
    )
    with LookerCaller(desk.looker) as caller:
        found = caller.rows(
            "erp",
            mart,
            [f"{mart}.{name}" for name in tile.fields],
            filters={f"{mart}.{name}": text for name, text in {**tile.filters, **defaults}.items()},
            sorts=[f"{mart}.{name}" for name in tile.sorts],
            limit=str(tile.limit),
        )
    wanted = expected(tile, [row for row in TRUTHS[mart](erp) if kept(tile, row)])
    assert len(found) == min(tile.limit, len(wanted))
    if tile.title != "Payments without an invoice":  # the sandbox has none
        assert found, "a tile without rows proves nothing"
    for row in found:
        plain: dict[str, Any] = {name.partition(".")[2]: value for name, value in row.items()}
        key = tuple(plain[name] for name in tile.fields if name in DIMENSIONS[mart])
        for name, value in wanted[key].items():
            assert same(plain[name], value), (key, name, plain[name], value)
