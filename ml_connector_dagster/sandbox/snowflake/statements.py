"""Statements that run or have run, by handle, each on a thread of its own."""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import sqlglot
from sqlglot.errors import ParseError, TokenError

from ml_connector_dagster.sandbox.snowflake.engine import Engine
from ml_connector_dagster.sandbox.snowflake.faults import Fault, Faults
from ml_connector_dagster.sandbox.snowflake.refusals import Refusal
from ml_connector_dagster.sandbox.snowflake.sessions import Result, Session


POLLS_OF_A_START: Final = 2


@dataclass(slots=True, kw_only=True, eq=False)
class Statement:
    """One statement, or several that were sent together. It is queued until its warehouse ``runs``."""

    handle: str
    session: Session
    sql: str
    tag: str
    created_on: int
    result: Result | None = None
    refusal: Refusal | None = None
    children: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)
    runs: threading.Event = field(default_factory=threading.Event)
    polls_until_it_runs: int = 0

    @property
    def status(self) -> str:
        if not self.runs.is_set():
            return "QUEUED"
        if not self.done.is_set():
            return "RUNNING"
        return "FAILED_WITH_ERROR" if self.refusal else "SUCCESS"

    def poll(self) -> None:
        """Somebody asked how it is: a warehouse that starts is there after a few such questions."""
        self.polls_until_it_runs -= 1
        if self.polls_until_it_runs <= 0:
            self.runs.set()


class Statements:
    """All of them, oldest first."""

    def __init__(self, engine: Engine, faults: Faults) -> None:
        self._engine = engine
        self._faults = faults
        self.by_handle: dict[str, Statement] = {}

    def start(
        self,
        session: Session,
        sql: str,
        binds: Sequence[Any],
        *,
        count: int = 1,
        then: Callable[[], None] = lambda: None,
    ) -> Statement:
        """Run on a thread; ``then`` is called at the end. ``count`` is MULTI_STATEMENT_COUNT, 0 for any."""
        statement = self._new(session, sql)
        session.cancelled = False
        if self._faults.take(Fault.STARTING):
            statement.polls_until_it_runs = POLLS_OF_A_START
        else:
            statement.runs.set()

        def run() -> None:
            try:
                statement.runs.wait()
                if self._faults.take(Fault.FAILS):
                    raise Refusal("000603", "XX000", "SQL execution internal error")
                statement.result = self._run(statement, binds, count)
            except Refusal as refusal:
                statement.refusal = refusal
            except Exception as error:
                statement.refusal = Refusal("000603", "XX000", f"{type(error).__name__}: {error}")
            finally:
                then()
                statement.done.set()

        threading.Thread(target=run, name=statement.handle, daemon=True).start()
        return statement

    def _new(self, session: Session, sql: str) -> Statement:
        statement = Statement(
            handle=str(uuid.uuid4()),
            session=session,
            sql=sql,
            tag=session.parameters.get("QUERY_TAG", ""),
            created_on=int(time.time() * 1000),
        )
        self.by_handle[statement.handle] = statement
        return statement

    def _run(self, statement: Statement, binds: Sequence[Any], count: int) -> Result:
        session = statement.session
        if count == 1 and ";" not in statement.sql.rstrip().rstrip(";"):
            return self._engine.execute(session, statement.sql, binds)
        found = split(statement.sql)
        if count and len(found) != count:
            raise Refusal(
                "000008",
                "0A000",
                f"Actual statement count {len(found)} did not match the desired statement count {count}.",
            )
        if len(found) == 1:
            return self._engine.execute(session, found[0], binds)
        if binds:
            raise Refusal("000008", "0A000", "Multi-statement requests take no bind variables.")
        with session.lock:  # nothing else of the session comes between them
            for sql in found:
                self._run_child(statement, sql)
        said = {"multiple statement execution": ["Multiple statements executed successfully."]}
        return Result(table=pa.table(said), kind=0xA000)

    def _run_child(self, statement: Statement, sql: str) -> None:
        child = self._new(statement.session, sql)
        statement.children.append(child.handle)
        try:
            child.result = self._engine.execute(statement.session, sql)
        except Refusal as refusal:
            child.refusal = refusal
            raise
        finally:
            child.done.set()

    def cancel(self, statement: Statement) -> None:
        """Interrupt it; raises Refusal when it is done."""
        if statement.done.is_set():
            raise Refusal("000709", "02000", f"Statement {statement.handle} is not running")
        self._engine.cancel(statement.session)
        statement.runs.set()

    def cancel_all_of(self, session: Session) -> None:
        """Its end is the end of what runs in it."""
        for statement in tuple(self.by_handle.values()):
            if statement.session is session and not statement.done.is_set():
                self.cancel(statement)


def split(sql: str) -> list[str]:
    """The statements between the semicolons that stand outside of quotes."""
    try:
        tokens = sqlglot.tokenize(sql, read="snowflake")
    except (ParseError, TokenError) as error:
        raise Refusal("001003", "42000", f"SQL compilation error:\n{error}") from error
    ends = [one.start for one in tokens if one.token_type == sqlglot.TokenType.SEMICOLON]
    starts = [0, *(end + 1 for end in ends)]
    pieces = (sql[a:b].strip() for a, b in zip(starts, [*ends, len(sql)], strict=True))
    return [piece for piece in pieces if piece]
