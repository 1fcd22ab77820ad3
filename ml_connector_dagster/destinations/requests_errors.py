"""What the errors of ``requests`` tell of a call; the vendors' clients for Salesforce, Monday.com and Looker are built on it."""

import requests
from urllib3.exceptions import NewConnectionError


def was_never_sent(error: requests.RequestException) -> bool:
    """Whether a request failed before anything of it went out: no connection, or not even an address."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)
