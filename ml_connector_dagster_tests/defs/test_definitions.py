"""The graph, the clocks and the jobs of a project, on every run; never opt-in."""

import subprocess
import sys
from textwrap import dedent

import dagster as dg
import pytest

from ml_connector_dagster.config.project import FlowDestination, Project
from ml_connector_dagster.config.settings import Settings
from ml_connector_dagster.defs.build import build_definitions
from ml_connector_dagster.defs.letters import OPEN_LETTERS


@pytest.fixture
def defs(project: Project, settings: Settings) -> dg.Definitions:
    return build_definitions(project, settings)


def described(defs: dg.Definitions) -> str:
    graph = defs.resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: tuple(key.path)):
        node = graph.get(key)
        parents = " ".join(sorted(parent.to_user_string() for parent in node.parent_keys))
        checks = " ".join(sorted(check.name for check in node.check_keys))
        line = f"{key.to_user_string()} [{' '.join(sorted(node.kinds))}]"
        lines.append(
            line + (f" <- {parents}" if parents else "") + (f" ? {checks}" if checks else "")
        )
    return "\n".join(lines) + "\n"


def test_the_asset_graph_runs_from_erp_table_to_warehouse_table(defs: dg.Definitions) -> None:
    assert described(defs) == dedent("""\
        acme/purchase_order_lines [infor m3 parquet] <- infor/acme/MPLINE
        acme/purchase_orders [infor m3 parquet] <- infor/acme/MPHEAD
        acme/suppliers [infor m3 parquet] <- infor/acme/CIDMAS infor/acme/CIDVEN
        acme/warehouse/marts/purchase_commitments [duckdb view] <- acme/warehouse/purchase_order_lines acme/warehouse/purchase_orders acme/warehouse/suppliers ? adds_up
        acme/warehouse/purchase_order_lines [duckdb table] <- acme/purchase_order_lines ? lines_have_headers no_dead_letters row_count unique_keys
        acme/warehouse/purchase_orders [duckdb table] <- acme/purchase_orders ? no_dead_letters row_count unique_keys
        acme/warehouse/reconciliation_purchasing [reconciliation] <- acme/warehouse/purchase_order_lines acme/warehouse/purchase_orders acme/warehouse/suppliers ? purchase_order_lines_agree purchase_orders_agree suppliers_agree
        acme/warehouse/suppliers [duckdb table] <- acme/suppliers ? no_dead_letters row_count unique_keys
        infor/acme/CIDMAS [infor m3]
        infor/acme/CIDVEN [infor m3]
        infor/acme/MPHEAD [infor m3]
        infor/acme/MPLINE [infor m3]
        operations/open_letters [table]
        """)


def test_every_asset_says_whose_it_is(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys() - {OPEN_LETTERS}:
        node = graph.get(key)
        is_proof = key.path[-1] == "reconciliation_purchasing"
        group = {4: "acme_warehouse_marts", 3: "acme_warehouse"}
        assert node.group_name == (
            "acme" if key.path[0] == "infor" else group.get(len(key.path), "acme")
        )
        assert node.tags["tenant"] == "acme"
        assert node.description
        if node.is_materializable:
            assert node.owners == ["team:finance"]
            if node.partitions_def is not None:
                assert node.backfill_policy == dg.BackfillPolicy.single_run()
            columns = {"dagster/column_schema", "dagster/column_lineage"}
            assert is_proof or columns <= node.metadata.keys()


def test_key_columns_are_marked(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    schema = graph.get(dg.AssetKey(["acme", "suppliers"])).metadata["dagster/column_schema"]
    columns = {column.name: column for column in schema.columns}
    assert columns["record_id"].constraints.unique
    assert not columns["supplier_id"].constraints.nullable
    assert columns["supplier_id"].constraints.other == ["part of the key"]
    assert columns["name"].constraints.nullable


def test_clocks_sensors_and_jobs(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    assert {one.name: one.cron_schedule for one in repository.schedule_defs} == {
        "purchasing_schedule": ["0 0,2,4,6,8,10,12,14,16,18,20,22 * * *"]
    }
    assert {one.name for one in repository.sensor_defs} == {
        "purchasing_changes",
        "purchasing_replay",
        "open_letters",
        "failed_runs",
    }
    named = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert named == {
        "plan_a_run",
        "replay",
        "dead_letter",
        "clean_up",
        "sweep_purchasing",
        "reconcile_purchasing",
    }


def test_no_named_job_holds_an_asset_of_two_dimensions(defs: dg.Definitions) -> None:
    """A backfill from such a job's page skips partitions and reports success (reference dagster §1.3)."""
    for job in defs.get_repository_def().get_all_jobs():
        assets = job.asset_layer.asset_graph.get_all_asset_keys() if job.asset_layer else ()
        two = [
            key
            for key in assets
            if isinstance(
                job.asset_layer.asset_graph.get(key).partitions_def, dg.MultiPartitionsDefinition
            )
            and key in job.asset_layer.executable_asset_keys
        ]
        policies = [job.asset_layer.asset_graph.get(key).backfill_policy for key in two]
        one_by_one = all(one is None or one.max_partitions_per_run == 1 for one in policies)
        assert one_by_one or job.name.startswith("__"), f"{job.name} would skip partitions of {two}"


def test_two_schemas_of_one_warehouse_are_two_assets(project: Project, settings: Settings) -> None:
    flow = project.flows["purchasing"]
    both = flow.model_copy(
        update={
            "entities": ("suppliers",),
            "destinations": (
                FlowDestination(connection="warehouse", schema_name="erp"),
                FlowDestination(connection="warehouse", schema_name="trial"),
            ),
        }
    )
    defs = build_definitions(project.model_copy(update={"flows": {"purchasing": both}}), settings)
    graph = defs.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.materializable_asset_keys - {OPEN_LETTERS}}
    assert keys == {
        "acme/suppliers",
        "acme/warehouse/erp/reconciliation_purchasing",
        "acme/warehouse/erp/suppliers",
        "acme/warehouse/trial/reconciliation_purchasing",
        "acme/warehouse/trial/suppliers",
    }


def test_two_flows_may_share_what_they_read(project: Project, settings: Settings) -> None:
    flow = project.flows["purchasing"]
    second = flow.model_copy(
        update={
            "name": "copy",
            "destinations": (FlowDestination(connection="warehouse", schema_name="copy"),),
        }
    )
    defs = build_definitions(
        project.model_copy(update={"flows": {**project.flows, "copy": second}}), settings
    )
    graph = defs.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.materializable_asset_keys - {OPEN_LETTERS}}
    # Each destination keeps the one mart that three entities allow, and is compared with the ERP.
    assert len(keys) == 3 * 3 + 2 + 2


def test_loading_imports_no_vendor_driver() -> None:
    code = dedent("""
        import sys
        import ml_connector_dagster.defs.build
        drivers = {
            "snowflake.connector", "databricks.sdk", "pyspark", "duckdb", "looker_sdk", "sqlglot",
            "monday_sdk", "simple_salesforce",
        }
        print(sorted(drivers & set(sys.modules)))
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
