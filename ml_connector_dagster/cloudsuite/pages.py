"""What a product line hands out: pages of records as columns, read slice by slice."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import pyarrow as pa

from ml_connector_dagster.cloudsuite.reckonings import Reckoning
from ml_connector_dagster.columns.layouts import Layout
from ml_connector_dagster.model.windows import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One chain of pages of an entity: slices of a read are independent and may be read side by side.

    ``id`` is stable for the same read (entity, company, window, division, …), so that a killed read resumes.
    ``arguments`` are the product line's own, opaque to everybody else. ``lag``: how far what is read may be behind the ERP.
    ``whole``: the route knows no change filter, so everything comes, whatever the window. ``setup``: requests that a process makes once for a company, before its
    first chains are known (M3's divisions).
    """

    id: str
    entity: str
    company: str
    window: Window
    route: str
    arguments: tuple[tuple[str, str], ...] = ()
    lag: timedelta = timedelta()
    whole: bool = False
    setup: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of the ERP, as columns.

    Attributes:
        records: one column per ERP field, all of type string, as the ERP wrote them.
        unreadable: raw text → reason, of records inside the page that could not be split into fields.
        requested_at: when the first request for this page was sent (UTC).
        requests: gateway calls this page took (completing calls included).
        bytes: response bytes.
        position: where to go on after this page; None when it was the slice's last.
    """

    records: pa.Table
    unreadable: tuple[tuple[str, str], ...]
    requested_at: datetime
    requests: int
    bytes: int
    position: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteReport:
    """What ``ping`` found out about one route of one entity.

    ``reason``: why not, "" when usable. ``use``: for what it is taken although another is chosen. ``empty``: columns that stay empty by it, because the tenant lacks their field.
    """

    entity: str
    route: str
    usable: bool
    chosen: bool
    reason: str
    empty: tuple[str, ...] = ()
    use: str = ""


class ProductLine(Protocol):
    """One ERP dialect. Nothing of it is optional."""

    @property
    def name(self) -> str: ...

    def layout(self, entity: str) -> Layout:
        """How records of the chosen route of ``entity`` become rows."""
        ...

    def slices(self, entity: str, company: str, window: Window) -> tuple[Slice, ...]:
        """The chains that together cover ``window``; may itself ask the ERP (divisions)."""
        ...

    def pages(self, chain: Slice, position: str | None) -> Iterator[Page]:
        """The pages of ``chain`` after ``position`` (None: from its start), at least one, the last with position None.

        Raises ContractError when an answer repeats a position or was cut short at a known row cap.
        """
        ...

    def routes(self, company: str) -> tuple[RouteReport, ...]:
        """Which route of each entity this tenant has, asked of the tenant itself (cached by the caller)."""
        ...

    def reckon(self, entity: str, company: str, window: Window) -> Reckoning:
        """What reading ``window`` will take. Asks the ERP what ``slices`` asks, and counts; reads no records.

        Raises as ``slices`` does.
        """
        ...
