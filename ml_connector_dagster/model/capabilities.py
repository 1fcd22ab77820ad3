"""What a destination can do, as a frozen value built once."""

from dataclasses import dataclass
from enum import StrEnum


class WriteMode(StrEnum):
    """How a batch lands. Deletes are marks in every mode: nothing is erased.

    There is no append mode: ``<entity>_history`` keeps every replaced version anyway.

    ``RESTORE`` is no choice of a flow: a batch that puts back what somebody changed at the destination asks for it
    (``Batch.restores``). It writes a record although its content is the one that was written last; never an older one.
    """

    UPSERT = "upsert"
    RESTORE = "restore"


class Support(StrEnum):
    """How well a feature is supported."""

    NATIVE = "native"
    EMULATED = "emulated"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The features that tests and flow validation read.

    Attributes:
        write_modes: the modes that ``deliver`` takes.
        history: whether replaced versions are kept in ``<entity>_history``.
        audit: whether ``_audit`` is written in the same transaction as the data.
        schema_evolution: whether new columns appear by themselves.
    """

    write_modes: frozenset[WriteMode]
    history: Support
    audit: Support
    schema_evolution: Support
