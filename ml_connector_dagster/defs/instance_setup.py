"""What a Dagster instance is given once, before its first run: the slots of its pools.

A pool without slots of its own gets the default limit only after it was seen once (Dagster 1.13): two runs overlap
the first time. So the slots are made beforehand, by ``ml-connector dev`` and ``demo`` or at deployment.

A single-writer destination has no pool. A step that finds a pool taken looks again only every 1 to 15 seconds, which
doubled the time of two runs side by side; DuckDB's file lock lets them take turns within milliseconds.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dagster as dg

from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Project
from ml_connector_dagster.defs.names import cloudsuite_name


#: Reads of one tenant that may go on side by side. The request budget bounds the load on the ERP, not this: it bounds
#: memory, and leaves room so that one slow company does not hold the others.
READS_PER_TENANT: Final = 4


def pool_limits(project: Project) -> dict[str, int]:
    """Pool → slots."""
    return {
        cloudsuite_name(name): READS_PER_TENANT
        for name, connection in project.connections.items()
        if isinstance(connection, CloudSuiteConnection)
    }


def create_pools(instance: dg.DagsterInstance, project: Project) -> None:
    """Give every pool its slots. A pool whose limit was set already, by this or by a person, stays as it is."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    known = {pool.name for pool in storage.get_pool_limits() if not pool.from_default}
    for pool, limit in pool_limits(project).items():
        if pool not in known:
            storage.set_concurrency_slots(pool, limit)


def prepare_instance(home: Path, project: Project) -> None:
    """Make the storage of the instance in ``home`` and its pools, before any process of Dagster runs on it."""
    with open_instance(home) as instance:
        create_pools(instance, project)


@contextmanager
def open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance whose folder is ``home``, as Dagster's own processes see it.

    They have DAGSTER_HOME, from which the storage of ``dagster.yaml`` takes its place (``defs.instance``); a command
    that was told nothing has not.
    """
    before = os.environ.get("DAGSTER_HOME")
    os.environ["DAGSTER_HOME"] = str(home)
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance
    finally:
        if before is None:
            del os.environ["DAGSTER_HOME"]
        else:
            os.environ["DAGSTER_HOME"] = before
