"""What a product line has learned about a tenant outlives the process: documents by key (kept by the ledger)."""

from datetime import timedelta
from typing import Protocol


class KnowledgeStore(Protocol):
    """Where it is kept. ``ledger.Ledger.route_store`` is one."""

    def load(self, key: str, *, younger_than: timedelta) -> str | None:
        """The document under ``key``; None when there is none, or it is older than ``younger_than``."""
        ...

    def save(self, key: str, document: str) -> None:
        """Keep ``document`` under ``key``, in place of an earlier one."""
        ...
