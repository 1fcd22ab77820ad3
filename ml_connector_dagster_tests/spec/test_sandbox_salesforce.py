"""The stand-in of Salesforce refuses what the real one refuses, and keeps what the real one keeps.

From reference/saas-destinations.md §1 and Salesforce's manuals. Called by httpx: this is about the stand-in alone.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ml_connector_dagster.sandbox.salesforce import Fault, OrgOptions, SalesforceSandbox


HOST = {"Host": "acme.my.salesforce.com"}
DATA = "/services/data/v64.0"
KEY, SECRET = "3MVG9.sandbox.key", "sandbox-consumer-secret"
OBJECT = """<?xml version="1.0" encoding="UTF-8"?>
<CustomObject xmlns="http://soap.sforce.com/2006/04/metadata">{head}{fields}</CustomObject>"""
HEAD = (
    "<deploymentStatus>Deployed</deploymentStatus><label>Order</label><nameField><label>Name</label>"
    "<type>Text</type></nameField><pluralLabel>Orders</pluralLabel><sharingModel>ReadWrite</sharingModel>"
)
EXTERNAL = (
    "<fields><fullName>{name}</fullName><label>Key</label><type>Text</type><length>80</length>"
    "<externalId>true</externalId><unique>true</unique><caseSensitive>{case}</caseSensitive></fields>"
)
LOOKUP = (
    "<fields><fullName>Account__c</fullName><label>Account</label><type>Lookup</type>"
    "<referenceTo>Account</referenceTo><relationshipName>Orders</relationshipName></fields>"
)
NUMBER = (
    "<fields><fullName>Amount__c</fullName><label>Amount</label><type>Number</type>"
    "<precision>6</precision><scale>2</scale></fields>"
)
PICKLIST = (
    "<fields><fullName>Status__c</fullName><label>Status</label><type>Picklist</type><valueSet>"
    "<restricted>true</restricted><valueSetDefinition><sorted>false</sorted><value><fullName>Open</fullName>"
    "<default>false</default><label>Open</label></value></valueSetDefinition></valueSet></fields>"
)


class Org:
    """Plain calls to the stand-in."""

    def __init__(self, sandbox: SalesforceSandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(base_url=sandbox.url, headers=HOST, trust_env=False)
        self.http.headers["Authorization"] = f"Bearer {self.token()}"

    def token(self) -> str:
        answer = self.log_in().json()
        token: str = answer["access_token"]
        return token

    def log_in(
        self,
        key: str = KEY,
        secret: str = SECRET,
        grant: str = "client_credentials",
        host: str = "",
    ) -> httpx.Response:
        return self.http.post(
            "/services/oauth2/token",
            data={"grant_type": grant},
            auth=(key, secret),
            headers={"Host": host or HOST["Host"]},
        )

    def call(self, method: str, path: str, **settings: Any) -> httpx.Response:
        return self.http.request(method, DATA + path, **settings)

    def upsert(self, records: list[dict[str, Any]], sobject: str = "Account", **body: Any) -> Any:
        typed = [{"attributes": {"type": sobject}, **one} for one in records]
        answer = self.call(
            "PATCH",
            f"/composite/sobjects/{sobject}/ERP_Id__c",
            json={"allOrNone": False, "records": typed, **body},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def query(self, soql: str) -> Any:
        return self.call("GET", "/query", params={"q": soql}).json()

    def bulk(self, data: bytes, sobject: str = "Account", **settings: Any) -> dict[str, Any]:
        """A job to its end."""
        body = {"object": sobject, "operation": "upsert", "externalIdFieldName": "ERP_Id__c"}
        job = self.call("POST", "/jobs/ingest", json=body | settings).json()
        path = f"/jobs/ingest/{job['id']}"
        put = self.call(
            "PUT", f"{path}/batches", content=data, headers={"Content-Type": "text/csv"}
        )
        assert put.status_code == 201
        assert put.content == b""
        self.call("PATCH", path, json={"state": "UploadComplete"})
        states = []
        while not states or states[-1]["state"] not in ("JobComplete", "Failed"):
            states.append(self.call("GET", path).json())
        return dict(states[-1])

    def results(self, job: dict[str, Any], kind: str) -> str:
        return self.call("GET", f"/jobs/ingest/{job['id']}/{kind}").text

    def deploy(self, objects: dict[str, str], sets: dict[str, str] | None = None) -> dict[str, Any]:
        """Deploy, assign every permission set, and answer the result."""
        sets = sets or {}
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as package:
            members = "".join(f"<members>{name}</members>" for name in objects)
            named = "".join(f"<members>{name}</members>" for name in sets)
            package.writestr(
                "package.xml",
                '<Package xmlns="http://soap.sforce.com/2006/04/metadata">'
                f"<types>{members}<name>CustomObject</name></types>"
                f"<types>{named}<name>PermissionSet</name></types><version>64.0</version></Package>",
            )
            for name, text in objects.items():
                package.writestr(f"objects/{name}.object", text)
            for name, text in sets.items():
                package.writestr(f"permissionsets/{name}.permissionset", text)
        files = {
            "json": (None, b'{"deployOptions": {}}', "application/json"),
            "file": ("p.zip", packed.getvalue(), "application/zip"),
        }
        started = self.call("POST", "/metadata/deployRequest", files=files)
        assert started.status_code == 201, started.text
        path = f"/metadata/deployRequest/{started.json()['id']}"
        while not (result := self.call("GET", path).json()["deployResult"])["done"]:
            pass
        return dict(result)

    def furnish(self) -> None:
        """Account and Order__c with keys, visible and writable."""
        key = EXTERNAL.format(name="ERP_Id__c", case="true")
        result = self.deploy(
            {
                "Account": OBJECT.format(head="", fields=key),
                "Order__c": OBJECT.format(head=HEAD, fields=key + LOOKUP + NUMBER + PICKLIST),
            },
            {"All": granting("Account.ERP_Id__c", *(f"Order__c.{name}" for name in ORDER_FIELDS))},
        )
        assert result["success"], result
        self.assign("All")

    def assign(self, name: str) -> None:
        user = self.call("GET", "").json()["identity"].rsplit("/", 1)[-1]
        own = self.query(f"SELECT Id FROM PermissionSet WHERE Name = '{name}'")["records"][0]["Id"]
        body = {"AssigneeId": user, "PermissionSetId": own}
        assert self.call("POST", "/sobjects/PermissionSetAssignment", json=body).status_code == 201


ORDER_FIELDS = ("ERP_Id__c", "Account__c", "Amount__c", "Status__c")


def granting(*fields: str) -> str:
    """A permission set with rights on Order__c."""
    shown = "".join(
        f"<fieldPermissions><editable>true</editable><field>{one}</field><readable>true</readable>"
        "</fieldPermissions>"
        for one in fields
    )
    return (
        '<PermissionSet xmlns="http://soap.sforce.com/2006/04/metadata"><label>All</label>'
        "<objectPermissions><allowCreate>true</allowCreate><allowDelete>false</allowDelete>"
        "<allowEdit>true</allowEdit><allowRead>true</allowRead><object>Order__c</object></objectPermissions>"
        f"{shown}</PermissionSet>"
    )


@pytest.fixture(scope="module")
def _sandbox() -> Iterator[SalesforceSandbox]:
    options = OrgOptions(clients_without_user={"no-user": "x"}, query_batch=200, bulk_bytes=10_000)
    with SalesforceSandbox.start(options) as sandbox:
        yield sandbox


@pytest.fixture
def bare(_sandbox: SalesforceSandbox) -> Iterator[Org]:
    """A new org."""
    _sandbox.reset()
    made = Org(_sandbox)
    yield made
    made.http.close()


@pytest.fixture
def org(bare: Org) -> Org:
    """With keys on Account, and Order__c."""
    bare.furnish()
    return bare


# --- Logins -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "error", "description"),
    [
        ({"grant": "password"}, "unsupported_grant_type", "grant type not supported"),
        ({"key": "nobody"}, "invalid_client_id", "client identifier invalid"),
        ({"secret": "wrong"}, "invalid_client", "invalid client credentials"),
        ({"key": "no-user", "secret": "x"}, "invalid_grant", "no client credentials user enabled"),
        ({"host": "login.salesforce.com"}, "invalid_grant", "request not supported on this domain"),
    ],
)
def test_logins_that_are_refused(
    bare: Org, given: dict[str, str], error: str, description: str
) -> None:
    answer = bare.log_in(**given)
    assert answer.status_code == 400
    assert answer.json() == {"error": error, "error_description": description}


def test_a_login_tells_no_lifetime_and_a_session_ends_all_the_same() -> None:
    now = [1_700_000_000.0]
    options = OrgOptions(token_lifetime=7200, now=lambda: now[0])
    with SalesforceSandbox.start(options) as sandbox:
        org = Org(sandbox)
        assert "expires_in" not in org.log_in().json()
        assert org.call("GET", "/limits").status_code == 200
        now[0] += 7200
        answer = org.call("GET", "/limits")
        org.http.close()
    assert answer.status_code == 401
    assert answer.json() == [
        {"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}
    ]


def test_only_the_my_domain_is_served(bare: Org) -> None:
    answer = bare.http.get(f"{DATA}/limits", headers={"Host": "other.my.salesforce.com"})
    assert answer.status_code == 404
    assert bare.http.get("/services/data/v99.0/limits").status_code == 404
    versions = bare.http.get("/services/data", headers={"Authorization": ""}).json()
    assert versions[-1]["version"] == "68.0"


# --- Records ----------------------------------------------------------------------------------------------------------


def test_a_key_that_is_not_escaped_names_another_record(org: Org) -> None:
    """Reference §1.1 case 6: the library does not escape it, which is why single upserts are not used."""
    path = "/sobjects/Account/ERP_Id__c/A?1"
    answer = org.call("PATCH", path, json={"Name": "meant for A?1"})
    assert answer.status_code == 201
    assert list(org.sandbox.by_key("Account")) == ["A"]
    org.call("PATCH", "/sobjects/Account/ERP_Id__c/A%3F1", json={"Name": "right"})
    org.call("PATCH", "/sobjects/Account/ERP_Id__c/A%2F1", json={"Name": "right"})
    assert set(org.sandbox.by_key("Account")) == {"A", "A?1", "A/1"}


def test_a_single_upsert_says_whether_it_created(org: Org) -> None:
    path = "/sobjects/Account/ERP_Id__c/1"
    assert org.call("PATCH", path, json={"Name": "n"}).status_code == 201
    again = org.call("PATCH", path, json={"Name": "n"})
    assert (again.status_code, again.json()["created"]) == (200, False)


def test_results_come_in_the_order_of_the_records_with_200_although_some_fail(org: Org) -> None:
    results = org.upsert(
        [{"ERP_Id__c": "1", "Name": "a"}, {"ERP_Id__c": "2"}, {"ERP_Id__c": "3", "Name": "c"}]
    )
    assert [one["success"] for one in results] == [True, False, True]
    assert results[0]["created"] is True
    assert results[1]["errors"] == [
        {
            "statusCode": "REQUIRED_FIELD_MISSING",
            "message": "Required fields are missing: [Name]",
            "fields": ["Name"],
        }
    ]


def test_all_or_none_takes_everything_back(org: Org) -> None:
    results = org.upsert([{"ERP_Id__c": "1", "Name": "a"}, {"ERP_Id__c": "2"}], allOrNone=True)
    assert results[0]["errors"][0]["statusCode"] == "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    assert org.sandbox.rows("Account") == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"records": [{"attributes": {"type": "Account"}}] * 201}, "EXCEEDED_ID_LIMIT"),
        ({"records": [{"Name": "n"}]}, "INVALID_INPUT"),
        ({"records": [{"attributes": {"type": "Contact"}}]}, "INVALID_INPUT"),
        ({"records": [{"attributes": {"type": "Account"}, "Id": "001"}]}, "INVALID_INPUT"),
        ({"records": [{"attributes": {"type": "Account"}, "Name": 5}]}, "JSON_PARSER_ERROR"),
        ({"records": []}, "INVALID_INPUT"),
        ({}, "JSON_PARSER_ERROR"),
        ([], "JSON_PARSER_ERROR"),
    ],
)
def test_malformed_collections_are_refused_as_a_whole(org: Org, body: Any, code: str) -> None:
    answer = org.call("PATCH", "/composite/sobjects/Account/ERP_Id__c", json=body)
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == code


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"Name": "x" * 81}, "STRING_TOO_LONG"),
        ({"Status__c": "Closed"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({"Amount__c": 10_000}, "NUMBER_OUTSIDE_VALID_RANGE"),
        ({"Nonsense__c": "x"}, "INVALID_FIELD"),
        ({"Account__r": {"ERP_Id__c": "nowhere"}}, "INVALID_FIELD"),
        ({"Account__c": "001Sb0000000zzz"}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"Account__c": "Acme"}, "MALFORMED_ID"),
        ({"CreatedDate": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ],
)
def test_records_that_are_refused(org: Org, record: dict[str, Any], code: str) -> None:
    [result] = org.upsert([{"ERP_Id__c": "1", "Name": "n"} | record], "Order__c")
    assert [one["statusCode"] for one in result["errors"]] == [code]
    assert org.sandbox.rows("Order__c") == []


def test_a_key_that_comes_twice_in_a_call_is_refused_twice(org: Org) -> None:
    results = org.upsert([{"ERP_Id__c": "1", "Name": "a"}, {"ERP_Id__c": "1", "Name": "b"}])
    assert {one["errors"][0]["statusCode"] for one in results} == {"DUPLICATE_VALUE"}


def test_keys_tell_cases_apart_only_where_the_field_says_so(org: Org) -> None:
    org.upsert([{"ERP_Id__c": "a", "Name": "a"}, {"ERP_Id__c": "A", "Name": "A"}])
    assert len(org.sandbox.rows("Account")) == 2
    loose = EXTERNAL.format(name="Loose__c", case="false")
    org.deploy(
        {"Account": OBJECT.format(head="", fields=loose)}, {"L": granting("Account.Loose__c")}
    )
    org.assign("L")
    for key in ("x", "X"):
        org.call("PATCH", f"/sobjects/Account/Loose__c/{key}", json={"Name": key})
    assert len(org.sandbox.rows("Account")) == 3


def test_texts_lose_the_blanks_around_them_and_empty_ones_are_null(org: Org) -> None:
    org.upsert([{"ERP_Id__c": " 1 ", "Name": " n ", "Phone": "  "}])
    [row] = org.sandbox.rows("Account")
    assert (row["ERP_Id__c"], row["Name"], row["Phone"]) == ("1", "n", None)


def test_a_lock_a_duplicate_rule_and_too_many_retries_are_faults_on_a_switch(org: Org) -> None:
    org.sandbox.faults.add(Fault(kind="record", key="^1$"))
    org.sandbox.faults.add(Fault(kind="chunk", size=1, nth=2))
    records = [{"ERP_Id__c": "1", "Name": "a"}, {"ERP_Id__c": "2", "Name": "b"}]
    assert org.upsert(records)[0]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"
    told = org.upsert(records)
    assert all("Too many batch retries" in one["errors"][0]["message"] for one in told)
    assert [one["success"] for one in org.upsert(records)] == [True, True]


def test_a_deployed_field_is_invisible_until_a_permission_set_shows_it(bare: Org) -> None:
    key = EXTERNAL.format(name="ERP_Id__c", case="true")
    assert bare.deploy({"Account": OBJECT.format(head="", fields=key)})["success"]
    path = "/composite/sobjects/Account/ERP_Id__c"
    body = {"records": [{"attributes": {"type": "Account"}, "ERP_Id__c": "1", "Name": "n"}]}
    assert bare.call("PATCH", path, json=body).status_code == 404
    names = {one["name"] for one in bare.call("GET", "/sobjects/Account/describe").json()["fields"]}
    assert "ERP_Id__c" not in names
    bare.deploy({}, {"Show": granting("Account.ERP_Id__c").replace("Order__c", "Account")})
    bare.assign("Show")
    assert bare.call("PATCH", path, json=body).json()[0]["success"]


# --- Queries ----------------------------------------------------------------------------------------------------------


def test_queries_select_filter_order_and_page(org: Org) -> None:
    org.upsert([{"ERP_Id__c": "acc", "Name": "Acme"}])
    orders = [
        {
            "ERP_Id__c": f"{n:03}",
            "Name": f"O{n}",
            "Amount__c": n,
            "Account__r": {"ERP_Id__c": "acc"},
        }
        for n in range(200)
    ]
    org.upsert(orders, "Order__c")
    org.upsert([{"ERP_Id__c": "it's \\ 1%", "Name": "odd"}], "Order__c")
    [row] = org.query(
        "SELECT Id, Name, Account__r.ERP_Id__c FROM Order__c WHERE Amount__c >= 7 AND (Name = 'o7' OR Name = 'x')"
    )["records"]
    assert (row["Name"], row["Account__r"]["ERP_Id__c"]) == ("O7", "acc")
    found = org.query(r"SELECT Name FROM Order__c WHERE ERP_Id__c IN ('it\'s \\ 1%', '003')")
    assert {one["Name"] for one in found["records"]} == {"odd", "O3"}
    assert org.query(r"SELECT COUNT() FROM Order__c WHERE ERP_Id__c LIKE '%1\%'")["totalSize"] == 1
    grouped = org.query(
        "SELECT Account__c, COUNT(Id) n, SUM(Amount__c) total, MAX(Amount__c) FROM Order__c GROUP BY Account__c"
    )["records"]
    assert {(one["n"], one["total"], one["expr0"]) for one in grouped} == {
        (200, 19900, 199),
        (1, None, None),
    }
    first = org.query("SELECT Name FROM Order__c ORDER BY Amount__c DESC")
    assert (first["totalSize"], first["done"], len(first["records"])) == (201, False, 200)
    rest = org.http.get(first["nextRecordsUrl"]).json()
    assert (rest["done"], len(rest["records"])) == (True, 1)
    limited = org.query(
        "SELECT Name FROM Order__c WHERE Amount__c != null ORDER BY Name LIMIT 2 OFFSET 1"
    )
    assert [one["Name"] for one in limited["records"]] == ["O1", "O10"]


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT FROM Account", "MALFORMED_QUERY"),
        ("SELECT Name FROM Account WHERE", "MALFORMED_QUERY"),
        ("SELECT Name FROM Account; DROP", "MALFORMED_QUERY"),
        ("SELECT * FROM Account", "MALFORMED_QUERY"),
        ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY"),
        ("SELECT Nonsense FROM Account", "INVALID_FIELD"),
        ("SELECT Name FROM Nowhere__c", "INVALID_TYPE"),
        ("SELECT Name FROM Account WHERE NumberOfEmployees = '5'", "INVALID_FIELD"),
        ("SELECT Name FROM Account WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Name FROM Account WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        (r"SELECT Name FROM Account WHERE Name = 'a\q'", "MALFORMED_QUERY"),
    ],
)
def test_queries_that_are_refused(org: Org, soql: str, code: str) -> None:
    answer = org.call("GET", "/query", params={"q": soql})
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == code


def test_a_url_that_is_too_long_is_refused(org: Org) -> None:
    keys = ",".join(f"'{number:040}'" for number in range(400))
    answer = org.call(
        "GET", "/query", params={"q": f"SELECT Id FROM Account WHERE ERP_Id__c IN ({keys})"}
    )
    assert answer.status_code == 414


# --- Bulk -------------------------------------------------------------------------------------------------------------


def test_a_job_tells_what_it_did_with_each_row_in_no_order(org: Org) -> None:
    job = org.bulk(b'ERP_Id__c,Name\n1,One\n2,#N/A\n3,"Th\nree"\n4,\n')
    assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (
        "JobComplete",
        4,
        2,
    )
    successful = org.results(job, "successfulResults")
    assert successful.splitlines()[0] == '"sf__Id","sf__Created","ERP_Id__c","Name"'
    assert successful.index('"Th\nree"') < successful.index('"One"')
    assert "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --" in org.results(
        job, "failedResults"
    )
    assert org.results(job, "unprocessedrecords") == '"ERP_Id__c","Name"\n'


def test_an_empty_cell_leaves_a_field_alone_and_na_clears_it(org: Org) -> None:
    org.bulk(b"ERP_Id__c,Name,Phone,Fax\n1,One,11,22\n")
    org.bulk(b"ERP_Id__c,Name,Phone,Fax\n1,,,#N/A\n")
    [row] = org.sandbox.rows("Account")
    assert (row["Name"], row["Phone"], row["Fax"]) == ("One", "11", None)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"ERP_Id__c,Nme\n1,x\n", "InvalidBatch : Field name not found : Nme"),
        (
            b"\xef\xbb\xbfERP_Id__c,Name\n1,x\n",
            "InvalidBatch : Field name not found : \ufeffERP_Id__c",
        ),
        (b"ERP_Id__c,Name\r\n1,x\r\n", "LineEnding is invalid on user data"),
        (
            b"ERP_Id__c,Name,Nowhere__r.ERP_Id__c\n1,x,y\n",
            "Unable to find relationship: Nowhere__r",
        ),
        (b"ERP_Id__c,Name\n1\n", "number of columns of line 2"),
        (b"ERP_Id__c,Name\n1,\xff\n", "Invalid UTF-8"),
    ],
)
def test_uploads_that_fail_their_job(org: Org, data: bytes, error: str) -> None:
    job = org.bulk(data)
    assert job["state"] == "Failed"
    assert error in job["errorMessage"]
    assert org.sandbox.rows("Account") == []


def test_a_job_takes_one_upload_in_time_and_no_larger_than_allowed(org: Org) -> None:
    body = {"object": "Account", "operation": "upsert", "externalIdFieldName": "ERP_Id__c"}
    job = org.call("POST", "/jobs/ingest", json=body).json()
    assert job["state"] == "Open"
    assert job["contentUrl"].endswith(f"{job['id']}/batches")
    path, csv = f"/jobs/ingest/{job['id']}", {"Content-Type": "text/csv"}
    assert org.call("PUT", f"{path}/batches", content=b"x" * 10_001, headers=csv).status_code == 413
    assert org.call("PUT", f"{path}/batches", content=b"{}").status_code == 415
    assert org.call("PUT", f"{path}/batches", content=b"a\n", headers=csv).status_code == 201
    again = org.call("PUT", f"{path}/batches", content=b"a\n", headers=csv)
    assert again.json()[0]["errorCode"] == "INVALIDJOBSTATE"
    assert org.call("GET", f"{path}/failedResults").status_code == 400
    assert org.call("PATCH", path, json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert org.call("PATCH", path, json={"state": "UploadComplete"}).status_code == 400
    assert org.call("DELETE", path).status_code == 204
    assert org.call("GET", path).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"object": "Nowhere__c"},
        {"externalIdFieldName": "Name"},
        {"operation": "hardDelete"},
        {"contentType": "XML"},
        {"nonsense": 1},
    ],
)
def test_jobs_that_are_refused(org: Org, change: dict[str, Any]) -> None:
    body = {"object": "Account", "operation": "upsert", "externalIdFieldName": "ERP_Id__c"}
    assert org.call("POST", "/jobs/ingest", json=body | change).status_code == 400


# --- Deployments, limits, page ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (EXTERNAL.format(name="Key", case="true"), "Custom field names end in __c"),
        (EXTERNAL.format(name="K__c", case="true").replace("80", "256"), "between 1 and 255"),
        (LOOKUP.replace(">Account<", ">Nowhere__c<"), "does not resolve to a valid sObject type"),
        (NUMBER.replace("<precision>6", "<precision>19"), "Precision must be at most 18"),
        (PICKLIST.partition("<valueSet>")[0] + "</fields>", "Must specify a valueSet"),
    ],
)
def test_deployments_that_fail_leave_nothing(bare: Org, fields: str, problem: str) -> None:
    result = bare.deploy({"Order__c": OBJECT.format(head=HEAD, fields=fields)})
    assert not result["success"]
    assert problem in result["details"]["componentFailures"][0]["problem"]
    assert bare.call("GET", "/sobjects/Order__c/describe").status_code == 404


def test_a_user_without_the_right_deploys_nothing() -> None:
    with SalesforceSandbox.start(OrgOptions(may_customize=False)) as sandbox:
        org = Org(sandbox)
        answer = org.call("POST", "/metadata/deployRequest", files={"file": b"x"})
        org.http.close()
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS")


def test_requests_of_the_day_are_counted_and_run_out(bare: Org) -> None:
    bare.sandbox.used = bare.sandbox.options.daily_requests - 1
    answer = bare.call("GET", "/limits")
    assert answer.headers["Sforce-Limit-Info"] == "api-usage=100000/100000"
    assert answer.json()["DailyApiRequests"] == {"Max": 100_000, "Remaining": 0}
    answer = bare.call("GET", "/limits")
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert bare.log_in().status_code == 200, "logins do not count"


def test_people_see_accounts_and_objects_of_their_own(org: Org) -> None:
    org.upsert([{"ERP_Id__c": "1", "Name": "Acme <& Co>"}])
    org.upsert([{"ERP_Id__c": "9", "Name": "PO 9", "Account__r": {"ERP_Id__c": "1"}}], "Order__c")
    for path in ("/_salesforce", "/lightning/o/Account/list"):
        page = httpx.get(org.sandbox.url + path, trust_env=False)
        assert page.status_code == 200
        assert page.text.count("Acme &lt;&amp; Co&gt;") == 2, (
            "by itself, and as the order's account"
        )
        assert "PO 9" in page.text


def test_a_fault_of_an_unknown_kind_is_a_mistake_of_the_test() -> None:
    with pytest.raises(ValueError, match="unknown fault"):
        Fault(kind="nonsense")  # type: ignore[arg-type]  # that is the point


def test_faults_are_switched_by_http_too(bare: Org) -> None:
    path = "/_salesforce/faults"
    fault = {"kind": "status", "status": 503, "path": "limits", "times": None}
    assert bare.http.post(path, json=fault).status_code == 201
    assert bare.call("GET", "/limits").status_code == 503
    [armed] = bare.http.get(path).json()
    assert (armed["kind"], armed["fired"]) == ("status", 1)
    assert bare.http.post(path, json={"kind": "nonsense"}).status_code == 400
    assert bare.http.post(path, json={"kid": "status"}).status_code == 400
    assert bare.http.delete(path).status_code == 204
    assert bare.call("GET", "/limits").status_code == 200
