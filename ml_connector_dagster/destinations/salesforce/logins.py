"""Logging in as an app of the org: the OAuth client credentials flow, on the My Domain."""

from dataclasses import dataclass

import requests
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.login import SalesforceLogin

from ml_connector_dagster.destinations.salesforce.refusals import login_refused
from ml_connector_dagster.model.errors import ContractError
from ml_connector_dagster.model.secrets import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An app of the org with the client credentials flow. ``credential`` is the stored name of id and secret."""

    domain: str
    credential: str
    client_id: Secret
    client_secret: Secret


def log_in(session: requests.Session, login: Login) -> tuple[str, str]:
    """(token, host of the org). Raises CredentialError, ContractError, and what ``session`` raises."""
    where = f"{login.domain}.salesforce.com"
    try:
        token, instance = SalesforceLogin(
            session=session,
            consumer_key=login.client_id.reveal(),
            consumer_secret=login.client_secret.reveal(),
            domain=login.domain,
        )
    except SalesforceAuthenticationFailed as error:
        raise login_refused(
            str(error.code),
            error.auth_message,
            domain=login.domain,
            credential=login.credential,
        ) from error
    except (AttributeError, TypeError) as error:
        raise ContractError(
            f"{where} answers a login without access_token and instance_url; is domain: the org's My Domain?"
        ) from error
    if not token:
        raise ContractError(f"{where} answers a login without a token")
    return str(token), str(instance).rstrip("/")
