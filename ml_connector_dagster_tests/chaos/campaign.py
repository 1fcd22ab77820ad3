"""A chaos run from its beginning to its verdict: harm, let settle, compare."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final

import dagster as dg
import psutil

from ml_connector_dagster.config.project import Flow
from ml_connector_dagster.defs.names import (
    COMPANY_TAG,
    FLOW_TAG,
    MODE_TAG,
    REPLAY_JOB,
    REPLAY_OP,
    REPLAY_TAG,
)
from ml_connector_dagster.sync.flows import ReadMode
from ml_connector_dagster.sync.pending import overdue_deliveries
from ml_connector_dagster.sync.replay import choose_letters
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.chaos.comparison import Difference, compare
from ml_connector_dagster_tests.chaos.injections import (
    INJECTIONS,
    Injected,
    Scene,
    drawn,
    possible,
)
from ml_connector_dagster_tests.chaos.installation import Installation
from ml_connector_dagster_tests.chaos.life import Life
from ml_connector_dagster_tests.chaos.outside import COMPANIES
from ml_connector_dagster_tests.security.leaks import (
    Leak,
    everything_in,
    everything_in_postgres,
    leaks_in,
)


#: Seconds for everything to come right by itself when nothing is harmed any more.
SETTLE_WITHIN: Final = 1500.0

#: Seconds until the first tick of a schedule has started a run.
FIRST_RUN_WITHIN: Final = 180.0

#: States of a run that has not ended.
GOING: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]

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
    compared: list[Difference] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)

    @property
    def good(self) -> bool:
        equal = bool(self.compared) and all(one.equal for one in self.compared)
        return equal and not self.unsettled and not self.leaks


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
    verdict.changed = life.done
    verdict.unsettled, verdict.settled_after = _settle(site, say)
    with dg.DagsterInstance.get() as instance:
        verdict.runs = Counter(
            record.dagster_run.status.value.lower() for record in instance.get_run_records()
        )
    verdict.hits = {name: front.hits for name, front in site.fronts.items()}
    verdict.starts = {one.name: one.starts for one in site.supervisor.services}
    say("comparing every destination with the ERP")
    verdict.compared = list(compare(site))
    say("searching all that was written for secrets")
    verdict.leaks = _leaks(site)
    return verdict


def _leaks(site: Installation) -> list[Leak]:
    """Secrets in logs, in the home (ledger, staging, warehouse, Dagster's files) and in the databases."""
    places = [everything_in(site.folder)]
    if site.database is not None:
        environment = site.code_server.environment
        urls = (environment["ML_CONNECTOR_LEDGER_URL"], environment["DAGSTER_PG_URL"])
        places += [everything_in_postgres(url) for url in urls]
    return leaks_in(chain.from_iterable(places), site.outside.secrets)


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


def _settle(site: Installation, say: Say) -> tuple[str, float]:
    """Wait until every flow has run through once more and nothing is open; what is not so, and the seconds it took."""
    quiet = datetime.now(UTC)
    began = time.monotonic()
    waiting, said = "", ""
    say("nothing is harmed any more; waiting until everything has come right")
    with dg.DagsterInstance.get() as instance, site.open() as workspace:
        scheduled = True
        while time.monotonic() - began < SETTLE_WITHIN:
            waiting = _runs_to_come(instance, workspace, quiet) if scheduled else ""
            if scheduled and not waiting:
                # What goes on would always have batches on their way; nothing new is started from here on.
                _stop_schedules(site, workspace)
                scheduled = False
            if not waiting:
                going = instance.get_runs_count(dg.RunsFilter(statuses=GOING))
                waiting = f"{going} runs go on" if going else _open_work(site, instance, workspace)
            if not waiting:
                return "", time.monotonic() - began
            if waiting != said:
                say(f"{time.monotonic() - began:5.0f} s  {waiting}")
                said = waiting
            time.sleep(2)
        _ask_what_they_do(site, instance, say)
    return waiting, time.monotonic() - began


def _stop_schedules(site: Installation, workspace: Workspace) -> None:
    for flow in workspace.project.flows:
        _dagster(site, "schedule", "stop", f"{flow}_schedule")


def _dagster(site: Installation, *arguments: str) -> None:
    """A command of Dagster's own, as an operator types it."""
    program = str(Path(sys.executable).parent / "dagster")
    subprocess.run(
        [program, *arguments, "-w", str(site.folder / "workspace.yaml")],
        env=dict(site.code_server.environment),
        check=True,
        capture_output=True,
        timeout=180,
    )


def _ask_what_they_do(site: Installation, instance: dg.DagsterInstance, say: Say) -> None:
    """For whoever looks for the reason: the last events of each run that goes on, and its stack in Dagster's log."""
    for worker in site.workers():
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.send_signal(signal.SIGUSR1)
    for record in instance.get_run_records(dg.RunsFilter(statuses=GOING)):
        run = record.dagster_run
        say(f"run {run.run_id} {run.tags.get(FLOW_TAG)} {run.tags.get(COMPANY_TAG)} goes on:")
        for entry in instance.all_logs(run.run_id)[-4:]:
            moment = datetime.fromtimestamp(entry.timestamp, UTC)
            say(f"  {moment:%H:%M:%S} {entry.step_key or ''} {entry.message[:150]}")


def _runs_to_come(instance: dg.DagsterInstance, workspace: Workspace, quiet: datetime) -> str:
    """Companies that have not been read with success since everything is quiet."""
    missing = []
    for flow in workspace.project.flows:
        for company in COMPANIES:
            tags = {
                MODE_TAG: ReadMode.INCREMENTAL.value,
                FLOW_TAG: flow,
                COMPANY_TAG: company,
            }
            records = instance.get_run_records(dg.RunsFilter(tags=tags), limit=20)
            states = [
                record.dagster_run.status
                for record in records
                if (record.start_time or 0) > quiet.timestamp()
            ]
            if dg.DagsterRunStatus.SUCCESS not in states:
                latest = records[0].dagster_run.status.value if records else "none"
                missing.append(f"{flow} {company} (latest run: {latest.lower()})")
    return f"not read yet: {', '.join(missing)}" if missing else ""


def _open_work(site: Installation, instance: dg.DagsterInstance, workspace: Workspace) -> str:
    """What is left to be replayed. The replay sensors of a production do this; here a run is started at once."""
    left = []
    for flow in workspace.project.flows.values():
        letters = len(choose_letters(workspace, flow))
        batches = sum(
            one.batches for one in overdue_deliveries(workspace, flow, older_than=timedelta(0))
        )
        if not letters and not batches:
            continue
        left.append(f"{flow.name}: {letters} dead letters, {batches} batches")
        going = instance.get_runs_count(
            dg.RunsFilter(
                tags={REPLAY_TAG: flow.name},
                statuses=GOING,
            )
        )
        if not going:
            replay(site, flow)
    return f"to be replayed: {'; '.join(left)}" if left else ""


def replay(site: Installation, flow: Flow) -> None:
    """Start the replay job of ``flow``, as a person does from the launchpad."""
    config = {"ops": {REPLAY_OP: {"config": {"flow": flow.name}}}}
    _dagster(
        site,
        *("job", "launch", "-j", REPLAY_JOB),
        *("--config-json", json.dumps(config)),
        *("--tags", json.dumps({REPLAY_TAG: flow.name})),
    )
