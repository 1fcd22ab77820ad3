"""Steps of random sequences, each with a name for the report of a failure."""

from collections.abc import Callable
from typing import Any


#: A name, and what is done with the world of the test.
Step = tuple[str, Callable[[Any], object]]


def change(entity: str, count: int, seed: int) -> Step:
    return (
        f"change {count} {entity} (seed {seed})",
        lambda world: world.sandbox.erp.change(entity, count, seed=seed),
    )


def insert(entity: str, count: int, seed: int) -> Step:
    return (
        f"insert {count} {entity} (seed {seed})",
        lambda world: world.sandbox.erp.insert(entity, count, seed=seed),
    )


def touch(entity: str, count: int, seed: int) -> Step:
    return (
        f"touch {count} {entity} (seed {seed})",
        lambda world: world.sandbox.erp.touch(entity, count, seed=seed),
    )


def crash(at: int) -> Step:
    return f"crash at write point {at}", lambda world: world.crash(at)


def wait(hours: int) -> Step:
    return f"{hours} hours pass", lambda world: world.sandbox.clock.advance(hours=hours)


#: What needs no number.
RUN: Step = ("run", lambda world: world.run())
REPLAY: Step = ("replay", lambda world: world.replay())
