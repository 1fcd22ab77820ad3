"""What the Salesforce tests share: an org with our fields in it, and changes to write."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ml_connector_dagster.config.applications import SalesforceConnection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.applications.contract import (
    Application,
    Change,
    ChangeKind,
    FieldValue,
    Link,
    Placement,
    Portion,
    Status,
    Ticket,
    Written,
)
from ml_connector_dagster.destinations.applications.placements import mapped_entity
from ml_connector_dagster.destinations.salesforce.opening import open_salesforce, open_transport
from ml_connector_dagster.destinations.salesforce.transport import Transport
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.salesforce import SalesforceSandbox


CLIENT_ID = "3MVG9.sandbox.key"
CREDENTIAL = Credential(
    name="crm",
    kind="salesforce",
    values={"client_id": Secret(CLIENT_ID), "client_secret": Secret("sandbox-consumer-secret")},
)
SUPPLIERS = mapped_entity("salesforce", "suppliers", {}).placement
ORDERS = mapped_entity("salesforce", "purchase_orders", {}).placement


@dataclass(slots=True)
class Pauses:
    """Waits that take no time, though the clock moves on; in the order in which they were asked for."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def elapsed(self) -> float:
        """Real time, and the waits."""
        return time.monotonic() + sum(self.seconds)


def connection(org: SalesforceSandbox, **given: object) -> SalesforceConnection:
    """A connection to the stand-in; ``given`` are settings of it."""
    settings: dict[str, object] = {
        "name": "crm",
        "domain": "acme.my",
        "credential": "crm",
        "base_url": org.url,
    }
    return SalesforceConnection.model_validate(settings | given)


@contextmanager
def opened(org: SalesforceSandbox, **given: object) -> Iterator[Application]:
    """The org as an application; waits take no time."""
    pauses = Pauses()
    application = open_salesforce(
        connection(org, **given), CREDENTIAL, pause=pauses, elapsed=pauses.elapsed
    )
    try:
        yield application
    finally:
        application.close()


@contextmanager
def transport_of(
    org: SalesforceSandbox,
    *,
    pauses: Pauses | None = None,
    credential: Credential = CREDENTIAL,
    **given: object,
) -> Iterator[Transport]:
    """The calls to the org."""
    pauses = pauses or Pauses()
    transport = open_transport(
        connection(org, **given), credential, pause=pauses, elapsed=pauses.elapsed
    )
    try:
        yield transport
    finally:
        transport.close()


def furnish(org: SalesforceSandbox, *placements: Placement) -> None:
    """Make the objects and fields of ``placements``, and forget how."""
    with opened(org) as application:
        for placement in placements:
            application.structure.create(placement.shape)
    org.journal.clear()
    org.identity.clear()
    org.used = 0


def supplier(number: str | int, **fields: FieldValue) -> Change:
    """A supplier of tenant acme, company 100; fields that are not given are null."""
    values: dict[str, FieldValue] = {
        **dict.fromkeys(SUPPLIERS.fields),
        "Name": f"Supplier {number}",
    }
    return Change(
        kind=ChangeKind.CREATE, external_id=f"SUP-acme/100/{number}", fields=values | fields
    )


def order(number: str | int, supplier_number: str | int, **fields: FieldValue) -> Change:
    """A purchase order of a supplier."""
    values: dict[str, FieldValue] = {**dict.fromkeys(ORDERS.fields), "Name": f"PO {number}"}
    parent = Link(
        object="Account",
        key_field="ERP_Id__c",
        external_id=f"SUP-acme/100/{supplier_number}",
        remote_id="",
    )
    return Change(
        kind=ChangeKind.CREATE,
        external_id=f"acme/100/{number}",
        fields=values | fields,
        links={"Account__c": parent},
    )


@dataclass(slots=True)
class Sent:
    """What a write did: the answers in their order, and the jobs that were remembered."""

    calls: list[Sequence[Written]] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)

    @property
    def answers(self) -> dict[str, Written]:
        """By external id; a record that is answered twice is an error."""
        found: dict[str, Written] = {}
        for one in (one for call in self.calls for one in call):
            assert one.external_id not in found
            found[one.external_id] = one
        return found

    def of(self, status: Status) -> set[str]:
        """External ids with this answer."""
        return {key for key, one in self.answers.items() if one.status is status}


def send(
    application: Application,
    placement: Placement,
    changes: Iterable[Change],
    sent: Sent | None = None,
) -> Sent:
    """Plan and write; what was answered before an error is in ``sent``."""
    sent = sent or Sent()
    for portion in application.target.plan(placement, tuple(changes)):
        send_portion(application, placement, portion, sent)
    return sent


def send_portion(
    application: Application, placement: Placement, portion: Portion, sent: Sent
) -> None:
    """Write one portion."""
    ticket = Ticket(id="ticket", remember=sent.jobs.append)
    for answers in application.target.write(placement, portion, ticket):
        sent.calls.append(answers)
