"""Until everything has come right by itself: reads, sweeps and replays, as the operator of a production leaves them to run."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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
from ml_connector_dagster.model.sweeps import SweepState
from ml_connector_dagster.sync.flows import ReadMode
from ml_connector_dagster.sync.pending import overdue_deliveries
from ml_connector_dagster.sync.replay import choose_letters
from ml_connector_dagster.sync.workspace import Workspace
from ml_connector_dagster_tests.chaos.installation import Installation
from ml_connector_dagster_tests.chaos.outside import COMPANIES


#: Seconds for everything to come right when nothing is harmed any more.
SETTLE_WITHIN: Final = 1500.0

#: States of a run that has not ended.
GOING: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]

Say = Callable[[str], None]


def settle(site: Installation, say: Say) -> tuple[str, float]:
    """Wait until every flow has run through once more and nothing is open; what is not so, and the seconds it took."""
    quiet, quiet_there = datetime.now(UTC), site.now()
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
                waiting = (
                    f"{going} runs go on"
                    if going
                    else _to_be_swept(site, workspace, quiet_there)
                    or _open_work(site, instance, workspace)
                )
            if not waiting:
                return "", time.monotonic() - began
            if waiting != said:
                say(f"{time.monotonic() - began:5.0f} s  {waiting}")
                said = waiting
            time.sleep(2)
        _ask_what_they_do(site, instance, say)
    return waiting, time.monotonic() - began


def _stop_schedules(site: Installation, workspace: Workspace) -> None:
    for name, flow in workspace.project.flows.items():
        _dagster(site, "schedule", "stop", f"{name}_schedule")
        if flow.sweep.schedule is not None:
            _dagster(site, "schedule", "stop", f"{name}_sweep_schedule")


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


def _to_be_swept(site: Installation, workspace: Workspace, quiet: datetime) -> str:
    """Entities of companies that no whole sweep has looked at, or where what one missed waits for the next."""
    flow = workspace.project.flows["tables"]
    swept = {
        (one.entity, one.company)
        for one in workspace.ledger.last_sweeps(flow.source, state=SweepState.COMPLETE)
        if one.started_at > quiet
    }
    left = [
        f"{entity} {company}"
        for entity in flow.entities
        for company in flow.companies
        if (entity, company) not in swept
        or workspace.ledger.sightings(flow.source, entity, company)
    ]
    if left:
        _dagster(site, "job", "launch", "-j", f"sweep_{flow.name}")
    return f"to be swept: {', '.join(left)}" if left else ""


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
