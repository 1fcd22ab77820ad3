"""The composition root: a project becomes Dagster definitions.

Pure: it reads no file but the product lines' catalogs, no variable, no clock but the one it is given, and opens
nothing. ``definitions.py``, the tests and the demo all call it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from ml_connector_dagster.config.applications import is_application
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Flow, FlowDestination, Project
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.config.staging import staging_place
from ml_connector_dagster.defs.alerts import alert_sensors
from ml_connector_dagster.defs.assets import (
    application_asset,
    delivery_asset,
    entity_asset,
    erp_table,
)
from ml_connector_dagster.defs.checks import delivery_checks
from ml_connector_dagster.defs.cleaning import cleaning_job, cleaning_schedule
from ml_connector_dagster.defs.documents import documents_job, documents_sensor
from ml_connector_dagster.defs.forecasts import plan_job
from ml_connector_dagster.defs.freshness import freshness_policy
from ml_connector_dagster.defs.io_managers import destination_io_manager, staging_io_manager
from ml_connector_dagster.defs.jobs import replay_job
from ml_connector_dagster.defs.letter_job import letter_job
from ml_connector_dagster.defs.letters import open_letters_asset, open_letters_sensor
from ml_connector_dagster.defs.lineage import Origin, origins
from ml_connector_dagster.defs.looker import looker_assets
from ml_connector_dagster.defs.marts import mart_asset
from ml_connector_dagster.defs.names import (
    WORKSPACE,
    cloudsuite_name,
    delivery_key,
    destination_name,
    entity_key,
    mart_key,
    reconciliation_key,
    staging_name,
)
from ml_connector_dagster.defs.reconciliations import (
    reconcile_job,
    reconcile_schedule,
    reconciliation_assets,
)
from ml_connector_dagster.defs.resources import cloudsuite_resource, workspace_resource
from ml_connector_dagster.defs.schedules import flow_schedule
from ml_connector_dagster.defs.sensors import change_sensor, failed_runs, replay_sensor
from ml_connector_dagster.defs.sweeps import sweep_job, sweep_schedule
from ml_connector_dagster.sync.reconcile.ledger_proof import BALANCES_MART
from ml_connector_dagster.sync.workspace import Workspace, utc_now


@dataclass(slots=True, kw_only=True)
class _Parts:
    """Definitions as they are collected. Keys keep what two flows share from being made twice."""

    tables: dict[tuple[str, str], dict[str, Origin]] = field(default_factory=dict)
    assets: dict[dg.AssetKey, dg.AssetsDefinition] = field(default_factory=dict)
    checks: list[dg.AssetChecksDefinition] = field(default_factory=list)
    schedules: list[dg.ScheduleDefinition] = field(default_factory=list)
    sensors: list[dg.SensorDefinition] = field(default_factory=list)
    jobs: list[dg.JobDefinition] = field(default_factory=list)


def build_definitions(
    project: Project,
    settings: Settings,
    *,
    resources: Mapping[str, Any] | None = None,
    now: Callable[[], datetime] = utc_now,
) -> dg.Definitions:
    """Everything that Dagster shows and runs. ``resources`` take the place of those of the same key."""
    tenants = {
        name: connection
        for name, connection in project.connections.items()
        if isinstance(connection, CloudSuiteConnection)
    }
    parts = _Parts()
    erp = {name: origins(connection) for name, connection in tenants.items()}
    flows = list(project.flows.values())
    replaying = replay_job(project.flows)
    cleaning = cleaning_job()
    parts.jobs += [replaying, letter_job(), cleaning]
    if project.retention.schedule is not None:
        parts.schedules.append(cleaning_schedule(project.retention.schedule, cleaning))
    parts.sensors += [open_letters_sensor(flows), *(replay_sensor(one, replaying) for one in flows)]
    for flow in flows:
        _add_flow(parts, project, settings, flow, tenants[flow.source], erp[flow.source], now())
    if project.flows:
        parts.jobs.append(plan_job(tuple(project.flows.values())))
    for connection in tenants.values():
        if connection.bods is not None:
            taking = documents_job(connection.name)
            parts.jobs.append(taking)
            parts.sensors.append(documents_sensor(connection, taking))
    if project.alerts.channels:
        parts.sensors += alert_sensors(lambda: Workspace.open(settings, project=project, now=now))
    specs = [
        erp_table(tenants[tenant], table, entities)
        for (tenant, table), entities in parts.tables.items()
    ]
    return dg.Definitions(
        assets=[*specs, *dict.fromkeys(parts.assets.values()), open_letters_asset(flows)],
        asset_checks=parts.checks,
        schedules=parts.schedules,
        sensors=[*parts.sensors, failed_runs],
        jobs=parts.jobs,
        resources={**_resources(project, settings, now), **(resources or {})},
        # A step costs 50 ms in this process and 5 s in one of its own; several runs go side by side.
        executor=dg.in_process_executor,
    )


def _add_flow(
    parts: _Parts,
    project: Project,
    settings: Settings,
    flow: Flow,
    tenant: CloudSuiteConnection,
    erp: Mapping[str, Origin],
    now: datetime,
) -> None:
    clock = flow.schedule
    timezone = tenant.timezone if clock is None else clock.timezone or tenant.timezone
    freshness = (
        None if clock is None else freshness_policy(clock.cron_expressions, ZoneInfo(timezone), now)
    )
    keys: dict[str, list[dg.AssetKey]] = {}
    for entity in flow.entities:
        key = entity_key(flow.source, entity)
        origin = erp[entity]
        keys[entity] = [key]
        for table in origin.tables:
            parts.tables.setdefault((flow.source, table), {})[entity] = origin
        if key not in parts.assets:
            staged_at = staging_place(settings.staging_url).address
            parts.assets[key] = entity_asset(flow, tenant, entity, origin, staged_at)
        for target in flow.destinations:
            keys[entity].append(
                _add_delivery(parts, project, flow, tenant, target, entity, freshness)
            )
    tables = {entity: tuple(own) for entity, own in keys.items()}
    for target in flow.warehouses:
        _add_marts(parts, project, flow, target, keys)
    _add_reconciliation(parts, project, flow, tenant, keys)
    if flow.looker is not None:
        _add_looker(parts, project, flow, erp, keys)
    selection = dg.AssetSelection.assets(*(key for some in keys.values() for key in some))
    if clock is not None:
        parts.schedules.append(
            flow_schedule(
                flow,
                clock.cron_expressions,
                timezone,
                enabled=clock.enabled,
                selection=selection,
            )
        )
    sweeping = sweep_job(flow, tables)
    parts.jobs.append(sweeping)
    sweep_clock = flow.sweep.schedule
    if sweep_clock is not None:
        zone = sweep_clock.timezone or tenant.timezone
        parts.schedules.append(sweep_schedule(flow, sweep_clock, zone, sweeping))
    parts.sensors.append(change_sensor(flow, keys, selection))


def _add_delivery(
    parts: _Parts,
    project: Project,
    flow: Flow,
    tenant: CloudSuiteConnection,
    target: FlowDestination,
    entity: str,
    freshness: dg.FreshnessPolicy | None,
) -> dg.AssetKey:
    key = delivery_key(project, flow.source, target, entity)
    connection = project.connections[target.connection]
    if is_application(connection):
        parents = {name: delivery_key(project, flow.source, target, name) for name in flow.entities}
        parts.assets[key] = application_asset(
            key, flow, tenant, target, connection, entity, parents, freshness
        )
    else:
        kind = connection.type
        parts.assets[key] = delivery_asset(key, flow, tenant, target, kind, entity, freshness)
    parts.checks.append(delivery_checks(key, flow, target, entity, tenant.zone))
    return key


def _add_marts(
    parts: _Parts,
    project: Project,
    flow: Flow,
    target: FlowDestination,
    keys: Mapping[str, list[dg.AssetKey]],
) -> None:
    """A mart belongs to each of its entities: when one of them is run, so is the mart."""
    kind = project.connections[target.connection].type
    for mart in flow.own_marts:
        key = mart_key(project, flow.source, target, mart.name)
        tables = {name: delivery_key(project, flow.source, target, name) for name in mart.entities}
        parts.assets[key] = mart_asset(key, mart, tables, flow, target, kind)
        for name in mart.entities:
            keys[name].append(key)


def _add_reconciliation(
    parts: _Parts,
    project: Project,
    flow: Flow,
    tenant: CloudSuiteConnection,
    keys: Mapping[str, list[dg.AssetKey]],
) -> None:
    """What was delivered to warehouses is compared at the end of each run; applications only by the flow's job."""
    own = {
        target.name: reconciliation_key(project, flow.source, target, flow.name)
        for target in flow.destinations
    }
    tables = {
        target.name: [
            delivery_key(project, flow.source, target, entity) for entity in flow.entities
        ]
        for target in flow.destinations
    }
    for target in flow.warehouses:
        if any(mart.name == BALANCES_MART for mart in flow.own_marts):
            tables[target.name].append(mart_key(project, flow.source, target, BALANCES_MART))
        if flow.reconcile.after_runs:
            for some in keys.values():
                some.append(own[target.name])
    asset = reconciliation_assets(flow, own, tables, tenant.zone)
    parts.assets |= dict.fromkeys(own.values(), asset)
    job = reconcile_job(flow, list(own.values()))
    parts.jobs.append(job)
    clock = flow.reconcile.schedule
    if clock is not None:
        zone = clock.timezone or tenant.timezone
        parts.schedules.append(reconcile_schedule(flow, clock, zone, job))


