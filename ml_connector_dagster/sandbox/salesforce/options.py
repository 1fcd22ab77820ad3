"""What an org is like at its start, and what can be switched while it runs."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgOptions:
    """An org. Times are in seconds.

    Attributes:
        my_domain: requests are served on ``<my_domain>.my.salesforce.com`` only.
        clients: consumer key → consumer secret of the apps whose client credentials flow is on.
        clients_without_user: apps that nobody has given a user to run as.
        token_lifetime: the session policy of the org; there is no ``expires_in``.
        daily_requests: API requests in 24 hours; those used up before are ``requests_used``.
        may_customize: whether the user may deploy metadata and assign permission sets.
        bulk_polls: how many polls see a bulk job in progress before it is complete.
        bulk_bytes: largest upload of a job (150 MB after base64, so 100 MB of CSV).
        query_batch: rows of one page of a query.
        write_seconds: how long a write holds the parents of its records.
    """

    my_domain: str = "acme"
    clients: Mapping[str, str] = field(
        default_factory=lambda: {"3MVG9.sandbox.key": "sandbox-consumer-secret"}
    )
    clients_without_user: Mapping[str, str] = field(default_factory=dict)
    username: str = "integration@acme.example"
    newest_version: int = 68
    token_lifetime: float = 7200.0
    daily_requests: int = 100_000
    requests_used: int = 0
    may_customize: bool = True
    bulk_polls: int = 1
    bulk_bytes: int = 100 * 1024 * 1024
    query_batch: int = 2000
    write_seconds: float = 0.0
    now: Callable[[], float] = time.time

    @property
    def host(self) -> str:
        """Where the org is served: its My Domain."""
        return f"{self.my_domain}.my.salesforce.com"
