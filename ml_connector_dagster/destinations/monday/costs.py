"""What writes cost at Monday.com, as far as anybody publishes it (reference saas-destinations §2.2).

The best-practice page counts 10,000 points for an item that is made, an app's token has 5 million points a minute for
writes. Deliveries learn the real cost from each answer (``pace.py``); these numbers serve only to say beforehand how long
it will take at least.
"""

from typing import Final


POINTS_PER_ITEM: Final = 10_000
POINTS_PER_MINUTE: Final = 5_000_000


def least_seconds(items: int) -> float:
    """Seconds in which the points for ``items`` become free: the first minute's are there at once.

    1,200 items cost 12 million points: 5 million at once, 5 after 60 s, the last 2 after 120 s.
    """
    return 60.0 * max(0, (items * POINTS_PER_ITEM - 1) // POINTS_PER_MINUTE)
