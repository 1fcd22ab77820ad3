"""Nothing is ever written to CloudSuite: whatever is asked for, only reads pass, before any network traffic (D7)."""

import re
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from ml_connector_dagster.cloudsuite.read_guard import ReadGuard
from ml_connector_dagster.model.errors import ConfigError


M3 = ReadGuard("M3")
EXECUTE = "/m3api-rest/v2/execute"


@pytest.mark.parametrize(
    "transaction",
    [
        "LstSuppliers",
        "GetBasicData",
        "SearchHead",
        "SelItem",
        "Select",
        "SelectPad",
        "LstFGLEDG10",
        "GetMITMAS00",
        "Lst2",
    ],
)
def test_reads_pass(transaction: str) -> None:
    path = (
        f"{EXECUTE}/CRS620MI/{transaction};maxrecs=0;cono=790;divi=;returncols=SUNO,SUNM?SUNO=A%2FB"
    )
    assert M3.judge_get(path) == f"CRS620MI/{transaction}"
    assert M3.judge_get(f"/m3api-rest/execute/CRS620MI/{transaction}") == f"CRS620MI/{transaction}"
    body = {"program": "CRS620MI", "transactions": [{"transaction": transaction}] * 2}
    assert M3.judge_post(EXECUTE, body) == f"CRS620MI (2 x {transaction})"


@pytest.mark.parametrize(
    "transaction",
    [
        "AddSupplier", "ChgBasicData", "DltSupplier", "UpdSupplier", "CpySupplier", "Snd", "SetX", "RtvNextNumber",
        "lstSuppliers", "LSTSuppliers", "getBasicData", "select", "Selling", "Lstsuppliers", "Gettysburg", "Settle",
        "", " LstLine", "LstLine ", "LstLine\n", "\uff2cstLine", "Lst\u2010Line", "AddLstLine", "Lst/AddLine",
    ],
)  # fmt: skip
def test_everything_else_is_refused(transaction: str) -> None:
    for spelled in (transaction, quote(transaction)):
        with pytest.raises(ConfigError, match=r"not sent|not a read"):
            M3.judge_get(f"{EXECUTE}/CRS620MI/{spelled}")
    with pytest.raises(ConfigError, match="not a read"):
        M3.judge_post(
            EXECUTE, {"program": "CRS620MI", "transactions": [{"transaction": transaction}]}
        )


@pytest.mark.parametrize(
    "path",
    [
        f"{EXECUTE}/CRS620MI/%4cstLine",
        f"{EXECUTE}/CRS620MI/LstLine/../AddLine",
        f"{EXECUTE}/CRS620MI/LstLine/%2e%2e/AddLine",
        f"{EXECUTE}/CRS620MI/LstLine%2f..%2fAddLine",
        f"{EXECUTE}/CRS620MI/LstLine;maxrecs=/../AddLine",
        f"{EXECUTE}/CRS620MI/LstLine;maxrecs=%2f..%2fAddLine",
        f"{EXECUTE}/CRS620MI/LstLine;maxrecs=..",
        f"{EXECUTE}/CRS620MI/LstLine;maxrecs=%252f",
        f"{EXECUTE}/CRS620MI/LstLine;divi=%c0%af",
        f"{EXECUTE}/CRS620MI/LstLine;divi=%EF%BC%8F",
        f"{EXECUTE}/CRS620MI/LstLine;divi=%00",
        f"{EXECUTE}/CRS620MI/LstLine;divi=%zz",
        f"{EXECUTE}/CRS620MI/LstLine;x/AddLine",
        f"{EXECUTE}/CRS620MI;x=1/AddLine",
        f"{EXECUTE}/CRS620MI;/LstLine",
        f"{EXECUTE};x=1/CRS620MI/AddLine",
        f"{EXECUTE}/CRS620MI//LstLine",
        f"{EXECUTE}//CRS620MI/LstLine",
        f"/{EXECUTE}/CRS620MI/LstLine",
        f"{EXECUTE}/CRS620MI/LstLine/",
        f"{EXECUTE}/CRS620MI/LstLine#/../AddLine",
        f"{EXECUTE}/CRS620MI/LstLine?A=1#b",
        f"{EXECUTE}/CRS620MI/LstLine?A=%",
        f"{EXECUTE}/CRS620MI/LstLine?A= 1",
        f"{EXECUTE}/CRS620MI/LstLine?A=1\r\nHost: x",
        f"{EXECUTE}/CRS620MI/LstLine\n",
        f"{EXECUTE}/crs620mi/LstLine",
        f"{EXECUTE}/CRS620MI",
        f"{EXECUTE}",
        "m3api-rest/execute/CRS620MI/LstLine",
        "/M3API-REST/execute/CRS620MI/LstLine",
        "/m3api-rest/v3/execute/CRS620MI/LstLine",
        "/m3api-rest/csrf",
        "@evil.example/m3api-rest/execute/CRS620MI/LstLine",
        ".evil.example/m3api-rest/execute/CRS620MI/LstLine",
        "",
    ],
)
def test_tricks_with_paths_are_refused(path: str) -> None:
    with pytest.raises(ConfigError):
        M3.judge_get(path)


