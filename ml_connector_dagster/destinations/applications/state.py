"""What the engine asks of the ledger. ``Ledger.remote`` is one; tests may keep it elsewhere."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from ml_connector_dagster.model.remote_records import Intent, RemoteRecord, RemoteState


class RemoteRecords(Protocol):
    """What applications have of our records. Every call is one transaction."""

    def deliver_alone(self, destination: str, entity: str) -> AbstractContextManager[None]:
        """Intents mean something only while nobody else sends the same records."""
        ...

    def remote_records(
        self, destination: str, entity: str, record_ids: Sequence[str]
    ) -> Mapping[str, RemoteRecord]: ...

    def count_remote_records(
        self, destination: str, entity: str, prefix: str, state: RemoteState
    ) -> int: ...

    def put_remote_records(
        self,
        destination: str,
        entity: str,
        records: Sequence[RemoteRecord],
        *,
        answered: Collection[str] = (),
    ) -> None: ...

    def put_intents(self, destination: str, entity: str, intents: Sequence[Intent]) -> None: ...

    def intents(self, destination: str, entity: str) -> Sequence[Intent]: ...

    def put_job(self, destination: str, entity: str, ticket: str, job_id: str) -> None: ...

    def jobs(self, destination: str, entity: str) -> Mapping[str, str]: ...

    def end_job(self, destination: str, entity: str, ticket: str) -> None: ...
