"""What ``ml-connector reconcile --repair`` says of its repairs."""

from collections.abc import Sequence
from typing import Any

from ml_connector_dagster.cli.output import print_table, stdout
from ml_connector_dagster.sync.reconcile.repairing import Repair, restorable_records
from ml_connector_dagster.sync.reconcile.results import Comparison


def announce(found: Sequence[Comparison], unfinished: int) -> None:
    """How many records will be sent, and how many wrong ones will not be. ``unfinished``: of a repair that did not end."""
    sent = restorable_records(found)
    left = sum(one.done.wrong for one in found) - sent
    if sent:
        told = f"Repair: {sent:,} {'record goes' if sent == 1 else 'records go'} out again as the ERP has them."
    elif unfinished:
        told = "Repair:"
    else:
        told = "Repair: there is nothing that sending the ERP's values again would mend."
    if unfinished:
        told += f" {unfinished:,} of an earlier repair, which did not end, {'goes' if unfinished == 1 else 'go'} out now."
    if left:
        told += f" {left:,} more that are wrong have to be mended otherwise; what to do is said with each."
    stdout.print(told, markup=False)


def print_repairs(repairs: Sequence[Repair], flow: str) -> None:
    """What was sent to each table, what came of it, and what becomes of the rest."""
    if not repairs:
        return
    print_table(
        "Repaired",
        ["destination", "entity", "company", "sent", "put back", "refused", "as it was", "problem"],
        [
            [
                one.destination,
                one.entity,
                one.company,
                one.sent + one.resumed,
                one.counts.written,
                one.counts.rejected,
                one.counts.unchanged,
                one.error,
            ]
            for one in repairs
        ],
    )
    waiting = sum(one.waiting for one in repairs)
    if waiting:
        stdout.print(
            f"{waiting:,} {'record is' if waiting == 1 else 'records are'} staged and did not arrive. Nothing is lost: "
            f"`ml-connector replay {flow}` sends {'it' if waiting == 1 else 'them'}, and so does the next delivery of the "
            "flow.",
            markup=False,
        )


def as_json_of(one: Comparison, repairs: Sequence[Repair]) -> dict[str, Any]:
    """How many records of a table a repair would send, and what became of those that were."""
    done = one.done
    own = [
        repair
        for repair in repairs
        if (repair.destination, repair.entity, repair.company)
        == (done.destination, done.entity, done.company)
    ]
    return {
        "restorable": len(one.restorable),
        "repairs": [
            {
                "sent": repair.sent,
                "resumed": repair.resumed,
                "waiting": repair.waiting,
                "put_back": repair.counts.written,
                "rejected": repair.counts.rejected,
                "unchanged": repair.counts.unchanged,
                "error": repair.error,
            }
            for repair in own
        ],
    }
