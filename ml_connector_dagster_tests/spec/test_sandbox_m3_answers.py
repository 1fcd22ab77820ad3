"""Options and answer forms of m3api-rest: reference cloudsuite-api §2.1 to §2.7."""

import xml.etree.ElementTree as ElementTree

import pytest

from ml_connector_dagster_tests.spec.sandbox_calls import Caller


V1 = "M3/m3api-rest/execute"
V2 = "M3/m3api-rest/v2/execute"


def test_a_list_in_version_2(caller: Caller) -> None:
    body = caller.mi("CRS620MI/LstSuppliers", "maxrecs=2;returncols=SUNO,SUNM;cono=100").json()
    assert body == {
        "results": [
            {
                "transaction": "LstSuppliers",
                "records": [
                    {"SUNO": "10001", "SUNM": "O'Brien & Sons Ltd"},
                    {"SUNO": "10002", "SUNM": 'Müller "Präzision" GmbH'},
                ],
            }
        ],
        "wasTerminated": False,
        "nrOfSuccessfullTransactions": 1,
        "nrOfFailedTransactions": 0,
    }


def test_texts_keep_their_trailing_blanks_unless_trimmed(caller: Caller) -> None:
    path = f"{V2}/CRS620MI/LstSuppliers;maxrecs=1;returncols=SUNO,CRTP"
    assert caller.get(path).json()["results"][0]["records"] == [{"SUNO": "10001     ", "CRTP": "1"}]
    trimmed = caller.get(path, righttrim="true").json()["results"][0]["records"]
    assert trimmed == [{"SUNO": "10001", "CRTP": "1"}]


def test_dates_come_as_the_user_has_them_unless_asked_for(caller: Caller) -> None:
    stamp = caller.sandbox.clock.today()
    base = f"{V2}/MMS200MI/LstItmByChgDate"
    plain = caller.get(f"{base};maxrecs=1;returncols=LMDT", FLMD=f"{stamp:%d%m%y}").json()
    assert plain["results"][0]["records"] == [{"LMDT": f"{stamp:%d%m%y}"}]
    asked = caller.get(
        f"{base};maxrecs=1;returncols=LMDT;dateformat=YMD8", FLMD=f"{stamp:%Y%m%d}"
    ).json()
    assert asked["results"][0]["records"] == [{"LMDT": f"{stamp:%Y%m%d}"}]


def test_blank_dates_are_empty(caller: Caller) -> None:
    caller.sandbox.erp.set_field("CIDVEN", (100, "10001"), "LIDT", 0)
    assert caller.records("CRS620MI/LstSuppliers", "maxrecs=1")[0]["LIDT"] == ""


@pytest.mark.parametrize("spelling", ["excludempty=true", "excludeempty=true"])
def test_blank_fields_can_be_left_out(caller: Caller, spelling: str) -> None:
    record = caller.records("CRS610MI/LstByNumber", f"maxrecs=1;{spelling}")[0]
    assert all(record.values())
    assert "CUA4" not in record


def test_an_unknown_column_is_refused(caller: Caller) -> None:
    refused = caller.refusal("CRS620MI/LstSuppliers", "returncols=SUNO,STAT")
    assert refused["errorField"].strip() == "STAT"


def test_a_company_may_be_an_option_or_a_field(caller: Caller) -> None:
    by_option = caller.records("CRS610MI/LstByNumber", "cono=200;maxrecs=0")
    by_field = caller.records("CRS610MI/LstByNumber", CONO="200")
    assert by_option == by_field
    assert {r["CONO"] for r in by_option} == {"200"}
    assert caller.refusal("CRS610MI/LstByNumber", "cono=999")["errorCode"] == "WCO0103"
    # Only where the transaction has that input.
    assert (
        caller.refusal("CRS630MI/LstAccountID", AITP="1", CONO="100")["errorField"] == "CONO      "
    )


