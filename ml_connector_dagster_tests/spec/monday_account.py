"""A Monday.com account of the sandbox, opened as a destination opens it, with a clock that waits move."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ml_connector_dagster.config.applications import MondayConnection
from ml_connector_dagster.config.mappings import EntityMapping
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.applications.contract import (
    Application,
    Change,
    ChangeKind,
    FieldValue,
    Link,
    Placement,
    Ticket,
    Written,
)
from ml_connector_dagster.destinations.applications.placements import mapped_entity
from ml_connector_dagster.destinations.monday import open_monday
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.monday import MondayOptions, MondaySandbox
from ml_connector_dagster.sandbox.monday.boards import Board, Item
from ml_connector_dagster.sandbox.monday.graphql_api import Call


@dataclass(slots=True)
class Waits:
    """What was waited, in seconds; the sandbox's clock moves by it instead of anybody sleeping."""

    sandbox: MondaySandbox
    seconds: list[float] = field(default_factory=list)

    def pause(self, seconds: float) -> None:
        self.seconds.append(round(seconds, 1))
        self.sandbox.clock.advance(seconds=seconds)

    def now(self) -> float:
        return self.sandbox.clock.now().timestamp()


def monday_connection(sandbox: MondaySandbox, **changes: Any) -> MondayConnection:
    """A connection to the sandbox."""
    given = {
        "name": "acme",
        "credential": "monday_acme",
        "base_url": f"{sandbox.url}/v2",
        "plan": sandbox.options.tier,
        **changes,
    }
    return MondayConnection.model_validate(given)


def monday_credential(sandbox: MondaySandbox) -> Credential:
    """The token that the sandbox knows."""
    token = Secret(sandbox.options.token)
    return Credential(name="monday_acme", kind="monday", values={"token": token})


@contextmanager
def opened(sandbox: MondaySandbox, **changes: Any) -> Iterator[tuple[Application, Waits]]:
    """The account, open, and what it waits."""
    waits = Waits(sandbox)
    application = open_monday(
        monday_connection(sandbox, **changes),
        monday_credential(sandbox),
        pause=waits.pause,
        clock=waits.now,
    )
    try:
        yield application, waits
    finally:
        application.close()


def placement_of(entity: str, **flow: EntityMapping) -> Placement:
    """Where ``entity`` stands, by the shipped mapping and what a flow says over it."""
    return mapped_entity("monday", entity, flow).placement


_SUPPLIERS = placement_of("suppliers")
_ORDERS = placement_of("purchase_orders")


def set_up(application: Application, *placements: Placement) -> None:
    """Make the boards."""
    for placement in placements:
        application.structure.create(placement.shape)


def supplier(
    key: str, kind: ChangeKind = ChangeKind.CREATE, remote_id: str = "", **fields: FieldValue
) -> Change:
    """A change of a supplier: every mapped field, null unless it is said."""
    values: dict[str, FieldValue] = dict.fromkeys(_SUPPLIERS.fields)
    values |= {"Name": f"Supplier {key}", "Supplier no.": key, "Status": "Active"}
    values |= {name.replace("_", " "): value for name, value in fields.items()}
    return Change(kind=kind, external_id=key, remote_id=remote_id, fields=values)


def order(key: str, supplier_item: str, supplier_key: str, **fields: FieldValue) -> Change:
    """A new purchase order of a supplier."""
    values: dict[str, FieldValue] = dict.fromkeys(_ORDERS.fields)
    values |= {"Name": key, "Status": "Ordered"} | fields
    link = Link(
        object="Suppliers",
        key_field="ERP key",
        external_id=supplier_key,
        remote_id=supplier_item,
    )
    return Change(kind=ChangeKind.CREATE, external_id=key, fields=values, links={"Supplier": link})


def write(
    application: Application,
    placement: Placement,
    changes: Sequence[Change],
    ticket: str = "ticket",
) -> dict[str, Written]:
    """Plan and send; what was answered, by external id."""
    answers: dict[str, Written] = {}
    for number, portion in enumerate(application.target.plan(placement, changes)):
        jobs: list[str] = []
        sending = Ticket(id=f"{ticket}/{number}", remember=jobs.append)
        for written in application.target.write(placement, portion, sending):
            answers |= {one.external_id: one for one in written}
    return answers


def board_called(sandbox: MondaySandbox, name: str) -> Board:
    """The board of the sandbox itself."""
    return next(board for board in sandbox.account.boards.values() if board.name == name)


def items_by_key(sandbox: MondaySandbox, board: str) -> Mapping[str, list[Item]]:
    """Active items by their key, as the sandbox holds them."""
    shown = board_called(sandbox, board)
    (column,) = [one.id for one in shown.columns.values() if one.title == "ERP key"]
    found: dict[str, list[Item]] = {}
    for item in shown.active:
        cell = item.cells.get(column)
        found.setdefault(cell.text if cell else "", []).append(item)
    return found


def text_in(item: Item, title: str) -> str:
    """What a column of an item shows; "" when it is empty."""
    (column,) = [one.id for one in item.board.columns.values() if one.title == title]
    cell = item.cells.get(column)
    return cell.text if cell else ""


def calls_of(sandbox: MondaySandbox, field_name: str) -> list[Call]:
    """The calls that asked for a root field."""
    return [call for call in sandbox.calls if field_name in call.fields]


@contextmanager
def account(**options: Any) -> Iterator[MondaySandbox]:
    """A sandbox of its own."""
    with MondaySandbox.start(MondayOptions(**options)) as running:
        yield running
