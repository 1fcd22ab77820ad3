"""Marts as assets: a view beside the tables of one destination, defined anew at the end of each run.

They have no partitions: a view is of all companies and days. In a run over company by day they simply run last.
"""

from typing import Any, Final

import dagster as dg

from ml_connector_dagster.config.project import Flow, FlowDestination
from ml_connector_dagster.defs.failures import RETRIES, Problem, failure
from ml_connector_dagster.defs.metadata import PREVIEW_ROWS, plain_table, table
from ml_connector_dagster.defs.names import WORKSPACE, destination_group
from ml_connector_dagster.marts import Mart
from ml_connector_dagster.marts.lineage import kept_lineage
from ml_connector_dagster.sync.marts import MartRefresh, refresh_mart


ADDS_UP: Final = "adds_up"


def mart_asset(
    key: dg.AssetKey,
    mart: Mart,
    tables: dict[str, dg.AssetKey],
    flow: Flow,
    target: FlowDestination,
    target_type: str,
) -> dg.AssetsDefinition:
    """One mart at one destination. ``tables`` are the delivered entities it reads."""

    @dg.asset(
        key=key,
        deps=list(tables.values()),
        description=f"{mart.description} A view at {target.name}; one row per {', '.join(mart.grain)}.",
        group_name=destination_group(key),
        kinds={target_type, "view"},
        owners=list(flow.owners),
        tags={"tenant": flow.source, "mart": mart.name, "stage": "mart"},
        metadata={
            "dagster/column_schema": _column_schema(mart),
            "dagster/column_lineage": _column_lineage(mart, tables),
            "dagster/relation_identifier": f"{target.connection}.{target.schema_name}.{mart.name}",
            "query": dg.MetadataValue.md(f"```sql\n{mart.query.strip()}\n```"),
        },
        check_specs=[
            dg.AssetCheckSpec(
                ADDS_UP, asset=key, description=f"{mart.proves} Asked of the destination itself."
            )
        ],
        retry_policy=RETRIES,
        required_resource_keys={WORKSPACE},
    )
    # With a parameter, Dagster takes the annotation for that of several outputs.
    def refresh(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
        workspace = context.resources.workspace.current
        try:
            found = refresh_mart(workspace, flow, target, mart, preview_rows=PREVIEW_ROWS)
        except Exception as error:
            problem = Problem(subject=f"destination {target.name}", error=error)
            raise failure(f"{mart.label} was not refreshed", [problem]) from None
        return dg.MaterializeResult(metadata=_numbers(found), check_results=[_check(key, found)])

    return refresh


def _numbers(found: MartRefresh) -> dict[str, Any]:
    return {
        "dagster/row_count": found.rows,
        "as_of": table(
            ["company", "everything delivered until"],
            [[one.company, one.day.isoformat()] for one in found.dates],
        ),
        "preview": plain_table([column.name for column in found.mart.columns], found.preview),
    }


def _check(key: dg.AssetKey, found: MartRefresh) -> dg.AssetCheckResult:
    shown = found.doubts[:PREVIEW_ROWS]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=ADDS_UP,
        passed=not found.doubts,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "groups_that_differ": len(found.doubts),
            **({"differences": plain_table(list(shown[0]), shown)} if shown else {}),
        },
    )


def _column_schema(mart: Mart) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type.value,
                description=column.description,
            )
            for column in mart.columns
        ],
        constraints=dg.TableConstraints(other=[f"one row per {', '.join(mart.grain)}"]),
    )


def _column_lineage(mart: Mart, tables: dict[str, dg.AssetKey]) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column: [
                dg.TableColumnDep(asset_key=tables[entity], column_name=name)
                for entity, name in sources
            ]
            for column, sources in kept_lineage()[mart.name].items()
            if sources
        }
    )
