"""Opening the store of an installation, and rotating its keys while everything goes on working.

With a key file, ``rotate_keys`` does, under one lock:

1. a new key is written in front of the others (the store is still under the old one: both are in the file);
2. every value is re-encrypted under the new key, in one replacement of the store;
3. the key file is cut to the new key and the one before it.

A crash between any two steps leaves a store whose key is in the file; running it again completes it. Processes that
are running follow the key file by themselves. The key before is kept for what is encrypted outside the store (cached
tokens of the ledger); to be rid of a key that leaked, rotate twice.

With ``ML_CONNECTOR_KEY`` the keys are yours: set it to ``NEW,OLD`` everywhere, rotate, then set it to ``NEW``.
"""

from filelock import Timeout

from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.credentials.keys import (
    KEY_VARIABLE,
    KeyRing,
    credentials_lock,
    lock_timeout,
    new_key,
    write_key_file,
)
from ml_connector_dagster.credentials.store import CredentialStore
from ml_connector_dagster.model.errors import CredentialError


KEPT_KEYS = 2


def open_store(settings: Settings) -> CredentialStore:
    """The credential store of this installation; its key file is made when there is none."""
    return CredentialStore(settings.credentials_file, KeyRing.from_settings(settings))


def rotate_keys(settings: Settings) -> int:
    """Put every credential under a new key; answers how many there are. See the module for the steps."""
    keys = KeyRing.from_settings(settings)
    store = CredentialStore(settings.credentials_file, keys)
    if settings.encryption_keys:
        if len(settings.encryption_keys) == 1:
            raise CredentialError(
                f"{KEY_VARIABLE} holds one key, so there is none to rotate to. Set it to NEW,OLD "
                "(newest first) wherever ml-connector runs, then rotate, then set it to NEW"
            )
        return store.rotate(keys)
    try:
        with credentials_lock(settings.credentials_file.parent):
            write_key_file(settings.key_file, [new_key(), *keys.keys])
            count = store.rotate(keys)  # follows the file
            write_key_file(settings.key_file, keys.keys[:KEPT_KEYS])
    except Timeout as error:
        raise lock_timeout(error) from error
    except OSError as error:
        raise CredentialError(f"cannot write {settings.key_file}: {error.strerror}") from error
    return count
