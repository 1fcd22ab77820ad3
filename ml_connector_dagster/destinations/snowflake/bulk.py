"""The staged way in: Parquet files through Snowflake's connector. Facts: reference/warehouses.md §A2 to §A4.

dagster-snowflake's resource opens the connection. Both are imported here and nowhere else, when the first large batch
comes: that takes some seconds. Two timeouts are always given: without ``network_timeout`` the connector repeats a
request that fails with HTTP 500 for ever.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from ml_connector_dagster.config.warehouses import SnowflakeConnection
from ml_connector_dagster.destinations.snowflake.access import Access
from ml_connector_dagster.destinations.snowflake.refusals import Refused
from ml_connector_dagster.model.errors import ContractError, TransientError


FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 5.0


class Bulk:
    """Files into a table, and a script run asynchronously.

    ``requests`` counts logins, statements, files and polls; the connector may send more by itself.
    """

    def __init__(
        self,
        connection: SnowflakeConnection,
        access: Access,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._access = access
        self._pause = pause
        self.requests = 0

    def load(
        self,
        files: Sequence[str],
        *,
        table: str,
        stage: str,
        rows: int,
        script: Callable[[], Sequence[str]],
        tag: str,
    ) -> None:
        """Copy ``files`` to ``table`` (all names quoted), then run ``script``, in one session.

        ``script`` is called when the files are copied.
        """
        with self._session(tag) as session:
            cursor = session.cursor()
            self._execute(cursor, f"CREATE OR REPLACE TEMPORARY STAGE {stage}")
            self._put(cursor, files, stage)
            self._run_all(
                session,
                cursor,
                [
                    f"COPY INTO {table} FROM @{stage}/"
                    " FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE)"
                    " MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE"
                    ' INCLUDE_METADATA = ("_FILE" = METADATA$FILENAME, "_POSITION" = METADATA$FILE_ROW_NUMBER)'
                ],
            )
            # Counted, not read from COPY's answer: a COPY that was sent twice answers that there is nothing to do.
            copied = self._execute(cursor, f"SELECT COUNT(*) FROM {table}").fetchone()[0]
            if copied != rows:
                raise ContractError(
                    f"COPY INTO {table} took {copied} of {rows} rows from {len(files)} files; nothing was delivered"
                )
            self._run_all(session, cursor, script())

    def _put(self, cursor: Any, files: Sequence[str], stage: str) -> None:
        with tempfile.TemporaryDirectory(prefix="snowflake-") as folder:
            for number, file in enumerate(files):
                # PUT takes a pattern, so the files are offered under names that sort, and have no pattern in them.
                os.symlink(file, Path(folder) / f"part-{number:06}.parquet")
            source = folder.replace("\\", "\\\\").replace("'", "\\'")
            options = "AUTO_COMPRESS=FALSE OVERWRITE=TRUE PARALLEL=4"
            self._execute(cursor, f"PUT 'file://{source}/*.parquet' @{stage}/ {options}")
        self.requests += len(files)

    def _execute(self, cursor: Any, statement: str) -> Any:
        self.requests += 1
        return cursor.execute(statement)

    def _run_all(self, session: Any, cursor: Any, script: Sequence[str]) -> None:
        from snowflake.connector.errors import Error, ProgrammingError

        self.requests += 1
        cursor.execute_async(";\n".join(script), num_statements=len(script))
        handle, wait = cursor.sfqid, FIRST_PAUSE
        try:
            while session.is_still_running(session.get_query_status_throw_if_error(handle)):
                self.requests += 1
                self._pause(wait)
                wait = min(wait * 1.6, LONGEST_PAUSE)
        except ProgrammingError as error:
            raise _refused(error) from error
        except BaseException as stopped:
            if not isinstance(stopped, Exception):  # Ctrl-C, or Dagster ends the run
                with suppress(Error):  # nobody waits for the answer
                    cursor.abort_query(handle)
            raise

    @contextmanager
    def _session(self, tag: str) -> Iterator[Any]:
        """A session that is closed on every path: the resource leaves it open when something is raised."""
        from dagster_snowflake import SnowflakeResource
        from snowflake.connector import errors

        self.requests += 2  # login and logout
        try:
            with self._resource(SnowflakeResource, tag).get_connection() as session:
                try:
                    yield session
                except BaseException:
                    _end(session)
                    raise
        except errors.ProgrammingError as error:
            raise _refused(error) from error
        except errors.DatabaseError as error:
            if _number(error) in ("390144", "390100", "390186", "390189", "394400"):
                raise _refused(error) from error
            raise TransientError(self._failed(error)) from error
        except errors.Error as error:
            raise TransientError(self._failed(error)) from error

    def _failed(self, error: Exception) -> str:
        return (
            f"Snowflake at {self._connection.base_url} (connection {self._connection.name}) did not do its part: "
            f"{' '.join(str(error).split())}. What was not delivered is delivered again later"
        )

    def _resource(self, resource: Any, tag: str) -> Any:
        connection = self._connection
        more: dict[str, Any] = {
            "session_parameters": {
                "QUERY_TAG": tag,
                "TIMEZONE": "UTC",
                "CLIENT_OUT_OF_BAND_TELEMETRY_ENABLED": False,
            },
            "application": "ml_connector_dagster",
        }
        if connection.host:
            more |= {
                "host": connection.host,
                "port": connection.port,
                "protocol": connection.protocol,
            }
        proof: dict[str, Any] = {"private_key": self._access.pem}
        if self._access.token is not None:
            proof = {"authenticator": "PROGRAMMATIC_ACCESS_TOKEN"}
            more["token"] = self._access.token.reveal()
        return resource(
            account=connection.account,
            user=connection.user,
            role=connection.role,
            warehouse=connection.warehouse,
            database=f'"{connection.database}"',
            autocommit=True,
            login_timeout=connection.login_timeout_seconds,
            network_timeout=connection.network_timeout_seconds,
            additional_snowflake_connection_args=more,
            **proof,
        )


def _end(session: Any) -> None:
    """End a session whatever still runs in it: ``close`` alone leaves it, and the locks of its transaction, in that case."""
    if session.rest is not None:
        session.rest.delete_session(retry=False)
    session.close(retry=False)


def _number(error: Any) -> str:
    return f"{getattr(error, 'errno', 0) or 0:06}"


def _refused(error: Any) -> Refused:
    return Refused(_number(error), str(getattr(error, "raw_msg", "") or error))