def _add_looker(
    parts: _Parts,
    project: Project,
    flow: Flow,
    erp: Mapping[str, Origin],
    keys: Mapping[str, list[dg.AssetKey]],
) -> None:
    """A publication belongs to every entity: whatever of the flow is run, Looker is told, after the marts."""
    target = flow.looker_reads
    tables = {name: delivery_key(project, flow.source, target, name) for name in flow.entities}
    marts = {
        mart.name: mart_key(project, flow.source, target, mart.name) for mart in flow.own_marts
    }
    fields = {name: erp[name].columns for name in flow.entities}
    for asset in looker_assets(project, flow, tables, marts, fields):
        for key in asset.keys:
            parts.assets[key] = asset
            for some in keys.values():
                some.append(key)


def _resources(project: Project, settings: Settings, now: Callable[[], datetime]) -> dict[str, Any]:
    resources: dict[str, Any] = {
        WORKSPACE: workspace_resource(lambda: Workspace.open(settings, project=project, now=now))
    }
    for name, connection in project.connections.items():
        if isinstance(connection, CloudSuiteConnection):
            resources[cloudsuite_name(name)] = cloudsuite_resource(connection)
            resources[staging_name(name)] = staging_io_manager(name)
        else:
            resources[destination_name(connection.type, name)] = destination_io_manager(name)
    return resources
