"""How long requests take within a budget. Pure arithmetic; times are in seconds, rates in requests a second.

Two things hold requests back. Each takes its ``latency``, and no more than ``concurrency`` are under way; those of a chain
follow one another. And no 60 seconds may see more than the budget: the first ``per_minute`` requests go as fast as they
can, the next must wait until the earliest of them is 60 seconds gone, and so on (``cloudsuite/budget.py``: a sliding log,
in which a call counts until 60 seconds after its end). Who else uses the budget at the same time is not known here.
"""

from typing import Final


#: Seconds of the budget's span.
SPAN: Final = 60.0


def unhindered_seconds(requests: int, longest: int, *, concurrency: int, latency: float) -> float:
    """Seconds without a budget: ``requests`` of ``latency`` seconds side by side, but never less than the ``longest`` chain.

    1,000 requests, the longest chain 400, 4 at a time, 0.25 s each: max(1,000 / 4, 400) * 0.25 = 100 s.
    """
    return max(requests / concurrency, longest) * latency


def budgeted_seconds(requests: int, unhindered: float, *, per_minute: int, latency: float) -> float:
    """Seconds within a budget of ``per_minute`` requests in any 60 seconds, for what takes ``unhindered`` seconds without.

    1,000 requests in 62.5 s unhindered (16 a second), 300 a minute, 0.25 s each: a burst of 300 takes 18.75 s, less than
    the 60.25 s after which its places are free again. Three such spans pass, then the last 100 take 6.25 s: 187 s.
    """
    if requests <= per_minute or unhindered <= 0:
        return unhindered
    rate = requests / unhindered
    span = SPAN + latency
    if per_minute / rate >= span:
        return unhindered
    spans = (requests - 1) // per_minute
    return spans * span + (requests - spans * per_minute) / rate
