"""Take the business object documents that have arrived, into the same entities and batches as what is read.

A file is moved only after what it said is committed: whatever dies, it is taken again, and then it is known already.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa

from ml_connector_dagster.cloudsuite.bods.documents import Document, read_document
from ml_connector_dagster.cloudsuite.bods.nouns import Noun, load_nouns
from ml_connector_dagster.cloudsuite.bods.xml import MAX_BYTES
from ml_connector_dagster.columns.marks import carried_by
from ml_connector_dagster.config.intakes import DocumentIntake
from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.credentials.redaction import redact
from ml_connector_dagster.model.batches import Batch
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.errors import ConfigError, RejectedError
from ml_connector_dagster.model.receipts import RAW_LIMIT, NewDeadLetter, Stage
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.document_rows import Origin, rows_of, unreadable
from ml_connector_dagster.sync.flows import PendingResult, deliver_pending
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.versions import newest_rows
from ml_connector_dagster.sync.workspace import Workspace


#: Files of one transaction; when more have arrived, they are taken in turns.
PORTION: Final = 2_000

DONE: Final = "done"
REJECTED: Final = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A document that cannot be used."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What became of the documents. ``outdated``: a version at least as new was taken before."""

    taken: int = 0
    outdated: int = 0
    refused: tuple[Refusal, ...] = ()
    batches: tuple[Batch, ...] = ()

    def __add__(self, other: "Intake") -> "Intake":
        return Intake(
            taken=self.taken + other.taken,
            outdated=self.outdated + other.outdated,
            refused=self.refused + other.refused,
            batches=self.batches + other.batches,
        )


@dataclass(frozen=True, slots=True)
class _Arrived:
    file: Path
    document: Document


def waiting(intake: DocumentIntake) -> list[Path]:
    """Documents that have arrived, by name. A file that is still being written has another ending, or a dot in front."""
    if not intake.folder.is_dir():
        return []
    return sorted(path for path in intake.folder.glob("*.xml") if not path.name.startswith("."))


def take_documents(workspace: Workspace, tenant: str, *, run_id: str) -> Intake:
    """Stage all that has arrived for ``tenant``. Raises ConfigError when it takes no documents."""
    intake = workspace.cloudsuite(tenant).bods
    if intake is None:
        raise ConfigError(f"{tenant} takes no documents; give it bods: with a folder")
    nouns = load_nouns(intake.nouns)
    done = Intake()
    with workspace.ledger.documents.take_alone(tenant):
        while files := waiting(intake)[:PORTION]:
            done += _Portion(
                workspace=workspace, tenant=tenant, intake=intake, nouns=nouns, run_id=run_id
            ).take(files)
    return done


def deliver_documents(
    workspace: Workspace, tenant: str, intake: Intake, *, run_id: str
) -> tuple[PendingResult, ...]:
    """Deliver the entities that ``intake`` brought, in every flow of ``tenant``."""
    entities = {batch.entity for batch in intake.batches}
    results: list[PendingResult] = []
    for flow in _flows(workspace, tenant):
        here = [name for name in flow.entities if name in entities]
        if here:
            results += deliver_pending(
                workspace, flow, flow.destinations, entities=here, run_id=run_id
            )
    return tuple(results)


def _flows(workspace: Workspace, tenant: str) -> list[Flow]:
    return [flow for flow in workspace.project.flows.values() if flow.source == tenant]


