"""What the resolvers of one call work with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLResolveInfo

from ml_connector_dagster.sandbox.monday.account import Account
from ml_connector_dagster.sandbox.monday.cursors import Cursors
from ml_connector_dagster.sandbox.monday.jobs import Jobs
from ml_connector_dagster.sandbox.monday.limits import Limits
from ml_connector_dagster.sandbox.monday.refusals import Refusal


Resolver = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What the resolvers of one call see. ``failing`` answers an error for a root field's alias, or None."""

    account: Account
    jobs: Jobs
    cursors: Cursors
    limits: Limits
    version: str
    base_url: str
    complexity: dict[str, int]
    failing: Callable[[str], Refusal | None]


def exchange_of(info: GraphQLResolveInfo) -> Exchange:
    """The call that a resolver belongs to. Raises Refusal where a fault hits its alias."""
    exchange: Exchange = info.context
    if info.path.prev is None and isinstance(info.path.key, str):
        refusal = exchange.failing(info.path.key)
        if refusal is not None:
            raise refusal
    return exchange
