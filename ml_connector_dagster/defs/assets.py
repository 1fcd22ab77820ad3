"""Assets: what the ERP has, what is staged of it, and where it was delivered. One factory for each."""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg
from pydantic import Field

from ml_connector_dagster.config.applications import object_address
from ml_connector_dagster.config.cloudsuite import CloudSuiteConnection
from ml_connector_dagster.config.project import Connection, Flow, FlowDestination
from ml_connector_dagster.defs.extractions import read_companies, read_mode
from ml_connector_dagster.defs.failures import RETRIES
from ml_connector_dagster.defs.lineage import Origin, column_lineage
from ml_connector_dagster.defs.metadata import column_schema, same_columns
from ml_connector_dagster.defs.names import (
    WORKSPACE,
    cloudsuite_name,
    destination_group,
    destination_name,
    entity_key,
    erp_key,
    staging_name,
)
from ml_connector_dagster.defs.partitions import company_days
from ml_connector_dagster.defs.references import Shipment, Staged
from ml_connector_dagster.destinations.applications.placements import Mapped
from ml_connector_dagster.destinations.registry import mapping_of
from ml_connector_dagster.model.entities import ENTITIES


#: One run for a whole selection. Dagster makes one run per company of a backfill over many days.
ONE_RUN: Final = dg.BackfillPolicy.single_run()


class ExtractConfig(dg.Config):
    """How much to read."""

    full: bool = Field(
        default=False,
        description="Read everything the ERP has, whatever the partitions: the way to make the first load in one "
        "run on today's partition. Otherwise exactly the days of the chosen partitions are read.",
    )


def erp_table(
    connection: CloudSuiteConnection, table: str, entities: Mapping[str, Origin]
) -> dg.AssetSpec:
    """A table of the ERP, as the root of lineage. Dagster never runs it. ``entities`` are those that come from it."""
    labels = ", ".join(ENTITIES[name].label.lower() for name in entities)
    what = "program" if table.endswith("MI") else "table"
    routes = dict.fromkeys(route for origin in entities.values() for route in origin.routes)
    return dg.AssetSpec(
        erp_key(connection.name, table),
        description=f"{connection.product_line.upper()} {what} {table} of {connection.name}: {labels}. Read by the "
        f"first of these that the tenant has: {', '.join(routes)}.",
        group_name=connection.name,
        kinds={"infor", connection.product_line},
        tags={"tenant": connection.name, "stage": "erp"},
    )


def entity_asset(
    flow: Flow, connection: CloudSuiteConnection, entity: str, origin: Origin, staged_at: str
) -> dg.AssetsDefinition:
    """One entity of one tenant, read into staging."""
    definition = ENTITIES[entity]
    resource = cloudsuite_name(flow.source)

    @dg.asset(
        key=entity_key(flow.source, entity),
        deps=[erp_key(flow.source, table) for table in origin.tables],
        description=f"{definition.description} Read from {connection.name} into staged batches, company by "
        f"company, by the day of the ERP's modified stamp.{_purpose(flow)}",
        group_name=flow.source,
        kinds={"infor", connection.product_line, "parquet"},
        owners=list(flow.owners),
        tags={"tenant": flow.source, "entity": entity, "stage": "staged"},
        metadata={
            "dagster/column_schema": column_schema(definition),
            "dagster/column_lineage": column_lineage(flow.source, origin),
            "dagster/uri": f"{staged_at}/{flow.source}/{entity}",
            "key": ", ".join(("company", *definition.key)),
            "routes": ", ".join(origin.routes),
        },
        partitions_def=company_days(flow, connection.timezone),
        backfill_policy=ONE_RUN,
        retry_policy=RETRIES,
        required_resource_keys={WORKSPACE, resource},
        io_manager_key=staging_name(flow.source),
        pool=resource,
    )
    # A generator may not be annotated as one here: Dagster would take the annotation for the output's type.
    def read(context: dg.AssetExecutionContext, config: ExtractConfig) -> Any:
        mode = read_mode(full=config.full, tags=context.run.tags)
        cloudsuite = getattr(context.resources, resource)
        yield from read_companies(context, cloudsuite, flow, entity, mode)

    return read


def delivery_asset(
    key: dg.AssetKey,
    flow: Flow,
    connection: CloudSuiteConnection,
    target: FlowDestination,
    target_type: str,
    entity: str,
    freshness: dg.FreshnessPolicy | None,
) -> dg.AssetsDefinition:
    """One entity at one destination. The I/O manager delivers; the body only says what goes where."""
    definition = ENTITIES[entity]
    upstream = entity_key(flow.source, entity)

    @dg.asset(
        key=key,
        ins={"staged": dg.AssetIn(upstream)},
        description=f"{definition.description} The current state of every record at {target.name}; replaced "
        f"versions are in {entity}_history.{_purpose(flow)}",
        group_name=destination_group(key),
        kinds={target_type, "table"},
        owners=list(flow.owners),
        tags={"tenant": flow.source, "entity": entity, "stage": "delivered"},
        metadata=_delivery_metadata(target, upstream, entity),
        partitions_def=company_days(flow, connection.timezone),
        backfill_policy=ONE_RUN,
        retry_policy=RETRIES,
        freshness_policy=freshness,
        io_manager_key=destination_name(target_type, target.connection),
    )
    def deliver(staged: Staged) -> Shipment:
        return Shipment(flow=flow, target=target, staged=staged)

    return deliver


