"""The ledger's tables as they are now. How they came to be is in ``migrations``; a test holds the two together.

Times are UTC as text of fixed width, so that they sort, read well and mean the same in every database. The budget
is the exception: its times are seconds since 1970 as the callers' clocks tell them, compared to fractions of a second.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    Text,
    TypeDecorator,
    func,
    select,
    text,
)


def utc_text(moment: datetime) -> str:
    """``2026-01-18T12:00:00.000000Z``."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class Moment(TypeDecorator[datetime]):
    """An aware datetime, stored as UTC text."""

    impl = String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time in the ledger needs a zone; got {value.isoformat()}")
        return utc_text(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


metadata = MetaData()


def numbered() -> Column[int]:
    """``id``, which the database counts up. SQLite does so only in a column that is exactly INTEGER."""
    number = BigInteger().with_variant(Integer(), "sqlite")
    return Column("id", number, primary_key=True, autoincrement=True)


def newest_of_each(table: Table, conditions: Iterable[ColumnElement[bool]]) -> Select[Any]:
    """The newest row of each entity and company, by both, among those that meet all ``conditions``."""
    newest = select(func.max(table.c.id)).where(*conditions)
    newest = newest.group_by(table.c.entity, table.c.company)
    return select(table).where(table.c.id.in_(newest)).order_by(table.c.entity, table.c.company)


def _text(name: str, *, null: bool = False, key: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null, primary_key=key)


def _moment(name: str, *, null: bool = False) -> Column[datetime]:
    return Column(name, Moment, nullable=null)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _version_of_record() -> tuple[Column[Any], ...]:
    """Which version of a record an application has, or is about to have."""
    return (
        _text("external_id"),
        _text("version"),
        _moment("modified_at", null=True),
        _moment("extracted_at", null=True),
        _text("state"),
        _text("outcome"),
    )


schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("name"),
    _moment("applied_at"),
)

window_read = Table(
    "window_read",
    metadata,
    numbered(),
    _text("tenant"),
    _text("entity"),
    _text("company"),
    _moment("window_start", null=True),
    _moment("window_end"),
    _text("run_id"),
    _text("state"),
    _text("progress"),  # JSON: slice id → position, null when the slice is done
    _moment("started_at"),
    _moment("ended_at", null=True),
    Index("window_read_scope", "tenant", "entity", "company", "state"),
)

batch = Table(
    "batch",
    metadata,
    _text("batch_id", key=True),
    Column("read_id", BigInteger, nullable=True),  # null for what no read of a window brought
    _text("tenant"),
    _text("entity"),
    _text("company"),
    _moment("window_start", null=True),
    _moment("window_end"),
    _text("for_destination"),
    _text("run_id"),
    _count("row_count"),
    _moment("committed_at"),
    _text("manifest"),
    Index("batch_scope", "tenant", "entity", "company", "batch_id"),
)

watermark = Table(
    "watermark",
    metadata,
    _text("tenant", key=True),
    _text("entity", key=True),
    _text("company", key=True),
    _moment("complete_until"),
    _text("batch_id"),  # the batch that proves it
    _moment("moved_at"),
)

delivery = Table(
    "delivery",
    metadata,
    _text("batch_id", key=True),
    _text("destination", key=True),
    _text("state"),
    _count("attempts"),
    _count("inserted"),
    _count("updated"),
    _count("unchanged"),
    _count("deleted"),
    _count("rejected"),
    _count("unknown"),
    _count("requests"),
    _text("run_id"),
    _moment("started_at"),
    _moment("finished_at", null=True),
    _text("error", null=True),
    _text("receipts", null=True),
    Index("delivery_state", "destination", "state"),
)

remote_record = Table(
    "remote_record",
    metadata,
    _text("destination", key=True),
    _text("entity", key=True),
    _text("record_id", key=True),
    _text("remote_id"),
    _text("row_hash"),
    _text("batch_id"),
    _moment("accepted_at"),
    *_version_of_record(),
)

#: Writes to applications that were sent, or about to be, and have no answer yet.
remote_intent = Table(
    "remote_intent",
    metadata,
    _text("destination", key=True),
    _text("entity", key=True),
    _text("record_id", key=True),
    _text("ticket"),
    _count("position"),
    _text("remote_id"),
    _text("row_hash"),
    _text("batch_id"),
    *_version_of_record(),
)

#: Jobs of applications (bulk loads) that intents wait for.
remote_job = Table(
    "remote_job",
    metadata,
    _text("destination", key=True),
    _text("entity", key=True),
    _text("ticket", key=True),
    _text("job_id"),
    _moment("started_at"),
)

#: Records that have come to an application, or gone from it, until what is part of them was looked at again.
remote_move = Table(
    "remote_move",
    metadata,
    _text("destination", key=True),
    _text("entity", key=True),
    _text("record_id", key=True),
)

#: What the state of an entity at an application reflects: its mapping, batches of other entities.
review_mark = Table(
    "review_mark",
    metadata,
    _text("destination", key=True),
    _text("tenant", key=True),
    _text("entity", key=True),
    _text("company", key=True),
    _text("kind", key=True),
    _text("value", key=True),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    numbered(),
    _text("stage"),
    _text("tenant"),
    _text("entity"),
    _text("company"),
    _text("destination"),
    _text("record_id"),
    _text("fingerprint"),
    _text("batch_id"),
    _text("reason"),
    _text("raw"),
    _moment("window_start", null=True),
    _moment("window_end", null=True),
    _count("attempts"),
    _moment("created_at"),
    _moment("due_at"),
    _moment("resolved_at", null=True),
    Column("read_id", BigInteger, nullable=True),  # the read that saw it last
    # pauses that it has waited for: those that were over in vain, and the one it is in
    Column("waits", BigInteger, nullable=False, server_default=text("1")),
    # The same record is open once: a second process cannot add it again.
    Index(
        "dead_letter_open",
        *("tenant", "entity", "company", "destination", "stage", "fingerprint"),
        unique=True,
        sqlite_where=text("resolved_at IS NULL"),
        postgresql_where=text("resolved_at IS NULL"),
    ),
    Index("dead_letter_record", "record_id"),
)

