"""A real Dagster (webserver, daemon, code server) over the sandbox, and a headless Chromium in front of it."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from ml_connector_dagster.cli.dagster_api import DagsterApi
from ml_connector_dagster.cli.dagster_process import dagster_dev, free_port
from ml_connector_dagster.config.settings import Settings, read_settings
from ml_connector_dagster.credentials import open_store
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster.sync.workspace import Workspace


T = TypeVar("T")

#: Milliseconds until the UI must show what is expected: a busy machine draws slowly.
expect.set_options(timeout=90_000)

#: Chromium looks up hosts of its maker at every start otherwise.
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

FLOWS = """\
connections:
  acme:
    type: cloudsuite
    product_line: m3
    credential: acme
    timezone: Europe/Stockholm
    requests_per_minute: 6000
  broken:
    type: cloudsuite
    product_line: m3
    credential: broken
    timezone: Europe/Stockholm
  warehouse:
    type: duckdb
    path: warehouse.duckdb
flows:
  purchasing:
    source: acme
    companies: ["100", "200"]
    entities: [suppliers, purchase_orders]
    destinations: [{connection: warehouse}]
    start_date: %(start)s
    schedule: {cron: "* * * * *"}
  refused:
    source: broken
    companies: ["100"]
    entities: [suppliers]
    destinations: [{connection: warehouse, schema: refused}]
    start_date: %(start)s
"""

#: The secret of the tenant that is refused: it must not show anywhere.
WRONG_SECRET = "wrong-secret-5c1f9d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a test looks at."""

    sandbox: Sandbox
    settings: Settings
    api: DagsterApi
    pictures: Path

    def open(self) -> Workspace:
        return Workspace.open(self.settings)

    def wait_for(self, what: str, look: Callable[[], T | None], seconds: float = 150) -> T:
        """What ``look`` answers as soon as it is not None; asks twice a second."""
        deadline = time.monotonic() + seconds
        while (found := look()) is None:
            assert time.monotonic() < deadline, f"{what} did not come within {seconds} s"
            time.sleep(0.5)
        return found

    def runs(self, **tags: str) -> list[dict[str, Any]]:
        """Runs that have all of ``tags``, newest first."""
        query = """query { runsOrError(limit: 200) { ... on Runs { results {
            runId status tags { key value } assetSelection { path } } } } }"""
        found = []
        for run in self.api.query(query)["runsOrError"]["results"]:
            run["tags"] = {tag["key"]: tag["value"] for tag in run["tags"]}
            if all(run["tags"].get(key.replace("__", "/")) == value for key, value in tags.items()):
                found.append(run)
        return found

    def materialized(self, *path: str) -> int:
        """How many partitions of an asset are materialised."""
        query = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
            partitionStats { numMaterialized } } } }"""
        node = self.api.query(query, {"key": {"path": list(path)}})["assetNodeOrError"]
        return int(node["partitionStats"]["numMaterialized"])

    def rows(self, entity: str) -> int:
        """Rows that the warehouse was told to insert."""
        with self.open() as workspace:
            return workspace.ledger.delivered_counts(
                destination="warehouse.erp", tenant="acme", entity=entity
            ).inserted


@pytest.fixture(scope="session")
def chromium() -> str:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed (scripts/install-systems does it on Debian as root)")
    return path


@pytest.fixture(scope="module")
def site(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation of the module's own: runs are counted in it."""
    folder = tmp_path_factory.mktemp("site")
    pictures = Path(os.environ.get("ML_CONNECTOR_PICTURES", folder / "pictures"))
    pictures.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        sandbox = stack.enter_context(
            Sandbox.start(SandboxOptions(size=ErpSize.tiny(), requests_per_minute=6000))
        )
        start = sandbox.clock.today() - timedelta(days=364)
        flows = folder / "flows.yaml"
        flows.write_text(FLOWS % {"start": start})
        os.environ["DAGSTER_HOME"] = str(folder / "dagster")
        stack.callback(os.environ.pop, "DAGSTER_HOME", None)
        settings = read_settings(
            {"ML_CONNECTOR_HOME": str(folder / "home"), "ML_CONNECTOR_FLOWS": str(flows)}
        )
        settings.home.mkdir()
        store = open_store(settings)
        good = sandbox.ionapi_text("ACME_TST")
        store.add("acme", "ionapi", {"ionapi": Secret(good)})
        store.add("broken", "ionapi", {"ionapi": Secret(_with_wrong_secret(good))})
        api = stack.enter_context(dagster_dev(settings, free_port(), folder / "dagster.log"))
        yield Site(sandbox=sandbox, settings=settings, api=api, pictures=pictures)


def _with_wrong_secret(ionapi: str) -> str:
    document = json.loads(ionapi)
    document["sask"] = WRONG_SECRET
    return json.dumps(document)


@pytest.fixture
def page(chromium: str, site: Site) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        page = browser.new_page(viewport={"width": 1500, "height": 950}, base_url=site.api.url)
        page.set_default_timeout(90_000)
        yield page
        browser.close()
