"""Reading into batches: what bounds a batch, whatever the ERP answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from ml_connector_dagster.cloudsuite.pages import Page, RouteReport, Slice
from ml_connector_dagster.cloudsuite.reckonings import Reckoning
from ml_connector_dagster.columns.layouts import Field, Layout, ValueFormat
from ml_connector_dagster.ledger import Ledger
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.staging import Staging
from ml_connector_dagster.sync.extract import Extraction, extract
from ml_connector_dagster.sync.gathering import ENOUGH_ROWS
from ml_connector_dagster_tests.contracts.ledger_samples import NOON, Clock


STOCKHOLM = ZoneInfo("Europe/Stockholm")
WINDOW = Window.of_days(None, date(2026, 1, 18), STOCKHOLM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A product line of one chain whose pages are these supplier numbers; a blank one is no key."""

    listed: Sequence[Sequence[str]]
    unreadable: bool = False
    name: str = "m3"

    def layout(self, entity: str) -> Layout:
        field = Field(column="supplier_id", source="SUNO", format=ValueFormat.TEXT)
        return Layout(
            entity=ENTITIES[entity],
            fields=(field,),
            modified=None,
            ignored=frozenset(),
            timezone=STOCKHOLM.key,
            source_system=self.name,
        )

    def slices(self, entity: str, company: str, window: Window) -> tuple[Slice, ...]:
        return (Slice(id="all", entity=entity, company=company, window=window, route="list"),)

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        for number in range(int(position or 0), len(self.listed)):
            page = self.listed[number]
            following = number + 1
            yield Page(
                records=pa.table({"SUNO": pa.array([] if self.unreadable else page, pa.string())}),
                unreadable=tuple((f"raw {one}", "too many parts") for one in page)
                if self.unreadable
                else (),
                requested_at=NOON,
                requests=1,
                bytes=100,
                position=None if following == len(self.listed) else str(following),
            )

    def routes(self, company: str) -> tuple[RouteReport, ...]:
        raise NotImplementedError

    def reckon(self, entity: str, company: str, window: Window) -> Reckoning:
        raise NotImplementedError


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}", now=Clock()) as opened:
        yield opened


def read(line: Listed, ledger: Ledger, folder: Path, *, batch_rows: int) -> Extraction:
    return extract(
        line,
        ledger,
        Staging(str(folder / "staging")),
        tenant="acme",
        entity="suppliers",
        company="100",
        window=WINDOW,
        run_id="run",
        timezone=STOCKHOLM,
        now=Clock(),
        batch_rows=batch_rows,
    )


def test_rows_are_cut_into_batches(ledger: Ledger, tmp_path: Path) -> None:
    pages = [[f"S{page}{number}" for number in range(5)] for page in range(4)]
    done = read(Listed(listed=pages), ledger, tmp_path, batch_rows=10)
    assert [batch.rows for batch in done.batches] == [10, 10, 0]


@pytest.mark.parametrize(
    ("unreadable", "page"),
    [(False, ENOUGH_ROWS), (True, 5)],
    ids=["without a key", "not to be split"],
)
def test_records_that_cannot_be_staged_are_cut_into_batches_too(
    ledger: Ledger, tmp_path: Path, unreadable: bool, page: int
) -> None:
    """A wrong field in a tenant's catalog makes dead letters of a whole table: they must not pile up in memory."""
    listed = [[f"{p}-{n}" if unreadable else "" for n in range(page)] for p in range(3)]
    line = Listed(listed=listed, unreadable=unreadable)
    done = read(line, ledger, tmp_path, batch_rows=2 * page)
    assert [batch.dead_letters for batch in done.batches] == [2 * page, page]
    assert done.rows == 0
