"""The instance's state: who is logged in, what was counted, its queries, plans and SQL."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ml_connector_dagster.sandbox.looker.answers import Answer, cell
from ml_connector_dagster.sandbox.looker.lookml import ProjectFolder
from ml_connector_dagster.sandbox.looker.options import LookerOptions
from ml_connector_dagster.sandbox.looker.plans import Plans
from ml_connector_dagster.sandbox.looker.queries import Queries
from ml_connector_dagster.sandbox.looker.refusals import Refused, not_found
from ml_connector_dagster.sandbox.looker.warehouse import Database, DuckDbFile, SqlError


@dataclass(slots=True, kw_only=True)
class Session:
    """A login. ``workspace`` is "production" or "dev"; both see the same files here."""

    expires: float
    workspace: str = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A SQL Runner query. ``runs`` of them were answered."""

    slug: str
    connection: str
    sql: str
    runs: list[float] = field(default_factory=list)


class Instance:
    """Everything behind the API. Calls come one at a time (``lock``)."""

    def __init__(self, options: LookerOptions, now: Callable[[], datetime]) -> None:
        self.options = options
        self.now = now
        self.lock = threading.RLock()
        self.databases: dict[str, Database] = {
            name: DuckDbFile(
                one, writable=name not in options.read_only, patience=options.lock_patience
            )
            if isinstance(one, Path)
            else one
            for name, one in options.databases.items()
        }
        self.queries = Queries(ProjectFolder(options.lookml), self.databases, now)
        self.plans = Plans(options, self.queries, now)
        self.statements: dict[str, Statement] = {}
        self.logins = 0
        self._sessions: dict[str, Session] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def log_in(self, client_id: str, client_secret: str) -> dict[str, Any]:
        """A new token. Raises Refused; Looker answers a wrong key with 404."""
        given = (client_id, client_secret)
        if given != (self.options.client_id, self.options.client_secret):
            raise not_found()
        self.logins += 1
        token = hashlib.sha256(f"{self.now()}/{self.logins}".encode()).hexdigest()[:40]
        expires = self.now().timestamp() + self.options.token_lifetime
        self._sessions[token] = Session(expires=expires)
        return {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.options.token_lifetime,
            "refresh_token": None,
        }

    def session(self, authorization: str) -> Session:
        """The login that a header names. Raises Refused."""
        scheme, _, token = authorization.partition(" ")
        found = self._sessions.get(token.strip())
        if (
            scheme.lower() not in ("bearer", "token")
            or found is None
            or found.expires <= self.now().timestamp()
        ):
            raise Refused(401, "Requires authentication.")
        return found

    def log_out(self, session: Session) -> None:
        """Forget a token."""
        self._sessions = {k: v for k, v in self._sessions.items() if v is not session}

    def forget_tokens(self) -> None:
        """As after a restart, or when an administrator ends all sessions."""
        self._sessions.clear()

    def count(self, activity: str) -> None:
        """Count a call of the month. Raises Refused when the month's are used up."""
        if activity == "none":
            return
        month = f"{self.now():%Y-%m}"
        if self._counts[month, activity] >= self.options.allowance[activity]:
            kind = "query" if activity == "db_query" else "administrative"
            raise Refused(429, f"The monthly limit of {kind} API calls is reached")
        self._counts[month, activity] += 1

    def calls(self, activity: str) -> int:
        """How many calls of an activity type this month has."""
        return self._counts[f"{self.now():%Y-%m}", activity]

    def prepare(self, connection: str, sql: str) -> Statement:
        """A SQL Runner query, not run yet. Raises Refused."""
        if not self.options.can_use_sql_runner:
            raise Refused(403, "Forbidden: needs the permission use_sql_runner")
        if connection not in self.databases:
            raise not_found()
        slug = hashlib.sha256(f"{connection}\n{sql}".encode()).hexdigest()[:20]
        return self.statements.setdefault(
            slug, Statement(slug=slug, connection=connection, sql=sql)
        )

    def run(self, slug: str) -> Answer:
        """Run a SQL Runner query. Raises Refused."""
        if slug not in self.statements:
            raise not_found()
        one = self.statements[slug]
        moment = self.now().timestamp()
        try:
            found = self.databases[one.connection].run(one.sql)
        except SqlError as error:
            return Answer(names=(), rows=(), sql=one.sql, at=moment, error=str(error))
        one.runs.append(moment)
        rows = tuple(
            dict(zip(found.columns, (cell(value) for value in row), strict=True))
            for row in found.rows
        )
        return Answer(names=found.columns, rows=rows, sql=one.sql, at=moment)
