"""A destination that takes record by record: the engine between batches and an application.

An unchanged record costs no call: what the application accepted last is in the ledger. Nothing is kept here.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import pyarrow as pa

from ml_connector_dagster.destinations.applications.changes import (
    Pending,
    as_sent,
    landed,
    refused,
)
from ml_connector_dagster.destinations.applications.checks import mapping_problems
from ml_connector_dagster.destinations.applications.contract import (
    Application,
    Found,
    ObjectFacts,
)
from ml_connector_dagster.destinations.applications.diffs import Decision, Judge, find_parents
from ml_connector_dagster.destinations.applications.drafts import Draft, draft
from ml_connector_dagster.destinations.applications.incoming import newest_rows
from ml_connector_dagster.destinations.applications.inspections import facts_of, found_rows
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.applications.state import RemoteRecords
from ml_connector_dagster.destinations.applications.writing import Writer, accepted
from ml_connector_dagster.destinations.contract import (
    HISTORY_COLUMNS,
    RECEIPT_SCHEMA,
    Scope,
    TableFacts,
)
from ml_connector_dagster.model.batches import Batch, StagedBatch
from ml_connector_dagster.model.capabilities import Capabilities, Support, WriteMode
from ml_connector_dagster.model.entities import ENTITIES, Entity
from ml_connector_dagster.model.errors import ConfigError
from ml_connector_dagster.model.receipts import (
    DeliveryReport,
    Outcome,
    OutcomeCounts,
    RejectedRecord,
)
from ml_connector_dagster.model.remote_records import RemoteRecord, RemoteState


CAPABILITIES: Final = Capabilities(
    write_modes=frozenset(WriteMode),
    history=Support.UNSUPPORTED,
    audit=Support.UNSUPPORTED,
    schema_evolution=Support.UNSUPPORTED,
)


def go_on(point: str) -> None:
    """The default of ``checkpoint``: nobody dies."""


class ApplicationDestination:
    """Batches into an application.

    Args:
        mapped: how an entity stands there; raises ConfigError when it does not.
        companions: what else is made of an entity's rows (``model.companions``).
        checkpoint: called between any two writes, for tests to crash there.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        name: str,
        application: Application,
        records: RemoteRecords,
        mapped: Callable[[str], Mapped],
        *,
        companions: Callable[[str], tuple[str, ...]] = lambda entity: (),
        now: Callable[[], datetime],
        checkpoint: Callable[[str], None] = go_on,
    ) -> None:
        self.name = name
        self.application = application
        self._records = records
        self._mapped = mapped
        self._companions = companions
        self._now = now
        self._checkpoint = checkpoint
        self._facts: dict[str, ObjectFacts] = {}

    def prepare(self, entity: Entity) -> None:
        """Hold the mapping against the application's metadata. Raises ConfigError with every problem.

        Nothing is made: that takes more rights than a delivery should have (``ml-connector setup``).
        """
        for mapped in self.all_mapped(entity):
            self.checked(mapped)

    def checked(self, mapped: Mapped) -> ObjectFacts:
        """The object that ``mapped`` writes to, asked for once. Raises ConfigError with every problem."""
        known = self._facts.get(mapped.entity.name)
        if known is not None:
            return known
        name = mapped.placement.object
        facts = self.application.structure.describe([name]).get(name)
        problems = list(mapping_problems(mapped, facts))
        if problems or facts is None:
            raise ConfigError(
                "\n".join(
                    (
                        f"the mapping does not fit {self.name}:",
                        *(f"- {problem}" for problem in problems),
                        f"ml-connector setup {self.name} makes what is missing, or says how to",
                    )
                )
            )
        self._facts[mapped.entity.name] = facts
        return facts

    def deliver(self, entity: Entity, staged: StagedBatch, mode: WriteMode) -> DeliveryReport:
        """The report is on the entity's own records; what its companions were refused for is in it, too."""
        before = self.application.target.usage().requests
        delivered_at = self._now()
        own, *companions = self.all_mapped(entity)
        outcomes: Counter[str] = Counter()
        receipts: list[dict[str, object]] = []
        rejected: dict[str, RejectedRecord] = {}

        def reject(one: Decision, reason: str) -> None:
            record_id = one.draft.record_id
            rejected[record_id] = RejectedRecord(record_id=record_id, reason=reason)
            receipts.append(
                _receipt(entity, replace(one, reason=reason), staged.batch, delivered_at)
            )

        for one in self._deliver(own, staged, mode):
            outcomes[one.outcome.value] += 1
            if one.outcome is Outcome.REJECTED:
                reject(one, one.reason)
            elif one.outcome is not Outcome.UNCHANGED:
                receipts.append(_receipt(entity, one, staged.batch, delivered_at))
        for mapped in companions:
            for one in self._deliver(mapped, staged, mode):
                if one.outcome is Outcome.REJECTED and one.draft.record_id not in rejected:
                    reject(one, f"{mapped.placement.object}: {one.reason}")
        return DeliveryReport(
            counts=OutcomeCounts(**outcomes),
            rejected=tuple(rejected.values()),
            receipts=self._write_receipts(staged, receipts),
            requests=self.application.target.usage().requests - before,
        )

    def _deliver(self, mapped: Mapped, staged: StagedBatch, mode: WriteMode) -> Iterator[Decision]:
        with self._records.deliver_alone(self.name, mapped.entity.name):
            writer = Writer(
                target=self.application.target,
                settle=self.application.settle,
                records=self._records,
                destination=self.name,
                mapped=mapped,
                checkpoint=self._checkpoint,
            )
            yield from self._applied(writer, staged, mode, writer.resume())

    def decisions(
        self,
        mapped: Mapped,
        staged: StagedBatch,
        expected: Mapping[str, Collection[str]] | None = None,
        *,
        mode: WriteMode = WriteMode.UPSERT,
    ) -> Iterator[list[Decision]]:
        """What each slice of a batch comes to. ``expected`` parents count as there.

        Nothing is asked of the application, but for a repair: whether what was archived is there again.
        """
        for rows in newest_rows(staged, mapped):
            drafts = [draft(mapped, row) for row in rows]
            known = self._records.remote_records(
                self.name, mapped.entity.name, [one.record_id for one in drafts]
            )
            judge = Judge(
                mapped=mapped,
                destination=self.name,
                batch_id=staged.batch.batch_id,
                archives=self.application.archives,
                mode=mode,
                parents=find_parents(self._records, self.name, mapped, drafts, expected),
                brought_back=self._brought_back(mapped, drafts, known, mode),
            )
            yield [judge.decide(one, known.get(one.record_id)) for one in drafts]

    def _brought_back(
        self,
        mapped: Mapped,
        drafts: Sequence[Draft],
        known: Mapping[str, RemoteRecord],
        mode: WriteMode,
    ) -> dict[str, str]:
        """External id → remote id of records that the ledger says are not there, and that are."""
        away = [
            one.external_id
            for one in drafts
            if (held := known.get(one.record_id)) is None or held.state is not RemoteState.LIVE
        ]
        if mode is not WriteMode.RESTORE or not self.application.archives or not away:
            return {}
        found = self.application.target.find(mapped.placement, external_ids=away, prefix="")
        return {one.external_id: one.remote_id for one in found}

    def prepared(self, mapped: Mapped, decisions: Sequence[Decision]) -> list[Decision | Pending]:
        """Writes as they would be sent. One that the application's metadata rules out becomes a refusal."""
        if not any(one.write for one in decisions):
            return list(decisions)
        facts = self.checked(mapped)
        return [as_sent(mapped, facts, one) for one in decisions]

    def _applied(
        self, writer: Writer, staged: StagedBatch, mode: WriteMode, seen: Mapping[str, Found]
    ) -> Iterator[Decision]:
        """Every decision with its outcome, once it is written down."""
        for decisions in self.decisions(writer.mapped, staged, mode=mode):
            prepared = self.prepared(writer.mapped, decisions)
            pending = [one for one in prepared if isinstance(one, Pending)]
            there = [one for one in pending if landed(one, seen)]
            at_once = [
                one.remember
                for one in prepared
                if isinstance(one, Decision) and one.remember is not None
            ]
            at_once += [
                accepted(one.decision.remember, one.change.remote_id)
                for one in there
                if one.decision.remember is not None
            ]
            if at_once:
                self._checkpoint("before unchanged")
                self._records.put_remote_records(self.name, writer.mapped.entity.name, at_once)
            known = {one.change.external_id for one in there}
            unsent = [one for one in pending if one.change.external_id not in known]
            answers = writer.write(unsent, staged.batch.batch_id) if unsent else None
            for one in prepared:
                decision = one if isinstance(one, Decision) else one.decision
                record_id = decision.draft.record_id
                if answers is not None and record_id in answers.rejected:
                    yield refused(decision, answers.rejected[record_id])
                elif answers is not None and record_id in answers.accepted:
                    yield replace(decision, remote_id=answers.accepted[record_id])
                else:
                    yield decision

    def _write_receipts(
        self, staged: StagedBatch, receipts: Sequence[Mapping[str, object]]
    ) -> str | None:
        if not receipts:
            return None
        return staged.write_receipts(
            self.name, pa.Table.from_pylist(list(receipts), schema=RECEIPT_SCHEMA)
        )

    def inspect(self, entity: Entity, scope: Scope) -> TableFacts:
        """Counted by the application itself, but for archived records, which it does not count."""
        return facts_of(
            self.application.census, self._records, self.name, self._mapped(entity.name), scope
        )

    def rows(self, entity: Entity, scope: Scope, limit: int | None = None) -> pa.Table:
        """The fields as the application holds them, as text, by ``record_id``."""
        return found_rows(self.application.target, self._mapped(entity.name), scope, limit)

    def history(self, entity: Entity, record_id: str) -> pa.Table:
        replaced_at, replaced_by = HISTORY_COLUMNS
        return pa.table(
            {
                "record_id": pa.array([], pa.string()),
                replaced_at: pa.array([], pa.timestamp("us", "UTC")),
                replaced_by: pa.array([], pa.string()),
            }
        )

    def audit(self, entity: Entity, record_id: str) -> pa.Table:
        return RECEIPT_SCHEMA.empty_table()

    def table_name(self, entity: Entity, company: str) -> str:
        return self._mapped(entity.name).placement.object

    def address(self, entity: Entity) -> str:
        """Where a person sees the object; "" before anything was written, since nothing is asked for it."""
        facts = self._facts.get(entity.name)
        return "" if facts is None else facts.url

    def parents(self, entity: Entity) -> tuple[str, ...]:
        """The entities that ``entity`` links to, directly or through others, in the canonical order."""
        found: set[str] = set()
        waiting = [entity.name]
        while waiting:
            links = self._mapped(waiting.pop()).parents.values()
            new = {parent.reference.entity for parent in links} - found
            found |= new
            waiting += new
        return tuple(name for name in ENTITIES if name in found and name != entity.name)

    def all_mapped(self, entity: Entity) -> tuple[Mapped, ...]:
        """Like ``mapped``, and then what else is made of the entity's rows."""
        return tuple(self._mapped(name) for name in (entity.name, *self._companions(entity.name)))

    def mapped(self, entity: Entity) -> Mapped:
        """How ``entity`` stands in the application; raises ConfigError when it does not."""
        return self._mapped(entity.name)

    def close(self) -> None:
        self.application.close()


def _receipt(
    entity: Entity, decision: Decision, batch: Batch, delivered_at: datetime
) -> dict[str, object]:
    return {
        "record_id": decision.draft.record_id,
        "entity": entity.name,
        "outcome": decision.outcome.value,
        "reason": decision.reason or None,
        "remote_id": decision.remote_id or None,
        "batch_id": batch.batch_id,
        "run_id": batch.run_id,
        "delivered_at": delivered_at,
    }
