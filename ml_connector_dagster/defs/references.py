"""What travels between assets: references, never rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from ml_connector_dagster.config.project import Flow, FlowDestination


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """Staged batches of one entity, named by what they cover. Which of them a destination lacks, the ledger knows."""

    tenant: str
    entity: str
    days: Mapping[str, tuple[date, ...]]

    @property
    def companies(self) -> tuple[str, ...]:
        return tuple(self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipment:
    """What a destination's I/O manager is handed: bring ``staged`` to ``target``."""

    flow: Flow
    target: FlowDestination
    staged: Staged


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What an asset below a delivery gets: where the rows are."""

    connection: str
    key: tuple[str, ...]
