"""The stand-in of Salesforce for ``application_worlds``."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ml_connector_dagster.config.applications import SalesforceConnection
from ml_connector_dagster.config.project import Connection
from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.applications.contract import Application, FieldKind
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.salesforce import open_salesforce
from ml_connector_dagster.sandbox.salesforce import Fault, OrgOptions, SalesforceSandbox
from ml_connector_dagster_tests.application_worlds import text


FAULTS: Mapping[str, Mapping[str, Any]] = {
    "lost": {"kind": "lost"},
    "cut": {"kind": "cut"},
    "unavailable": {"kind": "status", "status": 503, "times": 3},
    "unauthorized": {"kind": "expired"},
    "limit": {"kind": "limit"},
    "locked": {"kind": "record", "path": None},
}


class SalesforceStand:
    """One org, on a port of its own. ``settings`` are further keys of the connection."""

    system = "salesforce"

    def __init__(self, options: OrgOptions | None = None, **settings: Any) -> None:
        self.org = SalesforceSandbox.start(options)
        self.settings = settings

    def connection(self, name: str) -> Connection:
        return SalesforceConnection(
            name=name,
            domain="acme.my",
            credential=name,
            base_url=self.org.url,
            **self.settings,
        )

    def secrets(self) -> Mapping[str, str]:
        client_id, client_secret = next(iter(self.org.options.clients.items()))
        return {"client_id": client_id, "client_secret": client_secret}

    def open(self, connection: Connection, credential: Credential) -> Application:
        assert isinstance(connection, SalesforceConnection)
        return open_salesforce(connection, credential, pause=lambda seconds: None)

    def held(self, mapped: Mapped) -> list[tuple[str, Mapping[str, str | None]]]:
        placement = mapped.placement
        rows = self.org.rows(placement.object)
        keys = {
            row["Id"]: row.get("ERP_Id__c")
            for name in set(placement.links.values())
            for row in self.org.rows(name)
        }
        found: list[tuple[str, Mapping[str, str | None]]] = []
        for row in rows:
            key = row.get(placement.key_field)
            if key is None:
                continue
            fields = {
                name: _moment(row.get(name)) if kind is FieldKind.MOMENT else text(row.get(name))
                for name, kind in placement.fields.items()
            }
            links = {name: text(keys.get(row.get(name))) for name in placement.links}
            found.append((str(key), {**fields, **links}))
        return found

    def break_call(self, kind: str, nth: int) -> None:
        settings = dict(FAULTS[kind])
        if kind != "locked":
            settings.setdefault("path", "composite|ingest|query")
        self.org.faults.add(Fault(nth=nth, **{k: v for k, v in settings.items() if v is not None}))

    def heal(self) -> None:
        self.org.faults.clear()

    def reset(self) -> None:
        self.org.reset()

    def close(self) -> None:
        self.org.stop()


def _moment(cell: Any) -> str | None:
    return None if cell is None else text(datetime.fromisoformat(str(cell)))
