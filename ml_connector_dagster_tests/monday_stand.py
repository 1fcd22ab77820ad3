"""The stand-in of Monday.com for ``application_worlds``."""

from collections.abc import Mapping
from typing import Any

from ml_connector_dagster.config.applications import MondayConnection
from ml_connector_dagster.config.project import Connection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.applications.contract import Application
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.monday import open_monday
from ml_connector_dagster.sandbox.monday import Fault, MondayOptions, MondaySandbox
from ml_connector_dagster.sandbox.monday.boards import Item
from ml_connector_dagster_tests.application_worlds import text


#: Root fields of what writes, jobs of imports included.
WRITES = "create_item|create_subitem|change_multiple|archive|ingest|fetch_job|upload|report"

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "lost": {"kind": "lost"},
    "cut": {"kind": "refused"},
    "unavailable": {"kind": "status", "status": 503, "times": 2},
    "unauthorized": {"kind": "lost_500"},
}


class MondayStand:
    """One account, on a port of its own. ``settings`` are further keys of the connection."""

    system = "monday"

    def __init__(self, options: MondayOptions, **settings: Any) -> None:
        self.sandbox = MondaySandbox.start(options)
        self.settings = settings

    def connection(self, name: str) -> Connection:
        return MondayConnection(
            name=name,
            credential=name,
            base_url=f"{self.sandbox.url}/v2",
            plan=self.sandbox.options.tier,
            **self.settings,
        )

    def secrets(self) -> Mapping[str, str]:
        return {"token": self.sandbox.options.token}

    def open(self, connection: Connection, credential: Credential) -> Application:
        assert isinstance(connection, MondayConnection)
        clock = self.sandbox.clock
        return open_monday(
            connection,
            credential,
            pause=lambda seconds: clock.advance(seconds=seconds),
            clock=lambda: clock.now().timestamp(),
        )

    def held(self, mapped: Mapped) -> list[tuple[str, Mapping[str, str | None]]]:
        placement = mapped.placement
        boards = {board.name: board for board in self.sandbox.account.boards.values()}
        items = {item.id: item for one in boards.values() for item in one.items.values()}
        board = boards[placement.object]
        ids = {column.title: column.id for column in board.columns.values()}
        found: list[tuple[str, Mapping[str, str | None]]] = []
        for item in board.active:
            key = _shown(item, ids[placement.key_field])
            if key is None:
                continue
            fields = {name: _shown(item, ids[name]) for name in placement.fields}
            links = {name: _linked(item, ids[name], items) for name in placement.links}
            found.append((key, {**fields, **links}))
        return found

    def break_call(self, kind: str, nth: int) -> None:
        self.sandbox.faults.add(Fault(field=WRITES, nth=nth, **FAULTS[kind]))

    def heal(self) -> None:
        self.sandbox.faults.clear()

    def reset(self) -> None:
        options = self.sandbox.options
        self.sandbox.stop()
        self.sandbox = MondaySandbox.start(options)

    def close(self) -> None:
        self.sandbox.stop()


def _shown(item: Item, column_id: str) -> str | None:
    if column_id == "name":
        return text(item.name)
    cell = item.cells.get(column_id)
    return None if cell is None else text(cell.text)


def _linked(item: Item, column_id: str, items: Mapping[int, Item]) -> str | None:
    """The key of the item that a relation points at."""
    cell = item.cells.get(column_id)
    if cell is None or not isinstance(cell.value, dict):
        return None
    linked: Any = cell.value["linkedPulseIds"]
    parent = items[linked[0]["linkedPulseId"]]
    (key,) = [one.id for one in parent.board.columns.values() if one.title == "ERP key"]
    return _shown(parent, key)
