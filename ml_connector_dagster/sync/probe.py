"""Has anything changed in the ERP? A look at the first pages of what a run would read; nothing is staged."""

from itertools import islice
from typing import Final

from ml_connector_dagster.cloudsuite.pages import Page
from ml_connector_dagster.columns.shaping import shape
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.flows import ReadMode, window_to_read
from ml_connector_dagster.sync.workspace import Source, Workspace


#: Pages of a chain that are looked at; where there are more, a change is assumed.
PAGES: Final = 10


def changed_entities(
    workspace: Workspace, source: Source, flow: Flow, company: str
) -> tuple[str, ...]:
    """The entities of ``flow`` of which ``company`` has something that is not staged yet.

    A date-only stamp brings back everything of the day each time, so what comes is compared by content with what
    is staged. Asking stops at the first change.
    """
    return tuple(
        entity
        for entity in flow.entities
        if _changed(workspace, source, flow, entity=entity, company=company)
    )


def _changed(
    workspace: Workspace, source: Source, flow: Flow, *, entity: str, company: str
) -> bool:
    if workspace.ledger.watermark(source.tenant, entity, company) is None:
        return True
    window = window_to_read(
        workspace, source, flow, entity=entity, company=company, mode=ReadMode.INCREMENTAL
    )
    for chain in source.line.slices(entity, company, window):
        last = None
        for page in islice(source.line.pages(chain, None), PAGES):
            if _news(workspace, source, page, window, entity=entity, company=company):
                return True
            last = page.position
        if last is not None:
            return True
    return False


def _news(
    workspace: Workspace,
    source: Source,
    page: Page,
    window: Window,
    *,
    entity: str,
    company: str,
) -> bool:
    if not page.records.num_rows:
        return False
    rows = shape(
        page.records,
        source.line.layout(entity),
        tenant=source.tenant,
        company=company,
        batch_id="",
        run_id="",
        extracted_at=page.requested_at,
    ).table
    unseen = set(zip(*(rows[name].to_pylist() for name in ("record_id", "_row_hash")), strict=True))
    batches = workspace.ledger.batches(tenant=source.tenant, entity=entity, company=company)
    # Newest first: what the window shows again was staged by one of the last reads.
    for batch in reversed(batches):
        if not unseen:
            break
        if batch.rows and (window.start is None or batch.finished_at >= window.start):
            found = workspace.staging.find(batch, sorted({record for record, _ in unseen}))
            unseen -= set(
                zip(*(found[name].to_pylist() for name in ("record_id", "_row_hash")), strict=True)
            )
    return bool(unseen)
