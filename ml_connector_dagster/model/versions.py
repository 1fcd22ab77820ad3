"""Which of two versions of a record is the newer one: the one rule, in plain words."""

from collections.abc import Mapping
from typing import Any


def is_older(version: Mapping[str, Any], than: Mapping[str, Any]) -> bool:
    """Whether ``version`` is older than ``than``, two rows of the same record.

    The ERP's own stamp decides where both have one: a lake lags behind the live API, and a late delivery must not
    undo a newer one. Where a route gives no stamp, or both are equal (M3's are dates), what was read later is newer.
    """
    mine, theirs = version["_modified_at"], than["_modified_at"]
    if mine is not None and theirs is not None and mine != theirs:
        return bool(mine < theirs)
    return bool(version["_extracted_at"] < than["_extracted_at"])
