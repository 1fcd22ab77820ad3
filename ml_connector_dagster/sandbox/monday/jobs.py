"""Jobs: items imported from a file, and items archived in bulk.

Reference saas-destinations §2.2, bulk. What an import's report looks like is not published: here it is the file that
was uploaded with two columns more, ``import_status`` and ``import_error``, and no item ids.
"""

import csv
import io
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from ml_connector_dagster.sandbox.monday import values
from ml_connector_dagster.sandbox.monday.account import Account, text_of
from ml_connector_dagster.sandbox.monday.boards import Board, Cell, Item
from ml_connector_dagster.sandbox.monday.options import MondayOptions
from ml_connector_dagster.sandbox.monday.refusals import Refusal, invalid, not_found


MOST_ROWS: Final = 10_000
MOST_BYTES: Final = 150 * 1024 * 1024
JOBS_PER_HOUR: Final = 100
LINK_SECONDS: Final = 600
REPORT_COLUMNS: Final = ("import_status", "import_error")
_HOUR: Final = 3600


@dataclass(slots=True, kw_only=True)
class Job:
    """One import. ``failure`` is (reason, message)."""

    id: str
    board: Board
    group_id: str
    match_column: str | None
    skip_matches: bool
    upload_key: str
    upload_until: float
    status: str = "UPLOAD_PENDING"
    polls: int = 0
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("submitted", "invalid", "skipped", "created", "updated", "failed"), 0
        )
    )
    failure: tuple[str, str] | None = None
    report: bytes | None = None
    report_links: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class ArchiveJob:
    """One archiving in bulk."""

    id: str
    total: int
    succeeded: int
    polls: int


