"""A tenant is added from its .ionapi file as downloaded; what is wrong with a file is said in words (S1, O5)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_connector_dagster.cloudsuite.ionapi import Grant, IonApi
from ml_connector_dagster.model.errors import ConfigError


FILE = {
    "ti": "ACME_TST",
    "cn": "ml-connector",
    "dt": "12",
    "ci": "ACME_TST~cLiEnT-iD",
    "cs": "cLiEnT-sEcReT",
    "iu": "https://mingle-ionapi.eu1.inforcloudsuite.com",
    "pu": "https://mingle-sso.eu1.inforcloudsuite.com:443/ACME_TST/as/",
    "oa": "authorization.oauth2",
    "ot": "token.oauth2",
    "or": "revoke_token.oauth2",
    "ev": "U1234567890",
    "v": "1.0",
    "saak": "ACME_TST#aCcEsS-kEy",
    "sask": "sErViCe-sEcReT",
}
SECRETS = ("cLiEnT-iD", "cLiEnT-sEcReT", "aCcEsS-kEy", "sErViCe-sEcReT")
TOKEN_URL = "https://mingle-sso.eu1.inforcloudsuite.com:443/ACME_TST/as/token.oauth2"
BASE_URL = "https://mingle-ionapi.eu1.inforcloudsuite.com/ACME_TST"


def without(*keys: str) -> dict[str, object]:
    return {key: value for key, value in FILE.items() if key not in keys}


def problem(content: object, **options: str) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    with pytest.raises(ConfigError) as caught:
        IonApi.parse(text, **options)
    assert not any(secret in str(caught.value) for secret in SECRETS)
    return str(caught.value)


def test_a_file_as_downloaded() -> None:
    ionapi = IonApi.parse(json.dumps(FILE))
    assert ionapi.tenant_id == "ACME_TST"
    assert ionapi.base_url == BASE_URL
    assert ionapi.token_url == TOKEN_URL
    assert ionapi.revoke_url == TOKEN_URL.replace("token.oauth2", "revoke_token.oauth2")
    assert ionapi.grant is Grant.PASSWORD
    assert ionapi.username.reveal() == FILE["saak"]
    assert ionapi.password.reveal() == FILE["sask"]
    assert ionapi.client_id.reveal() == FILE["ci"]
    assert ionapi.client_secret.reveal() == FILE["cs"]


def test_nothing_secret_shows() -> None:
    ionapi = IonApi.parse(json.dumps(FILE))
    for shown in (repr(ionapi), str(ionapi), f"{ionapi}"):
        assert not any(secret in shown for secret in SECRETS)


@pytest.mark.parametrize(
    ("changes", "base_url", "token_url"),
    [
        ({"iu": FILE["iu"] + "/"}, BASE_URL, TOKEN_URL),
        ({"iu": BASE_URL}, BASE_URL, TOKEN_URL),
        ({"pu": FILE["pu"].rstrip("/")}, BASE_URL, TOKEN_URL),
        ({"pu": FILE["pu"].replace(":443", "")}, BASE_URL, TOKEN_URL.replace(":443", "")),
        ({"ot": "/token.oauth2"}, BASE_URL, TOKEN_URL),
        ({"cs": " cLiEnT-sEcReT\n"}, BASE_URL, TOKEN_URL),
        ({"or": None}, BASE_URL, TOKEN_URL),
        (
            {"iu": "https://mingle35-ionapi.inforgov.com"},
            "https://mingle35-ionapi.inforgov.com/ACME_TST",
            TOKEN_URL,
        ),
    ],
)
def test_spellings_seen_in_the_wild(changes: dict[str, str], base_url: str, token_url: str) -> None:
    ionapi = IonApi.parse(json.dumps(FILE | changes))
    assert (ionapi.base_url, ionapi.token_url) == (base_url, token_url)
    assert ionapi.client_secret.reveal() == FILE["cs"]


def test_a_byte_order_mark_and_blank_lines_do_no_harm() -> None:
    assert IonApi.parse("\ufeff\r\n" + json.dumps(FILE, indent=2) + "\r\n").tenant_id == "ACME_TST"


def test_optional_keys_may_be_missing() -> None:
    ionapi = IonApi.parse(json.dumps(without("cn", "dt", "oa", "or", "ev", "v")))
    assert (ionapi.app, ionapi.revoke_url) == ("", "")


def test_no_service_account_means_client_credentials() -> None:
    ionapi = IonApi.parse(json.dumps(without("saak", "sask")))
    assert ionapi.grant is Grant.CLIENT_CREDENTIALS
    assert not ionapi.username


def test_a_client_credentials_file_may_lack_the_tenant() -> None:
    ionapi = IonApi.parse(json.dumps(without("saak", "sask", "ti")))
    assert (ionapi.tenant_id, ionapi.base_url) == ("ACME_TST", BASE_URL)


def test_on_premise_has_no_tenant_segment() -> None:
    content = without("ti", "iu") | {
        "ci": "infor~client",
        "pu": "https://os.acme.example/InforIntSTS/connect/",
        "ot": "token",
        "or": "revocation",
    }
    ionapi = IonApi.parse(json.dumps(content), base_url="https://os.acme.example:7443/infor/")
    assert ionapi.base_url == "https://os.acme.example:7443/infor"
    assert ionapi.token_url == "https://os.acme.example/InforIntSTS/connect/token"
    assert ionapi.revoke_url == "https://os.acme.example/InforIntSTS/connect/revocation"
    assert ionapi.tenant_id == "os.acme.example"


def test_every_wrong_key_is_named_at_once() -> None:
    said = problem(without("pu", "sask") | {"ci": "", "cs": 17, "ti": None})
    assert "pu (authorization server URL) is missing" in said
    assert "sask (service account secret key) is missing" in said
    assert "ci (client id) is empty" in said
    assert "cs (client secret) is a number, not text" in said
    assert "ti (tenant id) is null, not text" in said
    assert "Download Credentials" in said


@pytest.mark.parametrize("key", ["ci", "cs", "iu", "pu", "ot", "saak", "sask"])
def test_each_required_key_is_named(key: str) -> None:
    assert f"{key} (" in problem(without(key))


def test_a_web_app_is_told_from_a_backend_service() -> None:
    said = problem(without("saak", "sask") | {"ru": "https://localhost/callback"})
    assert "not a Backend Service file" in said
    assert "saak/sask" in said
    assert "Backend Service" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("  \n ", "is empty"),
        ("<!DOCTYPE html><html>Sign in</html>", "HTML"),
        ("/home/ada/ACME_TST.ionapi", "looks like a path"),
        ("C:\\Users\\ada\\ACME_TST.ionapi", "looks like a path"),
        (json.dumps(FILE)[:-20], "not JSON"),
        ("hello", "not JSON"),
        ("[1, 2]", "a list"),
        ('"text"', "text"),
        ("null", "null"),
    ],
)
def test_what_is_no_such_file_is_said(text: str, says: str) -> None:
    assert says in problem(text)


def test_a_cut_file_does_not_travel_with_its_error() -> None:
    with pytest.raises(ConfigError) as caught:
        IonApi.parse(json.dumps(FILE)[:-5])
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("key", ["pu", "iu"])
def test_secrets_are_sent_only_over_https(key: str) -> None:
    said = problem(FILE | {key: "http://mingle.acme.example/ACME_TST/as/"})
    assert "mingle.acme.example" in said
    assert "https" in said


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "127.9.9.9"])
def test_the_own_machine_may_speak_http(host: str) -> None:
    urls = {"pu": f"http://{host}/ACME_TST/as", "iu": f"http://{host}"}
    assert IonApi.parse(json.dumps(FILE | urls)).base_url == f"http://{host}/ACME_TST"


@pytest.mark.parametrize(
    "url", ["mingle", "ftp://x/", "https://", "https://u:p@host/", "https://[x/", "https://h/?a=1"]
)
def test_what_is_no_address_is_said(url: str) -> None:
    assert "iu " in problem(FILE | {"iu": url})


@given(
    changes=st.dictionaries(
        st.sampled_from(sorted(FILE)),
        st.none() | st.text() | st.integers() | st.lists(st.text()),
    ),
    base_url=st.none() | st.text(),
)
def test_any_file_parses_or_is_explained(changes: dict[str, object], base_url: str | None) -> None:
    try:
        IonApi.parse(json.dumps(FILE | changes), base_url=base_url)
        said = ""
    except ConfigError as error:
        said = str(error)
    assert not any(secret in said for secret in SECRETS)
