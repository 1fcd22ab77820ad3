"""One process, one port: the stand-ins of other systems beside the ION gateway, told apart by path."""

from itertools import pairwise

import httpx
import pytest

from ml_connector_dagster.sandbox import ErpSize, Sandbox, SandboxOptions
from ml_connector_dagster.sandbox.services import SERVICES, Offer, installed_services


def test_no_path_belongs_to_two_stand_ins() -> None:
    paths = sorted(path for offer in SERVICES.values() for path in offer.paths)
    assert all(not (f"{later}/").startswith(f"{one}/") for one, later in pairwise(paths))


def test_a_path_is_answered_whole_not_by_its_first_letters() -> None:
    offer = Offer(open=SERVICES["snowflake"].open, paths=("/session",))
    assert offer.answers("/session")
    assert offer.answers("/session/v1/login-request")
    assert not offer.answers("/sessions")


def test_a_stand_in_without_its_packages_is_not_offered() -> None:
    offer = Offer(open=SERVICES["snowflake"].open, paths=(), packages=("no_such_package",))
    assert offer.missing == ("no_such_package",)


def test_each_system_answers_on_the_one_port() -> None:
    services = installed_services()
    with Sandbox.start(SandboxOptions(size=ErpSize.tiny(), services=services)) as sandbox:
        snowflake = httpx.post(f"{sandbox.url}/api/v2/statements", json={})
        gateway = httpx.get(f"{sandbox.url}/ACME_TST/M3/m3api-rest/v2/execute/X/Y")
        assert snowflake.json()["code"] == "390303"  # no token: Snowflake's own words
        assert gateway.status_code == 401
        if "databricks" in services:
            endpoints = httpx.get(f"{sandbox.url}/oidc/.well-known/oauth-authorization-server")
            assert endpoints.json()["token_endpoint"].startswith(f"{sandbox.url}/oidc/")


def test_a_sandbox_serves_only_what_it_is_asked_for() -> None:
    with Sandbox.start(SandboxOptions(size=ErpSize.tiny())) as sandbox:
        assert sandbox.services == {}
        answer = httpx.post(f"{sandbox.url}/api/v2/statements", json={})
        assert "390303" not in answer.text  # the gateway's, which knows no tenant "api"


@pytest.mark.parametrize("service", installed_services())
def test_a_stand_in_says_how_to_log_in(service: str) -> None:
    with Sandbox.start(SandboxOptions(size=ErpSize.tiny(), services=(service,))) as sandbox:
        login = sandbox.services[service].login
        assert login
        assert all(login.values())
