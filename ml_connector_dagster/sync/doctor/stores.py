"""The ledger and staging: reachable, up to date, and in places that fit together."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.ledger.health import LedgerHealth, examine_ledger
from ml_connector_dagster.model.entities import ENTITIES
from ml_connector_dagster.model.windows import Window
from ml_connector_dagster.sync.doctor.diagnoses import Diagnosis, fine, problem, warning
from ml_connector_dagster.sync.doctor.machine import NETWORK, file_system
from ml_connector_dagster.sync.ids import new_id
from ml_connector_dagster.sync.workspace import open_staging


LEDGER: Final = "ledger"
STAGING: Final = "staging"

#: The request budget compares the clocks of the hosts that share a tenant: this much is lost of its precision.
CLOCK_OFF: Final = timedelta(seconds=1)
CLOCK_WRONG: Final = timedelta(seconds=5)

#: Each request to the ERP asks the ledger twice.
SLOW: Final = timedelta(milliseconds=50)

#: No tenant has this name: names begin with a letter.
_PROBE: Final = "_doctor"


def look_at_ledger(url: str, now: Callable[[], datetime]) -> Iterator[Diagnosis]:
    """Whether the ledger answers, has the tables of this version, and agrees about the time."""
    health = examine_ledger(url, now)
    if health is None:
        yield fine(LEDGER, "database", "not there yet; it is made on first use")
        return
    yield fine(LEDGER, "database", f"{health.server} at {health.place}")
    yield _tables(health)
    if health.clock_ahead is not None:
        yield look_at_clock(health.clock_ahead)
    if health.round_trip > SLOW:
        yield warning(
            LEDGER,
            "round trip",
            f"{health.round_trip / timedelta(milliseconds=1):,.0f} ms, which each request waits for twice",
            "Put the database near the machines that run.",
        )


def _tables(health: LedgerHealth) -> Diagnosis:
    if health.version > health.newest:
        return problem(
            LEDGER,
            "tables",
            f"version {health.version}; this version of the connector knows {health.newest}",
            "Upgrade this installation, or name another ledger: an older one must not write into it.",
        )
    if health.version == health.newest:
        return fine(LEDGER, "tables", f"version {health.version}")
    found = "none" if health.version == 0 else f"version {health.version}"
    return fine(
        LEDGER, "tables", f"{found}; the first command or run makes version {health.newest}"
    )


def look_at_clock(ahead: timedelta) -> Diagnosis:
    """Whether this machine and the database's server agree; ``ahead`` is by how much the server's is ahead."""
    off = abs(ahead)
    detail = f"{off.total_seconds():.2f} s {'behind' if ahead > timedelta(0) else 'ahead of'} the database's"
    step = "Let an NTP service set the clock of every machine (timedatectl set-ntp true)."
    if off > CLOCK_WRONG:
        return problem(LEDGER, "clock", detail, step)
    if off > CLOCK_OFF:
        return warning(LEDGER, "clock", detail, step)
    return fine(LEDGER, "clock", detail)


def look_at_staging(settings: Settings, now: Callable[[], datetime]) -> Iterator[Diagnosis]:
    """Whether a batch can be written, read and removed: an empty one, of a tenant that cannot be."""
    staging = open_staging(settings)
    moment = now()
    entity = ENTITIES["suppliers"]
    with staging.write(
        tenant=_PROBE,
        entity=entity,
        company=_PROBE,
        window=Window(start=None, end=moment),
        batch_id=new_id(moment),
        run_id=_PROBE,
        started_at=moment,
        timezone=ZoneInfo("UTC"),
    ) as writer:
        batch = writer.commit(
            route=_PROBE, finished_at=moment, requests=0, rejected_cells=0, dead_letters=0
        )
    where = staging.locate(batch)
    read = staging.manifest(where)
    staging.discard(where)
    if read.batch_id != batch.batch_id:
        yield problem(
            STAGING,
            "batches",
            f"{settings.staging_url} answered another batch than was written",
            "Look whether something rewrites or caches files there.",
        )
        return
    yield fine(
        STAGING, "batches", f"can be written, read and removed in {shown_url(settings.staging_url)}"
    )


def look_at_places(settings: Settings, *, dagster_on_postgres: bool) -> Iterator[Diagnosis]:
    """Whether ledger, staging and Dagster's storage are of the same reach: all for one machine, or all for many."""
    ledger_shared = not settings.ledger_url.startswith("sqlite")
    local = "://" not in settings.staging_url or settings.staging_url.startswith("file://")
    folder = Path(settings.staging_url.removeprefix("file://"))
    staging_shared = not local or file_system(folder) in NETWORK
    if dagster_on_postgres and not ledger_shared:
        yield warning(
            LEDGER,
            "reach",
            "Dagster is on PostgreSQL and the ledger in a file of this machine",
            "On more than one machine, set ML_CONNECTOR_LEDGER_URL to PostgreSQL too: budget, tokens "
            "and watermarks are shared through it.",
        )
    if ledger_shared and not staging_shared:
        yield warning(
            STAGING,
            "reach",
            f"the ledger is shared and staging is a folder of this machine ({folder})",
            "On more than one machine, set ML_CONNECTOR_STAGING_URL to object storage or a folder that all of "
            "them mount at the same path: a batch staged on one is delivered by another.",
        )


def shown_url(url: str) -> str:
    """A URL without its query, which may hold keys."""
    return url.split("?", 1)[0]
