"""What is done to the installation. Which, when and to whom is drawn from the seed; the machine's timing is its own."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

import psutil

from ml_connector_dagster_tests.chaos.front import KINDS
from ml_connector_dagster_tests.chaos.installation import Installation


Pause = Callable[[float], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """One thing that was done. ``hit`` is False when there was nothing to be hit, like no run to be killed."""

    name: str
    detail: str
    hit: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an injection may use.

    Attributes:
        pause: waits so many seconds, less when the time is up.
        away: how long what is gone stays away, in seconds.
    """

    site: Installation
    random: Random
    pause: Pause
    away: float


def kill_worker(scene: Scene) -> Injected:
    """kill -9 of a run, at some moment of it."""
    deadline = time.monotonic() + 30
    while not (workers := scene.site.workers()) and time.monotonic() < deadline:
        scene.pause(0.5)
        if scene.pause(0):
            break
    scene.pause(scene.random.uniform(0, 8))
    for worker in scene.random.sample(workers, len(workers)):
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
            return Injected(name="run worker killed", detail=f"pid {worker.pid}")
    return Injected(name="run worker killed", detail="no run was going", hit=False)


def kill_daemon(scene: Scene) -> Injected:
    """kill -9 of the daemon; the supervisor starts it again."""
    return Injected(name="daemon killed", detail="", hit=scene.site.daemon.kill())


def kill_code_server(scene: Scene) -> Injected:
    """kill -9 of the code server alone; its runs live on, and nobody looks after them."""
    return Injected(name="code server killed", detail="", hit=scene.site.code_server.kill())


def cut_power(scene: Scene) -> Injected:
    """The host goes down with everything on it: daemon, code server and runs at one moment."""
    site = scene.site
    members = [*site.daemon.members(), *site.code_server.members()]
    for process in members:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return Injected(name="host powered off", detail=f"{len(members)} processes", hit=bool(members))


def kill_front(scene: Scene) -> Injected:
    """kill -9 of the front end of a service, which stays away for a while."""
    name = scene.random.choice(sorted(scene.site.fronts))
    front = scene.site.fronts[name].process
    front.wanted = False
    hit = front.kill()
    scene.pause(scene.random.uniform(1, scene.away))
    front.wanted = True
    return Injected(name="service killed", detail=name, hit=hit)


def break_calls(scene: Scene) -> Injected:
    """A few requests of some services run into faults of HTTP."""
    chosen = []
    for name in scene.random.sample(sorted(scene.site.fronts), k=min(3, len(scene.site.fronts))):
        kind, times = scene.random.choice(KINDS), scene.random.randint(1, 3)
        scene.site.fronts[name].arm(kind, times)
        chosen.append(f"{name} {kind} x{times}")
    return Injected(name="HTTP faults armed", detail=", ".join(chosen))


def forget_sessions(scene: Scene) -> Injected:
    """Every token and session that was given out is void."""
    site = scene.site
    site.sandbox.tokens.forget_tokens()
    if "databricks" in site.outside.stands:
        site.outside.stands["databricks"].identity.expire_tokens()
    if "salesforce" in site.outside.stands:
        site.outside.stands["salesforce"].break_call("unauthorized", 1)
    return Injected(name="sessions forgotten", detail="all systems")


def stop_database(scene: Scene) -> Injected:
    """The database of ledger and Dagster crashes, and comes back after a while."""
    database = scene.site.database
    assert database is not None
    seconds = scene.away * scene.random.uniform(0.5, 1)
    database.stop()
    try:
        scene.pause(seconds)
    finally:
        database.start()
    return Injected(name="database gone", detail=f"{seconds:.0f} s")


def fill_disk(scene: Scene) -> Injected:
    """No byte is left where staging, the DuckDB file, Dagster's files and a ledger in SQLite are."""
    filler = scene.site.home / "filler"
    block = bytes(1024 * 1024)
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(block) == len(block):
            pass
        while file.write(b"x"):
            pass
    size = filler.stat().st_size
    scene.pause(scene.random.uniform(5, scene.away))
    filler.unlink()
    return Injected(name="disk full", detail=f"{size / 1e6:.0f} MB taken")


def move_our_clock(scene: Scene) -> Injected:
    """The host's clock is wrong for a while, by less than the overlap of two reads (an hour)."""
    minutes = scene.random.choice((-40, -15, 15, 40))
    scene.site.move_clock(minutes * 60)
    scene.pause(scene.random.uniform(10, 30))
    scene.site.move_clock(0)
    return Injected(name="host's clock moved", detail=f"{minutes:+} min")


def move_erp_clock(scene: Scene) -> Injected:
    """The ERP stamps changes by a clock that is wrong, by less than the overlap."""
    minutes = scene.random.choice((-40, -15, 15, 40))
    scene.site.sandbox.clock.advance(minutes=minutes)
    scene.pause(scene.random.uniform(10, 30))
    scene.site.sandbox.clock.reset()
    return Injected(name="ERP's clock moved", detail=f"{minutes:+} min")


INJECTIONS: Final[Mapping[str, Callable[[Scene], Injected]]] = {
    "worker": kill_worker,
    "daemon": kill_daemon,
    "code server": kill_code_server,
    "power": cut_power,
    "service": kill_front,
    "http": break_calls,
    "sessions": forget_sessions,
    "database": stop_database,
    "disk": fill_disk,
    "our clock": move_our_clock,
    "ERP clock": move_erp_clock,
}


def possible(site: Installation) -> tuple[str, ...]:
    """Those that this machine can do."""
    impossible = {
        name
        for name, can in (("database", site.database is not None), ("disk", site.small_disk))
        if not can
    }
    return tuple(name for name in INJECTIONS if name not in impossible)


def drawn(names: tuple[str, ...], seed: int) -> Iterator[tuple[str, Random]]:
    """Injections without end: every one before any comes again; runs and requests are harmed most often."""
    random = Random(f"injections/{seed}")
    number = 0
    while True:
        deck = [*names, "worker", "worker", "http", "http", "service"]
        random.shuffle(deck)
        for name in deck:
            number += 1
            yield name, Random(f"{seed}/{number}")


def pause_until(over: threading.Event) -> Pause:
    """A pause that ends early when ``over`` is set, and says so."""
    return over.wait