def application_asset(
    key: dg.AssetKey,
    flow: Flow,
    connection: CloudSuiteConnection,
    target: FlowDestination,
    application: Connection,
    entity: str,
    parents: Mapping[str, dg.AssetKey],
    freshness: dg.FreshnessPolicy | None,
) -> dg.AssetsDefinition:
    """One entity in an application. ``parents`` (entity → asset) are delivered before: their records are linked to."""
    definition = ENTITIES[entity]
    upstream = entity_key(flow.source, entity)
    mapped = mapping_of(application, target)(entity)
    place = mapped.placement

    @dg.asset(
        key=key,
        ins={"staged": dg.AssetIn(upstream)},
        deps=[
            *(parents[name] for name in _linked(mapped, parents)),
            *(entity_key(flow.source, one.source) for one in mapped.derived),
        ],
        description=f"{definition.description} Kept as {place.object} in {target.name}, record by record.{_purpose(flow)}",
        group_name=destination_group(key),
        kinds={application.type},
        owners=list(flow.owners),
        tags={"tenant": flow.source, "entity": entity, "stage": "delivered"},
        metadata=_application_metadata(mapped, application, flow.source),
        partitions_def=company_days(flow, connection.timezone),
        backfill_policy=ONE_RUN,
        retry_policy=RETRIES,
        freshness_policy=freshness,
        io_manager_key=destination_name(application.type, target.connection),
    )
    def deliver(staged: Staged) -> Shipment:
        return Shipment(flow=flow, target=target, staged=staged)

    return deliver


def _linked(mapped: Mapped, parents: Mapping[str, dg.AssetKey]) -> list[str]:
    """The parents that this entity's records link to, and that the flow delivers."""
    linked = {parent.reference.entity for parent in mapped.parents.values()}
    return sorted(linked & set(parents))


def _application_metadata(
    mapped: Mapped, application: Connection, tenant: str
) -> Mapping[str, Any]:
    """The fields as they are mapped, where each comes from, and a link to the object where its address is known."""
    lineage = {
        name: [
            dep
            for column in (rule.column, *rule.columns)
            if column
            for dep in _origins_of(mapped, tenant, column)
        ]
        for name, rule in mapped.rules.items()
    }
    for name, parent in mapped.parents.items():
        lineage[name] = [
            dep
            for column in parent.reference.columns
            for dep in _origins_of(mapped, tenant, column)
        ]
    place = mapped.placement
    metadata: dict[str, Any] = {
        "dagster/column_schema": dg.TableSchema(
            columns=[
                dg.TableColumn(name=one.name, type=one.kind.value, description=one.label)
                for one in place.shape.fields.values()
            ]
        ),
        "dagster/column_lineage": dg.TableColumnLineage(lineage),
        "object": place.object,
        "external_id": f"{place.key_field}: {mapped.key_prefix}tenant/company/key",
    }
    address = object_address(application, place.object)
    if address:
        metadata["link"] = dg.MetadataValue.url(address)
    return metadata


def _origins_of(mapped: Mapped, tenant: str, column: str) -> list[dg.TableColumnDep]:
    """The staged columns behind a column that a mapping names: a derived one has several."""
    upstream = entity_key(tenant, mapped.entity.name)
    for one in mapped.derived:
        if one.column.name == column:
            source = entity_key(tenant, one.source)
            return [
                dg.TableColumnDep(asset_key=upstream, column_name=one.base),
                dg.TableColumnDep(asset_key=source, column_name=one.base),
            ]
    return [dg.TableColumnDep(asset_key=upstream, column_name=column)]


def _purpose(flow: Flow) -> str:
    return f"\n\nFlow {flow.name}: {flow.description}" if flow.description else ""


def _delivery_metadata(
    target: FlowDestination, upstream: dg.AssetKey, entity: str
) -> Mapping[str, Any]:
    definition = ENTITIES[entity]
    per_company = "_<company>" if target.tables == "per_company" else ""
    return {
        "dagster/column_schema": column_schema(definition),
        "dagster/column_lineage": same_columns(definition, upstream),
        "dagster/relation_identifier": f"{target.connection}.{target.schema_name}.{entity}{per_company}",
        "write_mode": target.write_mode.value,
    }
