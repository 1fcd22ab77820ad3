"""The ledger's tables. Moments are microseconds since 1970 UTC: they sort, and mean the same in every database."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa


METADATA = sa.MetaData()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_micros(moment: datetime) -> int:
    """An aware moment as it is stored."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_micros(value: int) -> datetime:
    """A stored moment, in UTC."""
    return _EPOCH + timedelta(microseconds=value)


def maybe_micros(moment: datetime | None) -> int | None:
    """As ``to_micros``; None stays None."""
    return None if moment is None else to_micros(moment)


def maybe_moment(value: int | None) -> datetime | None:
    """As ``from_micros``; None stays None."""
    return None if value is None else from_micros(value)


def _text(name: str, *, nullable: bool = False, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable, primary_key=primary_key)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, default=0)


#: A read of one window, with how far each of its chains has come (JSON: chain id → position, null when done).
WINDOW_READ = sa.Table(
    "window_read",
    METADATA,
    _text("id", primary_key=True),
    _text("tenant"),
    _text("entity"),
    _text("company"),
    _moment("window_start", nullable=True),
    _moment("window_end"),
    _text("run_id"),
    _moment("started_at"),
    _text("state"),  # open, finished, abandoned
    _text("progress"),
    sa.Index("window_read_open", "tenant", "entity", "company", "state"),
)

#: Staged batches; ``manifest`` is the whole Batch as JSON.
BATCH = sa.Table(
    "batch",
    METADATA,
    _text("batch_id", primary_key=True),
    _text("tenant"),
    _text("entity"),
    _text("company"),
    _text("read_id"),
    _text("for_destination"),
    _moment("window_start", nullable=True),
    _moment("window_end"),
    _moment("finished_at"),
    _text("manifest"),
    sa.Index("batch_of", "tenant", "entity", "company", "batch_id"),
)

WATERMARK = sa.Table(
    "watermark",
    METADATA,
    _text("tenant", primary_key=True),
    _text("entity", primary_key=True),
    _text("company", primary_key=True),
    _moment("complete_until"),
)

#: One batch at one destination.
DELIVERY = sa.Table(
    "delivery",
    METADATA,
    _text("batch_id", primary_key=True),
    _text("destination", primary_key=True),
    _text("state"),
    _count("attempts"),
    _count("inserted"),
    _count("updated"),
    _count("unchanged"),
    _count("deleted"),
    _count("rejected"),
    _count("unknown"),
    _text("run_id", nullable=True),
    _moment("started_at", nullable=True),
    _moment("finished_at", nullable=True),
    _text("error", nullable=True),
    _text("receipts", nullable=True),
    sa.Index("delivery_state", "destination", "state"),
)

#: What an application was last told about a record (Salesforce, Monday.com).
REMOTE_RECORD = sa.Table(
    "remote_record",
    METADATA,
    _text("destination", primary_key=True),
    _text("entity", primary_key=True),
    _text("record_id", primary_key=True),
    _text("remote_id"),
    _text("row_hash"),
    _moment("accepted_at"),
)

DEAD_LETTER = sa.Table(
    "dead_letter",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
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
    _moment("window_start", nullable=True),
    _moment("window_end", nullable=True),
    _count("attempts"),
    _moment("created_at"),
    _moment("due_at"),
    _moment("resolved_at", nullable=True),
    _text("read_id", nullable=True),  # the read that saw it last (extract stage)
    sa.Index("dead_letter_open", "tenant", "entity", "company", "resolved_at"),
    # SQLite would hand out a removed letter's number again otherwise.
    sqlite_autoincrement=True,
)

TOKEN = sa.Table(
    "token",
    METADATA,
    _text("tenant", primary_key=True),
    sa.Column("ciphertext", sa.LargeBinary, nullable=True),
    _moment("obtained_at", nullable=True),
    _moment("expires_at", nullable=True),
    _count("generation"),
    _text("lease_holder", nullable=True),
    _moment("lease_until", nullable=True),
)

#: The request budget's sliding log; times are seconds since 1970 as floats, as ``time.time()`` gives them.
BUDGET_CALL = sa.Table(
    "budget_call",
    METADATA,
    _text("tenant", primary_key=True),
    _text("call_id", primary_key=True),
    sa.Column("started_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double, nullable=True),
    sa.Index("budget_call_ended", "tenant", "ended_at"),
)

BUDGET_BLOCK = sa.Table(
    "budget_block",
    METADATA,
    _text("tenant", primary_key=True),
    sa.Column("blocked_until", sa.Double, nullable=False),
)

BREAKER = sa.Table(
    "breaker",
    METADATA,
    _text("tenant", primary_key=True),
    _count("version"),
    _count("failures"),
    _moment("opened_at", nullable=True),
    _moment("open_until", nullable=True),
    _moment("probe_until", nullable=True),
    _text("reason"),
)

#: What a product line remembers about a tenant (which routes it has): one JSON document per key.
ROUTE_CHOICE = sa.Table(
    "route_choice",
    METADATA,
    _text("tenant", primary_key=True),
    _text("key", primary_key=True),
    _text("document"),
    _moment("learned_at"),
)

#: Key sweep: when a record was seen last, and how often it was missed since.
SIGHTING = sa.Table(
    "sighting",
    METADATA,
    _text("tenant", primary_key=True),
    _text("entity", primary_key=True),
    _text("record_id", primary_key=True),
    _moment("seen_at"),
    _count("missed"),
)

SCHEMA_VERSION = sa.Table(
    "schema_version",
    METADATA,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    _moment("applied_at"),
)
