"""The sandbox's Landmark: what the reference says, and no kinder. Nothing of our client is used here."""

from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest

from ml_connector_dagster.sandbox import Sandbox
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


def _path(business_class: str) -> str:
    return f"FSM/fsm/soap/classes/{business_class}/lists/_generic"


def _list(caller: Caller, business_class: str = "Vendor", **given: str) -> list[dict[str, Any]]:
    answer = caller.get(_path(business_class), _out="JSON", **given)
    assert answer.status_code == 200, answer.text
    body: list[dict[str, Any]] = answer.json()
    return body


def _refusal(caller: Caller, business_class: str = "Vendor", **given: str) -> str:
    body: Any = _list(caller, business_class, **given)
    assert set(body) == {"exception"}
    return str(body["exception"]["message"])


def test_the_head_comes_first_and_counts_the_whole_list(caller: Caller) -> None:
    head, *rows = _list(caller, _lplFilter='VendorGroup = "100"', _limit="3", _fields="Vendor")
    assert head == {"_count": 10}
    assert [set(row) for row in rows] == [{"_fields"}] * 3
    assert [set(row["_fields"]) for row in rows] == [{"Vendor"}] * 3


def test_the_next_link_is_relative_and_leads_through_the_list(caller: Caller) -> None:
    url, seen = _path("Vendor"), list[str]()
    given = {"_out": "JSON", "_limit": "4", "_pageNav": "true", "_lplFilter": 'VendorGroup = "100"'}
    for _ in range(3):
        head, *rows = caller.get(url, **given).json()
        seen += [row["_fields"]["Vendor"] for row in rows]
        if "_links" not in head:
            break
        href = head["_links"][0]["href"]
        assert href.startswith("../lists/_generic?")
        link = urlsplit(urljoin(f"https://h/{url}", href))
        assert link.path == f"/{url}"
        given = {name: values[0] for name, values in parse_qs(link.query).items()}
    assert len(seen) == len(set(seen)) == 10


def test_there_are_no_links_unless_asked_for(caller: Caller) -> None:
    assert "_links" not in _list(caller, _limit="3")[0]


def test_a_list_without_a_limit_is_short(caller: Caller) -> None:
    assert len(_list(caller, "PurchaseOrder")) == 1 + 20


def test_every_value_is_a_string_and_dates_have_no_dashes(caller: Caller) -> None:
    row = _list(caller, "PayablesInvoice", _limit="1")[1]["_fields"]
    assert all(isinstance(value, str) for value in row.values())
    assert len(row["InvoiceDate"]) == 8
    assert len(row["UpdateStamp"]) in (0, 16)
    assert row["Approved"] in ("true", "false")


def test_change_times_filter_to_the_hundredth(caller: Caller, sandbox: Sandbox) -> None:
    row = sandbox.erp.truth("suppliers", "100")[0]
    sandbox.erp.write("suppliers", row, "name", "Changed")
    found = _list(caller, _filter=f"Vendor::{row['supplier_id']}|VendorGroup::100")[1]["_fields"]
    stamp = found["UpdateStamp"]
    same = _list(caller, _fts=stamp, _tts=stamp, _fields="Vendor")
    assert {"_fields": {"Vendor": row["supplier_id"]}} in same
    later = f"{int(stamp) + 1:016d}"
    assert _list(caller, _fts=later, _lplFilter='VendorGroup = "100"') == [{"_count": 0}]


@pytest.mark.parametrize(
    ("filtered", "wrong"),
    [
        ('Vendro = "1"', "field Vendro is not defined"),
        ('LastInvoiceDate >= "20260231"', "is not a date"),
        ("Vendor", "ends too early"),
        ('Vendor == "1"', "a value was expected"),
        ('Vendor = "1" Vendor = "2"', "unexpected"),
        ('(Vendor = "1"', "ends too early"),
    ],
)
def test_a_filter_that_cannot_be_understood(caller: Caller, filtered: str, wrong: str) -> None:
    assert wrong in _refusal(caller, _lplFilter=filtered)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"_fields": "Vendor,Foo"}, "Field Foo is not defined"),
        ({"_limit": "0"}, "not a positive number"),
        ({"_limit": "x"}, "not a positive number"),
        ({"_fts": "2026"}, "is not a timestamp"),
        ({"_foo": "1"}, "_foo is not supported"),
        ({"_setName": "Foo"}, "Set Foo is not defined"),
        ({"_next": "x"}, "_next is not valid"),
    ],
)
def test_what_landmark_does_not_know_is_an_exception(
    caller: Caller, given: dict[str, str], wrong: str
) -> None:
    assert wrong in _refusal(caller, **given)


def test_classes_that_are_not_there_not_allowed_or_not_stamped(
    caller: Caller, sandbox: Sandbox
) -> None:
    assert "Foo does not exist" in _refusal(caller, "Foo")
    assert "_fts is not supported" in _refusal(
        caller, "GeneralLedgerTotal", _fts="2026010100000000"
    )
    sandbox.switches.unauthorized_programs.add("Vendor")
    assert "not authorized" in _refusal(caller)
    sandbox.switches.landmark_error_status = 500
    assert caller.get(_path("Vendor"), _out="JSON").status_code == 500


def test_other_paths_methods_and_formats(caller: Caller) -> None:
    assert caller.get("FSM/fsm/soap/classes/Vendor/actions/Find").status_code == 404
    assert caller.get("FSM/fsm/soap/classes/Vendor/lists/Other", _out="JSON").status_code == 404
    assert caller.get(_path("Vendor")).headers["content-type"].startswith("text/xml")
    url = f"{caller.file['iu']}/{caller.tenant}/{_path('Vendor')}"
    assert caller.http.post(url, json={}, headers=caller.headers()).status_code == 405
