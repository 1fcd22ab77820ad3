"""What an account looks like when it starts, and what its plan allows.

Numbers: reference saas-destinations §2.2 (developer.monday.com, rate limits, 2026-09-06).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal


Tier = Literal["free", "standard", "pro", "enterprise"]
TokenKind = Literal["app", "personal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The calls that a plan allows."""

    daily: int
    per_minute: int
    concurrent: int


ALLOWANCES: Final[dict[Tier, Allowance]] = {
    "free": Allowance(daily=1_000, per_minute=1_000, concurrent=40),
    "standard": Allowance(daily=1_000, per_minute=1_000, concurrent=40),
    "pro": Allowance(daily=10_000, per_minute=2_500, concurrent=100),
    "enterprise": Allowance(daily=25_000, per_minute=5_000, concurrent=250),
}

#: Points per minute: an app token has this much for reads and as much again for writes.
APP_COMPLEXITY: Final = 5_000_000
PERSONAL_COMPLEXITY: Final = 10_000_000
FREE_COMPLEXITY: Final = 1_000_000
#: No single query may cost more.
QUERY_COMPLEXITY: Final = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MondayOptions:
    """An account with one user and one token.

    Attributes:
        can_change_structure: whether the token may create boards, groups, columns and labels.
        complexity_per_minute: in place of what the token's kind and plan give.
        item_cost: points of one mutation of an item (the best-practice page counts 10,000).
        items_per_board: the most items that a board takes.
        imported_per_hour: the most items that imports create or update in an hour.
        search_lag: seconds after which a created item is found by a search; the real figure is not published.
        keeps_refusals: whether an idempotency key also remembers that its call was refused; not published either.
        job_polls: how often a job answers that it is under way before it answers that it is done.
        now: where the clock starts; None for the real time.
    """

    token: str = "eyJhbGciOiJIUzI1NiJ9.of-the-loader.sandbox"
    account_id: int = 10_203_040
    slug: str = "acme"
    tier: Tier = "pro"
    token_kind: TokenKind = "app"
    can_change_structure: bool = True
    complexity_per_minute: int | None = None
    item_cost: int = 10_000
    items_per_board: int = 10_000
    imported_per_hour: int = 19_000
    search_lag: float = 0.0
    keeps_refusals: bool = False
    job_polls: int = 1
    now: datetime | None = None

    @property
    def allowance(self) -> Allowance:
        return ALLOWANCES[self.tier]

    @property
    def complexity(self) -> int:
        """Points per minute, for each of the budgets."""
        if self.complexity_per_minute is not None:
            return self.complexity_per_minute
        if self.token_kind == "app":
            return APP_COMPLEXITY
        return FREE_COMPLEXITY if self.tier == "free" else PERSONAL_COMPLEXITY
