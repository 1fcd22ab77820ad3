"""Sending changes so that a crash anywhere loses and doubles nothing.

1. What is about to be sent is written into the ledger (an intent, with the ticket of its sending).
2. It is sent. A job's id is written down before the job gets data.
3. Each answer is written down at once, and ends the intent.

An intent that is left over means that nobody knows. The application is asked: first the job, if there was one, then
for the record itself. Only then is it sent again, under the name that the application has for it by now.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from ml_connector_dagster.destinations.applications.changes import Pending, holds
from ml_connector_dagster.destinations.applications.contract import (
    ChangeKind,
    Found,
    Portion,
    Status,
    Target,
    Ticket,
    Written,
)
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.applications.state import RemoteRecords
from ml_connector_dagster.model.errors import ContractError, OutcomeUnknownError
from ml_connector_dagster.model.remote_records import Intent, RemoteRecord, RemoteState


#: How often a record whose answer is lost is looked up and sent again, before the delivery gives up for now.
ROUNDS: Final = 3


@dataclass(slots=True, kw_only=True)
class Answers:
    """What the application said, by record id."""

    accepted: dict[str, str] = field(default_factory=dict)  # → remote id
    rejected: dict[str, str] = field(default_factory=dict)  # → reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Sends the changes of one entity to one destination.

    ``checkpoint`` is called between any two writes, with a name, for tests to crash there.
    """

    target: Target
    settle: Callable[[], None]
    records: RemoteRecords
    destination: str
    mapped: Mapped
    checkpoint: Callable[[str], None]

    def resume(self) -> Mapping[str, Found]:
        """Find out what became of the writes that an earlier attempt left without an answer.

        Answers what the application has of those that it took without a job: record id → as found there. What the
        ledger then says of them is that they are there, with a content that is not known.
        """
        intents = self.records.intents(self.destination, self.mapped.entity.name)
        if not intents:
            return {}
        left = self._collect_jobs(intents)
        return self._look_up(left) if left else {}

    def write(self, pending: Sequence[Pending], batch_id: str) -> Answers:
        """Send ``pending``. Raises OutcomeUnknownError when answers stay lost; what was answered is written down."""
        answers = Answers()
        left = {one.change.external_id: one for one in pending}
        for _ in range(ROUNDS):
            for portion in self.target.plan(
                self.mapped.placement, [one.change for one in left.values()]
            ):
                for external_id in self._send(portion, left, batch_id, answers):
                    del left[external_id]
            if not left:
                return answers
            left = {one.change.external_id: one for one in self._looked_up(left, answers)}
            if not left:
                return answers
        raise OutcomeUnknownError(
            f"{self.destination}: the answers for {len(left):,} of {self.mapped.entity.name} were lost {ROUNDS} times, "
            f"the first is {next(iter(left))!r}; the next delivery looks them up before it sends them again"
        )

    def _send(
        self, portion: Portion, left: dict[str, Pending], batch_id: str, answers: Answers
    ) -> list[str]:
        """Send one portion; answers the external ids that need no more sending."""
        entity = self.mapped.entity.name
        sent = [left[change.external_id] for change in portion.changes]
        ticket = ticket_id(batch_id, entity, sent)
        self.checkpoint("before intents")
        self.records.put_intents(self.destination, entity, list(_intents(ticket, sent)))
        self.checkpoint("after intents")
        jobs: list[str] = []

        def remember(job_id: str) -> None:
            jobs.append(job_id)
            self.checkpoint("before job")
            self.records.put_job(self.destination, entity, ticket, job_id)
            self.checkpoint("after job")

        done: list[str] = []
        for written in self.target.write(
            self.mapped.placement, portion, Ticket(id=ticket, remember=remember)
        ):
            self.checkpoint("before answers")
            done += self._settle(written, left, answers)
            self.checkpoint("after answers")
        if jobs:
            self.records.end_job(self.destination, entity, ticket)
        return done

    def _settle(
        self, written: Sequence[Written], left: dict[str, Pending], answers: Answers
    ) -> list[str]:
        """Write down one call's answers; answers the external ids that are done with."""
        remembered: list[RemoteRecord] = []
        answered: list[str] = []
        done: list[str] = []
        for one in written:
            if one.status is Status.UNKNOWN:
                continue
            if one.external_id not in left:
                raise ContractError(
                    f"{self.destination} answered for {one.external_id!r}, which was not sent in this portion"
                )
            decision = left[one.external_id].decision
            record_id = decision.draft.record_id
            answered.append(record_id)
            if one.status is Status.GONE:
                left[one.external_id] = _anew(left[one.external_id])
                continue
            done.append(one.external_id)
            if one.status is Status.REJECTED:
                answers.rejected[record_id] = one.reason
            elif decision.remember is not None:
                record = accepted(decision.remember, one.remote_id)
                remembered.append(record)
                answers.accepted[record_id] = record.remote_id
        self.records.put_remote_records(
            self.destination, self.mapped.entity.name, remembered, answered=answered
        )
        return done

    def _looked_up(self, left: Mapping[str, Pending], answers: Answers) -> list[Pending]:
        """Of what has no answer: what is there is accepted, or an update from now on; the rest is as it was."""
        found = self._found(list(left))
        again: list[Pending] = []
        settled: list[RemoteRecord] = []
        for external_id, one in left.items():
            there = found.get(external_id)
            remember = one.decision.remember
            if remember is None:  # every write has something to remember
                continue
            if one.change.kind is ChangeKind.ARCHIVE:
                landed = there is None
            else:
                landed = there is not None and holds(there, one.change)
            if landed:
                settled.append(accepted(remember, "" if there is None else there.remote_id))
            elif there is not None and one.change.kind is ChangeKind.CREATE:
                change = replace(one.change, kind=ChangeKind.UPDATE, remote_id=there.remote_id)
                again.append(replace(one, change=change))
            else:
                again.append(one)
        self.records.put_remote_records(
            self.destination,
            self.mapped.entity.name,
            settled,
            answered=[record.record_id for record in settled],
        )
        answers.accepted.update({record.record_id: record.remote_id for record in settled})
        return again

    def _collect_jobs(self, intents: Sequence[Intent]) -> list[Intent]:
        """Wait for the jobs that earlier attempts started; answers the intents that stay without an answer."""
        entity = self.mapped.entity.name
        jobs = self.records.jobs(self.destination, entity)
        by_external = {intent.accepted.external_id: intent for intent in intents}
        for ticket, job_id in jobs.items():
            ids = [i.accepted.external_id for i in intents if i.ticket == ticket]
            if ids:
                for written in self.target.collect(self.mapped.placement, job_id, ids):
                    self.checkpoint("before collected")
                    self._settle_collected(written, by_external)
                    self.checkpoint("after collected")
            self.records.end_job(self.destination, entity, ticket)
        return list(by_external.values())

    def _settle_collected(self, written: Iterable[Written], by_external: dict[str, Intent]) -> None:
        """What a job refused is simply sent again by its batch, and then refused with its reason."""
        remembered: list[RemoteRecord] = []
        answered: list[str] = []
        for one in written:
            if one.status is Status.UNKNOWN:
                continue
            intent = by_external.pop(one.external_id, None)
            if intent is None:
                continue
            answered.append(intent.accepted.record_id)
            if one.status is Status.ACCEPTED:
                remembered.append(accepted(intent.accepted, one.remote_id))
        self.records.put_remote_records(
            self.destination, self.mapped.entity.name, remembered, answered=answered
        )

    def _look_up(self, intents: Sequence[Intent]) -> dict[str, Found]:
        found = self._found([intent.accepted.external_id for intent in intents])
        there: dict[str, Found] = {}
        remembered: list[RemoteRecord] = []
        for intent in intents:
            one, record = found.get(intent.accepted.external_id), intent.accepted
            if record.state is RemoteState.ARCHIVED:
                if one is None:
                    remembered.append(accepted(record, ""))
            elif one is not None:
                there[record.record_id] = one
                remembered.append(replace(record, remote_id=one.remote_id, row_hash=""))
        self.checkpoint("before looked up")
        self.records.put_remote_records(
            self.destination,
            self.mapped.entity.name,
            remembered,
            answered=[intent.accepted.record_id for intent in intents],
        )
        self.checkpoint("after looked up")
        return there

    def _found(self, external_ids: Sequence[str]) -> dict[str, Found]:
        """What the application has of these. Of several with one key the first counts, which is the oldest."""
        found: dict[str, Found] = {}
        self.settle()
        for one in self.target.find(self.mapped.placement, external_ids=external_ids, prefix=""):
            found.setdefault(one.external_id, one)
        return found


