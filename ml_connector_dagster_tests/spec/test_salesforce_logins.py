"""Who logs in, how often, and what becomes of calls meanwhile (reference/saas-destinations.md §1.1, §5 row 1)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from ml_connector_dagster.credentials import Credential
from ml_connector_dagster.destinations.salesforce.logins import Login
from ml_connector_dagster.destinations.salesforce.sessions import Patience, TokenSession
from ml_connector_dagster.model.errors import ContractError, CredentialError, TransientError
from ml_connector_dagster.model.secrets import Secret
from ml_connector_dagster.sandbox.salesforce import Fault, OrgOptions, SalesforceSandbox
from ml_connector_dagster_tests.spec.salesforce_org import (
    CREDENTIAL,
    SUPPLIERS,
    furnish,
    opened,
    send,
    supplier,
    transport_of,
)


@pytest.fixture(scope="module")
def _org() -> Iterator[SalesforceSandbox]:
    options = OrgOptions(clients_without_user={"no-user": "secret"})
    with SalesforceSandbox.start(options) as org:
        yield org


@pytest.fixture
def org(_org: SalesforceSandbox) -> SalesforceSandbox:
    _org.reset()
    return _org


def test_eight_threads_with_a_dead_token_make_one_login_and_lose_nothing(
    org: SalesforceSandbox,
) -> None:
    furnish(org, SUPPLIERS)
    with transport_of(org, workers=8) as transport:
        transport.describe("Account")
        assert org.identity.logins == 1
        org.identity.revoke_all()
        together = Barrier(8)

        def write(number: int) -> str:
            record = {"ERP_Id__c": f"SUP-{number}", "Name": f"Supplier {number}"}
            together.wait()
            [saved] = transport.upsert("Account", "ERP_Id__c", [record], allow_duplicates=True)
            return saved.id

        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(write, range(8)))
    assert org.identity.logins == 2, "the first one, and one renewal for all"
    assert sorted(org.by_key("Account")) == [f"SUP-{number}" for number in range(8)]
    assert len(set(ids)) == 8
    writes = org.requests("PATCH", "composite")
    assert {one.headers["sforce-duplicate-rule-header"] for one in writes} == {"allowSave=true"}


def test_a_token_that_dies_in_the_middle_of_a_delivery_costs_one_login(
    org: SalesforceSandbox,
) -> None:
    furnish(org, SUPPLIERS)
    org.faults.add(Fault(kind="expired", method="PATCH", path="composite", nth=3))
    with opened(org) as application:
        sent = send(application, SUPPLIERS, map(supplier, range(1000)))
    assert len(sent.answers) == 1000
    assert len(org.by_key("Account")) == 1000
    assert org.identity.logins == 2


def test_a_token_refused_for_good_costs_two_logins_whoever_asks_and_how_often(
    org: SalesforceSandbox,
) -> None:
    org.faults.add(Fault(kind="refused", times=None, path="sobjects"))
    with transport_of(org) as transport:

        def ask(_: int) -> str:
            with pytest.raises(CredentialError) as raised:
                transport.describe("Account")
            return str(raised.value)

        with ThreadPoolExecutor(8) as pool:
            messages = set(pool.map(ask, range(8)))
        ask(9)
    assert org.identity.logins <= 2
    assert all("does not accept them" in one for one in messages)


def test_a_refused_login_is_not_tried_again_by_anybody(org: SalesforceSandbox) -> None:
    values = {"client_id": CREDENTIAL.values["client_id"], "client_secret": Secret("wrong")}
    wrong = replace(CREDENTIAL, values=values)
    with transport_of(org, credential=wrong) as transport:
        for _ in range(3):
            with pytest.raises(CredentialError, match="client_secret is not that of the app"):
                transport.describe("Account")
    assert len([one for one in org.journal.requests() if "oauth2" in one.path]) == 1


@pytest.mark.parametrize(
    ("domain", "client_id", "secret", "message"),
    [
        ("acme.my", "nobody", "x", "No app of this org has the client_id"),
        ("acme.my", "no-user", "secret", "Give the app a user to run as"),
        (
            "other.my",
            "3MVG9.sandbox.key",
            "sandbox-consumer-secret",
            "has to be the org's My Domain",
        ),
    ],
)
def test_a_refused_login_says_what_to_do(
    org: SalesforceSandbox, domain: str, client_id: str, secret: str, message: str
) -> None:
    values = {"client_id": Secret(client_id), "client_secret": Secret(secret)}
    credential = Credential(name="crm", kind="salesforce", values=values)
    with (
        transport_of(org, credential=credential, domain=domain) as transport,
        pytest.raises(CredentialError, match=message) as raised,
    ):
        transport.describe("Account")
    assert secret not in str(raised.value).replace("client_secret", "")


def test_a_401_with_a_body_of_another_shape_is_healed_like_any_other(
    org: SalesforceSandbox,
) -> None:
    # The library reads body[0] of whatever comes and dies with KeyError.
    org.faults.add(Fault(kind="expired", path="sobjects", body='{"error": "session"}'))
    with transport_of(org) as transport:
        assert transport.describe("Account") is not None
    assert org.identity.logins == 2


def test_a_token_is_renewed_at_its_age_before_it_dies(org: SalesforceSandbox) -> None:
    clock = [0.0]
    session = TokenSession(
        Login(domain="acme.my", credential="crm", **_secrets()),
        patience=Patience(session=6600.0),
        base_url=org.url,
        elapsed=lambda: clock[0],
    )
    session.get("https://acme.my.salesforce.com/services/data/v64.0/limits")
    clock[0] = 6601.0
    session.get("https://acme.my.salesforce.com/services/data/v64.0/limits")
    session.close()
    assert org.identity.logins == 2
    assert [one.status for one in org.requests()] == [200, 200]


def test_a_login_that_answers_without_a_token_is_no_login(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="status", path="oauth2", status=200, body="{}"))
    with (
        transport_of(org) as transport,
        pytest.raises(ContractError, match="without access_token and instance_url"),
    ):
        transport.describe("Account")


@pytest.mark.parametrize("kind", ["half", "page"])
def test_an_answer_that_is_no_whole_json_is_asked_for_again(
    org: SalesforceSandbox, kind: str
) -> None:
    org.faults.add(Fault(kind=kind, path="oauth2"))
    org.faults.add(Fault(kind=kind, path="sobjects"))
    with transport_of(org) as transport:
        assert transport.describe("Account") is not None
        org.faults.add(Fault(kind=kind, path="sobjects", times=None))
        with pytest.raises(TransientError, match="something else than whole JSON"):
            transport.describe("Account")


def test_a_netrc_of_the_machine_replaces_nothing(
    org: SalesforceSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "netrc"
    file.write_text("default login somebody password else\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    with transport_of(org) as transport:
        transport.session.trust_env = True
        assert transport.describe("Account") is not None


def test_a_login_that_the_org_is_too_busy_for_is_tried_again(org: SalesforceSandbox) -> None:
    org.faults.add(Fault(kind="status", path="oauth2", status=503, times=2))
    with transport_of(org) as transport:
        assert transport.describe("Account") is not None
    assert org.identity.logins == 1


def _secrets() -> dict[str, Secret]:
    return dict(CREDENTIAL.values)
