"""Every name that a person sees in the UI, or that two files must agree on.

Configured names are lower-case letters, digits and "_" (``config.values``), so they may be put together freely.
"""

from typing import Final

import dagster as dg

from ml_connector_dagster.config.project import Flow, FlowDestination, Project


#: Run tags. ``MODE_TAG`` is set by schedules and sensors; without it a run reads exactly its partitions.
MODE_TAG: Final = "ml_connector/mode"
TENANT_TAG: Final = "ml_connector/tenant"
COMPANY_TAG: Final = "ml_connector/company"
FLOW_TAG: Final = "ml_connector/flow"
REPLAY_TAG: Final = "ml_connector/replay"
SWEEP_TAG: Final = "ml_connector/sweep"
RECONCILE_TAG: Final = "ml_connector/reconcile"
DOCUMENTS_TAG: Final = "ml_connector/documents"

#: The job that tries again what failed, its op, and the tag's value when a person has launched it.
REPLAY_JOB: Final = "replay"
REPLAY_OP: Final = "try_again"
BY_HAND: Final = "by hand"

#: The job that removes what nobody needs any more, and its op.
CLEANING_JOB: Final = "clean_up"
CLEANING_OP: Final = "remove_old"

#: First part of the keys, and the group, of assets that are about the connector itself.
OPERATIONS: Final = "operations"

#: The job that shows and corrects one dead letter, and its op.
LETTER_JOB: Final = "dead_letter"
LETTER_OP: Final = "look_at"

#: Dagster's own: a run that covers a range of partitions carries both.
RANGE_START_TAG: Final = "dagster/asset_partition_range_start"
RANGE_END_TAG: Final = "dagster/asset_partition_range_end"
PARTITION_TAG: Final = "dagster/partition"

#: Resource key of the workspace that a run, a schedule or a sensor works in.
WORKSPACE: Final = "workspace"


def erp_key(tenant: str, table: str) -> dg.AssetKey:
    """The ERP's own table or program: where lineage begins."""
    return dg.AssetKey(["infor", tenant, table])


def entity_key(tenant: str, entity: str) -> dg.AssetKey:
    """An entity as it is staged."""
    return dg.AssetKey([tenant, entity])


def delivery_key(
    project: Project, tenant: str, target: FlowDestination, entity: str
) -> dg.AssetKey:
    """An entity at a destination."""
    return dg.AssetKey([*_place(project, tenant, target), entity])


def mart_key(project: Project, tenant: str, target: FlowDestination, mart: str) -> dg.AssetKey:
    """A mart at a destination."""
    return dg.AssetKey([*_place(project, tenant, target), "marts", mart])


def reconciliation_key(
    project: Project, tenant: str, target: FlowDestination, flow: str
) -> dg.AssetKey:
    """The comparison of what ``flow`` delivers to a destination with the ERP.

    The graph writes only the last part of a key on a node, so that part says what it is.
    """
    return dg.AssetKey([*_place(project, tenant, target), f"reconciliation_{flow}"])


def looker_key(flow: Flow, *what: str) -> dg.AssetKey:
    """Something that a flow publishes in Looker. Flows of one tenant may publish models of their own."""
    connection = "looker" if flow.looker is None else flow.looker.connection
    return dg.AssetKey([flow.source, connection, flow.name, *what])


def _place(project: Project, tenant: str, target: FlowDestination) -> list[str]:
    """The schema is part of it only where a tenant's rows go to several of one connection."""
    schemas = {
        one.schema_name
        for flow in project.flows.values()
        if flow.source == tenant
        for one in flow.destinations
        if one.connection == target.connection
    }
    return [tenant, target.connection, *([target.schema_name] if len(schemas) > 1 else [])]


def destination_group(key: dg.AssetKey) -> str:
    """The group of a delivery or mart: with each destination's in one of its own, the graph folds up.

    ``acme_snowflake`` for ``acme/snowflake/suppliers``, ``acme_snowflake_marts`` for its marts.
    """
    return "_".join(key.path[:-1])


def cloudsuite_name(tenant: str) -> str:
    """Resource key, and pool, of a tenant."""
    return f"cloudsuite_{tenant}"


def staging_name(tenant: str) -> str:
    """I/O manager key of a tenant's entity assets."""
    return f"staging_{tenant}"


def destination_name(connection_type: str, connection: str) -> str:
    """I/O manager key, and pool, of a destination."""
    return f"{connection_type}_{connection}"