@dataclass(slots=True, kw_only=True)
class _Portion:
    """Some files, taken together."""

    workspace: Workspace
    tenant: str
    intake: DocumentIntake
    nouns: Mapping[str, Noun]
    run_id: str
    refused: dict[Path, str] = field(default_factory=dict)
    known: dict[Path, Document] = field(default_factory=dict)

    def take(self, files: Sequence[Path]) -> Intake:
        arrived = self._with_keys(self._read(files))
        fresh = self._fresh(arrived)
        batches = [
            batch
            for entity, company in self._places(fresh)
            for batch in self._stage(entity, company, fresh)
        ]
        self.workspace.ledger.documents.record(
            self.tenant,
            batches=batches,
            variations={
                _key(one): (one.variation, one.message_id)
                for one in fresh
                if one.variation is not None
            },
            letters=[self._letter(file, why) for file, why in self.refused.items()],
            resolved=[one.file.name for one in arrived],
        )
        self._put_away(arrived)
        return Intake(
            taken=len(fresh),
            outdated=len(arrived) - len(fresh),
            refused=tuple(
                Refusal(file=file.name, reason=why) for file, why in self.refused.items()
            ),
            batches=tuple(batches),
        )

    def _read(self, files: Iterable[Path]) -> list[_Arrived]:
        companies = {
            name for flow in _flows(self.workspace, self.tenant) for name in flow.companies
        }
        arrived = []
        for file in files:
            try:
                _refuse_special(file)
                if file.stat().st_size > MAX_BYTES:
                    raise RejectedError(f"the document is larger than {MAX_BYTES:,} bytes")
                document = read_document(file.read_bytes(), self.nouns, self.intake.companies)
                self._check(document, companies)
            except RejectedError as error:
                self.refused[file] = str(error)
            else:
                arrived.append(_Arrived(file, document))
                self.known[file] = document
        return arrived

    def _check(self, document: Document, companies: Collection[str]) -> None:
        if self.intake.tenant_id and document.tenant_id != self.intake.tenant_id:
            raise RejectedError(
                f"the document is of tenant {document.tenant_id!r}, not of {self.intake.tenant_id!r}"
            )
        if document.company not in companies:
            raise RejectedError(
                f"no flow of {self.tenant} has company {document.company!r}; map its accounting entity in bods.companies"
            )

    def _with_keys(self, arrived: list[_Arrived]) -> list[_Arrived]:
        """Those whose records all have keys; the others are refused whole."""
        kept = []
        for one in arrived:
            origin = self._origin(one.document.company)
            bad = [
                why
                for entity in dict.fromkeys(record.entity for record in one.document.records)
                for why in unreadable(entity, [one.document], origin).values()
            ]
            if bad:
                self.refused[one.file] = bad[0]
            else:
                kept.append(one)
        return kept

    def _fresh(self, arrived: Sequence[_Arrived]) -> list[Document]:
        """The documents that are newer than what was taken, in the order of their versions, none twice."""
        documents = [one.document for one in arrived]
        taken = dict(
            self.workspace.ledger.documents.variations(
                self.tenant, {_key(one) for one in documents}
            )
        )
        fresh = []
        for one in sorted(documents, key=lambda one: one.order):
            if one.variation is not None:
                if one.variation <= taken.get(_key(one), -1):
                    continue
                taken[_key(one)] = one.variation
            fresh.append(one)
        return fresh

    def _places(self, documents: Sequence[Document]) -> list[tuple[str, str]]:
        wanted = {name for flow in _flows(self.workspace, self.tenant) for name in flow.entities}
        found = {
            (record.entity, document.company)
            for document in documents
            for record in document.records
        }
        return [
            (entity, company)
            for entity in ENTITIES
            for company in sorted({company for name, company in found if name == entity})
            if entity in wanted
        ]

    def _stage(self, entity: str, company: str, documents: Sequence[Document]) -> list[Batch]:
        def last_known(record_ids: Sequence[str]) -> pa.Table | None:
            rows, carrier = newest_rows(self.workspace, self.tenant, entity, company, record_ids)
            return None if carrier is None else rows

        own = [one for one in documents if one.company == company]
        rows = rows_of(entity, own, self._origin(company), last_known)
        return [
            self._batch(entity, company, table)
            for table in (rows.stored, rows.gone)
            if table.num_rows
        ]

    def _batch(self, entity: str, company: str, rows: pa.Table) -> Batch:
        zone = self.workspace.cloudsuite(self.tenant).zone
        now = self.workspace.now()
        days = [stamp.astimezone(zone).date() for stamp in rows["_modified_at"].to_pylist()]
        with self.workspace.staging.write(
            tenant=self.tenant,
            entity=ENTITIES[entity],
            company=company,
            window=Window.of_days(min(days), max(days), zone),
            batch_id=new_id(now),
            run_id=self.run_id,
            started_at=now,
            timezone=zone,
        ) as writer:
            writer.append(carried_by(rows, writer.batch_id))
            return writer.commit(
                route="documents", finished_at=now, requests=0, rejected_cells=0, dead_letters=0
            )

    def _origin(self, company: str) -> Origin:
        connection = self.workspace.cloudsuite(self.tenant)
        return Origin(
            tenant=self.tenant,
            company=company,
            product_line=connection.product_line,
            zone=connection.zone,
            run_id=self.run_id,
            now=self.workspace.now(),
        )

    def _letter(self, file: Path, reason: str) -> NewDeadLetter:
        document = self.known.get(file)
        return NewDeadLetter(
            stage=Stage.EXTRACT,
            tenant=self.tenant,
            entity="" if document is None else next(iter(self.nouns[document.noun].entities)),
            company="" if document is None else document.company,
            destination="",
            record_id="",
            fingerprint=file.name,
            batch_id="",
            reason=f"document {file.name}: {reason}",
            raw=_head(file),
            window_start=None,
            window_end=None,
        )

    def _put_away(self, arrived: Sequence[_Arrived]) -> None:
        for file, reason in self.refused.items():
            folder = _made(self.intake.folder / REJECTED)
            (folder / f"{file.name}.reason.txt").write_text(f"{redact(reason)}\n", encoding="utf-8")
            os.replace(file, folder / file.name)
        for one in arrived:
            if one.file not in self.refused:
                os.replace(one.file, _made(self.intake.folder / DONE) / one.file.name)


def _key(document: Document) -> tuple[str, str, str]:
    return document.noun, document.company, document.document_id


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _refuse_special(file: Path) -> None:
    """Whoever may put files into the folder may not have us read others by a link, or wait for a pipe for ever."""
    if file.is_symlink() or not file.is_file():
        raise RejectedError("not a file: a link, a folder or a device is not read")


def _head(file: Path) -> str:
    """What a dead letter keeps; the whole document is in the folder of the rejected."""
    if file.is_symlink() or not file.is_file():
        return ""
    with file.open("rb") as content:
        return content.read(RAW_LIMIT).decode("utf-8", "replace")
