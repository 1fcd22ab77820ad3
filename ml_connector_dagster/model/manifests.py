"""A batch as JSON text, as it stands in ``manifest.json`` and in the ledger. Decimals are text, moments ISO 8601."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.windows import Window


def to_manifest(batch: Batch) -> str:
    """``batch`` as a JSON object with sorted keys."""
    window = batch.window
    document: dict[str, Any] = {
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
        "rows_by_day": dict(batch.rows_by_day),
        "control_totals": {name: str(total) for name, total in batch.control_totals.items()},
        "schema": dict(batch.schema),
        "for_destination": batch.for_destination,
    }
    return json.dumps(document, sort_keys=True, ensure_ascii=False)


def from_manifest(text: str) -> Batch:
    """The batch that ``to_manifest`` wrote. Raises KeyError or ValueError for anything else."""
    document = json.loads(text)
    window = document["window"]
    return Batch(
        batch_id=document["batch_id"],
        run_id=document["run_id"],
        tenant=document["tenant"],
        entity=document["entity"],
        company=document["company"],
        window=Window(
            start=None if window["start"] is None else datetime.fromisoformat(window["start"]),
            end=datetime.fromisoformat(window["end"]),
        ),
        route=document["route"],
        path=document["path"],
        parts=tuple(document["parts"]),
        started_at=datetime.fromisoformat(document["started_at"]),
        finished_at=datetime.fromisoformat(document["finished_at"]),
        rows=document["rows"],
        bytes=document["bytes"],
        requests=document["requests"],
        rejected_cells=document["rejected_cells"],
        dead_letters=document["dead_letters"],
        rows_by_day=document["rows_by_day"],
        control_totals={name: Decimal(total) for name, total in document["control_totals"].items()},
        schema=document["schema"],
        for_destination=document["for_destination"],
    )
