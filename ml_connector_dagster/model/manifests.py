"""A batch as JSON text: its ``manifest.json`` in staging and its row in the ledger. Nothing of a batch is lost in it.

Times keep their offset from UTC but not the name of their zone: an instant and its local date survive, daylight
saving beyond them does not.
"""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.windows import Window


#: Written into every manifest; grows when the meaning of a field changes.
MANIFEST_VERSION: Final = 1


def manifest_text(batch: Batch, *, indent: int | None = None) -> str:
    """``batch`` as JSON, the same text for the same batch."""
    window = batch.window
    fields: dict[str, Any] = {
        "manifest": MANIFEST_VERSION,
        "batch_id": batch.batch_id,
        "run_id": batch.run_id,
        "tenant": batch.tenant,
        "entity": batch.entity,
        "company": batch.company,
        "window": {
            "start": None if window.start is None else window.start.isoformat(),
            "end": window.end.isoformat(),
        },
        "route": batch.route,
        "path": batch.path,
        "parts": list(batch.parts),
        "started_at": batch.started_at.isoformat(),
        "finished_at": batch.finished_at.isoformat(),
        "rows": batch.rows,
        "bytes": batch.bytes,
        "requests": batch.requests,
        "rejected_cells": batch.rejected_cells,
        "dead_letters": batch.dead_letters,
        "rows_by_day": dict(sorted(batch.rows_by_day.items())),
        "control_totals": {
            name: format(total, "f") for name, total in batch.control_totals.items()
        },
        "schema": dict(batch.schema),
        "for_destination": batch.for_destination,
    }
    return json.dumps(fields, ensure_ascii=False, indent=indent)


def batch_of_manifest(text: str) -> Batch:
    """The batch that ``manifest_text`` was given. Raises ValueError when ``text`` is no manifest of a known version."""
    try:
        fields = json.loads(text)
        if fields["manifest"] != MANIFEST_VERSION:
            raise ValueError(
                f"this manifest has version {fields['manifest']!r}, this version of ml_connector_dagster "
                f"reads {MANIFEST_VERSION}; upgrade it"
            )
        window = fields["window"]
        return Batch(
            batch_id=fields["batch_id"],
            run_id=fields["run_id"],
            tenant=fields["tenant"],
            entity=fields["entity"],
            company=fields["company"],
            window=Window(
                start=_moment(window["start"]), end=datetime.fromisoformat(window["end"])
            ),
            route=fields["route"],
            path=fields["path"],
            parts=tuple(fields["parts"]),
            started_at=datetime.fromisoformat(fields["started_at"]),
            finished_at=datetime.fromisoformat(fields["finished_at"]),
            rows=fields["rows"],
            bytes=fields["bytes"],
            requests=fields["requests"],
            rejected_cells=fields["rejected_cells"],
            dead_letters=fields["dead_letters"],
            rows_by_day=fields["rows_by_day"],
            control_totals={name: Decimal(text) for name, text in fields["control_totals"].items()},
            schema=fields["schema"],
            for_destination=fields["for_destination"],
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"this is not the manifest of a batch ({error!r}): {text[:80]!r}"
        ) from error


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
