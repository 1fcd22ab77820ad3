"""Who may do what: Unity Catalog's privileges, as far as a loader meets them.

A privilege on a catalog or schema holds for everything in it; an owner may do everything with what is his, but needs
USE CATALOG and USE SCHEMA on the way to it all the same (a schema's owner has USE SCHEMA). From
https://docs.databricks.com/en/data-governance/unity-catalog/manage-privileges/privileges.html
"""

import threading
from dataclasses import dataclass
from typing import Final

from ml_connector_dagster.sandbox.databricks.refusals import insufficient


_KINDS: Final = {1: "Catalog", 2: "Schema"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One privilege of the loader on a catalog, schema, table or volume (``a.b.c``)."""

    privilege: str
    securable: str


class Privileges:
    """The grants and owners of a workspace. Names are compared in lower case."""

    def __init__(self, grants: tuple[Grant, ...]) -> None:
        self._lock = threading.Lock()
        self._grants: set[tuple[str, str]] = set()
        self._owned: set[str] = set()
        self.reset(grants)

    def reset(self, grants: tuple[Grant, ...]) -> None:
        """These grants, and no others. Owners stay."""
        with self._lock:
            self._grants = {(one.privilege, one.securable.lower()) for one in grants}

    def grant(self, privilege: str, securable: str) -> None:
        with self._lock:
            self._grants.add((privilege, securable.lower()))

    def revoke(self, privilege: str, securable: str) -> None:
        with self._lock:
            self._grants.discard((privilege, securable.lower()))

    def forget(self, *names: str) -> None:
        """Nobody was granted anything on it."""
        with self._lock:
            gone = ".".join(names).lower()
            self._grants = {one for one in self._grants if one[1] != gone}

    def granted(self, securable: str) -> frozenset[str]:
        """What was granted on it by name."""
        with self._lock:
            return frozenset(one for one, name in self._grants if name == securable.lower())

    def own(self, *names: str) -> None:
        """The loader made it, so it is his."""
        with self._lock:
            self._owned.add(".".join(names).lower())

    def disown(self, *names: str) -> None:
        """It has another owner now."""
        with self._lock:
            self._owned.discard(".".join(names).lower())

    def owns(self, *names: str) -> bool:
        """Whether the loader owns it, or its schema or catalog."""
        return any(".".join(names[:n]).lower() in self._owned for n in range(1, len(names) + 1))

    def has(self, privilege: str, *names: str) -> bool:
        """Whether ``privilege`` holds for the object, by itself or from above."""
        if self.owns(*names):
            return True
        return any(
            (one, ".".join(names[:n]).lower()) in self._grants
            for one in (privilege, "ALL PRIVILEGES")
            for n in range(1, len(names) + 1)
        )

    def enter(self, *names: str) -> None:
        """The way to an object: USE CATALOG, then USE SCHEMA."""
        for depth, privilege in ((1, "USE CATALOG"), (2, "USE SCHEMA")):
            if depth <= len(names) and not self.has(privilege, *names[:depth]):
                raise insufficient(privilege, _KINDS[depth], ".".join(names[:depth]))

    def need(self, privilege: str, *names: str, kind: str = "Table") -> None:
        """Raise SqlError unless the loader may."""
        if len(names) < 3:
            self.enter(*names)
            kind = _KINDS[len(names)]
        else:
            self.enter(*names[:2])
        if not self.has(privilege, *names):
            raise insufficient(privilege, kind, ".".join(names))