def ticket_id(batch_id: str, entity: str, sent: Sequence[Pending]) -> str:
    """Of one sending: the same for the same batch and the same changes, and for nothing else.

    The batch takes part: a value that goes A, B, A within the life of an idempotency key is written three times.
    """
    digest = sha256(repr((batch_id, entity)).encode())
    for one in sent:
        change = one.change
        content = one.decision.draft.content
        digest.update(
            repr((change.kind.value, change.external_id, change.remote_id, content)).encode()
        )
    return digest.hexdigest()[:32]


def accepted(record: RemoteRecord, remote_id: str) -> RemoteRecord:
    """``record`` as the application calls it; an archived one has no name any more."""
    archived = record.state is RemoteState.ARCHIVED
    return replace(record, remote_id="" if archived else remote_id or record.remote_id)


def _intents(ticket: str, sent: Sequence[Pending]) -> Iterable[Intent]:
    for position, one in enumerate(sent):
        if one.decision.remember is not None:
            yield Intent(ticket=ticket, position=position, accepted=one.decision.remember)


def _anew(one: Pending) -> Pending:
    """The application has lost the record that we knew: it is created again. An archived one stays lost."""
    if one.change.kind is ChangeKind.ARCHIVE:
        return one
    return replace(one, change=replace(one.change, kind=ChangeKind.CREATE, remote_id=""))
