"""What happened and how far we are: reads, batches, deliveries, dead letters, and the state that processes share."""

from ml_connector_dagster.ledger.cleaning import Forgetting
from ml_connector_dagster.ledger.ledger import Ledger
from ml_connector_dagster.ledger.overviews import (
    LastDelivery,
    LastRead,
    OpenDeadLetters,
    TenantStatus,
)
from ml_connector_dagster.ledger.past_reads import PastDelivery, PastRead
from ml_connector_dagster.ledger.reads import ReadState, WindowRead
from ml_connector_dagster.ledger.tokens import Cipher
from ml_connector_dagster.model.remote_records import RemoteRecord


__all__ = [
    "Cipher",
    "Forgetting",
    "LastDelivery",
    "LastRead",
    "Ledger",
    "OpenDeadLetters",
    "PastDelivery",
    "PastRead",
    "ReadState",
    "RemoteRecord",
    "TenantStatus",
    "WindowRead",
]