PIECES = st.sampled_from(
    ["/", "//", ";", "?", "#", "%", "..", ".", "%2f", "%2F", "%2e", "%3b", "%00", "\\", " ", "\n", "=", "&",
     "AddLine", "LstLine", "lstline", "CRS620MI", "execute", "v2", "m3api-rest", "maxrecs=0", "cono=790", "é"]
)  # fmt: skip


@given(
    tail=st.lists(PIECES | st.characters(), max_size=12).map("".join),
    head=st.sampled_from([EXECUTE, "/m3api-rest/execute", f"{EXECUTE}/CRS620MI/LstLine", ""]),
)
@example(tail=";maxrecs=0?X=1", head=f"{EXECUTE}/CRS620MI/LstLine")
def test_whatever_passes_is_one_read_and_stays_in_its_place(head: str, tail: str) -> None:
    try:
        label = M3.judge_get(head + tail)
    except ConfigError:
        return
    before_query = (head + tail).partition("?")[0]
    assert re.fullmatch(
        r"/m3api-rest/(v2/)?execute/[A-Z0-9_]+/(Lst|Get|Search|Sel)\w*(;.*)?", before_query
    )
    assert before_query.count("/") == (5 if "/v2/" in before_query else 4)
    assert ".." not in before_query
    assert label == "/".join(before_query.partition(";")[0].split("/")[-2:])


@given(name=st.text(max_size=20) | st.from_regex(r"(?i)(lst|get|sel|add|chg)\w{0,8}"))
def test_a_name_passes_only_when_it_starts_as_a_read(name: str) -> None:
    assume(not re.match(r"(Lst|Get|Search|Select|Sel)([A-Z0-9]|$)", name))
    body = {"program": "CRS620MI", "transactions": [{"transaction": name}]}
    with pytest.raises(ConfigError):
        M3.judge_post(EXECUTE, body)
    with pytest.raises(ConfigError):
        M3.judge_get(f"{EXECUTE}/CRS620MI/{name}")


READ = {"transaction": "LstLine", "record": {"PUNO": "1"}, "selectedColumns": ["PUNO"]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"program": "PPS200MI"},
        {"program": "PPS200MI", "transactions": []},
        {"program": "PPS200MI", "transactions": "LstLine"},
        {"program": "PPS200MI", "transactions": ["LstLine"]},
        {"program": "PPS200MI", "transactions": [READ, {"transaction": "AddLine"}]},
        {"program": "PPS200MI", "transactions": [READ | {"Transaction": "AddLine"}]},
        {"program": "PPS200MI", "transactions": [{"record": {}}]},
        {"program": "PPS200MI", "transactions": [{"transaction": ["LstLine"]}]},
        {"program": "PPS200MI", "transactions": [READ], "Transactions": [{"transaction": "AddLine"}]},
        {"program": "PPS200MI/AddLine", "transactions": [READ]},
        {"program": None, "transactions": [READ]},
    ],
)  # fmt: skip
def test_a_bulk_with_anything_but_reads_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"not sent|not a read|needs a program"):
        M3.judge_post(EXECUTE, body)


@pytest.mark.parametrize(
    "path", [f"{EXECUTE}/CRS620MI/LstLine", "/m3api-rest/execute", f"{EXECUTE}/", f"{EXECUTE}?a=#b"]
)
def test_a_post_goes_nowhere_else(path: str) -> None:
    with pytest.raises(ConfigError, match="not sent"):
        M3.judge_post(path, {"program": "PPS200MI", "transactions": [READ]})


@pytest.mark.parametrize("suite", ["CSI", "LN", "DATAFABRIC", "IONSERVICES", "m3", ""])
def test_a_suite_without_a_grammar_is_read_only_by_being_refused(suite: str) -> None:
    with pytest.raises(ConfigError):
        ReadGuard(suite).judge_get(f"{EXECUTE}/CRS620MI/LstLine")
    with pytest.raises(ConfigError):
        ReadGuard(suite).judge_post(EXECUTE, {"program": "PPS200MI", "transactions": [READ]})


def test_the_message_says_what_and_why_without_the_payload() -> None:
    with pytest.raises(ConfigError) as caught:
        M3.judge_get(f"{EXECUTE}/CRS620MI/AddSupplier?SUNM=Northwind")
    assert "CRS620MI/AddSupplier is not a read" in str(caught.value)
    assert "Nothing is ever written to CloudSuite" in str(caught.value)
    assert "Northwind" not in str(caught.value)
