"""``ml-connector trace``: one record's whole story."""

from collections.abc import Sequence
from datetime import UTC
from typing import Annotated

import typer

from ml_connector_dagster.cli.output import plain_row, print_json, print_table, stdout
from ml_connector_dagster.config.settings import read_settings
from ml_connector_dagster.sync.trace import Story, TraceEvent
from ml_connector_dagster.sync.trace import trace as trace_record
from ml_connector_dagster.sync.workspace import Workspace


def trace(
    record_id: Annotated[str, typer.Argument(help="tenant/company/key, e.g. acme/100/10001.")],
    entity: Annotated[
        str | None, typer.Option(help="Look in this entity only, e.g. suppliers.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show when a record was read, where it was sent and what was answered; --json names the batches, too."""
    with Workspace.open(read_settings()) as workspace:
        stories = trace_record(workspace, record_id, entity=entity)
    if as_json:
        print_json([_document(story) for story in stories])
    elif not stories:
        stdout.print(
            f"No batch holds {record_id!r}. Was it read yet? Is the key as the ERP writes it? "
            "A '/' inside a key is written %2F."
        )
    else:
        for story in stories:
            _print(story)
    if not stories:
        raise typer.Exit(1)


def _document(story: Story) -> dict[str, object]:
    return {
        "entity": story.entity,
        "record_id": story.record_id,
        "events": [
            {
                "at": event.at,
                "what": event.what,
                "where": event.where,
                "outcome": event.outcome,
                "batch_id": event.batch_id,
                "run_id": event.run_id,
                "remote_id": event.remote_id,
                "detail": event.detail,
                "changes": event.changes,
            }
            for event in story.events
        ],
        "current": plain_row(story.current),
    }


def _print(story: Story) -> None:
    print_events(f"{story.entity} {story.record_id}", story.events)
    print_table("Newest version", ["column", "value"], list(plain_row(story.current).items()))


def print_events(title: str, events: Sequence[TraceEvent]) -> None:
    """A trail, oldest first. Ids of batches are left to ``--json``: with them no window is wide enough."""
    print_table(
        title,
        ["at (UTC)", "what", "where", "outcome", "run", "detail"],
        [
            [
                f"{event.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                event.what,
                event.where,
                event.outcome,
                _short(event.run_id),
                _detail(event),
            ]
            for event in events
        ],
    )


def _short(run_id: str) -> str:
    """As the Dagster UI shows it; of a command's own id, the part that tells it from others."""
    return f"cli {run_id[-10:]}" if run_id.startswith("cli-") else run_id[:8]


def _detail(event: TraceEvent) -> str:
    changes = [f"{name}: {old!s} → {new!s}" for name, (old, new) in (event.changes or {}).items()]
    known_as = f"known there as {event.remote_id}" if event.remote_id else ""
    return "\n".join(part for part in (known_as, event.detail, *changes) if part)