def test_unknown_inputs_may_be_ignored_elsewhere(caller: Caller) -> None:
    caller.sandbox.switches.unknown_inputs_rejected = False
    assert caller.records("CRS630MI/LstAccountID", AITP="1", CONO="100")


def test_a_missing_input_is_refused(caller: Caller) -> None:
    refused = caller.refusal("CRS620MI/GetBasicData")
    assert refused["errorMessage"].startswith("Supplier number must be entered")
    assert refused["errorField"] == "SUNO      "
    assert caller.refusal("MMS200MI/LstItmByItm", ITNO=" ")["errorField"].strip() == "ITNO"


@pytest.mark.parametrize(
    ("transaction", "inputs", "code"),
    [
        ("CRS620MI/LstSuppliers", {"LMTS": "yesterday"}, "XNU0000"),
        ("MMS200MI/LstItmByChgDate", {"FLMD": "20261399"}, "XDT0001"),
        ("CRS610MI/LstByNumber", {"CUNO": "much-too-long"}, "CPF9898"),
    ],
)
def test_bad_inputs_are_refused(
    caller: Caller, transaction: str, inputs: dict[str, str], code: str
) -> None:
    assert caller.refusal(transaction, **inputs)["errorCode"] == code


def test_what_does_not_exist_says_so_in_a_padded_message(caller: Caller) -> None:
    refused = caller.refusal("CRS610MI/GetBasicData", CUNO="99999")
    assert refused["errorMessage"] == "Customer 99999 does not exist          WCU0203 CUNO      "
    assert refused["errorCode"] == "WCU0203"


def test_an_empty_list_is_an_error_or_empty(caller: Caller) -> None:
    assert caller.refusal("CRS620MI/LstSuppliers", FRSU="ZZZ")["errorCode"] == "XRE0103"
    caller.sandbox.switches.empty_list_is_error = False
    assert caller.records("CRS620MI/LstSuppliers", FRSU="ZZZ") == []


def test_unknown_transactions_are_a_400_at_top_level(caller: Caller) -> None:
    answer = caller.mi("CRS620MI/AddSupplier")
    assert answer.status_code == 400
    assert answer.json()["errorType"] == "TransactionNotFound"
    assert "results" not in answer.json()


def test_refusals_may_be_a_400_too(caller: Caller) -> None:
    caller.sandbox.switches.errors_as_400 = True
    answer = caller.mi("CRS610MI/GetBasicData", CUNO="99999")
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "WCU0203")


def test_an_unauthorized_program_says_so(caller: Caller) -> None:
    caller.sandbox.switches.unauthorized_programs.add("EXPORTMI")
    refused = caller.refusal("EXPORTMI/LstFields", FILE="CIDMAS")
    assert "not authorized" in refused["errorMessage"]


def test_a_bad_option_is_a_bad_request(caller: Caller) -> None:
    answer = caller.mi("CRS620MI/LstSuppliers", "maxrecs=many")
    assert (answer.status_code, answer.text) == (400, "Bad Request")
    assert caller.mi("CRS620MI/LstSuppliers", "metadata=true").status_code == 400
    assert caller.mi("CRS620MI/LstSuppliers", "metadata=false").status_code == 200


def test_the_sdk_form_of_a_url_works(caller: Caller) -> None:
    answer = caller.get(
        f"{V2}/CRS610MI/LstByNumber;metadata=false;maxrecs=100;excludempty=false;cono=100;divi=AAA"
        ";returncols=CUNO%2CCUNM,STAT?CUNO=C00003&_rid=17"
    )
    assert answer.json()["results"][0]["records"][0]["CUNO"] == "C00003    "