token = Table(
    "token",
    metadata,
    _text("tenant", key=True),
    Column("value", LargeBinary, nullable=True),  # encrypted; null before the first login
    _moment("obtained_at", null=True),
    _moment("expires_at", null=True),
    _count("generation"),
    _text("holder", null=True),  # who logs in just now
    _moment("leased_until", null=True),
)

budget_call = Table(
    "budget_call",
    metadata,
    _text("tenant", key=True),
    _text("call_id", key=True),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double, nullable=True),  # null while it is in flight
    Index("budget_call_ended", "tenant", "ended_at"),
)

budget_block = Table(
    "budget_block",
    metadata,
    _text("tenant", key=True),
    Column("blocked_until", Double, nullable=False),
)

breaker = Table(
    "breaker",
    metadata,
    _text("tenant", key=True),
    _count("version"),
    _count("failures"),
    _moment("opened_at", null=True),
    _moment("open_until", null=True),
    _moment("probe_until", null=True),
    _text("reason"),
)

#: What a product line has learned about a tenant, like the routes it has: one JSON document per key.
knowledge = Table(
    "knowledge",
    metadata,
    _text("tenant", key=True),
    _text("key", key=True),
    _text("document"),
    _moment("learned_at"),
)

sighting = Table(
    "sighting",
    metadata,
    _text("tenant", key=True),
    _text("entity", key=True),
    _text("company", key=True),
    _text("record_id", key=True),
    _moment("first_missed_at"),
    _count("times_missed"),
)

#: Every key sweep that ended, however it ended.
sweep = Table(
    "sweep",
    metadata,
    numbered(),
    _text("tenant"),
    _text("entity"),
    _text("company"),
    _text("run_id"),
    _text("state"),
    _count("known"),
    _count("seen"),
    _count("missed"),
    _count("marked"),
    _count("returned"),
    _count("requests"),
    _text("reason"),
    _moment("started_at"),
    _moment("ended_at"),
    Index("sweep_scope", "tenant", "entity", "company", "state"),
)

#: Every time a batch was handed to a destination, whatever came of it. ``delivery`` knows only how it ended.
delivery_attempt = Table(
    "delivery_attempt",
    metadata,
    _text("batch_id", key=True),
    _text("destination", key=True),
    Column("attempt", BigInteger, primary_key=True, autoincrement=False),
    _text("state"),
    _text("run_id"),
    _moment("started_at"),
    _moment("ended_at", null=True),
    _text("error", null=True),
)

#: A value that a person gave in place of the ERP's, for one destination. ``base_*`` is the version that it corrects.
edit = Table(
    "edit",
    metadata,
    numbered(),
    Column("letter_id", BigInteger, nullable=False),
    _text("tenant"),
    _text("entity"),
    _text("company"),
    _text("destination"),
    _text("record_id"),
    _text("column_name"),
    _text("erp_value", null=True),
    _text("new_value", null=True),
    _text("base_hash"),
    _moment("base_modified_at", null=True),
    _moment("base_extracted_at"),
    _text("edited_by"),
    _text("reason"),
    _moment("edited_at"),
    _moment("ended_at", null=True),
    _text("end_reason"),
    Index("edit_scope", "destination", "tenant", "entity", "company"),
    Index("edit_record", "record_id"),
)

#: Batches that a clean-up took out of the ledger: their files are removed when nobody can still be reading them.
removed_batch = Table(
    "removed_batch",
    metadata,
    _text("batch_id", key=True),
    _moment("removed_at"),
)

#: Outcomes of deliveries whose batches are gone, added up: what a table must hold never shrinks.
delivery_carried = Table(
    "delivery_carried",
    metadata,
    _text("destination", key=True),
    _text("tenant", key=True),
    _text("entity", key=True),
    _text("company", key=True),
    _count("inserted"),
    _count("updated"),
    _count("unchanged"),
    _count("deleted"),
    _count("rejected"),
    _count("unknown"),
    _count("requests"),
)

#: The variation of the newest business document that was taken for a record.
document_variation = Table(
    "document_variation",
    metadata,
    _text("tenant", key=True),
    _text("noun", key=True),
    _text("company", key=True),
    _text("document_id", key=True),
    _count("variation"),
    _text("message_id"),
    _moment("taken_at"),
)

#: What was foreseen of runs of a flow (``ml-connector plan``).
forecast = Table(
    "forecast",
    metadata,
    _text("forecast_id", key=True),
    _text("tenant"),
    _text("flow"),
    _moment("made_at"),
    _text("document"),
    Index("forecast_flow", "flow", "made_at"),
)

#: Conditions that a person should know of; open while they hold.
alert = Table(
    "alert",
    metadata,
    numbered(),
    _text("kind"),
    _text("subject"),
    _text("message"),
    _text("run_id"),
    _moment("raised_at"),
    _moment("resolved_at", null=True),
    Index("alert_open", "resolved_at"),
)

#: Which channel has heard of which end of an alert.
alert_told = Table(
    "alert_told",
    metadata,
    Column("alert_id", BigInteger, primary_key=True, autoincrement=False),
    _text("channel", key=True),
    _text("state", key=True),
    _moment("told_at"),
)
