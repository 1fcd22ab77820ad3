"""Nothing but SELECTs is ever sent to Compass, before any network traffic (D7)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_connector_dagster.cloudsuite.product_lines.compass.statements import literal
from ml_connector_dagster.cloudsuite.read_guard import ReadGuard
from ml_connector_dagster.model.errors import ConfigError


LAKE = ReadGuard("DATAFABRIC")
SUBMIT = "/compass/v2/jobs/?queryExecutor=datalake&records=0"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT t.SUNO, j1.SUCL FROM CIDMAS t LEFT JOIN CIDVEN j1 ON j1.SUNO = t.SUNO WHERE t.CONO = 100",
        "select PUNO, LMDT from MPHEAD where LMDT >= 20260101 and (STAT <> '90' or STAT is null)",
        "SELECT COUNT(*) AS n FROM CIDMAS t WHERE t.SUNM = 'O''Brien; DROP TABLE -- x'",
        "SELECT t.use, t.lock FROM x t",
        "SELECT t.a FROM x t WHERE t.b BETWEEN -2 AND 7 AND t.c IN ('delete', 'update')",
    ],
)
def test_selects_pass(statement: str) -> None:
    assert LAKE.judge_statement(SUBMIT, statement).startswith("compass ")


@pytest.mark.parametrize(
    "statement",
    [
        "", " ", "SELECT", "SELECT 1", "DROP TABLE CIDMAS", "DELETE FROM CIDMAS", "UPDATE CIDMAS SET SUNM = 'x'",
        "INSERT INTO CIDMAS SELECT t.a FROM x t", "MERGE INTO a USING b ON c = d", "CREATE TABLE a AS SELECT b FROM c",
        "SELECT a INTO b FROM c", "SELECT a FROM b; DROP TABLE b", "SELECT a FROM b;", "SELECT a FROM b -- c",
        "SELECT a /* x */ FROM b", "SELECT a FROM b # c", "SELECT a FROM b UNION SELECT c FROM d WHERE (DELETE)",
        "WITH a AS (DELETE FROM b) SELECT c FROM a", "CALL purge()", "EXPLAIN SELECT a FROM b", "GRANT a TO b",
        'SELECT "a" FROM b', "SELECT `a` FROM b", "SELECT a FROM b WHERE c = 'x", "SELECT a FROM b\x00", "(SELECT a FROM b)", "SELECT 1.into x FROM b",
        "SELECT a FROM b WHERE c = 'x'' ; DROP TABLE b", "SELECT a FROM b WHERE c = $$x$$", "SELECT a FROM b WHERE c = {x}",
    ],
)  # fmt: skip
def test_everything_else_is_refused(statement: str) -> None:
    with pytest.raises(ConfigError, match="Nothing is ever written"):
        LAKE.judge_statement(SUBMIT, statement)


@settings(deadline=None)
@given(st.text())
def test_no_value_gets_out_of_its_quotes(value: str) -> None:
    statement = f"SELECT t.a FROM b t WHERE t.c = {literal(value)}"
    assert LAKE.judge_statement(SUBMIT, statement) == "compass b"


@pytest.mark.parametrize(
    "path",
    [
        "/compass/v2/jobs/",
        "/compass/v2/jobs/?queryExecutor=datalake&records=5",
        "/compass/v2/jobs/?queryExecutor=datalake&records=0&x=1",
        "/compass/v1/jobs/?queryExecutor=datalake&records=0",
        "/ingestion/v1/objects",
    ],
)
def test_statements_go_to_one_place_only(path: str) -> None:
    with pytest.raises(ConfigError):
        LAKE.judge_statement(path, "SELECT a FROM b")
    with pytest.raises(ConfigError):
        LAKE.judge_post(path, {"x": 1})


@pytest.mark.parametrize(
    "path",
    [
        "/compass/v2/jobs/a1/cancel",
        "/compass/v2/jobs/../../x/status/?timeout=1&queryExecutor=datalake",
        "/compass/v2/jobs/a1/result/?offset=0",
        "/compass/v2/jobs/a1/result/?offset=0&limit=1&x=2",
    ],
)
def test_only_status_and_result_are_got(path: str) -> None:
    with pytest.raises(ConfigError):
        LAKE.judge_get(path)


def test_status_and_result_are_reads() -> None:
    status = "/compass/v2/jobs/a1-b2/status/?timeout=25&queryExecutor=datalake"
    assert LAKE.judge_get(status) == "compass status"
    assert LAKE.judge_get("/compass/v2/jobs/a1-b2/result/?offset=0&limit=10") == "compass result"


def test_other_suites_take_no_statements() -> None:
    with pytest.raises(ConfigError):
        ReadGuard("M3").judge_statement(SUBMIT, "SELECT a FROM b")
