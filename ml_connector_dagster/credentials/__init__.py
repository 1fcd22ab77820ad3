"""Secrets of outside systems: stored encrypted, keys rotated while work goes on, masked wherever text is shown."""

from ml_connector_dagster.credentials.keys import KeyRing
from ml_connector_dagster.credentials.rotation import open_store, rotate_keys
from ml_connector_dagster.credentials.store import Credential, CredentialInfo, CredentialStore


__all__ = [
    "Credential",
    "CredentialInfo",
    "CredentialStore",
    "KeyRing",
    "open_store",
    "rotate_keys",
]