class Jobs:
    """All jobs of the account."""

    def __init__(self, options: MondayOptions, account: Account, now: Callable[[], float]) -> None:
        self._options = options
        self._account = account
        self._now = now
        self._numbers = count(1)
        self._started: deque[float] = deque()
        self._written: deque[tuple[float, int]] = deque()
        self.imports: dict[str, Job] = {}
        self.archivings: dict[str, ArchiveJob] = {}

    def _id(self) -> str:
        return f"{next(self._numbers):08x}-0000-4000-8000-000000000000"

    def start(
        self, board: Board, group_id: str, match_column: str | None, *, skip_matches: bool
    ) -> Job:
        """A job that waits for its file."""
        if board.holds_subitems:
            raise invalid("subitems are not imported")
        if group_id not in board.groups:
            raise not_found("Group", group_id)
        if match_column is not None:
            self._account.column(board, match_column)
        now = self._now()
        while self._started and self._started[0] <= now - _HOUR:
            self._started.popleft()
        if len(self._started) >= JOBS_PER_HOUR:
            wait = int(self._started[0] + _HOUR - now) + 1
            raise Refusal(
                "RATE_LIMIT_EXCEEDED",
                f"{JOBS_PER_HOUR} jobs an hour",
                status=429,
                retry_in_seconds=wait,
            )
        self._started.append(now)
        job = Job(
            id=self._id(),
            board=board,
            group_id=group_id,
            match_column=match_column,
            skip_matches=skip_matches,
            upload_key=secrets.token_urlsafe(18),
            upload_until=now + LINK_SECONDS,
            polls=self._options.job_polls,
        )
        self.imports[job.id] = job
        return job

    def upload(self, job_id: str, key: str, content: bytes, *, stop_after: int | None) -> int:
        """Take the file and import it. The status of a storage service: 200, 403 or 404.

        With ``stop_after`` the import breaks down after so many rows.
        """
        job = self.imports.get(job_id)
        if job is None:
            return 404
        if job.upload_key != key or self._now() > job.upload_until:
            return 403
        if job.status != "UPLOAD_PENDING":
            return 200  # an object store takes the same object again; the import has begun
        job.status = "PROCESSING"
        try:
            self._import(job, content, stop_after)
        except _Rejected as rejected:
            job.failure = (rejected.reason, str(rejected))
        return 200

    def poll(self, job_id: str) -> Job:
        job = self.imports.get(job_id)
        if job is None:
            raise not_found("Job", job_id)
        if job.status == "PROCESSING":
            if job.polls > 0:
                job.polls -= 1
            elif job.failure is not None:
                job.status = "FAILED" if job.failure[0] == "INTERNAL_ERROR" else "REJECTED"
            else:
                job.status = "COMPLETED"
        return job

    def report_key(self, job: Job) -> str:
        """A key that opens the report for ten minutes."""
        key = secrets.token_urlsafe(18)
        job.report_links[key] = self._now() + LINK_SECONDS
        return key

    def report(self, job_id: str, key: str) -> bytes | None:
        job = self.imports.get(job_id)
        if job is None or self._now() > job.report_links.get(key, 0.0):
            return None
        return job.report

    def archive(self, board: Board, numbers: list[str]) -> ArchiveJob:
        """Archive these items of the board; those that are not there fail."""
        done = 0
        for number in numbers:
            item = board.items.get(int(number))
            if item is not None and item.state == "active":
                self._account.archive(item)
                done += 1
        job = ArchiveJob(
            id=self._id(), total=len(numbers), succeeded=done, polls=self._options.job_polls
        )
        self.archivings[job.id] = job
        return job

    def poll_archiving(self, job_id: str) -> tuple[ArchiveJob, bool]:
        """The job, and whether it is done."""
        job = self.archivings.get(job_id)
        if job is None:
            raise not_found("Job", job_id)
        if job.polls > 0:
            job.polls -= 1
            return job, False
        return job, True

    # The import itself

    def _import(self, job: Job, content: bytes, stop_after: int | None) -> None:
        header, rows = _read(content, job.board)
        job.counts["submitted"] = len(rows)
        self._check_hour(len(rows))
        if job.match_column is not None and job.match_column not in header:
            raise _Rejected("INVALID_UPLOAD", f"column {job.match_column!r} is not in the file")
        found = _by_text(job.board, job.match_column)
        new = sum(self._match(job, found, header, row) is None for row in rows)
        if len(job.board.active) + new > self._options.items_per_board:
            raise _Rejected(
                "BOARD_CAPACITY_EXCEEDED",
                f"the board takes {self._options.items_per_board} items",
            )
        lines = io.StringIO(newline="")
        report = csv.writer(lines)
        report.writerow([*header, *REPORT_COLUMNS])
        for row in rows[:stop_after]:
            outcome, error = self._row(job, found, header, row)
            job.counts[outcome] += 1
            report.writerow([*row, outcome, error])
        if stop_after is not None:
            raise _Rejected("INTERNAL_ERROR", "Unexpected server error occurred")
        job.report = lines.getvalue().encode()
        self._written.append((self._now(), job.counts["created"] + job.counts["updated"]))

    def _check_hour(self, rows: int) -> None:
        now = self._now()
        while self._written and self._written[0][0] <= now - _HOUR:
            self._written.popleft()
        allowed = self._options.imported_per_hour
        if sum(number for _, number in self._written) + rows > allowed:
            raise _Rejected("ACCOUNT_CAPACITY_EXCEEDED", f"{allowed} items an hour are imported")

    def _match(
        self, job: Job, found: dict[str, list[Item]], header: list[str], row: list[str]
    ) -> list[Item] | None:
        if job.match_column is None:
            return None
        text = row[header.index(job.match_column)]
        return found.get(text) if text else None

    def _row(
        self, job: Job, found: dict[str, list[Item]], header: list[str], row: list[str]
    ) -> tuple[str, str]:
        """What became of a row: the count that it goes into, and why it failed."""
        matches = self._match(job, found, header, row)
        try:
            if matches and len(matches) > 1:
                raise invalid(f"{len(matches)} items match")
            cells = self._cells(job.board, header, row)
            if matches and job.skip_matches:
                return "skipped", ""
            if matches:
                _change(matches[0], row[0], cells)
                return "updated", ""
            item = self._account.create_item(job.board, row[0], {}, group_id=job.group_id)
            _change(item, row[0], cells)
        except Refusal as refusal:
            return "invalid", refusal.message
        return "created", ""

    def _cells(self, board: Board, header: list[str], row: list[str]) -> dict[str, Cell | None]:
        if not row[0]:
            raise invalid("the name is empty")
        cells: dict[str, Cell | None] = {}
        for column_id, text in zip(header[1:], row[1:], strict=True):
            if text:  # an empty cell keeps what is there
                column = board.columns[column_id]
                cells[column_id] = values.parse_cell(column, text, self._account.check_link)
        return cells


class _Rejected(Exception):
    """The file as a whole is refused."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _by_text(board: Board, match_column: str | None) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    if match_column is not None:
        for item in board.active:
            found.setdefault(text_of(item, match_column), []).append(item)
    return found


def _change(item: Item, name: str, cells: dict[str, Cell | None]) -> None:
    item.name = name
    for column_id, cell in cells.items():
        if cell is None:
            item.cells.pop(column_id, None)
        else:
            item.cells[column_id] = cell


def _read(content: bytes, board: Board) -> tuple[list[str], list[list[str]]]:
    """Header and rows; the whole file is refused when it is not a table for this board."""
    if len(content) > MOST_BYTES:
        raise _Rejected("FILE_TOO_LARGE", "the file is larger than 150 MB")
    try:
        table = list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise _Rejected("INVALID_UPLOAD", f"not a CSV file: {error}") from None
    if not table or not table[0] or table[0][0] != "name":
        raise _Rejected("INVALID_UPLOAD", "the first column is called name")
    header, rows = table[0], table[1:]
    unknown = [column_id for column_id in header if column_id not in board.columns]
    if unknown or len(set(header)) != len(header):
        raise _Rejected("INVALID_UPLOAD", f"columns that are not on the board: {unknown}")
    if len(rows) > MOST_ROWS:
        raise _Rejected("INVALID_UPLOAD", f"{len(rows)} rows, {MOST_ROWS} are taken")
    short = [number for number, row in enumerate(rows, 2) if len(row) != len(header)]
    if short:
        raise _Rejected("INVALID_UPLOAD", f"line {short[0]} has another number of cells")
    return header, rows