def test_version_1_answers_json_when_asked(caller: Caller) -> None:
    body = caller.get(f"{V1}/CRS620MI/LstByNumber;maxrecs=1;returncols=SUNO,STAT", SUNO="0").json()
    assert body == {
        "Program": "CRS620MI",
        "Transaction": "LstByNumber",
        "MIRecord": [
            {
                "RowIndex": 0,
                "NameValue": [
                    {"Name": "SUNO", "Value": "10001     "},
                    {"Name": "STAT", "Value": "20"},
                ],
            }
        ],
    }
    described = caller.get(
        f"{V1}/CRS620MI/LstByNumber;maxrecs=1;metadata=true;returncols=SUNO", SUNO="0"
    ).json()
    assert described["Metadata"]["Field"] == [
        {"@name": "SUNO", "@type": "A", "@length": "10", "@description": "Supplier number"}
    ]


def test_version_1_refuses_in_its_own_form(caller: Caller) -> None:
    body = caller.get(f"{V1}/CRS620MI/GetBasicData", SUNO="NONE").json()
    assert body["@type"] == "ServerReturnedNOK"
    assert body["@code"] == "XRE0103"
    assert "MIRecord" not in body


def test_version_1_answers_xml_otherwise(caller: Caller) -> None:
    url = f"{caller.sandbox.url}/ACME_TST/{V1}/CRS620MI/LstByNumber;maxrecs=2;returncols=SUNO,SUNM"
    headers = caller.headers() | {"Accept": "*/*"}
    tree = ElementTree.fromstring(caller.http.get(f"{url}?SUNO=0", headers=headers).text)  # noqa: S314 - our own server
    name = "{http://lawson.com/m3/miaccess}"
    assert tree.tag == f"{name}miResult"
    assert len(tree.findall(f"{name}MIRecord")) == 2
    error = ElementTree.fromstring(caller.http.get(url, headers=headers).text)  # noqa: S314 - our own server
    assert error.tag == f"{name}ErrorMessage"


def test_a_bulk_post_answers_in_order_with_partial_failures(caller: Caller) -> None:
    answer = caller.bulk(
        program="PPS200MI",
        cono=100,
        divi="",
        excludeEmptyValues=False,
        rightTrim=True,
        maxReturnedRecords=0,
        dateFormat="YMD8",
        extendedResult=True,
        transactions=[
            {
                "transaction": "GetHead",
                "record": {"PUNO": "1000001"},
                "selectedColumns": ["PUNO", "SUNO"],
            },
            {"transaction": "GetHead", "record": {"PUNO": "9999999"}},
            {"transaction": "LstHead", "record": {}},
            {"transaction": "LstLine", "record": {"PUNO": "1000002"}},
        ],
    )
    assert answer.status_code == 200
    body = answer.json()
    head, missing, unknown, lines = body["results"]
    assert set(head["records"][0]) == {"PUNO", "SUNO"}
    assert head["parameters"] == {"PUNO": "1000001"}
    assert missing["errorCode"] == "XRE0103"
    assert unknown["errorType"] == "TransactionNotFound"
    assert {r["PUNO"] for r in lines["records"]} == {"1000002"}
    assert body["wasTerminated"] is False
    assert (body["nrOfSuccessfullTransactions"], body["nrOfFailedTransactions"]) == (2, 2)
    assert body["nrOfNotProcessedTransactions"] == 0


def test_a_bulk_post_that_is_too_big_times_out(caller: Caller) -> None:
    one = {"transaction": "GetBasicData", "record": {"SUNO": "10001"}}
    assert caller.bulk(program="CRS620MI", transactions=[one] * 100).status_code == 200
    assert caller.bulk(program="CRS620MI", transactions=[one] * 101).status_code == 504
    long = one | {"record": {"SUNO": "10001", "CONO": "100" + " " * 33_000}}
    assert caller.bulk(program="CRS620MI", transactions=[long]).status_code == 504
    caller.sandbox.switches.bulk_timeouts = False
    assert caller.bulk(program="CRS620MI", transactions=[one] * 101).status_code == 200


def test_a_bulk_post_needs_a_program_and_transactions(caller: Caller) -> None:
    assert caller.bulk(program="CRS620MI", transactions=[]).status_code == 400
    assert caller.bulk(transactions=[{"transaction": "GetBasicData"}]).status_code == 400
    assert caller.get(V2).status_code == 405
