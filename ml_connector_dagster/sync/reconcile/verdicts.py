"""What a difference means: the verdicts, in the order in which they are tried, and what each says to a person."""

from collections.abc import Mapping
from typing import Final

from ml_connector_dagster.model.reconciliations import Standing
from ml_connector_dagster.sync.reconcile.books import Shape


#: Verdict → what it means, and what to say about it.
VERDICTS: Final[Mapping[str, tuple[Standing, str]]] = {
    "doubled": (Standing.WRONG, "it is there {copies} times; delete the surplus there"),
    "not_delivered": (Standing.IN_FLIGHT, "read, and not delivered here yet"),
    "refused": (Standing.WAITING, "refused here: {refusal}"),
    "edited": (Standing.WAITING, "edited on purpose {edit}"),
    "changed": (
        Standing.WRONG,
        "delivered as the ERP has it, and changed here since; --repair restores the ERP's values",
    ),
    "gone": (
        Standing.WRONG,
        "delivered, and gone from here; --repair restores it; find out who removed it",
    ),
    "marked": (
        Standing.WRONG,
        "marked deleted here, although the ERP has it; --repair takes the mark away",
    ),
    "unwanted": (
        Standing.WRONG,
        "the flow's filter keeps it out, and it is still here; delete it there",
    ),
    "moved": (Standing.IN_FLIGHT, "changed while it was being compared"),
    "not_read": (Standing.IN_FLIGHT, "changed in the ERP after it was last read"),
    "missed": (
        Standing.WRONG,
        "the connector should have read this from the ERP and has not; run the flow with --full",
    ),
    "added": (Standing.WRONG, "never read from the ERP: somebody added it here; delete it there"),
    "mark_lost": (
        Standing.WRONG,
        "known to be deleted in the ERP, and here it is not marked deleted; --repair marks it",
    ),
    "unswept": (Standing.IN_FLIGHT, "gone from the ERP; the next key sweep marks it"),
    "deleted": (
        Standing.WRONG,
        "gone from the ERP and not marked deleted; run ml-connector sweep, twice",
    ),
}

#: What is said otherwise of a place that archives what does not belong there. Archived records do not come back.
_WHERE_ARCHIVED: Final[Mapping[str, str]] = {
    "gone": "delivered, and gone from here (deleted or archived); --repair makes it anew: what stood in the old one "
    "besides stays with that; find out who removed it",
    "unwanted": "the flow's filter keeps it out, and it is here, or here again: perhaps somebody brought it back from the "
    "archive; --repair archives it",
    "mark_lost": "known to be deleted in the ERP, and it is here again: perhaps somebody brought it back from the archive; "
    "--repair archives it",
}

#: The verdicts on records that a repair can put right: what is staged is what the ERP says.
_RESTORABLE: Final = ("changed", "gone", "marked", "mark_lost")

#: The verdicts in the order in which they are tried, over the facts of ``judging``.
VERDICT: Final = """
    CASE
    WHEN copies > 1 THEN 'doubled'
    WHEN in_erp AND as_staged THEN CASE
        WHEN is_pending THEN 'not_delivered'
        WHEN refusal IS NOT NULL THEN 'refused'
        WHEN finding = 'different' AND as_edited THEN 'edited'
        WHEN finding = 'different' THEN 'changed'
        WHEN finding = 'unknown' THEN 'unwanted'
        WHEN is_marked THEN 'marked'
        ELSE 'gone' END
    WHEN observed_at >= $as_of THEN 'moved'
    WHEN in_erp THEN CASE
        WHEN earlier_at < $watermark AND earlier_erp = erp_text THEN 'missed'
        WHEN $watermark IS NULL OR $next_read IS NULL OR stamp IS NULL OR stamp >= $next_read THEN 'not_read'
        ELSE 'missed' END
    WHEN NOT is_staged THEN 'added'
    WHEN staged_deleted THEN CASE
        WHEN is_pending THEN 'not_delivered'
        WHEN refusal IS NOT NULL THEN 'refused'
        ELSE 'mark_lost' END
    WHEN is_sighted THEN 'unswept'
    WHEN $sweeps AND ($last_sweep IS NULL OR earlier_at IS NULL OR $last_sweep <= earlier_at) THEN 'unswept'
    ELSE 'deleted' END
"""


def restorable(shape: Shape) -> list[str]:
    """The verdicts on records that a repair can put right at such a place."""
    return [*_RESTORABLE, *(["unwanted"] if shape.archives else [])]


def meaning_of(name: str, shape: Shape) -> tuple[Standing, str]:
    """What a verdict means, and what to say about it, at such a place."""
    standing, words = VERDICTS[name]
    return standing, _WHERE_ARCHIVED.get(name, words) if shape.archives else words
