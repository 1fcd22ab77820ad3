"""The sandbox's authorization server: reference cloudsuite-api §1."""

import base64
import json

import httpx
import pytest

from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions, Tenant
from ml_connector_dagster_tests.spec.sandbox_calls import Caller


def test_the_service_account_file_has_every_key_of_a_download(sandbox: Sandbox) -> None:
    content = json.loads(sandbox.ionapi_text("ACME_TST"))
    assert set(content) == {
        "ti",
        "cn",
        "dt",
        "ci",
        "cs",
        "iu",
        "pu",
        "oa",
        "ot",
        "or",
        "ev",
        "v",
        "saak",
        "sask",
    }
    assert content["ti"] == "ACME_TST"
    assert content["pu"] == f"{sandbox.url}/ACME_TST/as/"
    assert content["ci"].startswith("ACME_TST~")
    assert content["saak"].startswith("ACME_TST#")


def test_other_kinds_of_files_lack_the_service_account(sandbox: Sandbox) -> None:
    client = json.loads(sandbox.ionapi_text("ACME_TST", "client_credentials"))
    web = json.loads(sandbox.ionapi_text("ACME_TST", "web_app"))
    assert {"cn", "ci", "cs", "pu", "ot"} <= set(client)
    assert not {"saak", "sask"} & set(client)
    assert "ru" in web
    assert not {"saak", "sask"} & set(web)


def test_a_password_grant_with_basic_authentication_gives_a_token(caller: Caller) -> None:
    answer = caller.login()
    assert answer.status_code == 200
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 7200
    assert "refresh_token" not in body
    assert caller.sandbox.logins("ACME_TST") == 1
    assert caller.sandbox.logins("BETA_TST") == 0


def test_client_authentication_may_stand_in_the_body(caller: Caller) -> None:
    file = caller.file
    answer = caller.http.post(
        file["pu"] + file["ot"],
        data={
            "grant_type": "password",
            "username": file["saak"],
            "password": file["sask"],
            "client_id": file["ci"],
            "client_secret": file["cs"],
            "scope": "openid",
        },
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"password": "wrong"}, 400, "invalid_grant"),
        ({"username": "ACME_TST#other"}, 400, "invalid_grant"),
        ({"grant_type": "implicit"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
    ],
)
def test_wrong_requests_are_refused(
    caller: Caller, form: dict[str, str], status: int, error: str
) -> None:
    answer = caller.login(**form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert caller.sandbox.logins("ACME_TST") == 0


def test_a_wrong_client_secret_is_invalid_client(caller: Caller) -> None:
    answer = caller.http.post(
        caller.file["pu"] + caller.file["ot"],
        data={"grant_type": "client_credentials"},
        auth=(caller.file["ci"], "wrong"),
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_client_credentials_give_a_token(caller: Caller) -> None:
    file = json.loads(caller.sandbox.ionapi_text("ACME_TST", "client_credentials"))
    answer = caller.http.post(
        file["pu"] + file["ot"],
        data={"grant_type": "client_credentials"},
        auth=(file["ci"], file["cs"]),
    )
    assert answer.status_code == 200


def test_a_token_request_that_is_no_form_is_refused(caller: Caller) -> None:
    answer = caller.http.post(
        caller.file["pu"] + caller.file["ot"], json={"grant_type": "password"}
    )
    assert answer.status_code == 400


def test_a_token_expires_by_the_sandbox_clock(caller: Caller) -> None:
    assert caller.get("M3/m3api-rest/v2/execute/MNS150MI/GetUserData").status_code == 200
    caller.sandbox.clock.advance(hours=2, seconds=1)
    expired = caller.get("M3/m3api-rest/v2/execute/MNS150MI/GetUserData")
    assert (expired.status_code, expired.json()) == (401, {"error": "Unauthorized"})


def test_a_new_token_leaves_the_earlier_one_valid(caller: Caller) -> None:
    caller.headers()
    caller.login()
    assert caller.get("M3/m3api-rest/v2/execute/MNS150MI/GetUserData").status_code == 200


def test_a_token_of_one_tenant_is_worth_nothing_at_another(caller: Caller) -> None:
    url = f"{caller.sandbox.url}/BETA_TST/M3/m3api-rest/v2/execute/MNS150MI/GetUserData"
    assert caller.http.get(url, headers=caller.headers()).status_code == 401


def test_a_revoked_token_is_refused(caller: Caller) -> None:
    caller.headers()
    answer = caller.http.post(
        caller.file["pu"] + caller.file["or"],
        data={"token": caller.token},
        auth=(caller.file["ci"], caller.file["cs"]),
    )
    assert answer.status_code == 200
    assert caller.get("M3/m3api-rest/v2/execute/MNS150MI/GetUserData").status_code == 401


def test_an_app_may_issue_refresh_tokens() -> None:
    options = SandboxOptions(
        size=ErpSize.tiny(),
        tenants=(Tenant(id="ACME_TST", issues_refresh_tokens=True),),
        token_lifetime=60,
    )
    with Sandbox.start(options) as sandbox:
        caller = Caller(sandbox)
        first = caller.login().json()
        assert first["expires_in"] == 60
        again = caller.login(grant_type="refresh_token", refresh_token=first["refresh_token"])
        used = caller.login(grant_type="refresh_token", refresh_token=first["refresh_token"])
        caller.close()
    assert again.status_code == 200
    assert used.json()["error"] == "invalid_grant"


def test_broken_basic_authentication_is_no_server_error(sandbox: Sandbox) -> None:
    header = "Basic " + base64.b64encode(b"\xff\xfe").decode()
    answer = httpx.post(
        f"{sandbox.url}/ACME_TST/as/token.oauth2",
        data={"grant_type": "password"},
        headers={"Authorization": header},
    )
    assert answer.status_code == 401
