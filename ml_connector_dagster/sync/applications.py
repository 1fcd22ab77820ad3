"""Verbs that only applications know: what a delivery would do, and what a system lacks for its mappings."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.destinations.applications.contract import Application, Budget
from ml_connector_dagster.destinations.applications.destination import ApplicationDestination
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.applications.previews import Preview, preview
from ml_connector_dagster.destinations.applications.structures import (
    Gap,
    find_gaps,
    wanted_shapes,
)
from ml_connector_dagster.destinations.registry import mapping_of
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.companions import COMPANIONS
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, CredentialError
from ml_connector_dagster.sync.corrections import corrected
from ml_connector_dagster.sync.reviews import find_review, newest_slices, with_derived
from ml_connector_dagster.sync.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPreview:
    """What is pending for one destination. ``budgets`` are the application's, as far as it has told them."""

    destination: str
    entities: tuple[Preview, ...]
    budgets: tuple[Budget, ...]


def preview_delivery(
    workspace: Workspace, flow: Flow, target: FlowDestination, *, entities: Sequence[str] = ()
) -> FlowPreview:
    """What delivering all that ``target`` lacks would do; nothing is written, here or there.

    Raises ConfigError when ``target`` is no application, or its mapping does not fit.
    """
    chosen = [name for name in ENTITIES if name in (entities or flow.entities)]
    previews: list[Preview] = []
    expected: dict[str, frozenset[str]] = {}
    with workspace.destination(target) as destination:
        if not isinstance(destination, ApplicationDestination):
            raise ConfigError(
                f"{target.name} is a warehouse, which compares by itself: nothing is known before it is done. A dry run "
                "is for applications: name one with --destination"
            )
        for name in chosen:
            all_mapped = destination.all_mapped(ENTITIES[name])
            with (
                with_derived(
                    workspace, all_mapped[0], tenant=flow.source, companies=flow.companies
                ) as derive,
                _to_decide_on(workspace, flow, target, all_mapped) as found,
            ):
                for mapped in all_mapped:
                    one = preview(destination, mapped.entity, map(derive, found), expected)
                    expected[mapped.entity.name] = one.present
                    previews.append(one)
        budgets = destination.application.target.usage().budgets
    return FlowPreview(destination=target.name, entities=tuple(previews), budgets=budgets)


@contextmanager
def _to_decide_on(
    workspace: Workspace, flow: Flow, target: FlowDestination, all_mapped: Sequence[Mapped]
) -> Iterator[list[StagedBatch]]:
    """What is pending, then what has to be looked at again: which a delivery would stage, and a preview does not."""
    pending = workspace.ledger.pending(
        destination=target.name,
        tenant=flow.source,
        entity=all_mapped[0].entity.name,
        companies=flow.companies,
    )
    found: list[StagedBatch] = []
    with ExitStack() as stack:
        for batch in pending:
            correction = corrected(workspace.ledger, workspace.staging, batch, target.name)
            found.append(stack.enter_context(correction).staged)
        for company in flow.companies:
            review = find_review(
                workspace, all_mapped, target.name, tenant=flow.source, company=company
            )
            for rows, carrier in newest_slices(workspace, review):
                staged = replace(carrier, batch_id="", rows=rows.num_rows)
                found.append(Unstaged(batch=staged, rows=rows))
        yield found


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstaged:
    """Rows as a batch that is on no disk: for looking at them only."""

    batch: Batch
    rows: pa.Table

    @property
    def files(self) -> tuple[str, ...]:
        return ()

    def reader(self) -> pa.RecordBatchReader:
        return self.rows.to_reader()

    def write_receipts(self, destination: str, receipts: pa.Table | pa.RecordBatchReader) -> str:
        raise TypeError("a preview has no receipts")


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupReport:
    """What a connection lacked. ``made`` says what was made; ``by_hand`` is for a person, when rights lack."""

    gaps: tuple[Gap, ...]
    made: tuple[str, ...] = ()
    by_hand: str = ""


def set_up(workspace: Workspace, connection: str, *, dry_run: bool) -> SetupReport:
    """Find what the flows' mappings miss at ``connection`` and, without ``dry_run``, make it.

    Raises ConfigError when the connection is no application, or no flow delivers to it.
    """
    mapped = mapped_entities(workspace, connection)
    if not mapped:
        raise ConfigError(
            f"no flow delivers to {connection!r}; name it in the destinations of a flow first, so that its mapping says "
            "what is needed"
        )
    with opened_application(workspace, connection) as application:
        gaps = [
            gap for gap in find_gaps(application.structure, wanted_shapes(mapped)) if gap.missing
        ]
        if dry_run or not gaps:
            return SetupReport(gaps=tuple(gaps))
        made: list[str] = []
        for gap in gaps:
            try:
                application.structure.create(gap.wanted)
            except CredentialError as error:
                left = [one.wanted for one in gaps[gaps.index(gap) :]]
                text = application.structure.by_hand(left)
                return SetupReport(gaps=tuple(gaps), made=tuple(made), by_hand=f"{error}\n\n{text}")
            made.extend(gap.missing)
    return SetupReport(gaps=tuple(gaps), made=tuple(made))


def mapped_entities(workspace: Workspace, connection: str) -> list[Mapped]:
    """How each entity that any flow delivers to ``connection`` stands there, in the canonical order; then companions."""
    model = workspace.application_connection(connection)
    found: dict[str, Mapped] = {}
    for flow in workspace.project.flows.values():
        for target in flow.destinations:
            if target.connection == connection:
                mapping = mapping_of(model, target)
                companions = tuple(name for name in target.mapping if name in COMPANIONS)
                found.update({name: mapping(name) for name in (*flow.entities, *companions)})
    return [found[name] for name in (*ENTITIES, *COMPANIONS) if name in found]


@contextmanager
def opened_application(workspace: Workspace, connection: str) -> Iterator[Application]:
    """The application behind ``connection``, closed at the end of the block."""
    application = workspace.application(connection)
    try:
        yield application
    finally:
        application.close()
