"""A chaos run from its beginning to its verdict: harm, let settle, compare."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import dagster as dg
from sqlalchemy import create_engine, select

from ml_connector_dagster.ledger.tables import sweep
from ml_connector_dagster.model.sweeps import SweepState
from ml_connector_dagster_tests.chaos.comparison import Difference, compare
from ml_connector_dagster_tests.chaos.injections import (
    INJECTIONS,
    Injected,
    Scene,
    drawn,
    possible,
)
from ml_connector_dagster_tests.chaos.installation import DAGSTER_URL, LEDGER_URL, Installation
from ml_connector_dagster_tests.chaos.life import Life
from ml_connector_dagster_tests.chaos.outside import BUCKET
from ml_connector_dagster_tests.chaos.settling import settle
from ml_connector_dagster_tests.security.leaks import (
    Leak,
    everything_in,
    everything_in_postgres,
    leaks_in,
)


#: Seconds until the first tick of a schedule has started a run.
FIRST_RUN_WITHIN: Final = 180.0

Say = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What a chaos run leaves behind. ``unsettled`` says what did not come right in time; empty when all did."""

    seconds: float = 0.0
    settled_after: float = 0.0
    unsettled: str = ""
    injected: list[Injected] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    hits: dict[str, Counter[str]] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    sweeps: Counter[str] = field(default_factory=Counter)
    compared: list[Difference] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)

    @property
    def good(self) -> bool:
        equal = bool(self.compared) and all(one.equal for one in self.compared)
        braked = self.sweeps[SweepState.BRAKED]  # so much was never deleted
        return equal and not (self.unsettled or self.leaks or braked)


def campaign(site: Installation, *, seconds: float, seed: int, say: Say) -> Verdict:
    """Harm ``site`` for so many seconds, let it settle, compare."""
    verdict = Verdict(seconds=seconds)
    life = Life(site.sandbox, seed)
    life.start()
    try:
        _harm(site, seconds, seed, verdict.injected, say)
    finally:
        life.stop()
        site.heal()
    site.let_an_hour_pass()
    verdict.changed = life.done
    verdict.unsettled, verdict.settled_after = settle(site, say)
    with dg.DagsterInstance.get() as instance:
        verdict.runs = Counter(
            record.dagster_run.status.value.lower() for record in instance.get_run_records()
        )
    verdict.hits = {name: front.hits for name, front in site.fronts.items()}
    verdict.sweeps = _sweeps(site)
    verdict.starts = {one.name: one.starts for one in site.supervisor.services}
    say("comparing every destination with the ERP")
    verdict.compared = list(compare(site))
    say("searching all that was written for secrets")
    verdict.leaks = _leaks(site)
    return verdict


def _leaks(site: Installation) -> list[Leak]:
    """Secrets in logs, in the home (ledger, staging, warehouse, Dagster's files) and in the databases."""
    if BUCKET in site.outside.stands:
        for key, one in site.outside.stands[BUCKET].buckets["staging"].objects.items():
            copy = site.folder / BUCKET / key
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(one.content)
    places = [everything_in(site.folder)]
    if site.database is not None:
        places += [
            everything_in_postgres(site.environment[url]) for url in (LEDGER_URL, DAGSTER_URL)
        ]
    return leaks_in(chain.from_iterable(places), site.secrets)


def _sweeps(site: Installation) -> Counter[str]:
    """How key sweeps ended, and how many records they marked."""
    ended: Counter[str] = Counter()
    engine = create_engine(site.settings.ledger_url)
    with engine.connect() as connection:
        for state, marked in connection.execute(select(sweep.c.state, sweep.c.marked)):
            ended[state] += 1
            ended["records marked deleted"] += marked
    engine.dispose()
    return ended


def _harm(
    site: Installation, seconds: float, seed: int, injected: list[Injected], say: Say
) -> None:
    say("waiting for the first run")
    deadline = time.monotonic() + FIRST_RUN_WITHIN
    while not site.workers() and time.monotonic() < deadline:
        time.sleep(0.5)
    over = threading.Event()
    timer = threading.Timer(seconds, over.set)
    timer.daemon = True
    timer.start()
    away = min(60.0, max(8.0, seconds / 15))
    began = time.monotonic()
    for name, random in drawn(possible(site), seed):
        if over.wait(random.uniform(2, 10)):
            return
        scene = Scene(site=site, random=random, pause=over.wait, away=away)
        done = INJECTIONS[name](scene)
        injected.append(done)
        missed = "" if done.hit else " (nothing there)"
        say(f"{time.monotonic() - began:5.0f} s  {done.name} {done.detail}{missed}")
