"""A bearer token as it is shared by all work of a tenant."""

from dataclasses import dataclass
from datetime import datetime

from ml_connector_dagster.model.secrets import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedToken:
    """One token. ``generation`` grows by one with every login, so that a stale one is told from a fresh one."""

    value: Secret
    obtained_at: datetime
    expires_at: datetime
    generation: int
