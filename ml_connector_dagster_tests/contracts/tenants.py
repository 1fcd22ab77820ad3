"""A sandbox tenant as a product line sees it: the real gateway, shared state in memory, waits that take no time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from ml_connector_dagster.cloudsuite.auth import BearerAuth
from ml_connector_dagster.cloudsuite.breaker import Breaker
from ml_connector_dagster.cloudsuite.budget import RequestBudget
from ml_connector_dagster.cloudsuite.gateway import Gateway
from ml_connector_dagster.cloudsuite.ionapi import IonApi
from ml_connector_dagster.cloudsuite.pages import Page, ProductLine, Slice
from ml_connector_dagster.cloudsuite.product_lines.registry import (
    open_key_line,
    open_product_line,
    registered,
)
from ml_connector_dagster.columns.shaping import Shaped, shape
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.spec.shared_state import (
    MemoryBreaker,
    MemoryCalls,
    MemoryTokens,
    StillTime,
)


TENANT = "acme"
TIMEZONE = "Europe/Stockholm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One read of an entity: what came, as rows and as pages."""

    slices: tuple[Slice, ...]
    pages: tuple[Page, ...]
    shaped: tuple[Shaped, ...]

    @property
    def table(self) -> pa.Table:
        return pa.concat_tables([one.table for one in self.shaped])

    @property
    def unreadable(self) -> tuple[tuple[str, str], ...]:
        return tuple(one for page in self.pages for one in page.unreadable)

    @property
    def requests(self) -> int:
        return sum(page.requests for page in self.pages)

    @property
    def route(self) -> str:
        return self.slices[0].route

    def rows(self) -> dict[str, dict[str, object]]:
        """Record id → row, the newest version of each."""
        return {str(row["record_id"]): row for row in self.table.to_pylist()}


class MemoryKnowledge:
    """A KnowledgeStore that never gets old."""

    def __init__(self) -> None:
        self.documents: dict[str, str] = {}

    def load(self, key: str, *, younger_than: timedelta) -> str | None:
        return self.documents.get(key)

    def save(self, key: str, document: str) -> None:
        self.documents[key] = document


class LineTenant:
    """Opens product lines on one sandbox tenant, and reads with them."""

    def __init__(self, sandbox: Sandbox, product_line: str) -> None:
        self.sandbox = sandbox
        self.time = StillTime(sandbox.clock.now())
        self.zone = ZoneInfo(TIMEZONE)
        self._product_line = product_line
        self._tokens = MemoryTokens(self.time.time)
        self._calls = MemoryCalls()
        self.knowledge = MemoryKnowledge()
        self._gateway: Gateway | None = None

    def connection(
        self, *, page_rows: int = 10_000, catalog: Path | None = None
    ) -> CloudSuiteConnection:
        """The tenant as a project would name it."""
        return CloudSuiteConnection.model_validate(
            {
                "name": TENANT,
                "product_line": self._product_line,
                "credential": TENANT,
                "timezone": TIMEZONE,
                "page_rows": page_rows,
                "catalog": None if catalog is None else str(catalog),
            }
        )

    def line(self, *, page_rows: int = 10_000, catalog: Path | None = None) -> ProductLine:
        """A product line as a new process has it: it has asked nothing yet."""
        connection = self.connection(page_rows=page_rows, catalog=catalog)
        return open_product_line(connection, self.gateway, self.knowledge)

    def key_line(self, *, page_rows: int = 10_000, catalog: Path | None = None) -> ProductLine:
        """The same for keys only, as a sweep opens it."""
        connection = self.connection(page_rows=page_rows, catalog=catalog)
        return open_key_line(connection, self.gateway, self.knowledge)

    @property
    def gateway(self) -> Gateway:
        """The tenant's gateway; opening one costs more than most tests."""
        if self._gateway is None:
            self._gateway = self._open_gateway()
        return self._gateway

    def _open_gateway(self) -> Gateway:
        ionapi = IonApi.parse(self.sandbox.ionapi_text("ACME_TST"))
        return Gateway(
            ionapi,
            tenant=TENANT,
            suite=registered(self._product_line).suite,
            readable=registered(self._product_line).readable,
            auth=BearerAuth(
                ionapi, self._tokens, tenant=TENANT, pause=self.time, clock=self.time.now
            ),
            budget=RequestBudget(
                self._calls, tenant=TENANT, limit=100_000, pause=self.time, clock=self.time.time
            ),
            breaker=Breaker(MemoryBreaker(), tenant=TENANT, clock=self.time.now),
            pause=self.time,
            clock=self.time.now,
            elapsed=self.time.time,
            draw=lambda: 1.0,
        )

    def close(self) -> None:
        if self._gateway is not None:
            self._gateway.close()

    def everything(self) -> Window:
        """From the beginning to the end of today."""
        return Window(start=None, end=self._midnight(1))

    def days(self, first: int, last: int = 0) -> Window:
        """Whole days, counted from today: 0 is today, -1 yesterday."""
        return Window(start=self._midnight(first), end=self._midnight(last + 1))

    def _midnight(self, offset: int) -> datetime:
        today = self.sandbox.clock.now().astimezone(self.zone).date()
        return datetime.combine(today + timedelta(offset), datetime.min.time(), self.zone)

    def read(
        self, line: ProductLine, entity: str, company: str, window: Window | None = None
    ) -> Reading:
        """All chains, one after another, shaped as ``sync.extract`` does it."""
        slices = line.slices(entity, company, window or self.everything())
        pages = tuple(page for chain in slices for page in line.pages(chain, None))
        return Reading(
            slices=slices,
            pages=pages,
            shaped=tuple(shaped(line, entity, company, page) for page in pages),
        )


def shaped(line: ProductLine, entity: str, company: str, page: Page) -> Shaped:
    """One page as rows."""
    return shape(
        page.records,
        line.layout(entity),
        tenant=TENANT,
        company=company,
        batch_id="batch",
        run_id="run",
        extracted_at=page.requested_at,
    )


def open_tenant(sandbox: Sandbox, product_line: str) -> Iterator[LineTenant]:
    """For a fixture: closes what was opened."""
    tenant = LineTenant(sandbox, product_line)
    yield tenant
    tenant.close()
